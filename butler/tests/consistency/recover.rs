//! Recovery.

use std::time::Duration;

use butler::datastore::RecoverOptions;
use butler::registry::{OpaqueFetch, Outcome};
use butler::{ErrorKind, RecoveryReport};
use serde_json::Value;

use crate::fixture::{RUN, Repository, at_once, put, stdout, value, write_half};

async fn outcomes(repository: &Repository) -> usize {
    let fetch = OpaqueFetch { table: "journal_outcome".into(), columns: Vec::new(), keys: None };
    repository.butler.registry().fetch_opaque(vec![fetch]).await.unwrap()[0].len()
}

#[tokio::test]
async fn a_sound_repository_is_left_as_it_is() {
    let repository = Repository::new().await;
    repository.put(1).await;
    let before = repository.artifacts();
    for _ in 0..2 {
        let report = repository.butler.recover(&at_once()).await.unwrap();
        assert_eq!(report.entries, []);
        assert_eq!(repository.artifacts(), before);
    }
    assert_eq!(outcomes(&repository).await, 0);
}

#[tokio::test]
async fn what_a_dead_writer_left_is_undone() {
    let repository = Repository::new().await;
    repository.put(1).await;
    let sound = repository.artifacts();
    drop(write_half(&repository.butler, 2).await);
    assert_eq!(repository.entries().len(), 1);
    assert!(repository.artifacts().len() > sound.len());

    // Whoever is alive is left alone.
    let hour = RecoverOptions::default();
    let report = repository.butler.recover(&hour).await.unwrap();
    assert_eq!(report, RecoveryReport { left: 1, ..RecoveryReport::default() });
    // A dry run changes nothing.
    let looked = repository.butler.recover(&RecoverOptions { dry_run: true, ..at_once() }).await.unwrap();
    assert_eq!(looked.entries[0].deleted.len(), 1);
    assert!(looked.dry_run);
    assert_eq!(repository.entries().len(), 1);
    assert!(repository.artifacts().len() > sound.len());

    let report = repository.other().await.recover(&at_once()).await.unwrap();
    assert_eq!(report.entries.len(), 1);
    assert_eq!(report.entries[0].outcome, Outcome::Aborted);
    assert_eq!(report.entries[0].deleted, looked.entries[0].deleted);
    assert!(report.entries[0].kept, "in case the writer was only slow");
    assert_eq!(repository.artifacts(), sound);
    // The next one looks again, and the one after it finds nothing.
    assert!(!repository.butler.recover(&at_once()).await.unwrap().entries[0].kept);
    assert_eq!(repository.entries(), Vec::<String>::new());
    assert_eq!(repository.butler.recover(&at_once()).await.unwrap().entries, []);
    assert_eq!(repository.artifacts(), sound);
    put(&repository.butler, "run", 1, 1).await.unwrap_err();
}

#[tokio::test]
async fn a_writer_that_was_only_asleep_learns_that_it_was_undone() {
    use butler::registry::{JournalOutcome, Operation};

    let repository = Repository::new().await;
    let transaction = write_half(&repository.butler, 2).await;
    for _ in 0..3 {
        repository.butler.recover(&at_once()).await.unwrap();
    }
    assert_eq!(repository.entries(), Vec::<String>::new());
    // However long it slept, its transaction fails.
    let claim = JournalOutcome { entry: transaction.entries()[0].clone(), outcome: Outcome::Committed };
    let error = repository.butler.apply_one(Operation::ClaimOutcome(claim)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Aborted);
    transaction.roll_back().await.unwrap();
    assert_eq!(repository.artifacts(), Vec::<String>::new());
}

#[tokio::test]
async fn several_recoveries_at_once_do_each_thing_once() {
    let repository = Repository::new().await;
    for detector in 0..20 {
        drop(write_half(&repository.butler, detector).await);
    }
    let butlers = [repository.other().await, repository.other().await, repository.other().await];
    let options = at_once();
    let reports = futures::future::join_all(butlers.iter().map(|butler| butler.recover(&options))).await;
    for report in reports {
        report.unwrap();
    }
    assert_eq!(repository.artifacts(), Vec::<String>::new());
    repository.butler.recover(&at_once()).await.unwrap();
    assert_eq!(repository.entries(), Vec::<String>::new());
}

#[tokio::test]
async fn a_butler_that_was_dropped_leaves_outcomes_that_are_swept_away() {
    let repository = Repository::new().await;
    let other = repository.other().await;
    put(&other, RUN, 1, 1).await.unwrap();
    drop(other);
    assert_eq!(outcomes(&repository).await, 1);
    let hour = RecoverOptions { lease: Duration::from_secs(3600), dry_run: false };
    assert_eq!(repository.butler.recover(&hour).await.unwrap().forgotten, 0);
    assert_eq!(repository.butler.recover(&at_once()).await.unwrap().forgotten, 1);
    assert_eq!(outcomes(&repository).await, 0);
    assert_eq!(
        value(
            &repository.butler,
            butler::Lookup::new("thing", butler::data_id! { instrument: "Cam", detector: 1 })
                .collections([RUN])
        )
        .await
        .unwrap(),
        1
    );
}

