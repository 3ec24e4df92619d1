//! What the conformance suite cannot see: lost connections, privileges, plans.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use butler_core::Retry;
use butler_core::backend::{
    BackendExt, ColumnType, OnConflict, RowBatch, Scalar, SchemaVersion, TableRef, TableSpec,
};
use butler_testkit::postgres::{TempPostgres, shared};
use futures::StreamExt;

use super::*;
use crate::config::Durability;

fn table() -> TableRef {
    TableSpec::new("t", "Numbers")
        .column("a", ColumnType::Int, "")
        .nullable("b", ColumnType::Text, "")
        .primary_key(["a"])
        .into()
}

fn rows(keys: std::ops::Range<i64>) -> RowBatch {
    let mut rows = RowBatch::new([("a".into(), ColumnType::Int), ("b".into(), ColumnType::Text)]);
    for key in keys {
        rows.push_row(&[key.into(), format!("row {key}").into()]).unwrap();
    }
    rows
}

fn config(server: &TempPostgres) -> PostgresConfig {
    PostgresConfig::from_url(&format!("{}?schema={}", server.url("postgres"), server.fresh_name())).unwrap()
}

async fn fill(backend: &PostgresBackend, keys: std::ops::Range<i64>) {
    let insert = move |t: &mut dyn butler_core::backend::Transaction| {
        t.create(&table())?;
        t.insert(&table(), &rows(keys.clone()), OnConflict::Fail)
    };
    backend.run(insert).await.unwrap();
}

async fn count(backend: &PostgresBackend) -> i64 {
    backend.collect(table().scan().count()).await.unwrap()[0].columns()[0].int(0).unwrap()
}

/// Runs SQL on a connection of its own.
fn sql(server: &TempPostgres, sql: &str) {
    let config = PostgresConfig::from_url(&server.url("postgres")).unwrap();
    session::connect(&config).unwrap().batch_execute(sql).unwrap();
}

