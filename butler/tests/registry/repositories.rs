//! Copies of repositories, repositories of others, and what is known of datasets in them.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use butler::{Butler, DatasetExistence, DatasetId, ErrorKind, IdGenerationMode, PruneOptions};

use crate::fixture::{command, draft, files, open, put, repository};

/// Somebody without rights.
const NOBODY: u32 = 65534;

async fn insert(butler: &Butler, run: &str) -> Vec<DatasetId> {
    butler.register_collection(run, butler::CollectionType::Run, None).await.unwrap();
    let drafts = [1, 2].map(|id| draft("thing", id).run(run));
    let datasets = butler.insert(drafts.into(), IdGenerationMode::Unique).await.unwrap();
    datasets.iter().map(butler::DatasetRef::id).collect()
}

#[tokio::test]
async fn a_copy_issues_no_id_of_its_original() {
    let (directory, butler) = repository("").await;
    let mut ids = insert(&butler, "before").await;
    butler.close().await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(directory.path()).arg(copy.path()).status().unwrap();
    assert!(copied.success());
    let path = copy.path().join(directory.path().file_name().unwrap());
    let other = butler::builder().writable(true).open(path.to_str().unwrap()).await.unwrap();
    let again = open(&directory).await;
    // The same name here and there, by one who goes on and by two who begin.
    for butler in [&butler, &other, &again] {
        ids.extend(insert(butler, "after").await);
        let observer = butler::WorkObserver::default();
        butler.remove_runs(vec!["after".into()], false, false, &observer).await.unwrap();
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((count, ids.len()), (8, 8));
}

fn set_mode(path: &Path, directories: u32, files: u32) {
    let mode = if path.is_dir() { directories } else { files };
    if path.is_dir() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        for item in std::fs::read_dir(path).unwrap() {
            set_mode(&item.unwrap().path(), directories, files);
        }
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_frozen_repository_of_somebody_else_answers() {
    let (directory, butler) = repository("").await;
    let stored = put(&butler, "thing", 1).await;
    butler.close().await.unwrap();
    drop(butler);
    let (done, told) = command(&directory, &["freeze"]);
    assert!(done, "{told}");
    let parent = tempfile::tempdir().unwrap();
    set_mode(parent.path(), 0o755, 0o644);
    let program = parent.path().join("butler");
    // Copied by somebody else, so that no process that another test starts has it open for writing.
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_butler")).arg(&program).status().unwrap().success());
    set_mode(directory.path(), 0o555, 0o444);
    let run = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(words[0]).arg(directory.path()).args(&words[1..]).env("NO_COLOR", "1").current_dir("/");
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&told).into_owned())
    };
    let (done, told) = run(&["query-datasets", "thing", "--collections", "run"]);
    assert!(done && told.contains(&stored.id().to_string()), "{told}");
    let (done, told) = run(&["get", "thing", "instrument=Cam", "detector=1", "--collections", "run"]);
    assert!(done && told.contains("value"), "{told}");
    let (done, told) = run(&["register-collection", "mine"]);
    assert!(!done && told.contains("cannot be written"), "{told}");
    set_mode(directory.path(), 0o755, 0o644);
}

#[tokio::test]
async fn existence_is_what_each_side_knows() {
    let (directory, butler) = repository("").await;
    let flags = async |butler: &Butler, dataset: &butler::DatasetRef| {
        let bare = dataset.with_records(None);
        [butler.exists(&bare, true).await.unwrap(), butler.exists(&bare, false).await.unwrap()]
    };
    let stored = put(&butler, "thing", 1).await;
    assert_eq!(flags(&butler, &stored).await, [DatasetExistence::VERIFIED, DatasetExistence::KNOWN]);
    assert!(flags(&butler, &stored).await.iter().all(|known| known.exists()));
    let file =
        directory.path().join(files(directory.path()).iter().find(|file| file.ends_with(".json")).unwrap());
    std::fs::rename(&file, file.with_extension("away")).unwrap();
    let recorded = DatasetExistence::RECORDED;
    let missing = [recorded | DatasetExistence::DATASTORE, DatasetExistence::KNOWN];
    assert_eq!(flags(&butler, &stored).await, missing);
    assert!(!missing[0].exists());
    std::fs::rename(file.with_extension("away"), &file).unwrap();
    let options = PruneOptions { unstore: true, ..PruneOptions::default() };
    butler.prune(vec![stored.clone()], &options).await.unwrap();
    let unstored = [recorded, recorded | DatasetExistence::ASSUMED];
    assert_eq!(flags(&butler, &stored).await, unstored);
    assert!(!unstored.iter().any(|known| known.exists()));
    let options = PruneOptions { purge: true, ..PruneOptions::default() };
    butler.prune(vec![stored.clone()], &options).await.unwrap();
    assert_eq!(flags(&butler, &stored).await, [DatasetExistence::UNRECOGNIZED, DatasetExistence::ASSUMED]);
    let error = butler.exists(butler::Lookup::new("nothing", butler::data_id! {}), true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingDatasetType);
}
