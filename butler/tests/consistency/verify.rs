//! Verification: each damage is found, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use butler::backend::{Backend, BackendExt, OnConflict, Relation, RowBatch, Scalar, TableRef, Value};
use butler::registry::{Operation, RegistryBatch};
use butler::{ChainEdit, CollectionType, DatasetRef, Draft, Timespan, VerifyOptions, VerifyReport, data_id};

use crate::crash::Kind;
use crate::fixture::{RUN, Repository, object, put, stdout, write_half};

/// A repository with something of everything.
struct Patient {
    repository: Repository,
    datasets: Vec<DatasetRef>,
    flat: DatasetRef,
}

impl Patient {
    async fn new() -> Self {
        Self::of(Kind::Files).await.unwrap()
    }

    async fn of(kind: Kind) -> Option<Self> {
        let repository = Repository::of(kind).await?;
        let butler = &repository.butler;
        let mut datasets = Vec::new();
        for detector in 0..6 {
            datasets.push(repository.put(detector).await);
        }
        let flat = Draft::new("flat", data_id! { instrument: "Cam", detector: 1 }).run(RUN);
        let flat = butler.put(object(1), flat).await.unwrap();
        let register = |name: &str, ty| Operation::RegisterCollection { name: name.into(), ty, doc: None };
        let batch = RegistryBatch::new()
            .with(register("tag", CollectionType::Tagged))
            .with(register("calib", CollectionType::Calibration))
            .with(register("inner", CollectionType::Chained))
            .with(register("outer", CollectionType::Chained))
            .with(Operation::EditChain {
                parent: "inner".into(),
                edit: ChainEdit::Redefine(vec![RUN.into()]),
            })
            .with(Operation::EditChain {
                parent: "outer".into(),
                edit: ChainEdit::Redefine(vec!["inner".into()]),
            })
            .with(Operation::Associate { collection: "tag".into(), datasets: datasets.clone() })
            .with(Operation::Certify {
                collection: "calib".into(),
                datasets: vec![flat.clone()],
                timespan: Timespan::UNBOUNDED,
            });
        butler.apply(batch).await.unwrap();
        Some(Self { repository, datasets, flat })
    }

    async fn file(&self, dataset: usize) -> PathBuf {
        self.repository.file(&self.datasets[dataset]).await
    }

    async fn tables(&self) -> Tables {
        Tables(self.repository.backend().await)
    }
}

/// The tables of a registry, behind its back.
struct Tables(Arc<dyn Backend>);

impl Tables {
    /// The table whose name begins with a text.
    async fn get(&self, prefix: &str) -> TableRef {
        let tables = self.0.tables().await.unwrap();
        tables.into_iter().find(|table| table.name.starts_with(prefix)).unwrap().into()
    }

    async fn delete(&self, prefix: &str, rows: impl FnOnce(Relation) -> Relation) {
        let table = self.get(prefix).await;
        let rows = rows(table.scan());
        let deleted = self.0.run(move |tx| tx.delete(&table, &rows)).await.unwrap();
        assert!(deleted > 0, "nothing was damaged in {prefix}");
    }

    async fn insert(&self, prefix: &str, row: Vec<Value>) {
        let table = self.get(prefix).await;
        let mut rows = RowBatch::new(table.columns.iter().map(|column| (column.name.clone(), column.ty)));
        rows.push_row(&row).unwrap();
        self.0.run(move |tx| tx.insert(&table, &rows, OnConflict::Fail)).await.unwrap();
    }
}

fn of(dataset: &DatasetRef) -> Scalar {
    Scalar::all([
        Scalar::column("origin").eq(Value::Int(dataset.id().origin())),
        Scalar::column("id").eq(Value::Int(dataset.id().id())),
    ])
}

fn flip(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[3] ^= 1;
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, bytes).unwrap();
}

fn thorough() -> VerifyOptions {
    VerifyOptions { checksum: true, orphans: true, ..VerifyOptions::default() }
}

/// Names of what was found.
fn found(report: &VerifyReport) -> BTreeSet<String> {
    let name = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = report.findings.iter().map(|finding| name(serde_json::to_value(finding.kind).unwrap()));
    let violations = report.violations.iter().map(|broken| name(serde_json::to_value(broken.rule).unwrap()));
    findings.chain(violations).collect()
}

/// Kinds of damage, what they are found as, and what of that can be repaired.
const DAMAGES: [(&str, &[&str], &[&str]); 16] = [
    ("deleted file", &["missing"], &[]),
    ("directory in place of a file", &["missing"], &[]),
    ("truncated file", &["size"], &[]),
    ("flipped byte", &["checksum"], &[]),
    ("stray file", &["orphan"], &[]),
    ("stray link", &["orphan"], &[]),
    ("deleted dataset", &["data_id_dataset", "location_dataset", "tag_dataset"], &["tag_dataset"]),
    ("deleted data ID", &["dataset_data_id"], &[]),
    ("deleted record", &["location_record", "orphan"], &[]),
    ("deleted location", &["record_location"], &["record_location"]),
    ("tag of nothing", &["tag_dataset"], &["tag_dataset"]),
    ("validity of nothing", &["validity_dataset"], &["validity_dataset"]),
    ("deleted summary", &["summary"], &["summary"]),
    ("deleted governor", &["governor"], &["governor"]),
    ("deleted detector", &["data_id_record"], &[]),
    ("chain in itself", &["chain_cycle"], &[]),
];

