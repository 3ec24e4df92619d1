use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Condvar, Mutex, PoisonError};

use butler_core::Structured;
use butler_core::datastore::Datastore;

use super::super::StreamDatastoreFactory;
use super::super::tests::{build, write};
use super::*;

/// What a server was asked.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    events: Vec<Structured>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn names(&self) -> Vec<String> {
        self.events.iter().map(|event| event["dataset_type"].as_str().unwrap().to_owned()).collect()
    }
}

/// Status line and headers of the answer to a request, of which there were so many before.
type Answers = Box<dyn Fn(&Request, usize) -> String + Send + Sync>;

/// A web server in this process.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, answers) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::new(answers));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
                std::thread::spawn(move || drop(serve(stream, &seen, &answers)));
            }
        });
        Self { address, requests }
    }

    /// One that always gives the same answer.
    fn that_says(answer: &'static str) -> Self {
        Self::start(Box::new(move |_, _| answer.to_owned()))
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names of the dataset types that it was told of.
    fn names(&self) -> Vec<String> {
        self.requests().iter().flat_map(Request::names).collect()
    }

    /// Waits for something, for as long as a busy machine may take.
    fn until(&self, done: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        for _ in 0..6000 {
            let requests = self.requests();
            if done(&requests) {
                return requests;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not happen: {:?}", self.requests());
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Request>>, answers: &Answers) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut request = Request { method, path, headers, events: Vec::new() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if length > 0 {
            request.events = serde_json::from_slice(&body).unwrap();
        }
        let number = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(request.clone());
            seen.len() - 1
        };
        write!(out, "HTTP/1.1 {}\r\ncontent-length: 0\r\n\r\n", answers(&request, number))?;
    }
}

/// A stream to a server.
fn stream(server: &Server, settings: &str) -> Arc<dyn Datastore> {
    build(
        &StreamDatastoreFactory::default(),
        &format!("to = 'http://{}/hook'\nlinger = '60s'\n{settings}", server.address),
    )
    .unwrap()
}

#[tokio::test]
async fn events_come_in_order_and_all_before_the_end() {
    let server = Server::that_says("204 No Content");
    let datastore = stream(&server, "headers = { Authorization = 'Bearer x' }\nreject = ['no']");
    let names: Vec<String> = (0..2500).map(|n| format!("n{n}")).collect();
    for some in names.chunks(500) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        write(&datastore, &some).await.unwrap();
    }
    drop(datastore);
    assert_eq!(server.names(), names);
    let requests = server.requests();
    let mut keys: Vec<&str> =
        requests.iter().map(|request| request.header("idempotency-key").unwrap()).collect();
    keys.dedup();
    assert_eq!(keys.len(), requests.len());
    for request in &requests {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("authorization"), Some("Bearer x"));
        assert!(request.header("user-agent").unwrap().starts_with("data-butler/"));
        assert!(request.events.len() <= 1000);
    }
    let event = &requests[0].events[0];
    assert_eq!((&event["event"], &event["storage_class"]), (&"stored".into(), &"Number".into()));
    assert_eq!(event.get("missed"), None);
}

#[tokio::test]
async fn what_fails_for_a_time_is_sent_again() {
    for (answer, attempts) in [("503 Later", 4), ("429 Too Many\r\nretry-after: 0", 4), ("500 Oops", 4)] {
        let server =
            Server::start(Box::new(
                move |_, number| {
                    if number < 3 { answer.to_owned() } else { "200 OK".to_owned() }
                },
            ));
        let datastore = stream(&server, "");
        write(&datastore, &["a", "b"]).await.unwrap();
        let requests = server.until(|requests| requests.len() >= attempts);
        write(&datastore, &["c"]).await.unwrap();
        drop(datastore);
        let key = |request: &Request| request.header("idempotency-key").unwrap().to_owned();
        assert!(requests.iter().all(|request| key(request) == key(&requests[0])), "{requests:?}");
        assert!(requests.iter().all(|request| request.names() == ["a", "b"]));
        let requests = server.requests();
        assert_eq!((requests.len(), requests[4].names()), (5, vec!["c".to_owned()]));
        assert_ne!(key(&requests[4]), key(&requests[0]));
        assert_eq!(requests[4].events[0].get("missed"), None);
    }
}

