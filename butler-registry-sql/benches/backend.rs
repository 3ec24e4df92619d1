//! How fast the backends are. Run by hand: `cargo bench -p butler-registry-sql --features postgres`.
//!
//! PostgreSQL is measured if `BUTLER_TEST_POSTGRES_URL` names a database.

use std::hint::black_box;
use std::sync::Arc;

use butler_core::backend::{
    Backend, BackendExt, ColumnType, OnConflict, Relation, RowBatch, Scalar, TableRef, TableSpec,
};
use butler_registry_sql::{Durability, PostgresBackend, PostgresConfig, SqliteBackend, SqliteConfig};
use divan::{Bencher, counter::ItemsCount};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};

const DATABASES: [&str; 2] = ["sqlite", "postgres"];

fn main() {
    divan::main();
}

fn table(name: &str) -> TableRef {
    TableSpec::new(name, "Datasets")
        .column("origin", ColumnType::Int, "")
        .column("id", ColumnType::Int, "")
        .column("dataset_type_id", ColumnType::Int, "")
        .column("run_id", ColumnType::Int, "")
        .column("name", ColumnType::Text, "")
        .nullable("quantum", ColumnType::Int, "")
        .primary_key(["origin", "id"])
        .into()
}

fn rows(begin: i64, count: i64) -> RowBatch {
    let mut batch = RowBatch::new(table("t").columns.iter().map(|column| (column.name.clone(), column.ty)));
    for id in begin..begin + count {
        let [origin, column, ty, run, name, quantum] = batch.columns_mut() else { continue };
        origin.push_int(0x0123_4567_89ab);
        column.push_int(id);
        ty.push_int(id % 20);
        run.push_int(id % 50);
        name.push_text(&format!("exposure {id}"));
        quantum.push_null();
        batch.end_row();
    }
    batch
}

struct World {
    runtime: Runtime,
    backend: Option<Arc<dyn Backend>>,
    _directory: tempfile::TempDir,
}

impl World {
    fn new(database: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("there is a runtime");
        let directory = tempfile::tempdir().expect("there is room");
        let backend: Option<Arc<dyn Backend>> = if database.starts_with("sqlite") {
            let config = SqliteConfig::file(directory.path().join("db.sqlite3")).create(true);
            let durability = if database == "sqlite" { Durability::Fast } else { Durability::Synced };
            let backend = SqliteBackend::open(&config.durability(durability)).expect("it opens");
            Some(Arc::new(backend))
        } else {
            std::env::var("BUTLER_TEST_POSTGRES_URL").ok().map(|url| {
                let config = PostgresConfig::from_url(&format!("{url}?schema=bench")).expect("it is a URL");
                let config = config.durability(Durability::Fast);
                Arc::new(runtime.block_on(PostgresBackend::open(&config)).expect("it opens"))
                    as Arc<dyn Backend>
            })
        };
        Self { runtime, backend, _directory: directory }
    }

    fn recreate(&self, name: &'static str, count: i64) {
        let Some(backend) = &self.backend else { return };
        let filled = backend.run(move |t| {
            t.drop_table(&table(name))?;
            t.create(&table(name))?;
            t.insert(&table(name), &rows(0, count), OnConflict::Fail)
        });
        self.runtime.block_on(filled).expect("rows are inserted");
    }
}

#[divan::bench(args = DATABASES, sample_count = 10, sample_size = 1)]
fn insert_100k(bencher: Bencher<'_, '_>, database: &str) {
    let world = World::new(database);
    let batch = Arc::new(rows(0, 100_000));
    bencher
        .counter(ItemsCount::new(100_000_usize))
        .with_inputs(|| world.recreate("bench_insert", 0))
        .bench_local_values(|()| {
            let Some(backend) = &world.backend else { return };
            let batch = Arc::clone(&batch);
            let insert = backend.run(move |t| t.insert(&table("bench_insert"), &batch, OnConflict::Fail));
            world.runtime.block_on(insert).expect("rows are inserted");
        });
}

fn by_key(id: i64) -> Relation {
    let key = [("origin", 0x0123_4567_89ab), ("id", id)];
    let conditions = key.into_iter().map(|(name, value)| Scalar::column(name).eq(value));
    table("bench_select").scan().filter(Scalar::And(conditions.collect()))
}

#[divan::bench(args = DATABASES, sample_count = 200, sample_size = 100)]
fn select_one_row(bencher: Bencher<'_, '_>, database: &str) {
    let world = World::new(database);
    world.recreate("bench_select", 100_000);
    let mut id = 0;
    bencher.bench_local(|| {
        let Some(backend) = &world.backend else { return };
        id = (id + 7919) % 100_000;
        let found = world.runtime.block_on(backend.collect(by_key(id))).expect("there is a row");
        assert_eq!(black_box(found).len(), 1);
    });
}

#[divan::bench(sample_count = 100, sample_size = 1)]
fn open_and_select_sqlite(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().expect("there is room");
    let config = SqliteConfig::file(directory.path().join("db.sqlite3")).create(true);
    let runtime = Builder::new_current_thread().enable_all().build().expect("there is a runtime");
    let create = async {
        let backend = SqliteBackend::open(&config).expect("it opens");
        backend.migrate(butler_core::backend::SchemaVersion(1)).await.expect("it migrates");
        backend.run(|t| t.create(&table("bench_select"))).await.expect("it creates");
        backend
    };
    let _kept = runtime.block_on(create);
    bencher.bench_local(|| {
        let backend = SqliteBackend::open(&config).expect("it opens");
        runtime.block_on(backend.collect(by_key(1))).expect("there is nothing")
    });
}

#[divan::bench(args = DATABASES, sample_count = 5, sample_size = 1)]
fn stream_1m(bencher: Bencher<'_, '_>, database: &str) {
    let world = World::new(database);
    world.recreate("bench_stream", 1_000_000);
    bencher.counter(ItemsCount::new(1_000_000_usize)).bench_local(|| {
        let Some(backend) = &world.backend else { return };
        let count = world.runtime.block_on(async {
            let mut stream = backend.stream(table("bench_stream").scan()).await.expect("it begins");
            let mut count = 0;
            while let Some(batch) = stream.next().await {
                count += batch.expect("it goes on").len();
            }
            count
        });
        assert_eq!(count, 1_000_000);
    });
}

#[divan::bench(args = ["sqlite", "sqlite synced", "postgres"], sample_count = 10, sample_size = 1)]
fn commit_500_of_16_tasks(bencher: Bencher<'_, '_>, database: &str) {
    let world = World::new(database);
    world.recreate("bench_commit", 0);
    let mut next = 0;
    bencher.counter(ItemsCount::new(500_usize)).bench_local(|| {
        let Some(backend) = &world.backend else { return };
        let begin = next;
        next += 500;
        let insert = |id: i64| {
            let batch = rows(begin + id, 1);
            backend.run(move |t| t.insert(&table("bench_commit"), &batch, OnConflict::Fail))
        };
        let all = futures::stream::iter(0..500).map(insert).buffer_unordered(16);
        let count =
            world.runtime.block_on(all.fold(0, async |count, done| count + done.expect("it commits")));
        assert_eq!(count, 500);
    });
}