async fn damage(patient: &Patient, kind: &str) {
    let (file, tables) = (patient.file(0).await, patient.tables().await);
    let one = &patient.datasets[0];
    let nobody = || [Value::Int(1), Value::Int(4242)];
    match kind {
        "deleted file" => std::fs::remove_file(file).unwrap(),
        "directory in place of a file" => {
            std::fs::remove_file(&file).unwrap();
            std::fs::create_dir(file).unwrap();
        }
        "truncated file" => std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(3).unwrap(),
        "flipped byte" => flip(&file),
        "stray file" => std::fs::write(patient.repository.root().join("stray.json"), "{}").unwrap(),
        "stray link" => {
            std::os::unix::fs::symlink("/nowhere", patient.repository.root().join("stray")).unwrap();
        }
        "deleted dataset" => {
            let (origin, id) = (one.id().origin(), one.id().id());
            let rows = move |rows: Relation| {
                rows.filter(Scalar::all([
                    Scalar::column("origin").eq(Value::Int(origin)),
                    Scalar::column("id").eq(Value::Int(id)),
                ]))
            };
            // The table of all datasets, whose name is the beginning of others.
            let table: TableRef = tables
                .0
                .tables()
                .await
                .unwrap()
                .into_iter()
                .find(|table| table.name == "dataset")
                .unwrap()
                .into();
            let doomed = rows(table.scan());
            assert_eq!(tables.0.run(move |tx| tx.delete(&table, &doomed)).await.unwrap(), 1);
        }
        "deleted data ID" => tables.delete("dataset_thing", |rows| rows.filter(of(one))).await,
        "deleted record" => tables.delete("file_artifacts_", |rows| rows.filter(of(one))).await,
        "deleted location" => tables.delete("dataset_location", |rows| rows.filter(of(one))).await,
        "tag of nothing" => {
            let tag = tables.0.collect(tables.get("dataset_tag").await.scan()).await.unwrap()[0].row(0);
            let [origin, id] = nobody();
            let row = vec![tag[0].clone(), tag[1].clone(), Value::Bytes(vec![7; 16].into()), origin, id];
            tables.insert("dataset_tag", row).await;
        }
        "validity of nothing" => {
            let prefix = "calib_flat";
            let table = tables.get(prefix).await;
            let mut row = tables.0.collect(table.scan()).await.unwrap()[0].row(0);
            [row[2], row[3]] = nobody();
            row[table.position("detector").unwrap()] = Value::Int(2);
            tables.insert(prefix, row).await;
        }
        "deleted summary" => {
            let runs = Scalar::column("collection_id").eq(Value::Int(1));
            tables.delete("collection_summary", |rows| rows.filter(runs)).await;
        }
        "deleted governor" => {
            let runs = Scalar::column("collection_id").eq(Value::Int(1));
            tables.delete("collection_governor", |rows| rows.filter(runs)).await;
        }
        "deleted detector" => {
            let zero = Scalar::column("id").eq(Value::Int(0));
            let table = tables.get("dim_detector").await;
            let name = if table.position("id").is_some() { "id" } else { "detector" };
            let zero = if name == "id" { zero } else { Scalar::column("detector").eq(Value::Int(0)) };
            tables.delete("dim_detector", |rows| rows.filter(zero)).await;
        }
        "chain in itself" => {
            let chains = tables.0.collect(tables.get("collection_chain").await.scan()).await.unwrap();
            // The child of `outer` gets `outer` for a child.
            let rows: Vec<Vec<Value>> =
                chains.iter().flat_map(|batch| batch.rows().collect::<Vec<_>>()).collect();
            let outer = rows.iter().find(|row| rows.iter().any(|other| other[0] == row[2])).unwrap();
            tables.insert("collection_chain", vec![outer[2].clone(), Value::Int(9), outer[0].clone()]).await;
        }
        other => panic!("nobody knows how to make a {other}"),
    }
}

#[tokio::test]
async fn each_damage_is_found_and_nothing_else() {
    each_is_found(Kind::Files, |_| true).await;
}

