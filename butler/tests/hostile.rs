//! What comes from outside, and would leave the repository if it were let.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(all(feature = "registry-sqlite", feature = "datastore-fs"))]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use butler::datastore::TransferMode;
use butler::exchange::{ExportFile, ImportOptions, import};
use butler::registry::Operation;
use butler::{
    Butler, Creation, DatasetType, Draft, ErrorKind, IngestFile, IngestOptions, LooseDataId, Object,
    RetrieveOptions, Retriever, Structured,
};
use tempfile::TempDir;

async fn repository(directory: &TempDir, name: &str) -> Butler {
    let butler = butler::create(directory.path().join(name).to_str().unwrap()).await.unwrap();
    let dataset_type = DatasetType::new("note", butler.universe().empty(), "StructuredDataDict").unwrap();
    butler.register_dataset_type(&dataset_type).await.unwrap();
    butler
}

fn draft(run: &str) -> Draft {
    Draft::new("note", LooseDataId::default()).new_run(run)
}

fn object() -> Object {
    Object::new(serde_json::json!({"a": 1}))
}

/// Everything under a directory, sorted.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() && !path.is_symlink() {
                true => open.push(path),
                false => all.push(path),
            }
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_runs_lead_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let butler = repository(&directory, "repo").await;
    let root = directory.path().join("repo");
    for run in
        ["..", "../x", "a/../../x", "/etc", ".", "a\0b", ".butler/journal", "registry.sqlite3", "butler.toml"]
    {
        match butler.put(object(), draft(run)).await {
            Err(error) => assert!(!error.to_string().is_empty(), "{run}"),
            // What is taken stays below the root, and in nobody's way.
            Ok(stored) => {
                let uri = butler.uris(&stored).await.unwrap().primary.unwrap();
                assert!(
                    uri.starts_with(&format!("file://{}/", root.display())) && !uri.contains(".."),
                    "{uri}"
                );
                assert!(!uri.contains("/.butler/") && !uri.contains("/butler.toml"), "{uri}");
            }
        }
    }
    // What people or programs take for a way out is refused, though it is none here.
    for run in
        ["%2e%2e/x", "%252e%252e/x", "a%2F..%2Fb", "\u{2025}/x", "\u{ff0e}\u{ff0e}/x", "a\u{2215}..\u{2215}b"]
    {
        let error = butler.put(object(), draft(run)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Template, "{run}: {error}");
        assert!(error.to_string().contains("the path '"), "{error}");
    }
    for run in ["日本/x", "a…/100%", &"r".repeat(200)] {
        let stored = butler.put(object(), draft(run)).await.unwrap();
        assert_eq!(butler.get(&stored).await.unwrap().downcast_ref::<Structured>().unwrap()["a"], 1, "{run}");
    }
    let outside = walk(directory.path()).into_iter().filter(|path| !path.starts_with(&root));
    assert_eq!(outside.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_among_directories_are_not_followed_by_writes_and_removals() {
    let directory = tempfile::tempdir().unwrap();
    let butler = repository(&directory, "repo").await;
    let (root, outside) = (directory.path().join("repo"), directory.path().join("outside"));
    fs::create_dir_all(&outside).unwrap();
    symlink(&outside, root.join("run")).unwrap();
    let error = butler.put(object(), draft("run")).await.unwrap_err();
    assert!(error.to_string().contains("run"), "{error}");
    assert_eq!(walk(&outside), Vec::<PathBuf>::new());
    // A directory that becomes a link afterwards takes nothing of what it leads to with it.
    let stored = butler.put(object(), draft("other")).await.unwrap();
    fs::rename(root.join("other"), outside.join("other")).unwrap();
    symlink(outside.join("other"), root.join("other")).unwrap();
    let before = walk(&outside);
    let options = butler::PruneOptions { unstore: true, ..butler::PruneOptions::default() };
    let _ = butler.prune(vec![stored], &options).await;
    assert_eq!(walk(&outside), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_ingested_are_files() {
    let directory = tempfile::tempdir().unwrap();
    let butler = repository(&directory, "repo").await;
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    symlink(at("nowhere"), at("dangling.json")).unwrap();
    symlink(at("loop.json"), at("loop.json")).unwrap();
    fs::create_dir(at("directory.json")).unwrap();
    fs::write(at("sound.json"), "{}").unwrap();
    let ingest = async |path: &str, mode| {
        let files = vec![IngestFile::new(path, draft("run"))];
        butler.ingest(files, &IngestOptions { mode, ..IngestOptions::default() }).await
    };
    for (path, kind) in [
        (at("dangling.json"), ErrorKind::NotFound),
        (at("directory.json"), ErrorKind::Argument),
        ("/dev/zero".to_owned(), ErrorKind::Argument),
        ("a\0b".to_owned(), ErrorKind::Argument),
        (String::new(), ErrorKind::Argument),
        ("https://host/x.json".to_owned(), ErrorKind::Unsupported),
        ("file://elsewhere/x.json".to_owned(), ErrorKind::Argument),
        (format!("file://{}%00", at("sound.json")), ErrorKind::Argument),
    ] {
        let error = ingest(&path, TransferMode::Copy).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{path}: {error}");
    }
    assert!(ingest(&at("loop.json"), TransferMode::Copy).await.is_err());
    // In place only what lies under the root does, whatever the path looks like.
    for path in [at("sound.json"), at("repo/../sound.json"), at("repo/../repo/../sound.json")] {
        let error = ingest(&path, TransferMode::InPlace).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{path}: {error}");
    }
    symlink(directory.path(), directory.path().join("repo/up")).unwrap();
    let error = ingest(&at("repo/up/sound.json"), TransferMode::InPlace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
}

/// Paths of an export are where its maker says; what they become here follows from templates alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_do_not_say_where_files_come_to_lie() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("in")).unwrap();
    fs::write(directory.path().join("secret.yaml"), "a: 1").unwrap();
    let export = |path: &str, run: &str| {
        format!(
            "description: x\nversion: 1.0.2\nuniverse_version: 8\nuniverse_namespace: daf_butler\ndata:\n\
             - {{type: run, name: '{run}', host: null, timespan_begin: null, timespan_end: null}}\n\
             - {{type: dataset_type, name: note, dimensions: [], storage_class: StructuredDataDict, is_calibration: false}}\n\
             - type: dataset\n  dataset_type: note\n  run: '{run}'\n  records:\n  - dataset_id:\n    - !uuid \
             '840b31d9-05cd-5161-b2c8-00d32b280d0f'\n    data_id:\n    - {{}}\n    path: '{path}'\n    formatter: \
             lsst.daf.butler.formatters.yaml.YamlFormatter\n"
        )
    };
    let file = directory.path().join("in/export.yaml");
    let far = format!("../{}", "x/".repeat(3000));
    for (number, (path, run, transfer, kind)) in [
        ("../secret.yaml", "run", TransferMode::InPlace, Some(ErrorKind::Argument)),
        ("../secret.yaml", "../../escaped", TransferMode::Copy, None),
        ("../secret.yaml", "run", TransferMode::Copy, None),
        ("%2e%2e/secret.yaml", "run", TransferMode::Copy, Some(ErrorKind::NotFound)),
        ("\u{2025}/secret.yaml", "run", TransferMode::Copy, Some(ErrorKind::NotFound)),
        ("https://host/secret.yaml", "run", TransferMode::Copy, Some(ErrorKind::Unsupported)),
        (&far, "run", TransferMode::Copy, Some(ErrorKind::NotFound)),
        ("/dev/zero", "run", TransferMode::Copy, Some(ErrorKind::NotFound)),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("repo{number}");
        let butler = repository(&directory, &name).await;
        let before: Vec<_> = walk(directory.path())
            .into_iter()
            .filter(|path| !path.components().any(|part| part.as_os_str() == &*name))
            .collect();
        fs::write(&file, export(path, run)).unwrap();
        let options = ImportOptions { transfer, ..ImportOptions::default() };
        let imported = import(&butler, ExportFile::open(&file).unwrap(), options).await;
        match (imported, kind) {
            (Err(error), Some(kind)) => assert_eq!(error.kind(), kind, "{path}: {error}"),
            (Ok(_), Some(_)) => panic!("{path} was taken"),
            // It came in as a copy below the root, or not at all.
            (Ok(_) | Err(_), None) => {}
        }
        let after: Vec<_> = walk(directory.path())
            .into_iter()
            .filter(|path| !path.components().any(|part| part.as_os_str() == &*name))
            .collect();
        assert!(after.iter().all(|path| before.contains(path) || path == &file), "{path} {run}");
    }
}

/// Whoever retrieves artifacts gets them into the directory that was named, and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_retrieved_stays_in_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let butler = repository(&directory, "repo").await;
    let mut stored = Vec::new();
    stored.push(butler.put(object(), draft("a")).await.unwrap());
    // No template makes such paths, but what is taken over in place may have them.
    for (at, path) in ["%2e%2e/%2e%2e/b.json", "\u{2025}/c.json"].into_iter().enumerate() {
        let path = directory.path().join("repo").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "{}").unwrap();
        let files = vec![IngestFile::new(path.to_str().unwrap(), draft(&format!("place{at}")))];
        let options = IngestOptions { mode: TransferMode::InPlace, ..IngestOptions::default() };
        stored.extend(butler.ingest(files, &options).await.unwrap());
    }
    fs::write(directory.path().join("..sound.json"), "{}").unwrap();
    let path = directory.path().join("..sound.json").to_str().unwrap().to_owned();
    let files = vec![IngestFile::new(path, draft("direct"))];
    let options = IngestOptions { mode: TransferMode::Direct, ..IngestOptions::default() };
    stored.extend(butler.ingest(files, &options).await.unwrap());
    let target = directory.path().join("out/deep");
    let before = walk(directory.path());
    let mut retriever = Retriever::new(&butler, RetrieveOptions::new(&target)).unwrap();
    retriever.retrieve(&stored).await.unwrap();
    assert!(walk(directory.path()).iter().all(|path| path.starts_with(&target) || before.contains(path)));
    assert_eq!(walk(&target).len(), 4);
}

/// A dataset whose storage class this program does not know is stored, copied and read as bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_an_unknown_class_is_nobodys_hostage() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("repo");
    let maker = butler::builder()
        .set("storage_classes.Sky.in_memory", "text")
        .set("storage_classes.Sky.formatter", "text")
        .create(place.to_str().unwrap(), Creation::default())
        .await
        .unwrap();
    let sky = DatasetType::new("sky", maker.universe().empty(), "Sky").unwrap();
    maker.register_dataset_type(&sky).await.unwrap();
    let draft = |run: &str| Draft::new("sky", LooseDataId::default()).new_run(run);
    let stored = maker.put(Object::from("dark"), draft("a")).await.unwrap();
    maker.close().await.unwrap();
    // As another program does, which knows nothing of skies.
    let other = butler::builder().writable(true).open(place.to_str().unwrap()).await.unwrap();
    assert!(other.storage_classes().get("Sky").is_err());
    let read = other.get(&stored).await.unwrap();
    assert_eq!(read.downcast_ref::<bytes::Bytes>().unwrap(), &b"dark"[..]);
    let again = other.put(Object::from(b"darker".to_vec()), draft("b")).await.unwrap();
    assert_eq!(other.get(&again).await.unwrap().downcast_ref::<bytes::Bytes>().unwrap(), &b"darker"[..]);
    let mut retriever = Retriever::new(&other, RetrieveOptions::new(directory.path().join("out"))).unwrap();
    assert_eq!(retriever.retrieve(&[stored.clone(), again.clone()]).await.unwrap().len(), 2);
    let zip =
        butler::exchange::retrieve_zip(&other, vec![stored.clone(), again], directory.path(), false).await;
    let second = butler::create(directory.path().join("second").to_str().unwrap()).await.unwrap();
    second.apply_one(Operation::RegisterDatasetType(sky)).await.unwrap();
    let options = butler::exchange::IngestZipOptions { transfer: TransferMode::Copy, ..Default::default() };
    butler::exchange::ingest_zip(&second, &zip.unwrap(), &options).await.unwrap();
    assert_eq!(second.get(&stored).await.unwrap().downcast_ref::<bytes::Bytes>().unwrap(), &b"dark"[..]);
}