#[tokio::test]
async fn what_is_refused_is_missed_and_that_is_told() {
    for (answer, settings) in [("400 No", ""), ("401 Who", ""), ("503 Never", "retries = 0")] {
        let server =
            Server::start(Box::new(
                move |_, number| {
                    if number < 2 { answer.to_owned() } else { "200 OK".to_owned() }
                },
            ));
        let datastore = stream(&server, settings);
        for (names, count) in [(&["a", "b"][..], 1), (&["c"], 2), (&["d", "e"], 3), (&["f"], 4)] {
            write(&datastore, names).await.unwrap();
            server.until(|requests| requests.len() >= count);
        }
        drop(datastore);
        let missed: Vec<Structured> =
            server.requests().iter().map(|request| request.events[0]["missed"].clone()).collect();
        // The second is lost as well, and had told of the first.
        assert_eq!(missed, [Structured::Null, 2.into(), 3.into(), Structured::Null], "{answer}");
    }
}

#[tokio::test]
async fn who_is_slow_holds_nobody_up() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let door = Arc::clone(&gate);
    let server = Server::start(Box::new(move |_, _| {
        let open = door.0.lock().unwrap();
        drop(door.1.wait_while(open, |open| !*open).unwrap());
        "200 OK".to_owned()
    }));
    let datastore = stream(&server, "capacity = 2000\nrequest_timeout = '600s'");
    // Nobody is answered, and everything is written nevertheless.
    for n in 0..50 {
        let names = [format!("a{n}"), format!("b{n}")];
        write(&datastore, &[&names[0], &names[1]]).await.unwrap();
    }
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    // There is room again once the first ones are taken.
    let mut extra = 0;
    while !server.names().iter().any(|name| name == "end") {
        write(&datastore, &["end"]).await.unwrap();
        extra += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(datastore);
    let events: Vec<Structured> = server.requests().into_iter().flat_map(|request| request.events).collect();
    let missed: u64 = events.iter().filter_map(|event| event["missed"].as_u64()).sum();
    let all = events.len() as u64 + missed;
    assert!(missed > 0 && (101..=100 + extra).contains(&all), "{} {missed} {extra}", events.len());
}

#[tokio::test]
async fn who_is_dead_holds_nobody_up() {
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let text = format!("to = ['http://{address}', 'http://no.such.host.invalid/']\nlinger = '50ms'");
    let datastore = build(&StreamDatastoreFactory::default(), &text).unwrap();
    for _ in 0..50 {
        write(&datastore, &["x", "y"]).await.unwrap();
    }
}

#[tokio::test]
async fn who_is_required_is_told_before_a_write_ends() {
    let server = Server::that_says("200 OK");
    let datastore = stream(&server, "required = true\ntimeout = '60s'\ncapacity = 1");
    for n in 1..=5 {
        write(&datastore, &["x", "y"]).await.unwrap();
        assert_eq!(server.names().len(), 2 * n);
    }
    let mut methods: Vec<String> = server.requests().into_iter().map(|request| request.method).collect();
    // What is written together may be told in one request, or in several.
    methods.dedup();
    assert_eq!(methods, ["HEAD", "POST"].repeat(5));
}

#[tokio::test]
async fn who_is_required_must_be_there() {
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let text = format!("to = 'http://{address}/hook'\nrequired = true\ntimeout = '100ms'");
    let datastore = build(&StreamDatastoreFactory::default(), &text).unwrap();
    let error = write(&datastore, &["x"]).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Connection, Retry::Temporary));
    assert!(error.to_string().contains(&format!("the webhook http://{address} ")), "{error}");

    let server = Server::that_says("503 Later");
    let failing = stream(&server, "required = true\ntimeout = '300ms'");
    let error = write(&failing, &["x"]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Connection && server.names().is_empty(), "{error}");
}