#[tokio::test]
async fn the_command_tells_what_it_did() {
    let repository = Repository::new().await;
    drop(write_half(&repository.butler, 2).await);
    let text = stdout(&repository.command(&["recover"]));
    assert!(text.starts_with("1 journal entry is left alone: younger than 3600s"), "{text}");
    let text = stdout(&repository.command(&["verify"]));
    assert!(text.starts_with("1 journal entry is open, of a writer at work or of a dead one"), "{text}");
    let text = stdout(&repository.command(&["recover", "--dry-run", "--older-than", "0s"]));
    assert!(text.contains("1 artifact to delete") && text.contains("1 journal entry would be"), "{text}");
    let text = stdout(&repository.command(&["recover", "--older-than", "0s", "--format", "json"]));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["dry_run"], false);
    assert_eq!(report["entries"][0]["outcome"], "aborted");
    assert_eq!(report["left"], 0);
    assert_eq!(report["entries"][0]["header"]["process"], std::process::id());
    assert_eq!(repository.artifacts(), Vec::<String>::new());
    stdout(&repository.command(&["recover", "--older-than", "0s"]));
    let text = stdout(&repository.command(&["recover"]));
    assert_eq!(text, "There is no journal entry: nobody has left anything.\n");
    assert_eq!(repository.command(&["recover", "--older-than", "soon"]).status.code(), Some(2));
}

/// Two recoveries with a short lease, and four writers, for as many seconds as `BUTLER_RECOVERY_SECONDS` says (3).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn live_writers_are_left_alone() {
    let seconds: u64 =
        std::env::var("BUTLER_RECOVERY_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let end = std::time::Instant::now() + Duration::from_secs(seconds);
    let repository = Repository::new().await;
    let mut writers = Vec::new();
    for writer in 0..4 {
        let butler = repository.other().await;
        writers.push(tokio::spawn(async move {
            let mut stored = Vec::new();
            for round in 0.. {
                if std::time::Instant::now() > end {
                    break;
                }
                let run = format!("run {writer} {}", round / 64);
                butler.register_collection(run.as_str(), butler::CollectionType::Run, None).await.unwrap();
                let dataset = put(&butler, &run, round % 64, round).await;
                stored.push((dataset.unwrap(), round));
                if round % 4 == 3 {
                    let (gone, _) = stored.remove(0);
                    let options = butler::PruneOptions { purge: true, ..Default::default() };
                    butler.prune(vec![gone], &options).await.unwrap();
                }
            }
            stored
        }));
    }
    let mut recoveries = Vec::new();
    for _ in 0..2 {
        let butler = repository.other().await;
        recoveries.push(tokio::spawn(async move {
            // Longer than any writer takes.
            let options = RecoverOptions { lease: Duration::from_secs(20), dry_run: false };
            let mut seen = 0;
            while std::time::Instant::now() < end {
                let report = butler.recover(&options).await.unwrap();
                assert_eq!(report.entries, []);
                seen += report.left;
            }
            seen
        }));
    }
    let mut seen = 0;
    for recovery in recoveries {
        seen += recovery.await.unwrap();
    }
    assert!(seen > 0, "the recoveries saw no writer at work");
    for writer in writers {
        let stored = writer.await.unwrap();
        assert!(!stored.is_empty());
        for (dataset, expected) in stored {
            assert_eq!(value(&repository.butler, dataset.id()).await.unwrap(), expected);
        }
    }
    let options = butler::VerifyOptions { checksum: true, orphans: true, ..Default::default() };
    assert!(repository.butler.verify(&options).await.unwrap().is_sound());
    assert_eq!(repository.entries(), Vec::<String>::new());
}

#[tokio::test]
async fn whoever_is_undone_in_part_is_told_about_recovery() {
    let repository = Repository::new().await;
    // Known and not stored: nothing is in the way of an artifact, and the registry refuses it.
    let known = repository.put(1).await;
    let unstore = butler::PruneOptions { unstore: true, ..butler::PruneOptions::default() };
    repository.butler.prune(vec![known], &unstore).await.unwrap();
    // An entry cannot go, because somebody has put something in its way.
    let journal = repository.path().join(".butler/journal");
    let watcher = std::thread::spawn(move || {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            for item in journal.read_dir().into_iter().flatten() {
                let path = item.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "jsonl") {
                    std::fs::remove_file(&path).unwrap();
                    std::fs::create_dir(&path).unwrap();
                    return path;
                }
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        unreachable!("nobody announced anything")
    });
    // Many, so that there is time.
    let puts = (2..250).chain([1]).map(|detector| {
        let data_id = butler::data_id! { instrument: "Cam", detector: detector };
        (butler::Draft::new("thing", data_id).run(RUN).into(), crate::fixture::object(detector))
    });
    let error = repository.butler.put_many(puts.collect()).await.unwrap_err();
    assert!(error.to_string().contains("`butler recover`"), "{error}");
    std::fs::remove_dir(watcher.join().unwrap()).unwrap();
    assert_eq!(repository.artifacts(), Vec::<String>::new());
}
