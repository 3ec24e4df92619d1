use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};

use butler_core::datastore::JournalAction;
use tempfile::TempDir;

use super::*;
use crate::store::{Content, FileId, Made, Placed, Spot};

struct Fixture {
    directory: TempDir,
    store: LocalStore,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let store = LocalStore::new(&directory.path().join("root"), Some(2), false).unwrap();
    Fixture { directory, store }
}

fn spot(path: &str) -> Spot<'_> {
    Spot { entry: "e", index: 0, path }
}

fn write(session: &mut dyn Session, spot: Spot<'_>, bytes: &[u8]) -> Result<Placed> {
    let mut fill = |sink: &mut dyn Write| sink.write_all(bytes).map_err(crate::error::sink_error);
    session.place(spot, Content::Written(&mut fill), true)
}

impl Fixture {
    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn outside(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().canonicalize().unwrap().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// All files under the root.
    fn files(&self) -> Vec<String> {
        fn collect(directory: &Path, root: &Path, files: &mut Vec<String>) {
            for item in fs::read_dir(directory).into_iter().flatten() {
                let path = item.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    collect(&path, root, files);
                } else {
                    files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let mut files = Vec::new();
        collect(&self.root(), &self.root(), &mut files);
        files.sort_unstable();
        files
    }
}

#[test]
fn the_root_is_made_by_the_first_write() {
    let fixture = fixture();
    assert!(!fixture.store.exists("a").unwrap());
    assert_eq!(fixture.store.open("a").err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(fixture.store.entries().unwrap(), []);
    fixture.store.session().delete("a/b", true).unwrap();
    assert!(!fixture.root().exists());
    write(&mut *fixture.store.session(), spot("a"), b"x").unwrap();
    assert!(fixture.store.exists("a").unwrap());
}

#[test]
fn bytes_are_counted_hashed_and_kept() {
    let fixture = fixture();
    let mut session = fixture.store.session();
    for (index, size) in [0, 1, 4096, 256 * 1024 - 1, 256 * 1024, 3 << 20].into_iter().enumerate() {
        let bytes: Vec<u8> = (0..size).map(|i: u32| (i % 251) as u8).collect();
        let path = format!("d/{index}");
        let spot = Spot { entry: "e", index, path: &path };
        let mut fill = |sink: &mut dyn Write| {
            bytes.chunks(1000).try_for_each(|part| sink.write_all(part)).map_err(crate::error::sink_error)
        };
        let placed = session.place(spot, Content::Written(&mut fill), true).unwrap();
        session.settle(spot, false).unwrap();
        assert_eq!(placed.size, u64::from(size));
        assert_eq!(placed.checksum.as_deref(), Some(blake3::hash(&bytes).to_hex().as_str()));
        assert_eq!(fixture.store.open(&path).unwrap().read_all().unwrap(), bytes);
        let copy = format!("c/{index}");
        let spot = Spot { entry: "e", index, path: &copy };
        let again = session.place(spot, Content::Copied(&fixture.root().join(&path)), true).unwrap();
        session.settle(spot, false).unwrap();
        assert_eq!((again.size, again.checksum), (placed.size, placed.checksum));
        let unhashed =
            session.place(Spot { path: "u", ..spot }, Content::Copied(&fixture.root().join(&path)), false);
        assert_eq!(unhashed.unwrap().checksum, None);
        session.settle(Spot { path: "u", ..spot }, false).unwrap();
        session.delete("u", false).unwrap();
    }
    assert_eq!(fixture.files().len(), 12);
}

#[test]
fn what_is_there_is_never_replaced() {
    let fixture = fixture();
    for hard_links in [true, false] {
        fixture.store.hard_links.store(hard_links, Ordering::Relaxed);
        fs::create_dir_all(fixture.root()).unwrap();
        fs::write(fixture.root().join("a"), "foreign").unwrap();
        let source = fixture.outside("s", b"new");
        let id = FileId::of(&source.metadata().unwrap());
        let mut session = fixture.store.session();
        assert_eq!(write(&mut *session, spot("a"), b"x").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(session.made(spot("a"), None).unwrap(), Made::No);
        session.settle(spot("a"), false).unwrap();
        for content in [
            Content::Copied(&source),
            Content::Linked(&source, id),
            Content::Pointed(&source),
            Content::PointedRelatively(&source),
        ] {
            assert_eq!(
                session.place(spot("a"), content, false).unwrap_err().kind(),
                ErrorKind::AlreadyExists
            );
            session.settle(spot("a"), false).unwrap();
        }
        assert_eq!(fs::read_to_string(fixture.root().join("a")).unwrap(), "foreign");
        assert_eq!(fixture.files(), ["a"]);
    }
}

#[test]
fn files_are_renamed_where_there_are_no_hard_links() {
    let fixture = fixture();
    fixture.store.hard_links.store(false, Ordering::Relaxed);
    let mut session = fixture.store.session();
    write(&mut *session, spot("d/a"), b"x").unwrap();
    assert_eq!(fixture.files(), ["d/.~e.0.renamed", "d/a"]);
    // A recovery does not know yet that there are no hard links.
    fixture.store.hard_links.store(true, Ordering::Relaxed);
    assert_eq!(session.made(spot("d/a"), None).unwrap(), Made::Yes);
    assert_eq!(session.made(spot("d/b"), None).unwrap(), Made::No);
    session.settle(spot("d/a"), true).unwrap();
    assert_eq!(fixture.files(), ["d/a"]);
    assert_eq!(session.made(spot("d/a"), None).unwrap(), Made::No);
}

#[test]
fn a_link_that_was_made_before_its_reply_was_lost_is_a_success() {
    let fixture = fixture();
    let mut session = fixture.store.session();
    fs::create_dir_all(fixture.root()).unwrap();
    let source = fixture.outside("s", b"x");
    let id = FileId::of(&source.metadata().unwrap());
    fs::hard_link(&source, fixture.root().join("a")).unwrap();
    session.place(spot("a"), Content::Linked(&source, id), false).unwrap();
    // A file that had the name before it was looked at is somebody else's.
    let id = FileId::of(&source.metadata().unwrap());
    let error = session.place(spot("a"), Content::Linked(&source, id), false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[test]
fn links_among_directories_are_not_followed_by_what_writes_or_deletes() {
    let fixture = fixture();
    let precious = fixture.outside("elsewhere/precious", b"x");
    fs::create_dir_all(fixture.root().join("real")).unwrap();
    for target in [precious.parent().unwrap().to_owned(), fixture.root().join("real")] {
        let link = fixture.root().join("link");
        symlink(&target, &link).unwrap();
        let mut session = fixture.store.session();
        for path in ["link/new", "link/deep/new"] {
            let error = write(&mut *session, spot(path), b"x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
            assert!(error.to_string().contains("'link'"), "{error}");
        }
        assert!(session.delete("link/precious", true).is_err());
        assert!(session.settle(spot("link/precious"), false).is_err());
        assert!(session.remove_directories(vec!["link/deep".into()]).is_err());
        fs::remove_file(&link).unwrap();
    }
    assert!(precious.exists());
    symlink(precious.parent().unwrap(), fixture.root().join(".butler")).unwrap();
    let name = EntryName::random(JournalAction::Put);
    assert_eq!(fixture.store.write_entry(&name, b"x").unwrap_err().kind(), ErrorKind::Permission);
    for path in ["../elsewhere/precious", "real/../../elsewhere/precious", "./a/b"] {
        assert!(fixture.store.session().delete(path, false).is_err(), "{path}");
        assert!(write(&mut *fixture.store.session(), spot(path), b"y").is_err(), "{path}");
    }
    assert_eq!(fs::read(&precious).unwrap(), b"x");
    assert_eq!(fs::read_dir(precious.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn the_root_itself_may_be_a_link() {
    let fixture = fixture();
    fs::create_dir(fixture.directory.path().join("real")).unwrap();
    symlink(fixture.directory.path().join("real"), fixture.root()).unwrap();
    write(&mut *fixture.store.session(), spot("a/b"), b"x").unwrap();
    assert!(fixture.directory.path().join("real/a/b").exists());
}

#[test]
fn relative_links_lead_to_the_file() {
    let fixture = fixture();
    fs::create_dir(fixture.directory.path().join("real")).unwrap();
    symlink(fixture.directory.path().join("real"), fixture.root()).unwrap();
    let source = fixture.outside("s/f", b"x");
    let mut session = fixture.store.session();
    session.place(spot("a/b/c"), Content::PointedRelatively(&source), true).unwrap();
    let target = fs::read_link(fixture.root().join("a/b/c")).unwrap();
    assert_eq!(target, Path::new("../../../s/f"));
    assert_eq!(fs::read(fixture.root().join("a/b/c")).unwrap(), b"x");
    session.delete("a/b/c", false).unwrap();
    assert!(source.exists());
}

#[test]
fn a_linked_file_is_the_same_file() {
    let fixture = fixture();
    let source = fixture.outside("s", b"x");
    let id = FileId::of(&source.metadata().unwrap());
    let mut session = fixture.store.session();
    let placed = session.place(spot("d/a"), Content::Linked(&source, id), true).unwrap();
    assert_eq!((placed.size, placed.unsettled), (1, false));
    assert_eq!(fixture.root().join("d/a").metadata().unwrap().ino(), source.metadata().unwrap().ino());
    assert_eq!(session.made(spot("d/a"), Some(&source)).unwrap(), Made::Yes);
    assert_eq!(session.made(spot("d/a"), None).unwrap(), Made::No);
    // What has no other name is never taken for a link to its source.
    fs::remove_file(&source).unwrap();
    assert_eq!(session.made(spot("d/a"), Some(&fixture.root().join("d/a"))).unwrap(), Made::No);
}

#[test]
fn empty_directories_go_up_to_the_root() {
    let fixture = fixture();
    let mut session = fixture.store.session();
    for (index, path) in ["a/b/c/1", "a/b/2", "x/y/3", "4"].into_iter().enumerate() {
        write(&mut *session, Spot { entry: "e", index, path }, b"x").unwrap();
        session.settle(Spot { entry: "e", index, path }, false).unwrap();
    }
    assert_eq!(session.take_directories(), ["a", "a/b", "a/b/c", "x", "x/y"]);
    session.delete("a/b/c/1", true).unwrap();
    session.delete("x/y/3", true).unwrap();
    session.delete("4", true).unwrap();
    session.finish().unwrap();
    assert_eq!(fixture.files(), ["a/b/2"]);
    assert!(!fixture.root().join("a/b/c").exists() && !fixture.root().join("x").exists());
    session.delete("a/b/2", false).unwrap();
    session.remove_directories(vec!["a".into(), "a/b".into(), "gone".into(), "gone/too".into()]).unwrap();
    session.finish().unwrap();
    assert_eq!(fs::read_dir(fixture.root()).unwrap().count(), 0);
}

#[test]
fn writers_and_removers_of_one_directory_do_not_disturb_each_other() {
    let fixture = fixture();
    let work = |thread: usize| {
        for index in 0..300 {
            let path = format!("a/b/{thread}-{index}");
            let entry = format!("e{thread}");
            let spot = Spot { entry: &entry, index, path: &path };
            let mut session = fixture.store.session();
            write(&mut *session, spot, b"x").unwrap();
            session.settle(spot, false).unwrap();
            session.delete(&path, true).unwrap();
            session.finish().unwrap();
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || work(thread));
        }
    });
    assert_eq!(fixture.files(), [""; 0]);
}

#[test]
fn of_several_writers_of_a_path_one_wins() {
    let fixture = fixture();
    for round in 0..20 {
        let path = format!("d/{round}");
        let wins: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let (path, store) = (&path, &fixture.store);
                    scope.spawn(move || {
                        let entry = format!("{round}-{thread}");
                        let spot = Spot { entry: &entry, index: 0, path };
                        let mut session = store.session();
                        let won = match write(&mut *session, spot, entry.as_bytes()) {
                            Ok(_) => true,
                            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
                            Err(error) => panic!("{error:?}"),
                        };
                        assert_eq!(session.made(spot, None).unwrap() == Made::Yes, won);
                        session.settle(spot, false).unwrap();
                        usize::from(won)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(wins, 1);
    }
}

#[test]
fn entries_are_seen_as_a_whole_and_held_by_one() {
    let fixture = fixture();
    let store = &fixture.store;
    let name = EntryName::random(JournalAction::Remove);
    assert_eq!(store.read_entry(&name).unwrap(), None);
    assert!(store.hold_entry(&name).unwrap().is_none());
    assert_eq!(store.entry_age(&name).unwrap(), None);
    store.write_entry(&name, b"x").unwrap();
    let unfinished = fixture.root().join(".butler/journal/20260101T000000-0.put.jsonl.new");
    fs::write(&unfinished, "half").unwrap();
    assert_eq!(store.entries().unwrap(), std::slice::from_ref(&name));
    assert_eq!(store.read_entry(&name).unwrap().unwrap(), b"x");
    assert!(store.entry_age(&name).unwrap().is_some_and(|age| (0.0..60.0).contains(&age)));
    let hold = store.hold_entry(&name).unwrap();
    assert!(hold.is_some() && store.hold_entry(&name).unwrap().is_none());
    drop(hold);
    assert!(store.hold_entry(&name).unwrap().is_some());
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(1000);
    let path = fixture.root().join(".butler/journal").join(name.file());
    for path in [&path, &unfinished] {
        fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    assert!(store.entry_age(&name).unwrap().is_some_and(|age| age > 900.0));
    store.renew_entry(&name).unwrap();
    assert!(store.entry_age(&name).unwrap().is_some_and(|age| age < 60.0));
    store.sweep_journal(2000.0).unwrap();
    assert!(unfinished.exists());
    store.sweep_journal(900.0).unwrap();
    assert!(!unfinished.exists());
    store.delete_entry(&name).unwrap();
    store.delete_entry(&name).unwrap();
    assert_eq!(store.entries().unwrap(), []);
}

#[test]
fn the_file_of_an_entry_is_used_again() {
    let fixture = fixture();
    let store = LocalStore::new(&fixture.root(), Some(1), false).unwrap();
    let inode = |name: &EntryName| {
        fs::metadata(fixture.root().join(".butler/journal").join(name.file())).unwrap().ino()
    };
    let names: Vec<EntryName> = (0..4).map(|_| EntryName::random(JournalAction::Put)).collect();
    let write_one = |name: &EntryName, bytes: &[u8]| {
        store.write_entry(name, bytes).unwrap();
        assert_eq!(store.read_entry(name).unwrap().unwrap(), bytes);
        inode(name)
    };
    // Of few entries nothing is kept.
    for _ in 0..spare::MANY {
        write_one(&names[0], b"first");
        store.delete_entry(&names[0]).unwrap();
        assert_eq!(fixture.files(), [""; 0]);
    }
    let second = write_one(&names[1], b"a long one");
    store.delete_entry(&names[1]).unwrap();
    assert_eq!(store.entries().unwrap(), []);
    assert_eq!(store.read_entry(&names[1]).unwrap(), None);
    // What was longer leaves nothing behind it.
    assert_eq!(write_one(&names[2], b"short"), second);
    assert_eq!(store.entries().unwrap(), [names[2].clone()]);
    // What is swept away meanwhile is made anew.
    store.delete_entry(&names[2]).unwrap();
    store.sweep_journal(-1.0).unwrap();
    assert_eq!(fixture.files(), [""; 0]);
    write_one(&names[3], b"last");
    // Somebody else's entry is deleted, not kept.
    let other = EntryName::random(JournalAction::Put);
    fixture.store.write_entry(&other, b"x").unwrap();
    store.delete_entry(&other).unwrap();
    store.delete_entry(&names[3]).unwrap();
    assert_eq!(fixture.files().len(), 1);
    drop(store);
    assert_eq!(fixture.files(), [""; 0]);
}

#[test]
fn an_entry_whose_file_holds_another_one_is_gone() {
    let fixture = fixture();
    let store = &fixture.store;
    store.write_entry(&EntryName::random(JournalAction::Put), b"x").unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..2_000 {
                let name = EntryName::random(JournalAction::Put);
                let text = format!("{} {}", name.name, "x".repeat(number % 50));
                store.write_entry(&name, text.as_bytes()).unwrap();
                store.delete_entry(&name).unwrap();
            }
        });
        while !writer.is_finished() {
            for name in store.entries().unwrap() {
                let Some(bytes) = store.read_entry(&name).unwrap() else { continue };
                let text = String::from_utf8(bytes).unwrap();
                assert!(text == "x" || text.starts_with(&*name.name), "{name:?} holds {text}");
            }
        }
    });
}

#[test]
fn a_strict_store_does_the_same() {
    let fixture = fixture();
    let store = LocalStore::new(&fixture.root(), Some(1), true).unwrap();
    let mut session = store.session();
    write(&mut *session, spot("a/b"), b"x").unwrap();
    session.settle(spot("a/b"), false).unwrap();
    session.delete("a/b", true).unwrap();
    session.finish().unwrap();
    let name = EntryName::random(JournalAction::Put);
    store.write_entry(&name, b"x").unwrap();
    store.delete_entry(&name).unwrap();
    assert_eq!(fixture.files(), [""; 0]);
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let fixture = fixture();
    fs::create_dir_all(fixture.root().join("d")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fixture.root().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    for path in ["d", "pipe"] {
        assert_eq!(fixture.store.open(path).err().unwrap().kind(), ErrorKind::Argument);
        assert!(!fixture.store.exists(path).unwrap());
    }
    assert_eq!(fixture.store.open("pipe/x").err().unwrap().kind(), ErrorKind::NotFound);
}