#[tokio::test]
async fn migrations_go_up_only() {
    let Some(server) = shared() else { return };
    let config = config(server);
    let backend = PostgresBackend::open(&config).await.unwrap();
    let reader = PostgresBackend::open(&config.clone().read_only(true)).await.unwrap();
    assert_eq!(reader.migrate(SchemaVersion(1)).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    let other = PostgresBackend::open(&config).await.unwrap();
    let version = crate::schema::SCHEMA_VERSION;
    let (one, two) = futures::join!(backend.migrate(version), other.migrate(version));
    one.and(two).unwrap();
    backend.migrate(version).await.unwrap();
    reader.migrate(version).await.unwrap();
    for backend in [&backend, &reader] {
        assert_eq!(backend.migrate(SchemaVersion(2)).await.unwrap_err().kind(), ErrorKind::SchemaVersion);
        assert_eq!(backend.migrate(SchemaVersion(0)).await.unwrap_err().kind(), ErrorKind::SchemaVersion);
    }
    let mut expected: Vec<TableSpec> =
        crate::schema::static_tables().iter().map(|table| (**table).clone()).collect();
    expected.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(backend.tables().await.unwrap(), expected);
}

#[tokio::test]
async fn exclusions_of_all_types_are_read_back() {
    let Some(server) = shared() else { return };
    let backend = PostgresBackend::open(&config(server)).await.unwrap();
    let spec = |name: &str| {
        TableSpec::new(name, "it's a \\ table\nwith \"two\" lines")
            .column("bool", ColumnType::Bool, "\\")
            .column("int", ColumnType::Int, "")
            .nullable("float", ColumnType::Float, "")
            .column("text", ColumnType::Text, "'")
            .nullable("bytes", ColumnType::Bytes, "")
            .column("begin", ColumnType::Int, "")
            .column("end", ColumnType::Int, "")
            .primary_key(["text", "begin"])
    };
    let tables = vec![
        spec("a").exclude(["text", "bool", "bytes", "int", "float"], "begin", "end"),
        spec("b").exclude(["bool"], "begin", "end"),
        spec("c").exclude([""; 0], "int", "end"),
    ];
    let specs = tables.clone();
    backend.run(move |t| specs.iter().try_for_each(|spec| t.create(spec))).await.unwrap();
    assert_eq!(backend.tables().await.unwrap(), tables);
}

#[tokio::test]
async fn without_btree_gist_exclusions_are_known_but_not_enforced() {
    let Some(server) = shared() else { return };
    let name = server.fresh_name();
    sql(server, &format!("CREATE ROLE {name} LOGIN"));
    sql(server, &format!("CREATE DATABASE {name} TEMPLATE template0"));
    let owned = format!("CREATE SCHEMA s AUTHORIZATION {name}");
    let config = PostgresConfig::from_url(&server.url(&name)).unwrap();
    session::connect(&config).unwrap().batch_execute(&owned).unwrap();
    let url = server.url(&name).replace("postgres@", &format!("{name}@"));
    let config = PostgresConfig::from_url(&format!("{url}?schema=s")).unwrap();
    let backend = PostgresBackend::open(&config).await.unwrap();
    // Not even by migration: the account may not.
    backend.migrate(crate::schema::SCHEMA_VERSION).await.unwrap();
    assert!(!backend.capabilities().exclusion);
    let spec = TableSpec::new("z", "")
        .column("a", ColumnType::Int, "")
        .column("b", ColumnType::Int, "")
        .column("e", ColumnType::Int, "")
        .primary_key(["a", "b"])
        .exclude(["a"], "b", "e");
    let created = spec.clone();
    backend.run(move |t| t.create(&created)).await.unwrap();
    assert_eq!(backend.tables().await.unwrap().pop(), Some(spec));
}

#[tokio::test]
async fn a_database_without_utf8_is_refused() {
    let Some(server) = shared() else { return };
    let name = server.fresh_name();
    let options = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    sql(server, &format!("CREATE DATABASE {name} {options}"));
    let config = PostgresConfig::from_url(&server.url(&name)).unwrap();
    assert_eq!(PostgresBackend::open(&config).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn who_cannot_connect_learns_why() {
    let Some(server) = shared() else { return };
    let missing = PostgresConfig::from_url(&server.url("nothing_of_that_name")).unwrap();
    assert_eq!(PostgresBackend::open(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("postgresql://me:hush-hush@127.0.0.1:{port}/d");
    let error = PostgresBackend::open(&PostgresConfig::from_url(&url).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(!format!("{error:#?}").contains("hush"), "{error:?}");
}

#[tokio::test]
async fn a_closed_connection_is_replaced() {
    let Some(server) = shared() else { return };
    let backend = PostgresBackend::open(&config(server).connections(2)).await.unwrap();
    fill(&backend, 0..10).await;
    let kill = || {
        let name = backend.config.schema.clone();
        sql(
            server,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%{name}%'"
            ),
        );
        std::thread::sleep(Duration::from_millis(100));
    };
    kill();
    assert_eq!(count(&backend).await, 10);
    kill();
    backend.run(|t| t.insert(&table(), &rows(10..11), OnConflict::Fail)).await.unwrap();
    assert_eq!(count(&backend).await, 11);
}

#[tokio::test]
async fn a_connection_lost_before_the_commit_is_no_loss() {
    let Some(server) = shared() else { return };
    let backend = PostgresBackend::open(&config(server)).await.unwrap();
    fill(&backend, 0..10).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&runs);
    let name = backend.config.schema.clone();
    let body = move |t: &mut dyn butler_core::backend::Transaction| {
        t.insert(&table(), &rows(10..11), OnConflict::Fail)?;
        if seen.fetch_add(1, Ordering::SeqCst) == 0 {
            sql(
                server,
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE state = 'idle in transaction' AND query LIKE '%{name}%'"
                ),
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        t.insert(&table(), &rows(11..12), OnConflict::Fail)
    };
    backend.run(body).await.unwrap();
    assert_eq!((runs.load(Ordering::SeqCst), count(&backend).await), (2, 12));
}

/// Forwards bytes to a server until the client sends what matches; that is still forwarded, but not what it answers.
struct Proxy {
    port: u16,
    cut: Arc<Mutex<Option<&'static [u8]>>>,
}

impl Proxy {
    fn new(server: &TempPostgres) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(Mutex::new(None));
        let (socket, theirs) = (server.directory().join(".s.PGSQL.5432"), Arc::clone(&cut));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), UnixStream::connect(&socket).unwrap());
                let (answers, ours, cut) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&theirs));
                std::thread::spawn(move || forward(client, server, &cut));
                std::thread::spawn(move || drop(std::io::copy(&mut &answers, &mut &ours)));
            }
        });
        Self { port, cut }
    }
}

fn forward(mut client: TcpStream, mut server: UnixStream, cut: &Mutex<Option<&'static [u8]>>) {
    let mut buffer = [0; 65536];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let mut pattern = cut.lock().unwrap();
        if pattern.is_some_and(|pattern| buffer[..length].windows(pattern.len()).any(|part| part == pattern))
        {
            *pattern = None;
            client.shutdown(std::net::Shutdown::Both).unwrap();
        }
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
    let _ = client.shutdown(std::net::Shutdown::Both);
}

