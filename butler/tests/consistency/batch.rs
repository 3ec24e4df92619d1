//! Batches: everything or nothing.

use butler::datastore::TransferMode;
use butler::registry::{Operation, RegistryBatch};
use butler::{
    CollectionType, Draft, ErrorKind, IngestFile, IngestOptions, PruneOptions, VerifyOptions, data_id,
};

use crate::fixture::{RUN, Repository, object, value};

fn draft(run: &str, detector: i64) -> Draft {
    Draft::new("thing", data_id! { instrument: "Cam", detector: detector }).run(run)
}

fn purge() -> PruneOptions {
    PruneOptions { purge: true, ..PruneOptions::default() }
}

async fn is_sound(repository: &Repository) -> bool {
    let options = VerifyOptions { checksum: true, orphans: true, ..VerifyOptions::default() };
    repository.entries().is_empty() && repository.butler.verify(&options).await.unwrap().is_sound()
}

#[tokio::test]
async fn a_mixture_happens_together() {
    let repository = Repository::new().await;
    let butler = &repository.butler;
    let (old, gone, unstored) = (repository.put(1).await, repository.put(2).await, repository.put(3).await);
    let source = repository.path().join("source.json");
    std::fs::write(&source, r#"{"value": 40}"#).unwrap();

    let mut batch = butler.batch().unwrap();
    let register = |name: &str, ty| Operation::RegisterCollection { name: name.into(), ty, doc: None };
    batch.push(register("new run", CollectionType::Run));
    batch.push(register("best", CollectionType::Tagged));
    batch.prune(vec![old.clone(), gone.clone()], &purge()).await.unwrap();
    batch
        .prune(vec![unstored.clone()], &PruneOptions { unstore: true, ..PruneOptions::default() })
        .await
        .unwrap();
    let replacing = batch.put(object(10), draft(RUN, 1)).await.unwrap();
    let put = batch.put(object(20), draft("new run", 1)).await.unwrap();
    let again = batch.put(object(30), &unstored).await.unwrap();
    let options = IngestOptions { mode: TransferMode::Move, ..IngestOptions::default() };
    let file = IngestFile::new(source.to_str().unwrap(), draft("new run", 4));
    let ingested = batch.ingest(vec![file], &options).await.unwrap().remove(0);
    batch.push(Operation::Associate {
        collection: "best".into(),
        datasets: vec![replacing.clone(), ingested.clone()],
    });
    // Nothing has happened yet.
    assert_eq!(repository.artifacts().len(), 4);
    assert_eq!(repository.entries(), Vec::<String>::new());
    let report = batch.commit().await.unwrap();
    assert_eq!(report.operations[0].inserted, 1);

    for (dataset, expected) in [(&replacing, 10), (&put, 20), (&again, 30), (&ingested, 40)] {
        assert_eq!(value(butler, dataset.id()).await.unwrap(), expected);
    }
    assert_eq!(butler.datasets(vec![old.id(), gone.id()]).await.unwrap(), [None, None]);
    assert_eq!(butler.query_datasets("*").collections(["best"]).count().await.unwrap(), 2);
    assert!(!source.exists());
    assert_eq!(repository.artifacts().len(), 4);
    assert!(is_sound(&repository).await);
}

#[tokio::test]
async fn what_is_dropped_or_fails_leaves_no_trace() {
    let repository = Repository::new().await;
    let one = repository.put(1).await;
    let before = repository.artifacts();
    let fill = async || {
        let mut batch = repository.butler.batch().unwrap();
        batch.push(Operation::RegisterCollection { name: "new".into(), ty: CollectionType::Run, doc: None });
        batch.put(object(5), draft(RUN, 5)).await.unwrap();
        batch.prune(vec![one.clone()], &purge()).await.unwrap();
        batch
    };
    drop(fill().await);
    assert_eq!(repository.artifacts(), before);

    // The last thing of all fails.
    let mut batch = fill().await;
    let removal = butler::registry::Removal::Collections { names: vec!["nobody".into()], unlink: false };
    batch.push(Operation::Remove(removal));
    assert_eq!(batch.commit().await.unwrap_err().kind(), ErrorKind::MissingCollection);
    let mut batch = fill().await;
    batch.put(object(6), draft(RUN, 5)).await.unwrap();
    assert!(batch.commit().await.is_err());
    assert_eq!(repository.artifacts(), before);
    assert_eq!(value(&repository.butler, one.id()).await.unwrap(), 1);
    let error = repository.butler.collection("new").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingCollection);
    assert!(is_sound(&repository).await);
    repository.butler.apply(RegistryBatch::new()).await.unwrap();
    assert!(repository.butler.batch().unwrap().commit().await.unwrap().operations.is_empty());
}

#[tokio::test]
async fn a_commit_that_is_dropped_is_undone_by_a_recovery() {
    let repository = Repository::new().await;
    for delay in [0, 1, 2, 4, 8, 16] {
        let mut batch = repository.butler.batch().unwrap();
        for detector in 0..20 {
            batch.put(object(detector), draft(&format!("r{delay}"), detector)).await.unwrap();
        }
        let _ = tokio::time::timeout(std::time::Duration::from_millis(delay), batch.commit()).await;
    }
    // What was begun goes on in the background for a while.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    for _ in 0..2 {
        repository.other().await.recover(&crate::fixture::at_once()).await.unwrap();
    }
    assert!(is_sound(&repository).await);
    let count = repository.butler.query_datasets("*").collections("*").count().await.unwrap();
    assert_eq!(count % 20, 0);
    assert_eq!(repository.artifacts().len() as u64, count);
}