#[tokio::test]
async fn each_damage_of_a_chain_is_found() {
    each_is_found(Kind::Chain, |_| true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_damage_over_postgres_and_s3_is_found() {
    // There are neither directories nor links in an object store.
    each_is_found(Kind::Objects, |kind| !kind.starts_with("directory") && !kind.ends_with("link")).await;
}

async fn each_is_found(place: Kind, possible: impl Fn(&str) -> bool) {
    for (kind, expected, repaired) in DAMAGES.into_iter().filter(|(kind, ..)| possible(kind)) {
        let Some(patient) = Patient::of(place).await else { return };
        let butler = &patient.repository.butler;
        let healthy = butler.verify(&thorough()).await.unwrap();
        assert_eq!(healthy, VerifyReport { datasets: 7, registry_checked: true, ..VerifyReport::default() });
        assert!(healthy.is_sound());

        damage(&patient, kind).await;
        let files = patient.repository.artifacts();
        let other = patient.repository.other().await;
        let report = other.verify(&thorough()).await.unwrap();
        let names =
            |list: &[&str]| -> BTreeSet<String> { list.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(found(&report), names(expected), "{kind}: {report:#?}");
        assert!(!report.is_sound());

        // What is repaired is not found again; nothing else is touched.
        let repair = VerifyOptions { repair: true, ..thorough() };
        let report = other.verify(&repair).await.unwrap();
        for violation in &report.violations {
            let name = serde_json::to_value(violation.rule).unwrap();
            let repairs = repaired.contains(&name.as_str().unwrap());
            assert_eq!(
                violation.repaired,
                if repairs { violation.count } else { 0 },
                "{kind}: {violation:?}"
            );
        }
        let left: BTreeSet<String> = names(expected).difference(&names(repaired)).cloned().collect();
        assert_eq!(found(&other.verify(&thorough()).await.unwrap()), left, "{kind}");
        assert_eq!(patient.repository.artifacts(), files, "{kind}");
    }
}

#[tokio::test]
async fn many_damages_at_once_are_told_apart() {
    let patient = Patient::new().await;
    std::fs::remove_file(patient.file(0).await).unwrap();
    std::fs::OpenOptions::new().write(true).open(patient.file(1).await).unwrap().set_len(1).unwrap();
    flip(&patient.file(2).await);
    let report = patient.repository.butler.verify(&thorough()).await.unwrap();
    let by_dataset: Vec<(&str, bool)> = (0..3)
        .map(|number| {
            let dataset = patient.datasets[number].to_string();
            let finding =
                report.findings.iter().find(|finding| finding.datasets == [dataset.clone()]).unwrap();
            (["missing", "size", "checksum"][number], found_as(finding, number))
        })
        .collect();
    assert!(by_dataset.iter().all(|(_, right)| *right), "{report:#?}");
    assert_eq!(report.findings.len(), 3);
    // Only what is asked for is looked at.
    let options = VerifyOptions { condition: "instrument = 'Cam' AND detector = 1".into(), ..thorough() };
    let report = patient.repository.butler.verify(&options).await.unwrap();
    assert_eq!((report.datasets, report.findings.len(), report.registry_checked), (2, 1, false));
    let options = VerifyOptions { types: "flat".into(), ..VerifyOptions::default() };
    let report = patient.repository.butler.verify(&options).await.unwrap();
    assert_eq!((report.datasets, report.findings.len()), (1, 0));
    let flat = patient.repository.file(&patient.flat).await;
    std::fs::remove_file(flat).unwrap();
    let options = VerifyOptions { collections: "tag".into(), ..VerifyOptions::default() };
    let report = patient.repository.butler.verify(&options).await.unwrap();
    assert_eq!((report.datasets, report.findings.len()), (6, 2));
}

fn found_as(finding: &butler::datastore::Finding, number: usize) -> bool {
    use butler::datastore::FindingKind::{Checksum, Missing, Size};
    finding.kind == [Missing, Size, Checksum][number]
}

#[tokio::test]
async fn what_is_under_way_is_no_damage() {
    let repository = Repository::new().await;
    repository.put(1).await;
    let transaction = write_half(&repository.butler, 2).await;
    let report = repository.butler.verify(&thorough()).await.unwrap();
    assert_eq!(report.findings, []);
    transaction.roll_back().await.unwrap();
    assert!(repository.butler.verify(&thorough()).await.unwrap().is_sound());

    // Writers and removers at work while it looks again and again.
    let other = repository.other().await;
    let worker = tokio::spawn(async move {
        for round in 0..15 {
            let dataset = put(&other, RUN, 10 + round, round).await.unwrap();
            let options = butler::PruneOptions { purge: true, ..butler::PruneOptions::default() };
            other.prune(vec![dataset], &options).await.unwrap();
        }
    });
    while !worker.is_finished() {
        let report = repository.butler.verify(&thorough()).await.unwrap();
        assert!(report.is_sound(), "{report:#?}");
    }
    worker.await.unwrap();
}

#[tokio::test]
async fn the_command_says_what_is_wrong_by_its_exit_status() {
    let patient = Patient::new().await;
    let repository = &patient.repository;
    let text = stdout(&repository.command(&["verify", "--checksum", "--orphans"]));
    assert_eq!(text, "7 datasets looked at; 0 artifacts and 0 rules not as they should be.\n");
    damage(&patient, "deleted file").await;
    damage(&patient, "tag of nothing").await;
    let output = repository.command(&["verify"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("missing: ") && text.contains("tag_dataset: 1 rows of dataset_tag"), "{text}");
    let output = repository.command(&["verify", "--format", "json", "--repair"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"][0]["kind"], "missing");
    assert_eq!(report["violations"][0]["repaired"], 1);
    let text = stdout(&repository.command(&["verify", "flat"]));
    assert!(text.starts_with("1 dataset looked at; 0 artifacts"), "{text}");
}
