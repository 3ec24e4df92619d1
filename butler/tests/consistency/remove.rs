//! Removal of datasets and collections.

use butler::registry::{Operation, RegistryBatch, Removal};
use butler::{
    ChainEdit, CollectionType, DatasetExistence, DatasetRef, Draft, ErrorKind, Lookup, PruneOptions,
    Timespan, WorkObserver, data_id,
};

use crate::fixture::{RUN, Repository, object, put, stdout, value};

fn purge() -> PruneOptions {
    PruneOptions { purge: true, ..PruneOptions::default() }
}

fn unstore() -> PruneOptions {
    PruneOptions { unstore: true, ..PruneOptions::default() }
}

async fn tag(repository: &Repository, datasets: Vec<DatasetRef>) {
    let batch = RegistryBatch::new()
        .with(Operation::RegisterCollection { name: "tag".into(), ty: CollectionType::Tagged, doc: None })
        .with(Operation::Associate { collection: "tag".into(), datasets });
    repository.butler.apply(batch).await.unwrap();
}

async fn known(repository: &Repository, dataset: &DatasetRef) -> bool {
    repository.butler.datasets(vec![dataset.id()]).await.unwrap()[0].is_some()
}

#[tokio::test]
async fn what_is_unstored_is_known_and_can_be_put_again() {
    let repository = Repository::new().await;
    let (one, two) = (repository.put(1).await, repository.put(2).await);
    let file = repository.file(&one).await;
    repository.butler.prune(vec![one.clone()], &unstore()).await.unwrap();
    assert!(!file.exists());
    assert!(known(&repository, &one).await);
    assert_eq!(repository.artifacts().len(), 1);
    assert_eq!(repository.entries(), Vec::<String>::new());
    let error = repository.butler.get(one.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Once more is no error.
    repository.butler.prune(vec![one.clone()], &unstore()).await.unwrap();
    repository.butler.put(object(7), &one).await.unwrap();
    assert_eq!(value(&repository.butler, one.id()).await.unwrap(), 7);
    assert_eq!(value(&repository.butler, two.id()).await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_purged_is_gone_altogether() {
    let repository = Repository::new().await;
    let mut datasets = Vec::new();
    for detector in 0..5 {
        datasets.push(repository.put(detector).await);
    }
    let plan = repository
        .butler
        .removal_plan(Removal::Datasets(datasets.iter().map(DatasetRef::id).collect()))
        .await
        .unwrap();
    let bytes: u64 = repository
        .artifacts()
        .iter()
        .map(|file| std::fs::metadata(repository.path().join(file)).unwrap().len())
        .sum();
    assert_eq!((plan.datasets["thing"], plan.stored, plan.bytes), (5, 5, Some(bytes)));
    let kept = datasets.pop().unwrap();
    repository.butler.prune(datasets.clone(), &purge()).await.unwrap();
    for dataset in &datasets {
        assert!(!known(&repository, dataset).await);
    }
    assert_eq!(repository.artifacts().len(), 1);
    assert_eq!(repository.butler.exists(kept, true).await.unwrap(), DatasetExistence::VERIFIED);
    // The place is free again.
    repository.put(0).await;
}

#[tokio::test]
async fn what_collections_refer_to_is_purged_only_if_that_is_allowed() {
    let repository = Repository::new().await;
    let one = repository.put(1).await;
    tag(&repository, vec![one.clone()]).await;
    let error = repository.butler.prune(vec![one.clone()], &purge()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OrphanedRecord);
    assert!(error.to_string().contains("tag (1)"), "{error}");
    assert!(known(&repository, &one).await);
    assert_eq!(repository.artifacts().len(), 1);
    repository.butler.prune(vec![one.clone()], &PruneOptions { referenced: true, ..purge() }).await.unwrap();
    assert!(!known(&repository, &one).await);

    let flat = Draft::new("flat", data_id! { instrument: "Cam", detector: 1 }).run(RUN);
    let flat = repository.butler.put(object(1), flat).await.unwrap();
    let batch = RegistryBatch::new()
        .with(Operation::RegisterCollection {
            name: "calib".into(),
            ty: CollectionType::Calibration,
            doc: None,
        })
        .with(Operation::Certify {
            collection: "calib".into(),
            datasets: vec![flat.clone()],
            timespan: Timespan::UNBOUNDED,
        });
    repository.butler.apply(batch).await.unwrap();
    let error = repository.butler.prune(vec![flat], &purge()).await.unwrap_err();
    assert!(error.to_string().contains("calib (1)"), "{error}");
}

#[tokio::test]
async fn datasets_are_taken_out_of_tagged_collections() {
    let repository = Repository::new().await;
    let (one, two) = (repository.put(1).await, repository.put(2).await);
    tag(&repository, vec![one.clone(), two]).await;
    let options = PruneOptions { disassociate: vec!["tag".into()], ..PruneOptions::default() };
    repository.butler.prune(vec![one.clone()], &options).await.unwrap();
    let left = repository.butler.query_datasets("*").collections(["tag"]).collect().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(value(&repository.butler, one.id()).await.unwrap(), 1);
    // Both at once.
    let options = PruneOptions { unstore: true, ..options };
    repository.butler.prune(left.clone(), &options).await.unwrap();
    assert!(known(&repository, &left[0]).await);
    assert_eq!(repository.artifacts().len(), 1);
    let options = PruneOptions { disassociate: vec![RUN.into()], ..PruneOptions::default() };
    let error = repository.butler.prune(vec![one.clone()], &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CollectionType);
}

#[tokio::test]
async fn contradictions_are_told_before_anything_happens() {
    let repository = Repository::new().await;
    let one = repository.put(1).await;
    let tagged = PruneOptions { disassociate: vec!["tag".into()], ..purge() };
    for options in [PruneOptions::default(), tagged] {
        let error = repository.butler.prune(vec![one.clone()], &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
    }
    assert!(known(&repository, &one).await);
    let reader = butler::open(repository.path().to_str().unwrap()).await.unwrap();
    assert_eq!(reader.prune(vec![one], &purge()).await.unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[tokio::test]
async fn runs_go_with_all_that_is_in_them() {
    let repository = Repository::new().await;
    let butler = &repository.butler;
    butler.register_collection("other", CollectionType::Run, None).await.unwrap();
    butler.register_collection("chain", CollectionType::Chained, None).await.unwrap();
    butler.edit_chain("chain", ChainEdit::Redefine(vec![RUN.into(), "other".into()])).await.unwrap();
    for detector in 0..10 {
        repository.put(detector).await;
    }
    let kept = put(butler, "other", 1, 11).await.unwrap();
    let nobody = WorkObserver::default();
    let error = butler.remove_runs(vec![RUN.into()], false, false, &nobody).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OrphanedRecord);
    let error = butler.remove_runs(vec!["chain".into()], true, true, &nobody).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CollectionType);
    assert_eq!(repository.artifacts().len(), 11);
    butler.remove_runs(vec![RUN.into()], true, false, &nobody).await.unwrap();
    assert_eq!(repository.artifacts().len(), 1);
    assert_eq!(butler.collection(RUN).await.unwrap_err().kind(), ErrorKind::MissingCollection);
    assert_eq!(*butler.collection("chain").await.unwrap().children, ["other"]);
    assert_eq!(value(butler, kept.id()).await.unwrap(), 11);

    let error = butler.remove_collections(vec!["other".into()], false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CollectionType);
    butler.remove_collections(vec!["chain".into()], false).await.unwrap();
    assert_eq!(
        value(
            butler,
            Lookup::new("thing", data_id! { instrument: "Cam", detector: 1 }).collections(["other"])
        )
        .await
        .unwrap(),
        11
    );
}

#[tokio::test]
async fn a_remover_that_dies_is_finished_or_undone_by_a_recovery() {
    use butler::registry::{JournalOutcome, Outcome};

    let repository = Repository::new().await;
    let (one, two) = (repository.put(1).await, repository.put(2).await);
    let butler = &repository.butler;
    // One dies before its transaction, another one after it.
    let stored = butler.with_records(vec![one.clone(), two.clone()]).await.unwrap();
    drop(butler.datastore().prepare_remove(vec![stored[0].clone()]).await.unwrap());
    let transaction = butler.datastore().prepare_remove(vec![stored[1].clone()]).await.unwrap();
    let tables: Vec<_> = butler.datastore().tables().into_iter().map(|table| table.spec.name).collect();
    let datastore = butler.datastore().name().clone();
    let entry = transaction.entries()[0].clone();
    let batch = RegistryBatch::new()
        .with(Operation::RemoveArtifacts { datastore, datasets: vec![two.id()], tables })
        .with(Operation::ClaimOutcome(JournalOutcome { entry, outcome: Outcome::Committed }));
    butler.apply(batch).await.unwrap();
    drop(transaction);
    assert_eq!(repository.artifacts().len(), 2);
    for _ in 0..2 {
        repository.other().await.recover(&crate::fixture::at_once()).await.unwrap();
    }
    assert_eq!(repository.artifacts().len(), 1);
    assert_eq!(repository.entries(), Vec::<String>::new());
    assert_eq!(value(butler, one.id()).await.unwrap(), 1);
}

#[tokio::test]
async fn the_commands_show_a_plan_and_ask() {
    let repository = Repository::new().await;
    for detector in 0..3 {
        repository.put(detector).await;
    }
    let one = repository.butler.query_datasets("thing").collections([RUN]).limit(1).collect().await.unwrap();
    tag(&repository, one).await;

    let text = stdout(&repository.command(&[
        "prune-datasets",
        RUN,
        "--where",
        "instrument='Cam' AND detector = 1",
        "--dry-run",
    ]));
    assert!(text.contains("The artifacts of 1 datasets will be deleted"), "{text}");
    assert_eq!(repository.artifacts().len(), 3);
    let refused =
        repository.command(&["prune-datasets", RUN, "--where", "instrument='Cam' AND detector = 1"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--no-confirm"));
    stdout(&repository.command(&[
        "prune-datasets",
        RUN,
        "--where",
        "instrument='Cam' AND detector = 1",
        "--no-confirm",
    ]));
    assert_eq!(repository.artifacts().len(), 2);

    for wrong in [
        &["prune-datasets"][..],
        &["prune-datasets", "r*", "--no-confirm"],
        &["prune-datasets", "--purge", RUN, "--disassociate", "tag"],
        &["prune-datasets", RUN, "--quiet", "--dry-run"],
    ] {
        assert_eq!(repository.command(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let refused = repository.command(&["prune-datasets", "--purge", RUN, "--no-confirm"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("tag (1)"));
    let refused = repository.command(&["prune-datasets", "--purge", "tag", "--no-confirm"]);
    assert_eq!(refused.status.code(), Some(1));
    let none = stdout(&repository.command(&[
        "prune-datasets",
        RUN,
        "--where",
        "instrument='Cam' AND detector = 60",
    ]));
    assert_eq!(none, "Did not find any datasets.\n");

    let text = stdout(&repository.command(&["remove-runs", RUN, "--dry-run"]));
    assert!(text.contains("datasets of type thing: 3") && text.contains("stored datasets: 2"), "{text}");
    assert!(text.contains("members of tagged collection tag: 1"), "{text}");
    assert_eq!(repository.command(&["remove-runs", RUN, "--no-confirm"]).status.code(), Some(1));
    let text = stdout(&repository.command(&["remove-runs", RUN, "--no-confirm", "--force"]));
    assert!(text.ends_with("The runs were removed.\n"), "{text}");
    assert_eq!(repository.artifacts(), Vec::<String>::new());
    stdout(&repository.command(&["remove-collections", "tag", "--no-confirm"]));
    assert_eq!(stdout(&repository.command(&["query-collections"])).lines().count(), 1);
}

#[tokio::test]
async fn dataset_types_go_with_a_plan() {
    let repository = Repository::new().await;
    let butler = &repository.butler;
    butler.register_collection("other", CollectionType::Run, None).await.unwrap();
    let mut things = Vec::new();
    for detector in 0..5 {
        things.push(repository.put(detector).await);
    }
    things.push(put(butler, "other", 1, 1).await.unwrap());
    let flat = Draft::new("flat", data_id! { instrument: "Cam", detector: 1 }).run(RUN);
    let flat = butler.put(object(1), flat).await.unwrap();
    butler.prune(vec![things[4].clone()], &unstore()).await.unwrap();
    tag(&repository, things[..2].to_vec()).await;

    let bytes: u64 = repository
        .artifacts()
        .iter()
        .filter(|file| file.contains("thing"))
        .map(|file| std::fs::metadata(repository.path().join(file)).unwrap().len())
        .sum();
    let plan = butler.removal_plan(Removal::DatasetTypes(vec!["thing".into()])).await.unwrap();
    assert_eq!((plan.datasets["thing"], plan.stored, plan.bytes, plan.tags["tag"]), (6, 5, Some(bytes), 2));

    let text = stdout(&repository.command(&["remove-dataset-type", "thing", "--dry-run"]));
    for part in
        ["dataset type thing", "datasets of type thing: 6", "stored datasets: 5, ", "collection tag: 2"]
    {
        assert!(text.contains(part), "{text}");
    }
    // There are datasets of it; then there is nobody to ask; then something refers to them.
    let refused = repository.command(&["remove-dataset-type", "thing", "--no-confirm"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("6 datasets"));
    assert_eq!(repository.command(&["remove-dataset-type", "thing", "--purge"]).status.code(), Some(2));
    let refused = repository.command(&["remove-dataset-type", "thing", "--purge", "--no-confirm"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("tag (2)"));
    assert_eq!(repository.artifacts().len(), 6);

    let text =
        stdout(&repository.command(&["remove-dataset-type", "thing", "--purge", "--force", "--no-confirm"]));
    assert!(text.ends_with("removed thing\n"), "{text}");
    assert_eq!(repository.artifacts().len(), 1);
    assert_eq!(value(butler, flat.id()).await.unwrap(), 1);
    let options = butler::VerifyOptions { checksum: true, orphans: true, ..Default::default() };
    assert!(repository.other().await.verify(&options).await.unwrap().is_sound());
    // What no dataset has goes no sooner, where there is nobody to ask.
    let group = butler.universe().conform(["instrument"]).unwrap();
    let unused = butler::DatasetType::new("unused", group, "StructuredDataDict").unwrap();
    butler.register_dataset_type(&unused).await.unwrap();
    let refused = repository.command(&["remove-dataset-type", "unused"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--no-confirm"));
    let text = stdout(&repository.command(&["remove-dataset-type", "unused", "--no-confirm"]));
    assert!(text.ends_with("removed unused\n"), "{text}");
}

/// Many datasets go in batches; `BUTLER_REMOVAL_DATASETS` sets their number (6,000).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_is_interrupted_goes_on_where_it_stopped() {
    const TRIXEL: i64 = 131_072;
    let number = std::env::var("BUTLER_REMOVAL_DATASETS").ok().and_then(|text| text.parse().ok());
    let number: i64 = number.unwrap_or(6_000);
    let repository = Repository::new().await;
    let butler = &repository.butler;
    let group = butler.universe().conform(["htm7"]).unwrap();
    let pixel = butler::DatasetType::new("pixel", group, "StructuredDataDict").unwrap();
    butler.register_dataset_type(&pixel).await.unwrap();
    let mut last = Vec::new();
    for begin in (0..number).step_by(10_000) {
        let drafts = (begin..number.min(begin + 10_000)).map(|n| {
            let run = format!("big {}", n / TRIXEL);
            Draft::new("pixel", data_id! { htm7: TRIXEL + n % TRIXEL }).new_run(run)
        });
        last = butler.insert(drafts.collect(), butler::IdGenerationMode::Unique).await.unwrap();
    }
    butler.put(object(1), &last[last.len() - 1]).await.unwrap();
    let runs: Vec<_> = (0..=(number - 1) / TRIXEL).map(|n| format!("big {n}").into()).collect();
    let left = async || butler.query_datasets("pixel").collections("big*").count().await.unwrap() as i64;

    let stop = WorkObserver::new(|progress| {
        assert!(progress.done > 0 && progress.total.is_some());
        Err(butler::Error::new(ErrorKind::Interrupted, "somebody wants it to end"))
    });
    let error = butler.remove_runs(runs.clone(), false, false, &stop).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    let between = left().await;
    assert!(0 < between && between < number, "{between} of {number} are left");
    butler.remove_runs(runs, false, false, &WorkObserver::default()).await.unwrap();
    assert_eq!(repository.artifacts(), Vec::<String>::new());
    assert_eq!(repository.entries(), Vec::<String>::new());
    assert_eq!(butler.collection("big 0").await.unwrap_err().kind(), ErrorKind::MissingCollection);
}