#[tokio::test]
async fn what_who_is_required_does_not_take_is_not_given_up() {
    // Others are refused for as long as something waits.
    let server = Server::start(Box::new(|request, number| match (request.method.as_str(), number) {
        ("POST", ..3) => "401 Who".to_owned(),
        _ => "200 OK".to_owned(),
    }));
    let datastore = stream(&server, "required = true\ntimeout = '200ms'");
    // On a busy machine it may not answer in time.
    for _ in 0..6000 {
        if write(&datastore, &["x"]).await.is_ok() {
            break;
        }
    }
    let requests =
        server.until(|requests| requests.iter().filter(|request| !request.events.is_empty()).count() >= 3);
    let told: Vec<Vec<String>> =
        requests.iter().map(Request::names).filter(|names| !names.is_empty()).collect();
    assert!(told.len() >= 3 && told.iter().all(|names| names == &["x"]), "{told:?}");
    drop(datastore);
    assert_eq!(
        server.requests().iter().rev().find(|request| !request.events.is_empty()).unwrap().names(),
        ["x"]
    );
}

#[tokio::test]
async fn redirections_lead_nowhere_else() {
    let other = Server::that_says("200 OK");
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let elsewhere = format!("{status}\r\nlocation: http://{}/stolen", other.address);
        let server = Server::start(Box::new(move |_, _| elsewhere.clone()));
        let datastore = stream(&server, "headers = { Authorization = 'secret' }");
        write(&datastore, &["x"]).await.unwrap();
        drop(datastore);
        assert_eq!(server.requests().len(), 1, "{status}");

        let server = Server::start(Box::new(move |request, _| match request.path.as_str() {
            "/hook" => format!("{status}\r\nlocation: /new"),
            _ => "200 OK".to_owned(),
        }));
        let datastore = stream(&server, "");
        write(&datastore, &["x"]).await.unwrap();
        drop(datastore);
        let paths: Vec<String> =
            server.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect();
        let keeps = status.starts_with("307") || status.starts_with("308");
        assert_eq!(
            paths,
            if keeps { vec!["POST /hook", "POST /new"] } else { vec!["POST /hook"] },
            "{status}"
        );
    }
    assert_eq!(other.requests().len(), 0);
}

/// Everything that anybody logs in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_are_never_told() {
    let log = Log::default();
    let writer = log.clone();
    let logging = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    logging.with_writer(move || writer.clone()).try_init().unwrap();
    let server = Server::start(Box::new(|request, number| match (number, request.path.contains("hush")) {
        (0, true) => "308 Permanent\r\nlocation: /hush-moved?key=hush".to_owned(),
        (1, _) => "503 Later".to_owned(),
        _ => "410 Gone".to_owned(),
    }));
    let dead = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let mut texts = Vec::new();
    for address in [server.address.clone(), dead.to_string(), "no.such.host.invalid".to_owned()] {
        let text = format!(
            "to = 'http://hush-user:hush-password@{address}/hush-path?key=hush-key'\nretries = 1\n\
             headers = {{ X-Key = 'hush-header' }}"
        );
        let datastore = build(&StreamDatastoreFactory::default(), &text).unwrap();
        write(&datastore, &["x"]).await.unwrap();
        texts.push(format!("{datastore:?}"));
        if address == server.address {
            server.until(|requests| requests.len() >= 3);
        }
        drop(datastore);
        let required = format!("{text}\nrequired = true\ntimeout = '10ms'");
        let datastore = build(&StreamDatastoreFactory::default(), &required).unwrap();
        texts.extend(
            write(&datastore, &["x"]).await.err().map(|error| format!("{error} {error:?} {error:#}")),
        );
    }
    for text in [
        "to = 'http://hush:hush@/hush'",
        "to = 'htp://hush:hush@h/hush'",
        "to = 'http://h'\nheaders = { 'bad name' = 'hush' }",
        "to = 'http://h'\nheaders = { good = \"hush\\u0001\" }",
    ] {
        let error = build(&StreamDatastoreFactory::default(), text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        texts.push(format!("{error} {error:?} {error:#}"));
    }
    let authorization = server.requests()[0].header("authorization").unwrap().to_owned();
    assert!(authorization.starts_with("Basic "));
    texts.push(String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned());
    let all = texts.join("\n");
    assert!(all.contains("events are lost") && all.contains("answers 410"), "{all}");
    assert!(!all.contains("hush") && !all.contains(&authorization[6..]), "{all}");
}
