//! What stands between a client and its PostgreSQL server, and cuts the connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use butler_testkit::postgres::TempPostgres;

/// When the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// What has this in it does not reach the server.
    Before(&'static str),
    /// The server deals with it, and the reply is lost.
    Reply(&'static str),
    /// As soon as the reply has come.
    After(&'static str),
}

#[derive(Debug, Default)]
struct Plan {
    /// What happens next; once.
    cut: Option<Cut>,
    /// What must have been said before.
    after: Option<&'static str>,
    /// How long nobody can connect after that.
    outage: Duration,
    refused_until: Option<Instant>,
}

/// A port that leads to a server.
pub(super) struct Proxy {
    port: u16,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    pub(super) fn new(server: &TempPostgres) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan: Arc<Mutex<Plan>> = Arc::default();
        let (socket, theirs) = (server.directory().join(".s.PGSQL.5432"), Arc::clone(&plan));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                accept(client.unwrap(), &socket, &theirs);
            }
        });
        Self { port, plan }
    }

    pub(super) fn url(&self, schema: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres?schema={schema}", self.port)
    }

    /// Cuts the connection once, when something has been said before, and lets nobody in for a while.
    pub(super) fn cut(&self, cut: Cut, after: Option<&'static str>, outage: Duration) {
        *self.plan.lock().unwrap() = Plan { cut: Some(cut), after, outage, refused_until: None };
    }

    /// Whether it was cut, and all can connect again.
    pub(super) fn heal(&self) -> bool {
        std::mem::take(&mut *self.plan.lock().unwrap()).cut.is_none()
    }
}

fn accept(client: TcpStream, socket: &PathBuf, plan: &Arc<Mutex<Plan>>) {
    if plan.lock().unwrap().refused_until.is_some_and(|until| Instant::now() < until) {
        return;
    }
    let Ok(server) = UnixStream::connect(socket) else { return };
    let (up, down) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (client, server));
    let replied: Arc<Mutex<bool>> = Arc::default();
    let (plan, theirs) = (Arc::clone(plan), Arc::clone(&replied));
    std::thread::spawn(move || answer(down.1, down.0, &theirs));
    std::thread::spawn(move || forward(up.0, up.1, &plan, &replied));
}

/// What the client says goes to the server, unless the connection is cut.
fn forward(mut client: TcpStream, mut server: UnixStream, plan: &Mutex<Plan>, replied: &Mutex<bool>) {
    let mut buffer = [0; 65536];
    loop {
        let length = match client.read(&mut buffer) {
            Ok(length @ 1..) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            _ => break,
        };
        let said = &buffer[..length];
        let Some(cut) = planned(plan, said) else {
            if server.write_all(said).is_err() {
                break;
            }
            continue;
        };
        *replied.lock().unwrap() = false;
        match cut {
            Cut::Before(_) => break,
            Cut::Reply(_) => {
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.write_all(said);
            }
            Cut::After(_) => {
                let _ = server.write_all(said);
            }
        }
        let begun = Instant::now();
        while !*replied.lock().unwrap() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(1));
        }
        break;
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn planned(plan: &Mutex<Plan>, said: &[u8]) -> Option<Cut> {
    let mut plan = plan.lock().unwrap();
    let cut = plan.cut?;
    let says = |word: &str| said.windows(word.len()).any(|part| part == word.as_bytes());
    if plan.after.is_some_and(says) {
        plan.after = None;
    }
    let (Cut::Before(word) | Cut::Reply(word) | Cut::After(word)) = cut;
    (plan.after.is_none() && says(word)).then(|| {
        plan.cut = None;
        plan.refused_until = Some(Instant::now() + plan.outage);
        cut
    })
}

/// What the server says goes to the client, if that is still there.
fn answer(mut server: UnixStream, mut client: TcpStream, replied: &Mutex<bool>) {
    let mut buffer = [0; 65536];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        let _ = client.write_all(&buffer[..length]);
        *replied.lock().unwrap() = true;
    }
    let _ = client.shutdown(Shutdown::Both);
}
