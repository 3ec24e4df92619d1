use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixListener;

use butler_core::{Config, DatastoreFactory, DimensionUniverse, IdIssuer, Structured};
use butler_testkit::datastore::{Books, Opening};

use super::*;

pub(super) fn build(factory: &StreamDatastoreFactory, text: &str) -> Result<Arc<dyn Datastore>> {
    let mut config = Config::default();
    config.merge_text(&format!("[datastore]\n{text}"), "test").unwrap();
    factory.build(&config.section("datastore").unwrap(), &Opening::default().context().unwrap())
}

pub(super) fn dataset(name: &str) -> DatasetRef {
    let dataset_type = DatasetType::new(name, DimensionUniverse::default().empty(), "Number").unwrap();
    let data_id = DataId::empty(DimensionUniverse::default());
    DatasetRef::new(IdIssuer::new().issue(), dataset_type, data_id, "run".into()).unwrap()
}

pub(super) async fn write(datastore: &Arc<dyn Datastore>, names: &[&str]) -> Result<Vec<DatasetRef>> {
    let datasets: Vec<DatasetRef> = names.iter().map(|name| dataset(name)).collect();
    let request = |dataset: &DatasetRef| WriteRequest::Put {
        dataset: dataset.clone(),
        object: Structured::Null.into(),
    };
    let mut transaction = datastore.prepare_write(datasets.iter().map(request).collect()).await?;
    match transaction.execute().await {
        Ok(records) => assert!(records.0.is_empty() && transaction.entries().is_empty()),
        Err(error) => return transaction.roll_back().await.and(Err(error)),
    }
    transaction.commit().await?;
    Ok(datasets)
}

#[tokio::test]
async fn subscribers_learn_of_what_is_stored_and_removed() {
    let factory = StreamDatastoreFactory::default();
    let datastore = build(&factory, "name = 'live'\nreject = ['y']").unwrap();
    let mut one = factory.hub().subscribe(10).unwrap();
    let mut other = factory.hub().subscribe(10).unwrap();
    let stored = write(&datastore, &["x", "z"]).await.unwrap();
    assert_eq!(write(&datastore, &["y"]).await.unwrap_err().kind(), ErrorKind::DatasetTypeNotSupported);
    let removal = datastore.prepare_remove(vec![stored[0].clone(), dataset("y")]).await.unwrap();
    removal.commit(&Books::default()).await.unwrap();
    for subscription in [&mut one, &mut other] {
        let mut events = Vec::new();
        while let Some(event) = subscription.try_next() {
            assert_eq!((event.datastore.as_str(), event.missed), ("live", 0));
            events.push((event.kind, event.dataset.id()));
        }
        let expected = [
            (StreamEventKind::Stored, stored[0].id()),
            (StreamEventKind::Stored, stored[1].id()),
            (StreamEventKind::Removed, stored[0].id()),
        ];
        assert_eq!(events, expected);
    }
}

#[tokio::test]
async fn nothing_is_told_before_it_is_so() {
    let factory = StreamDatastoreFactory::default();
    let datastore = build(&factory, "").unwrap();
    let mut subscription = factory.hub().subscribe(10).unwrap();
    let request = WriteRequest::Put { dataset: dataset("x"), object: Structured::Null.into() };
    let mut transaction = datastore.prepare_write(vec![request]).await.unwrap();
    transaction.execute().await.unwrap();
    assert!(subscription.try_next().is_none());
    transaction.roll_back().await.unwrap();
    datastore.prepare_remove(vec![dataset("x")]).await.unwrap().roll_back().await.unwrap();
    assert!(subscription.try_next().is_none());
}

#[tokio::test]
async fn who_is_slow_is_told_what_was_missed() {
    let factory = StreamDatastoreFactory::default();
    let datastore = build(&factory, "").unwrap();
    let mut slow = factory.hub().subscribe(2).unwrap();
    drop(factory.hub().subscribe(1).unwrap());
    write(&datastore, &["a", "b", "c", "d", "e"]).await.unwrap();
    assert_eq!(slow.missed(), 3);
    assert_eq!(slow.try_next().unwrap().missed, 0);
    write(&datastore, &["f"]).await.unwrap();
    assert_eq!(slow.try_next().unwrap().missed, 0);
    let event = slow.next().await.unwrap();
    assert_eq!((event.dataset.dataset_type().name().as_str(), event.missed), ("f", 3));
    assert_eq!(slow.missed(), 0);
    assert!(factory.hub().subscribe(0).is_err());
}

fn lines(reader: impl Read, count: usize) -> Vec<Structured> {
    let lines = BufReader::new(reader).lines().take(count);
    lines.map(|line| line.unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn lines_are_appended_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    for name in ["x", "y"] {
        let datastore =
            build(&StreamDatastoreFactory::default(), &format!("to = 'file:{}'", path.display())).unwrap();
        write(&datastore, &[name]).await.unwrap();
    }
    let lines = lines(std::fs::File::open(path).unwrap(), 3);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["event"], "stored");
    assert_eq!(lines[0]["dataset_type"], "x");
    assert_eq!(lines[0]["storage_class"], "Number");
    assert_eq!(lines[0]["run"], "run");
    assert_eq!(lines[0]["data_id"], serde_json::json!({}));
    assert_eq!(lines[0].get("missed"), None);
    assert_eq!(lines[1]["dataset_type"], "y");
}

