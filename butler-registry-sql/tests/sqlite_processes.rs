//! SQLite among processes: they take turns, and one that is killed does no harm.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use butler_core::backend::{
    Backend, BackendExt, ColumnType, OnConflict, RowBatch, Scalar, SchemaVersion, TableRef, TableSpec,
};
use butler_core::{ErrorKind, Result};
use butler_registry_sql::{Durability, SqliteBackend, SqliteConfig};
use futures::executor::block_on;

const PLACE: &str = "BUTLER_TEST_PLACE";
const NUMBER: &str = "BUTLER_TEST_NUMBER";

fn table() -> TableRef {
    TableSpec::new("t", "")
        .column("process", ColumnType::Int, "")
        .column("n", ColumnType::Int, "")
        .column("twin", ColumnType::Int, "0 or 1: both or none")
        .primary_key(["process", "n", "twin"])
        .into()
}

fn pair(process: i64, n: i64) -> RowBatch {
    let mut rows = RowBatch::new(table().columns.iter().map(|column| (column.name.clone(), column.ty)));
    for twin in 0..2 {
        rows.push_row(&[process.into(), n.into(), twin.into()]).expect("it fits");
    }
    rows
}

fn config(directory: &Path) -> SqliteConfig {
    SqliteConfig::file(directory.join("db.sqlite3")).durability(Durability::Fast)
}

fn made(directory: &Path) -> SqliteBackend {
    let backend = SqliteBackend::open(&config(directory).create(true)).unwrap();
    block_on(backend.run(|t| t.create(&table()))).unwrap();
    backend
}

/// Starts this program again, to run another of its tests.
fn start(test: &str, directory: &Path, number: i64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command.env(PLACE, directory).env(NUMBER, number.to_string());
    command.stdout(Stdio::null());
    command
}

/// What the program was started with; none if it was not started by another test.
fn started() -> Option<(PathBuf, i64)> {
    let place = std::env::var_os(PLACE)?;
    Some((place.into(), std::env::var(NUMBER).ok()?.parse().ok()?))
}

#[test]
#[ignore = "another test starts it"]
fn write_until_told() {
    let Some((directory, process)) = started() else { return };
    let end = Instant::now() + Duration::from_secs(2);
    let backend = SqliteBackend::open(&config(&directory)).unwrap();
    block_on(async {
        let mut n = 0;
        while Instant::now() < end {
            n += 1;
            backend.run(move |t| t.insert(&table(), &pair(process, n), OnConflict::Fail)).await.unwrap();
            // Some reading, also while others write.
            let own = Scalar::column("process").eq(process);
            let found = backend.collect(table().scan().filter(own).count()).await.unwrap();
            assert_eq!(found[0].columns()[0].int(0), Some(2 * n));
        }
    });
}

#[test]
#[ignore = "another test starts it"]
fn write_for_ever() {
    let Some((directory, process)) = started() else { return };
    let backend = SqliteBackend::open(&config(&directory)).unwrap();
    for n in 0.. {
        block_on(backend.run(move |t| t.insert(&table(), &pair(process, n), OnConflict::Fail))).unwrap();
    }
}

fn by_process(backend: &SqliteBackend) -> Vec<(i64, i64)> {
    let counts = table().scan().aggregate(
        ["process"],
        vec![butler_core::backend::AggregateColumn {
            name: "rows".into(),
            function: butler_core::backend::Aggregate::Count,
        }],
    );
    let batches = block_on(backend.collect(counts)).unwrap();
    let rows = batches.iter().flat_map(|batch| batch.rows());
    rows.map(|row| (row[0].as_int().unwrap(), row[1].as_int().unwrap())).collect()
}

#[test]
fn processes_take_turns() {
    let directory = tempfile::tempdir().unwrap();
    let backend = made(directory.path());
    let children: Vec<Child> =
        (0..4).map(|number| start("write_until_told", directory.path(), number).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let counts: Vec<i64> = by_process(&backend).into_iter().map(|(_, rows)| rows / 2).collect();
    assert_eq!(counts.len(), 4);
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least >= 20 && least * 4 >= *most, "{counts:?}");
}

