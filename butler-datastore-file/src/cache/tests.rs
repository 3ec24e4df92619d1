use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use butler_core::{
    Config, DataId, DatasetType, DimensionUniverse, ErrorKind, Formatters, IdIssuer, StorageClasses,
};

use super::*;
use crate::location::Location;

fn record(component: &str, size: u64) -> FileRecord {
    FileRecord {
        component: component.into(),
        location: Location::of_record("r/a.bin").unwrap(),
        member: None,
        formatter: "bytes".into(),
        storage_class: "Bytes".into(),
        checksum: None,
        size: Some(size),
    }
}

fn cache(root: &Path, expiry: Expiry) -> Cache {
    Cache::new(Some(root.to_owned()), expiry, LookupTable::default())
}

/// Makes all files there older, so that what comes next is newer.
fn age(root: &Path, by: Duration) {
    for entry in fs::read_dir(root).unwrap() {
        let file = fs::File::options().append(true).open(entry.unwrap().path()).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - by).unwrap();
    }
}

/// Adds ten files of ten bytes, one after the other; tells which of them are left.
fn left(expiry: Expiry, components: &[&str]) -> Vec<usize> {
    let (directory, issuer) = (tempfile::tempdir().unwrap(), IdIssuer::new());
    let cache = cache(directory.path(), expiry);
    fs::write(directory.path().join("somebody's file"), "x").unwrap();
    let ids: Vec<DatasetId> = (0..10).map(|_| issuer.issue()).collect();
    for id in &ids {
        for component in components {
            cache.add(*id, &record(component, 10), &[7; 10]);
            age(directory.path(), Duration::from_secs(1));
        }
    }
    assert!(directory.path().join("somebody's file").exists());
    let is_there =
        |at: &usize| components.iter().all(|part| cache.find(ids[*at], &record(part, 10)).is_some());
    (0..10).filter(is_there).collect()
}

#[test]
fn what_is_old_goes_when_something_new_comes() {
    let last = |count: usize| (10 - count..10).collect::<Vec<_>>();
    assert_eq!(left(Expiry::Files(3), &[""]), last(4));
    assert_eq!(left(Expiry::Datasets(3), &[""]), last(4));
    assert_eq!(left(Expiry::Datasets(3), &["a", "b"]), last(3));
    assert_eq!(left(Expiry::Size(55), &[""]), last(6));
    assert_eq!(left(Expiry::Never, &[""]), last(10));
    assert_eq!(left(Expiry::Age(Duration::from_millis(3500)), &[""]), last(4));
    assert_eq!(left(Expiry::Age(Duration::from_secs(90_000)), &[""]), last(10));
}

/// The whole age counts, and not what is left of it after whole days.
#[test]
fn days_count() {
    let (directory, issuer) = (tempfile::tempdir().unwrap(), IdIssuer::new());
    let cache = cache(directory.path(), Expiry::Age(Duration::from_secs(60)));
    let [old, new] = [issuer.issue(), issuer.issue()];
    cache.add(old, &record("", 1), b"x");
    age(directory.path(), Duration::from_secs(2 * 86_400 + 1));
    cache.add(new, &record("", 1), b"y");
    assert!(cache.find(old, &record("", 1)).is_none() && cache.find(new, &record("", 1)).is_some());
}

#[test]
fn what_was_replaced_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let (cache, id) = (cache(directory.path(), Expiry::Never), IdIssuer::new().issue());
    cache.add(id, &record("", 3), b"old");
    for other in [
        FileRecord { checksum: Some("ab".into()), ..record("", 3) },
        FileRecord { location: Location::of_record("r/b.bin").unwrap(), ..record("", 3) },
        record("part", 3),
    ] {
        assert!(cache.find(id, &other).is_none(), "{other:?}");
    }
    // One that was cut short is as good as none.
    let path = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    fs::write(path, "ol").unwrap();
    assert!(cache.find(id, &record("", 3)).is_none());
    cache.forget(&[id]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn left_over_files_go() {
    let directory = tempfile::tempdir().unwrap();
    let (cache, issuer) = (cache(directory.path(), Expiry::Never), IdIssuer::new());
    fs::write(directory.path().join(".incoming-1-1-x"), "half").unwrap();
    cache.add(issuer.issue(), &record("", 1), b"x");
    assert!(directory.path().join(".incoming-1-1-x").exists(), "somebody may be writing it");
    age(directory.path(), Duration::from_secs(7200));
    cache.add(issuer.issue(), &record("", 1), b"x");
    assert!(!directory.path().join(".incoming-1-1-x").exists());
}

/// As several processes would: each has a handle of its own on one directory.
#[test]
fn what_is_read_is_whole_while_others_expire_it() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = IdIssuer::new();
    let ids: Vec<DatasetId> = (0..8).map(|_| issuer.issue()).collect();
    let (root, stop, found) = (directory.path(), AtomicBool::new(false), AtomicU64::new(0));
    let content = |at: usize| vec![at as u8; 50_000];
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (ids, stop, found) = (&ids, &stop, &found);
            scope.spawn(move || {
                let cache = cache(root, Expiry::Files(2));
                let mut at = thread;
                while !stop.load(Ordering::Relaxed) {
                    at = (at * 5 + 3 + thread) % ids.len();
                    match cache.find(ids[at], &record("", 50_000)) {
                        Some(mut source) => {
                            std::thread::yield_now();
                            assert_eq!(source.read_all().unwrap(), content(at));
                            assert_eq!(source.read_range(49_990, 100).unwrap().len(), 10);
                            found.fetch_add(1, Ordering::Relaxed);
                        }
                        None => cache.add(ids[at], &record("", 50_000), &content(at)),
                    }
                }
            });
        }
        let begun = SystemTime::now();
        while begun.elapsed().is_ok_and(|time| time < Duration::from_millis(400)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(found.into_inner() > 0);
}

