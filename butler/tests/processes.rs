//! Several processes on one repository, and processes that are killed in the middle of a batch.
//!
//! `BUTLER_TEST_SECONDS` (2) is how long eight processes work, `BUTLER_TEST_KILLS` (3) how many are killed.
#![cfg(all(feature = "registry-sqlite", feature = "registry-postgres", feature = "datastore-fs"))]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use butler::registry::{DatasetInsert, InsertMode, Operation, RecordConflict, RecordSet, RegistryBatch};
use butler::{
    Butler, CollectionType, Creation, DataId, DatasetType, DimensionRecord, FieldValue, IdGenerationMode, IdIssuer,
    LooseDataId, Lookup, NewDataset, data_id,
};
use butler_testkit::postgres;

const WORKERS: i64 = 8;
/// Datasets that a worker inserts at once.
const DATASETS: i64 = 50;
/// Rows of the batch in whose middle processes are killed.
const ROWS: i64 = 100_000;
/// Index of the first trixel of level 7.
const TRIXEL: i64 = 131_072;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// This program again, running one of its tests as a child.
fn child(test: &str, repository: &str, worker: i64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command.env("BUTLER_TEST_CHILD", repository).env("BUTLER_TEST_WORKER", worker.to_string());
    command.stdout(Stdio::piped());
    command
}

/// The repository and the number of a child.
fn task() -> Option<(String, i64)> {
    let repository = std::env::var("BUTLER_TEST_CHILD").ok()?;
    Some((repository, std::env::var("BUTLER_TEST_WORKER").ok()?.parse().ok()?))
}

async fn create(repository: &str, registry: Option<String>) -> Butler {
    let creation = Creation { registry, ..Creation::default() };
    let butler = butler::builder().create(repository, creation).await.unwrap();
    let universe = butler.universe();
    let (instrument, detector) = (universe.element("instrument").unwrap(), universe.element("detector").unwrap());
    let one = DimensionRecord::new(instrument, [("name", "Cam")]).unwrap();
    let many = (0..WORKERS * DATASETS).map(|id| {
        let fields = [("instrument", FieldValue::from("Cam")), ("id", id.into()), ("full_name", format!("D{id}").into())];
        DimensionRecord::new(detector, fields).unwrap()
    });
    let insert = |element, records| Operation::InsertRecords {
        records: RecordSet::new(element, records),
        on_conflict: RecordConflict::Fail,
    };
    let dataset_type = |name, dimension| {
        DatasetType::new(name, universe.conform([dimension]).unwrap(), "StructuredDataDict").unwrap()
    };
    let batch = RegistryBatch::new()
        .with(insert(instrument, vec![one]))
        .with(insert(detector, many.collect()))
        .with(Operation::RegisterDatasetType(dataset_type("thing", "detector")))
        .with(Operation::RegisterDatasetType(dataset_type("pixel", "htm7")));
    butler.apply(batch).await.unwrap();
    butler
}

/// One worker's share: rounds of a new run with datasets, some of them tagged, some found.
#[test]
#[ignore = "a child of the test of eight processes"]
fn work() {
    let Some((repository, worker)) = task() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rounds = runtime.block_on(async {
        let butler = butler::builder().writable(true).open(&repository).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(number("BUTLER_TEST_SECONDS", 2));
        let mut rounds = 0;
        while Instant::now() < deadline {
            round(&butler, worker, rounds).await;
            rounds += 1;
        }
        butler.close().await.unwrap();
        rounds
    });
    println!("rounds {rounds}");
}

async fn round(butler: &Butler, worker: i64, round: i64) {
    let run = format!("p{worker}/{round}");
    butler.register_collection(run.as_str(), CollectionType::Run, None).await.unwrap();
    let drafts = (0..DATASETS).map(|n| {
        let data_id = data_id! { instrument: "Cam", detector: worker * DATASETS + n };
        butler::Draft::new("thing", data_id).run(run.as_str())
    });
    let datasets = butler.insert(drafts.collect(), IdGenerationMode::Unique).await.unwrap();
    let tag = format!("tags/p{worker}/{}", round % 4);
    let mut batch = RegistryBatch::from(Operation::RegisterCollection {
        name: tag.as_str().into(),
        ty: CollectionType::Tagged,
        doc: None,
    });
    if round >= 4 {
        let old = butler.query_datasets("thing").collections(tag.as_str()).collect().await.unwrap();
        batch.push(Operation::Disassociate { collection: tag.as_str().into(), datasets: old });
    }
    batch.push(Operation::Associate { collection: tag.as_str().into(), datasets: datasets[..10].to_vec() });
    butler.apply(batch).await.unwrap();
    for dataset in &datasets[..10] {
        let lookup = Lookup::new("thing", LooseDataId::from(dataset.data_id())).collections([tag.as_str()]);
        assert_eq!(butler.find(lookup).await.unwrap().map(|found| found.id()), Some(dataset.id()));
    }
}

