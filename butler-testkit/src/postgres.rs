//! A PostgreSQL server for the time of a test process, from the programs that are installed.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::require::require;

/// How long a server may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest path of a directory in which a socket has a name of at most 107 bytes.
const PATH_MAX: usize = 80;

/// Runs the server until standard input ends, which it does however the test process ends. Then
/// stops the server, without giving it time to tidy up, and removes everything. A line is the name of a
/// signal that ends the server, which is started again.
const WATCH: &str = r#"
trap '' INT TERM HUP
server=$1
directory=$2
shift
shift
start() {
  "$server" "$@" </dev/null >>"$directory/log" 2>&1 &
  pid=$!
}
start "$@"
while read -r signal; do
  kill "-$signal" "$pid"
  wait "$pid"
  start "$@"
done
kill -QUIT "$pid"
wait "$pid"
rm -rf "$directory"
"#;

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What is under way is rolled back.
    Fast,
    /// As in a crash.
    Immediate,
}

/// A PostgreSQL server that nobody else uses, and that does not outlive the process.
///
/// It listens on a socket in its own directory only, trusts everybody who can reach that, and
/// does not wait for disks. Its database `postgres` has the extension `btree_gist`, where that is installed. As root, it runs as an unprivileged user, because PostgreSQL refuses to run as root.
#[derive(Debug)]
pub struct TempPostgres {
    directory: PathBuf,
    /// The shell that watches over the server; its standard input is ours.
    watcher: Child,
    names: AtomicU64,
}

/// The server that all tests of a process share: started when it is first asked for.
///
/// None, with a message, if PostgreSQL is not installed; see [`require`].
///
/// # Panics
/// If PostgreSQL is installed but does not start, or is not installed but required.
#[expect(clippy::panic, reason = "a test without its server fails")]
pub fn shared() -> Option<&'static TempPostgres> {
    static SHARED: OnceLock<Result<Option<TempPostgres>, String>> = OnceLock::new();
    match SHARED.get_or_init(|| TempPostgres::start().map_err(|error| error.to_string())) {
        Ok(server) => require(
            "postgres",
            server.as_ref(),
            "PostgreSQL is not installed; `apt-get install postgresql`, or set PG_BIN to the directory of its programs",
        ),
        Err(error) => panic!("PostgreSQL does not start: {error}"),
    }
}

impl TempPostgres {
    /// Starts a server; none if PostgreSQL is not installed.
    ///
    /// Its programs are sought in the directories `PG_BIN`, those of `PATH`, and `/usr/lib/postgresql/*/bin`.
    ///
    /// # Errors
    /// If a program fails, with what it said.
    pub fn start() -> io::Result<Option<Self>> {
        let (Some(initdb), Some(server)) = (program("initdb"), program("postgres")) else {
            return Ok(None);
        };
        let owner = Owner::find()?;
        let directory = directory(&owner)?;
        let started = initialize(&initdb, &directory, &owner)
            .and_then(|()| extend(&server, &directory, &owner))
            .and_then(|()| watch(&server, &directory, &owner))
            .and_then(|watcher| {
                Self { directory: directory.clone(), watcher, names: AtomicU64::new(0) }.ready()
            });
        if started.is_err() {
            std::fs::remove_dir_all(&directory).ok();
        }
        started.map(Some)
    }

