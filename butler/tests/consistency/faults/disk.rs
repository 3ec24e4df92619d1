//! Disks are full, files may not grow, directories may not be written.
//!
//! A child process meets the failure; afterwards this one looks at what is there.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use butler::{Draft, ErrorKind, Object, Retry, data_id};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde_json::json;

use super::examine;
use crate::fixture::{RUN, Repository, open, value};

const PLACE: &str = "BUTLER_TEST_PLACE";

/// What a child was told: numbers of what it stored, and kinds of errors.
#[derive(Debug, Default)]
struct Told {
    stored: Vec<i64>,
    failed: Vec<(i64, String)>,
}

impl Told {
    fn read(place: &Path) -> Self {
        let mut told = Self::default();
        for line in std::fs::read_to_string(place).unwrap().lines() {
            let (number, what) = line.split_once(' ').unwrap();
            match what {
                "stored" => told.stored.push(number.parse().unwrap()),
                error => told.failed.push((number.parse().unwrap(), error.to_owned())),
            }
        }
        told
    }
}

/// Puts datasets, some of them large, and tells what became of that.
async fn work(place: PathBuf) {
    let mut told = std::fs::File::create(place.with_extension("told")).unwrap();
    let butler = match butler::builder().writable(true).open(place.to_str().unwrap()).await {
        Ok(butler) => butler,
        Err(error) => {
            writeln!(told, "-1 {:?} {:?} {}", error.kind(), error.retry(), error.message()).unwrap();
            return;
        }
    };
    for number in 0..120 {
        let size = if number % 10 == 3 { 3_000_000 } else { 20_000 };
        let content = Object::new(json!({ "value": number, "rest": "x".repeat(size) }));
        let puts = (0..4).map(|part| {
            let detector = if part == 0 { number } else { 120 + (number * 3 + part) % 130 };
            let run = if part == 0 { RUN.to_owned() } else { format!("others {number}") };
            let data_id = data_id! { instrument: "Cam", detector: detector };
            let content = if part == 0 { content.clone() } else { Object::new(json!({ "value": part })) };
            (Draft::new("thing", data_id).new_run(run).into(), content)
        });
        match butler.put_many(puts.collect()).await {
            Ok(_) => writeln!(told, "{number} stored").unwrap(),
            Err(error) => {
                let (kind, retry) = (error.kind(), error.retry());
                writeln!(told, "{number} {kind:?} {retry:?} {}", error.message()).unwrap();
            }
        }
    }
}

fn run(place: PathBuf) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work(place));
}

#[test]
#[ignore = "a child of other tests"]
fn works() {
    if let Some(place) = std::env::var_os(PLACE) {
        run(place.into());
    }
}

/// Whoever may do everything would be stopped by no directory.
#[test]
#[ignore = "a child of other tests"]
fn works_without_privileges() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).unwrap();
    run(place.into());
}

fn child(repository: &Path, test: &str) -> Vec<std::ffi::OsString> {
    let _ = std::fs::remove_file(repository.with_extension("told"));
    let test = format!("faults::disk::{test}");
    let program = std::env::current_exe().unwrap();
    [program.into_os_string(), "--exact".into(), test.into(), "--ignored".into()].into()
}

fn finish(mut command: Command, repository: &Path) -> Told {
    let output = command.env(PLACE, repository).env("RUST_BACKTRACE", "0").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Told::read(&repository.with_extension("told"))
}

/// What was acknowledged is there, and nothing else; whatever failed said that it is of no use to go on like that.
async fn check(repository: &Path, told: &Told, kinds: &[&str]) {
    let butler = open(repository).await;
    examine(&butler).await;
    let found = butler.query_datasets("thing").collections([RUN]).collect().await.unwrap();
    let mut there = Vec::new();
    for dataset in found {
        there.push(value(&butler, dataset.id()).await.unwrap());
    }
    there.sort_unstable();
    assert_eq!(there, told.stored);
    let all = butler.query_datasets("thing").collections("*").count().await.unwrap();
    assert_eq!(all, 4 * told.stored.len() as u64);
    assert!(!told.failed.is_empty(), "nothing has failed");
    for (number, error) in &told.failed {
        assert!(kinds.iter().any(|kind| error.starts_with(kind)), "{number}: {error}");
    }
}

/// A repository in a directory beside which a child can write.
async fn repository() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("repo");
    let butler = crate::fixture::create(&path).await;
    butler.close().await.unwrap();
    (directory, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_may_not_grow_loses_nothing() {
    let (_directory, repository) = repository().await;
    let arguments = child(&repository, "works");
    let mut command = Command::new(&arguments[0]);
    command.args(&arguments[1..]).env("BUTLER_FAILPOINT_PAGES", "12");
    let told = finish(command, &repository);
    assert!(told.stored.len() > 3, "{told:?}");
    let expected = format!("{:?} {:?}", ErrorKind::Exhausted, Retry::Permanent);
    check(&repository, &told, &[&expected]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_may_not_grow_lose_nothing() {
    let (_directory, repository) = repository().await;
    let arguments = child(&repository, "works");
    // Units of 512 bytes: more than the small artifacts, less than the large ones and, soon, the log of the database.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 3000; exec \"$@\"", "sh"]).args(&arguments);
    let told = finish(command, &repository);
    assert!(told.stored.len() > 3, "{told:?}");
    assert!(told.failed.iter().any(|(number, error)| number % 10 == 3 && error.starts_with("Exhausted")));
    // SQLite says no more than that it could not write.
    check(&repository, &told, &["Exhausted Permanent", "Connection Permanent"]).await;
}

/// Takes away, or gives back, the right to write in directories and files.
fn set_writable(path: &Path, writable: bool) {
    let is_directory = path.is_dir();
    if is_directory && writable {
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    if is_directory {
        for item in std::fs::read_dir(path).unwrap() {
            set_writable(&item.unwrap().path(), writable);
        }
    }
    let mode = match (is_directory, writable) {
        (true, true) => 0o755,
        (true, false) => 0o555,
        (false, true) => 0o644,
        (false, false) => 0o444,
    };
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_that_may_not_be_written_lose_nothing() {
    for part in ["", RUN, ".butler"] {
        let repository = Repository::new().await;
        repository.put(250).await;
        repository.butler.close().await.unwrap();
        let before = repository.artifacts();
        set_writable(&repository.path().join(part), false);
        // The child writes down what it was told beside the repository.
        let told_in = tempfile::TempDir::new().unwrap();
        let link = told_in.path().join("repo");
        std::os::unix::fs::symlink(repository.path(), &link).unwrap();
        let arguments = child(&link, "works_without_privileges");
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]);
        let told = finish(command, &link);
        set_writable(&repository.path().join(part), true);
        assert_eq!(told.stored, [0; 0], "{part:?}");
        let (_, error) = &told.failed[0];
        assert!(
            error.starts_with("Permission Permanent") || error.starts_with("ReadOnly Permanent"),
            "{part:?}: {error}"
        );
        examine(&open(repository.path()).await).await;
        assert_eq!(repository.artifacts(), before);
    }
}