#[tokio::test]
async fn sockets_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let datastore =
        build(&StreamDatastoreFactory::default(), &format!("to = ['unix:{}']", directory.path().display()))
            .unwrap();
    write(&datastore, &["nobody"]).await.unwrap();
    let listen = |name: &str| UnixListener::bind(directory.path().join(name)).unwrap();
    let (one, other) = (listen("1.sock"), listen("2.sock"));
    write(&datastore, &["x"]).await.unwrap();
    let one = one.accept().unwrap().0;
    let (gone, _) = other.accept().unwrap();
    drop((gone, other));
    std::fs::remove_file(directory.path().join("2.sock")).unwrap();
    write(&datastore, &["y", "z"]).await.unwrap();
    let names: Vec<Structured> = lines(one, 3).iter().map(|line| line["dataset_type"].clone()).collect();
    assert_eq!(names, ["x", "y", "z"]);
}

#[tokio::test]
async fn a_socket_that_nobody_reads_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let text = format!("to = 'unix:{}'\ncapacity = 1000", path.display());
    let datastore = build(&StreamDatastoreFactory::default(), &text).unwrap();
    let names: Vec<String> = (0..200).map(|n| format!("x{n}_{}", "y".repeat(90))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for _ in 0..20 {
        write(&datastore, &names).await.unwrap();
    }
    let (socket, _) = listener.accept().unwrap();
    let reader = tokio::task::spawn_blocking(move || {
        let (mut count, mut missed) = (0, 0);
        for line in BufReader::new(socket).lines() {
            let line: Structured = line.unwrap().parse().unwrap();
            missed += line["missed"].as_u64().unwrap_or(0);
            count += 1;
            if line["dataset_type"] == "end" {
                break;
            }
        }
        (count, missed)
    });
    // What waits must be taken before there is room for the last one.
    let mut extra = 0;
    while !reader.is_finished() {
        write(&datastore, &["end"]).await.unwrap();
        extra += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (count, missed) = reader.await.unwrap();
    assert!(
        missed > 0 && count + missed >= 4001 && count + missed <= 4000 + extra,
        "{count} {missed} {extra}"
    );
}

#[tokio::test]
async fn what_is_required_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let text = format!("to = 'unix:{}'\nrequired = true\ntimeout = '20ms'\ncapacity = 100", path.display());
    let datastore = build(&StreamDatastoreFactory::default(), &text).unwrap();
    let error = write(&datastore, &["x"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.to_string().contains("nobody who listens"), "{error}");
    let listener = UnixListener::bind(&path).unwrap();
    write(&datastore, &["x"]).await.unwrap();
    let mut failure = None;
    for _ in 0..5000 {
        if let Err(error) = write(&datastore, &["x"]).await {
            failure = Some(error);
            break;
        }
    }
    assert_eq!(failure.unwrap().kind(), ErrorKind::Busy);
    drop(listener);
}

#[tokio::test]
async fn pipes_take_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .unwrap();
    let datastore =
        build(&StreamDatastoreFactory::default(), &format!("to = 'pipe:{}'", path.display())).unwrap();
    write(&datastore, &["nobody"]).await.unwrap();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let reader = std::fs::File::from(rustix::fs::open(&path, flags, Mode::empty()).unwrap());
    write(&datastore, &["x", "y"]).await.unwrap();
    let names: Vec<Structured> = lines(reader, 2).iter().map(|line| line["dataset_type"].clone()).collect();
    assert_eq!(names, ["x", "y"]);
}

#[tokio::test]
async fn nothing_is_kept() {
    let datastore = build(&StreamDatastoreFactory::default(), "").unwrap();
    let stored = write(&datastore, &["x"]).await.unwrap();
    assert!(!datastore.knows(&stored[0]));
    assert_eq!(datastore.exists(&stored).await.unwrap(), [false]);
    assert_eq!(datastore.uris(&stored, true).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(datastore.open(&stored[0]).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let request = GetRequest { dataset: stored[0].clone(), parameters: butler_core::ReadParameters::new() };
    assert_eq!(datastore.get(vec![request]).await.remove(0).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_cannot_be_used_is_told() {
    for (text, reason) in [
        ("to = 'tcp:localhost'", "use unix:PATH"),
        ("to = 'unix:'", "nowhere"),
        ("too = 'unix:x'", "did you mean 'to'?"),
        ("capacity = -1", "at least 0"),
    ] {
        let error = build(&StreamDatastoreFactory::default(), text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

use rustix::fs::{Mode, OFlags};