#[test]
fn killed_processes_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let backend = made(directory.path());
    for number in 0..6 {
        let mut child = start("write_for_ever", directory.path(), number).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(150 + 37 * number.unsigned_abs()));
        child.kill().unwrap();
        child.wait().unwrap();
        // Nobody's turn is left over, and nothing is there by half.
        let began = Instant::now();
        block_on(backend.run(move |t| t.insert(&table(), &pair(100 + number, 0), OnConflict::Fail))).unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    let counts = by_process(&backend);
    assert!(counts.iter().all(|(_, rows)| rows % 2 == 0), "{counts:?}");
    assert!(counts.iter().filter(|(process, rows)| *process < 100 && *rows > 0).count() >= 3, "{counts:?}");
}

/// Who the tests of what one may not write are run as.
const NOBODY: u32 = 65534;

#[test]
#[ignore = "another test starts it"]
fn read_what_one_may_not_write() {
    let Some((directory, expected)) = started() else { return };
    let backend = SqliteBackend::open(&config(&directory)).unwrap();
    assert!(backend.capabilities().read_only);
    let count =
        || block_on(backend.collect(table().scan().count())).map(|found| found[0].columns()[0].int(0));
    assert_eq!(count().unwrap(), Some(expected));
    let refused: Result<()> = block_on(backend.run(|t| t.create(&table())));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(block_on(backend.migrate(SchemaVersion(1))).unwrap_err().kind(), ErrorKind::ReadOnly);
}

/// Starts a test as somebody who may not write: somebody else, if this is root.
fn start_unprivileged(directory: &Path, expected: i64) -> bool {
    use std::os::unix::process::CommandExt;
    let mut command = start("read_what_one_may_not_write", directory, expected);
    let program = directory.parent().unwrap().join("program");
    if rustix::process::geteuid().is_root() {
        // The other one may not look into the directory of builds. Copied by somebody else, so that no process
        // that another test is starting has the copy open for writing.
        assert!(
            Command::new("cp")
                .arg(std::env::current_exe().unwrap())
                .arg(&program)
                .status()
                .unwrap()
                .success()
        );
        let mut copy = Command::new(&program);
        copy.args(command.get_args())
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        copy.stdout(Stdio::null()).uid(NOBODY).gid(NOBODY);
        command = copy;
    }
    command.current_dir("/").status().unwrap().success()
}

#[test]
fn a_directory_that_one_may_not_write_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(parent.path(), 0o755);
    let directory = parent.path().join("repository");
    std::fs::create_dir(&directory).unwrap();
    let backend = made(&directory);
    block_on(backend.run(|t| t.insert(&table(), &pair(1, 1), OnConflict::Fail))).unwrap();
    let closed = |closed: bool| {
        open(&directory, if closed { 0o555 } else { 0o755 });
        for entry in std::fs::read_dir(&directory).unwrap() {
            open(&entry.unwrap().path(), if closed { 0o444 } else { 0o644 });
        }
    };
    // Frozen: no log, and none is wanted.
    block_on(backend.freeze()).unwrap();
    closed(true);
    assert!(start_unprivileged(&directory, 2));
    closed(false);
    // In use: the log is there, and so is what readers share.
    block_on(backend.run(|t| t.insert(&table(), &pair(1, 2), OnConflict::Fail))).unwrap();
    closed(true);
    assert!(start_unprivileged(&directory, 4));
    closed(false);
    // Left alone without being frozen: a log is wanted, but there is none.
    drop(backend);
    let log = directory.join("db.sqlite3-wal");
    let began = Instant::now();
    while log.exists() && began.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!log.exists());
    closed(true);
    assert!(start_unprivileged(&directory, 4));
    closed(false);
}