#[tokio::test]
async fn a_lost_reply_to_a_commit_is_said_to_be_unknown() {
    let Some(server) = shared() else { return };
    let proxy = Proxy::new(server);
    let direct = config(server);
    let url = format!("postgresql://postgres@127.0.0.1:{}/postgres?schema={}", proxy.port, direct.schema());
    let backend = PostgresBackend::open(&PostgresConfig::from_url(&url).unwrap()).await.unwrap();
    fill(&backend, 0..10).await;
    *proxy.cut.lock().unwrap() = Some(b"COMMIT\0");
    let error = backend.run(|t| t.insert(&table(), &rows(10..11), OnConflict::Fail)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Connection, Retry::OutcomeUnknown));
    // It did happen, this time. The backend is as good as before.
    let began = Instant::now();
    while count(&backend).await != 11 {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    *proxy.cut.lock().unwrap() = Some(b"INSERT INTO");
    backend.run(|t| t.insert(&table(), &rows(11..12), OnConflict::Fail)).await.unwrap();
    assert_eq!(count(&backend).await, 12);
}

#[tokio::test]
async fn a_dropped_stream_stops_its_statement() {
    let Some(server) = shared() else { return };
    let backend = PostgresBackend::open(&config(server).connections(1)).await.unwrap();
    fill(&backend, 0..3000).await;
    let other = |n: i64| table().scan().rename([(format!("a{n}"), "a"), (format!("b{n}"), "b")]);
    // Takes hours.
    let endless = || {
        let all = Scalar::And(vec![]);
        other(1).join(other(2), all.clone()).join(other(3), all.clone()).join(other(4), all).count()
    };
    assert!(tokio::time::timeout(Duration::from_millis(50), backend.stream(endless())).await.is_err());
    let began = Instant::now();
    // There is but one connection.
    assert_eq!(count(&backend).await, 3000);
    let pairs = || other(1).join(other(2), Scalar::And(vec![]));
    let mut stream = backend.stream(pairs()).await.unwrap();
    assert!(stream.next().await.unwrap().unwrap().len() >= 1024);
    drop(stream);
    assert_eq!(count(&backend).await, 3000);
    // One that nobody reads gives its connection back.
    let idle = backend.stream(table().scan()).await.unwrap();
    assert_eq!(count(&backend).await, 3000);
    assert!(began.elapsed() < Duration::from_secs(20));
    let lengths: Vec<usize> = idle.map(|batch| batch.unwrap().len()).collect().await;
    assert_eq!(lengths.iter().sum::<usize>(), 3000);
}

#[tokio::test]
async fn a_table_made_anew_is_planned_anew() {
    let Some(server) = shared() else { return };
    let backend = PostgresBackend::open(&config(server).connections(1)).await.unwrap();
    fill(&backend, 0..10).await;
    for _ in 0..8 {
        assert_eq!(backend.collect(table().scan()).await.unwrap().len(), 1);
    }
    let changed = TableRef::from(
        TableSpec::new("t", "")
            .column("a", ColumnType::Int, "")
            .nullable("b", ColumnType::Bytes, "")
            .primary_key(["a"]),
    );
    let name = backend.config.schema.clone();
    sql(server, &format!("ALTER TABLE {name}.t ALTER COLUMN b TYPE bytea USING NULL"));
    assert!(backend.collect(changed.scan()).await.unwrap()[0].columns()[1].is_null(0));
    sql(server, &format!("ALTER TABLE {name}.t ALTER COLUMN b TYPE text USING 'x'"));
    let read = |t: &mut dyn butler_core::backend::Transaction| {
        let mut found = Vec::new();
        t.select(&table().scan(), &mut |batch| {
            found.extend(batch.columns()[1].text(0).map(str::to_owned));
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(found)
    };
    assert_eq!(backend.run(read).await.unwrap(), ["x"]);
}

#[tokio::test]
async fn deadlocks_are_repeated() {
    let Some(server) = shared() else { return };
    let config = config(server).durability(Durability::Fast);
    let backend = PostgresBackend::open(&config).await.unwrap();
    fill(&backend, 0..2).await;
    let both = Arc::new(std::sync::Barrier::new(2));
    let update = |first: i64| {
        let (both, mut met) = (Arc::clone(&both), false);
        let row = |key: i64| rows(key..key + 1);
        backend.run(move |t| {
            t.update(&table(), &row(first))?;
            if !std::mem::replace(&mut met, true) {
                both.wait();
            }
            t.update(&table(), &row(1 - first))
        })
    };
    let (one, two) = futures::join!(update(0), update(1));
    one.and(two).unwrap();
}