fn settings(text: &str, environment: &[(&str, &str)]) -> Result<Option<(Option<PathBuf>, Expiry)>> {
    let mut config = Config::default();
    config.merge_text(text, "test").unwrap();
    let section = config.root_section();
    let find = |name: &str| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let cache = Cache::from_section(&section, DimensionUniverse::default(), find)?;
    section.finish()?;
    Ok(cache.map(|cache| (cache.root, cache.expiry)))
}

#[test]
fn configuration_and_environment_say_what_is_kept() {
    assert_eq!(settings("", &[]).unwrap(), None);
    let expiry = |text: &str| settings(text, &[]).unwrap().unwrap().1;
    assert_eq!(expiry("cache.root = '/c'"), Expiry::Datasets(4));
    assert_eq!(expiry("[cache]\nmode = 'files'\nthreshold = 7"), Expiry::Files(7));
    assert_eq!(expiry("[cache]\nmode = 'size'\nthreshold = 1000"), Expiry::Size(1000));
    assert_eq!(expiry("[cache]\nmode = 'age'\nthreshold = '12h'"), Expiry::Age(Duration::from_secs(43_200)));
    assert_eq!(expiry("[cache]\nmode = 'disabled'"), Expiry::Disabled);
    assert_eq!(expiry("[cache]\nmode = 'never'"), Expiry::Never);
    let with = |text: &str, environment: &[_]| settings(text, environment).unwrap().unwrap();
    let root =
        |text: &str, environment: &[_]| with(text, environment).0.map(|root| root.display().to_string());
    assert_eq!(root("cache.root = '/c'", &[("DAF_BUTLER_CACHE_DIRECTORY", "/e")]), Some("/e".into()));
    let unset = [("DAF_BUTLER_CACHE_DIRECTORY_IF_UNSET", "/u")];
    assert_eq!(root("cache.root = '/c'", &unset), Some("/c".into()));
    assert_eq!(root("cache.mode = 'never'", &unset), Some("/u".into()));
    assert_eq!(root("cache.mode = 'never'", &[]), None);
    let mode = |value| with("cache.root = '/c'", &[("DAF_BUTLER_CACHE_EXPIRATION_MODE", value)]).1;
    assert_eq!(mode("disabled"), Expiry::Disabled);
    assert_eq!(mode("datasets=9"), Expiry::Datasets(9));
    assert_eq!(mode("age=60"), Expiry::Age(Duration::from_secs(60)));
    assert_eq!(mode("nonsense"), Expiry::Datasets(4));
    for (text, environment) in [
        ("[cache]\nmode = 'files'", None),
        ("[cache]\nmode = 'age'", None),
        ("[cache]\nmode = 'weight'\nthreshold = 1", None),
        ("[cache]\nmode = 'disabled'\nthreshold = 1", None),
        ("[cache]\nthresold = 1", None),
        ("cache.root = '/c'", Some(("DAF_BUTLER_CACHE_EXPIRATION_MODE", "weight=1"))),
    ] {
        let environment: Vec<_> = environment.into_iter().collect();
        assert_eq!(settings(text, &environment).unwrap_err().kind(), ErrorKind::Configuration, "{text}");
    }
}

#[test]
fn a_genre_says_whether_its_artifacts_are_kept() {
    let mut config = Config::default();
    config.merge_text("[genres.bulky]\ncache = false\n[genres.plain]", "test").unwrap();
    let universe = DimensionUniverse::default();
    let (formatters, classes) = (Formatters::default(), StorageClasses::default());
    let section = config.section("genres").unwrap();
    let genres = Genres::from_section(&section, universe, &formatters, &classes).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let cache = cache(directory.path(), Expiry::Never).with_genres(&genres).unwrap();
    let keeps = |genre: Option<&str>| {
        let ty = DatasetType::new("x", universe.empty(), "Bytes").unwrap().with_genre(genre.map(Into::into));
        let data_id = DataId::empty(universe);
        cache.keeps(&DatasetRef::new(IdIssuer::new().issue(), ty, data_id, "r".into()).unwrap())
    };
    assert_eq!([None, Some("plain"), Some("bulky")].map(keeps), [true, true, false]);
}