    /// Waits until it accepts connections.
    fn ready(self) -> io::Result<Self> {
        let begun = Instant::now();
        loop {
            let status =
                std::fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap_or_default();
            if status.lines().last().is_some_and(|line| line.trim() == "ready") {
                return Ok(self);
            }
            let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            if log.contains("FATAL") || begun.elapsed() > PATIENCE {
                return Err(io::Error::other(log));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it, and starts it again; returns when it accepts connections.
    ///
    /// # Errors
    /// If it does not start, with what it said.
    pub fn restart(&self, stop: Stop) -> io::Result<()> {
        let status = self.directory.join("data/postmaster.pid");
        let process = |text: &str| text.lines().next().map(str::to_owned);
        let before = process(&std::fs::read_to_string(&status)?);
        let signal = if stop == Stop::Fast { "INT" } else { "QUIT" };
        let mut input =
            self.watcher.stdin.as_ref().ok_or_else(|| io::Error::other("nobody watches over the server"))?;
        input.write_all(format!("{signal}\n").as_bytes())?;
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let is_ready = text.lines().last().is_some_and(|line| line.trim() == "ready");
            if is_ready && process(&text) != before {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(std::fs::read_to_string(self.directory.join("log"))?));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// URL of a database, as libpq reads it: `postgres` is always there.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let host = self.directory.to_string_lossy().replace('%', "%25").replace('/', "%2F");
        format!("postgresql://postgres@{host}/{database}")
    }

    /// A name that no test of this process has had, for a schema or a database.
    #[must_use]
    pub fn fresh_name(&self) -> String {
        format!("test_{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// The directory that the server is in, with its log and its socket.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for TempPostgres {
    fn drop(&mut self) {
        // Its standard input ends: it stops the server and removes the directory.
        drop(self.watcher.stdin.take());
        self.watcher.wait().ok();
    }
}

/// Finds a program of PostgreSQL, that of the greatest version last of all.
fn program(name: &str) -> Option<PathBuf> {
    let mut directories: Vec<PathBuf> = std::env::var_os("PG_BIN").map(PathBuf::from).into_iter().collect();
    directories.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().parse().unwrap_or(0), entry.path().join("bin")))
        .collect();
    versions.sort();
    directories.extend(versions.into_iter().rev().map(|(_, path)| path));
    directories.into_iter().map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// Who runs the server.
struct Owner {
    /// User and group, if it is not the one who runs the tests.
    other: Option<(u32, u32)>,
}

impl Owner {
    /// Somebody without privileges.
    fn find() -> io::Result<Self> {
        if id(&["-u"])? != Some(0) {
            return Ok(Self { other: None });
        }
        for name in ["postgres", "nobody"] {
            if let (Some(user), Some(group)) = (id(&["-u", name])?, id(&["-g", name])?) {
                return Ok(Self { other: Some((user, group)) });
            }
        }
        Err(io::Error::other(
            "the tests run as root, and there is no user 'postgres' or 'nobody' for PostgreSQL",
        ))
    }

    fn owns(&self, path: &Path) -> io::Result<()> {
        self.other.map_or(Ok(()), |(user, group)| chown(path, Some(user), Some(group)))
    }

    fn command(&self, program: impl Into<OsString>, directory: &Path) -> Command {
        let mut command = Command::new(program.into());
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
        command.current_dir(directory);
        command
    }
}

/// A number that the program `id` knows; none if there is no such user.
fn id(arguments: &[&str]) -> io::Result<Option<u32>> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok().filter(|_| output.status.success()))
}

/// A new directory for the server and its socket.
fn directory(owner: &Owner) -> io::Result<PathBuf> {
    let parent = Some(std::env::temp_dir()).filter(|path| path.as_os_str().len() <= PATH_MAX);
    let directory = tempfile::Builder::new()
        .prefix("butler-pg-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(parent.unwrap_or_else(|| "/tmp".into()))?
        .keep();
    owner.owns(&directory)?;
    Ok(directory)
}

fn initialize(initdb: &Path, directory: &Path, owner: &Owner) -> io::Result<()> {
    let output = owner
        .command(initdb, directory)
        .args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--no-locale"])
        .arg(format!("--pgdata={}", directory.join("data").display()))
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// Creates the extension that exclusion rules need, where it is installed. The server runs alone meanwhile.
fn extend(server: &Path, directory: &Path, owner: &Owner) -> io::Result<()> {
    let mut alone = owner
        .command(server, directory)
        .arg("--single")
        .arg("-D")
        .arg(directory.join("data"))
        .args(["-c", "fsync=off", "postgres"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = alone.stdin.take() {
        input.write_all(b"CREATE EXTENSION btree_gist SCHEMA public;\n")?;
    }
    alone.wait().map(drop)
}

fn watch(server: &Path, directory: &Path, owner: &Owner) -> io::Result<Child> {
    owner
        .command("/bin/sh", directory)
        .args(["-c", WATCH, "butler-testkit"])
        .args([server, directory])
        .arg("-D")
        .arg(directory.join("data"))
        .arg("-k")
        .arg(directory)
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off"])
        .args(["-c", "full_page_writes=off", "-c", "max_connections=300", "-c", "log_min_messages=error"])
        // Of its own, so that who interrupts the tests does not interrupt it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a process is there; one that nobody has waited for is not.
    fn is_running(pid: &str) -> bool {
        let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
        let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
        !state.is_empty() && !state.starts_with('Z')
    }

    fn pid_of(directory: &Path) -> String {
        let status = std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
        status.lines().next().unwrap().to_owned()
    }

    #[test]
    fn a_server_answers_and_leaves_nothing_behind() {
        let Some(server) = TempPostgres::start().unwrap() else { return };
        let (directory, pid) = (server.directory().to_owned(), pid_of(server.directory()));
        if let Some(psql) = program("psql") {
            let answer = Command::new(psql)
                .args([
                    &server.url("postgres"),
                    "-Atc",
                    "select current_setting('fsync'), 6 * 7, count(*) from pg_available_extensions \
                       where name = 'btree_gist' and installed_version is null",
                ])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "off|42|0", "{answer:?}");
        }
        assert_ne!(server.fresh_name(), server.fresh_name());
        assert!(is_running(&pid));
        for stop in [Stop::Fast, Stop::Immediate] {
            let before = pid_of(server.directory());
            server.restart(stop).unwrap();
            assert!(!is_running(&before) && is_running(&pid_of(server.directory())));
        }
        let pid = pid_of(server.directory());
        drop(server);
        assert!(!directory.exists());
        eventually("the server stops", || !is_running(&pid));
    }

    #[test]
    fn nothing_survives_a_killed_test_process() {
        if program("initdb").is_none() {
            return;
        }
        let mut runner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "postgres::tests::serve_until_killed", "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        let directory = lines
            .find_map(|line| line.unwrap().split_once("directory: ").map(|(_, path)| PathBuf::from(path)))
            .unwrap();
        let pid = pid_of(&directory);
        runner.kill().unwrap();
        runner.wait().unwrap();
        eventually("the directory goes", || !directory.exists());
        eventually("the server stops", || !is_running(&pid));
    }

    #[test]
    #[ignore = "it does not end: another test kills it"]
    #[expect(clippy::print_stdout, reason = "the other test reads it")]
    fn serve_until_killed() {
        let Some(server) = shared() else { return };
        println!("directory: {}", server.directory().display());
        thread::sleep(PATIENCE * 10);
    }
}