fn eight_processes(registry: Option<String>) {
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("repo").to_string_lossy().into_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let butler = runtime.block_on(create(&repository, registry));
    let children: Vec<_> = (0..WORKERS).map(|worker| child("work", &repository, worker).spawn().unwrap()).collect();
    let rounds: Vec<i64> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{text}");
            let line = text.lines().find_map(|line| line.split("rounds ").nth(1)).unwrap();
            line.trim().parse().unwrap()
        })
        .collect();
    let (total, least) = (rounds.iter().sum::<i64>(), *rounds.iter().min().unwrap());
    println!("rounds of each process: {rounds:?}; operations of each: {:?}", rounds.iter().map(|n| n * 13).collect::<Vec<_>>());
    assert!(least * WORKERS * 5 >= total, "one starved: {rounds:?}");
    runtime.block_on(async {
        let all = butler.query_datasets("thing").collections("p*").collect().await.unwrap();
        assert_eq!(all.len() as i64, total * DATASETS);
        let mut ids: Vec<_> = all.iter().map(butler::DatasetRef::id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len() as i64, total * DATASETS, "an id was issued twice");
        let tagged = butler.query_datasets("thing").collections("tags/*").collect().await.unwrap();
        let expected: i64 = rounds.iter().map(|rounds| rounds.min(&4) * 10).sum();
        assert_eq!(tagged.len() as i64, expected);
    });
}

/// Inserts one batch of many rows, if nobody kills it.
#[test]
#[ignore = "a child of the test that kills"]
fn insert_many() {
    let Some((repository, attempt)) = task() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let butler = butler::builder().writable(true).open(&repository).await.unwrap();
        let dataset_type = butler.dataset_type("pixel").await.unwrap();
        let (group, issuer) = (dataset_type.group(), IdIssuer::new());
        let run = butler::ArcStr::from(format!("killed/{attempt}"));
        let ids = (0..ROWS).map(|_| issuer.issue()).collect();
        let data_ids =
            (0..ROWS).map(|n| DataId::from_pairs(group, [("htm7", (TRIXEL + n).into())]).unwrap()).collect::<Vec<_>>();
        NewDataset::new(dataset_type.clone(), data_ids[0].clone(), run.clone()).unwrap();
        let insert = DatasetInsert {
            dataset_type,
            run: run.clone(),
            ids,
            data_ids,
            mode: InsertMode::New,
            ingested_at: butler::Instant::now().unwrap(),
            quantum: None,
        };
        let batch = RegistryBatch::new()
            .with(Operation::RegisterCollection { name: run, ty: CollectionType::Run, doc: None })
            .with(Operation::InsertDatasets(insert));
        println!("begins");
        butler.apply(batch).await.unwrap();
        println!("done");
    });
}

fn killed_in_the_middle(registry: Option<String>) {
    use std::io::{BufRead, BufReader};

    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("repo").to_string_lossy().into_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let butler = runtime.block_on(create(&repository, registry));
    // The first is left alone: it tells how long a batch takes.
    let kills = i64::try_from(number("BUTLER_TEST_KILLS", 3)).unwrap();
    let (mut took, mut whole) = (Duration::ZERO, 0);
    for attempt in 0..=kills {
        let mut child = child("insert_many", &repository, attempt).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("begins")));
        let began = Instant::now();
        if attempt == 0 {
            assert!(child.wait().unwrap().success());
            took = began.elapsed();
        } else {
            let share = f64::from(u32::try_from(attempt).unwrap()) / f64::from(u32::try_from(kills + 1).unwrap());
            std::thread::sleep(took.mul_f64(share));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let run = format!("killed/{attempt}");
        let count = runtime.block_on(async {
            match butler.collection(&run).await {
                Ok(_) => butler.query_datasets("pixel").collections(run.as_str()).count().await.unwrap(),
                Err(error) => {
                    assert_eq!(error.kind(), butler::ErrorKind::MissingCollection, "{error}");
                    0
                }
            }
        });
        assert!(count == 0 || count == ROWS.unsigned_abs(), "{count} rows are left of {ROWS}");
        whole += u64::from(count > 0);
        if count == 0 {
            let there = runtime.block_on(butler.collection(&run));
            assert!(there.is_err(), "the run is there without its datasets");
        }
    }
    println!("{kills} killed within {took:?} of their beginning; {whole} of {} batches are whole", kills + 1);
}

#[test]
fn eight_processes_share_one_sqlite_file() {
    eight_processes(None);
}

#[test]
fn eight_processes_share_one_postgresql_database() {
    let Some(postgres) = postgres::shared() else { return };
    eight_processes(Some(format!("{}?schema={}", postgres.url("postgres"), postgres.fresh_name())));
}

#[test]
fn a_batch_whose_process_is_killed_is_whole_or_nothing_on_sqlite() {
    killed_in_the_middle(None);
}

#[test]
fn a_batch_whose_process_is_killed_is_whole_or_nothing_on_postgresql() {
    let Some(postgres) = postgres::shared() else { return };
    killed_in_the_middle(Some(format!("{}?schema={}", postgres.url("postgres"), postgres.fresh_name())));
}
