//! How fast artifacts are stored, beside what the machine does with plain tools.
//!
//! `cargo bench -p butler-datastore-file` prints the best of some rounds, with the
//! plain measurement that bounds each; `BUTLER_BENCH_DIR` names a directory on
//! another file system than the temporary one.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "this is a program for people")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use butler_core::datastore::{
    Datastore, FileDataset, GetRequest, TransferMode, WriteRequest, WriteTransaction,
};
use butler_core::{
    ArtifactRecords, Config, DataId, DatasetRef, DatasetType, DatastoreContext, DatastoreFactory, Delegates,
    DimensionRecord, DimensionUniverse, DimensionValue, Factories, FieldValue, IdIssuer, Object,
    ReadParameters, StorageClasses, Structured,
};
use butler_datastore_file::{FileDatastoreFactory, formatters};
use serde_json::json;

const PUTS: usize = 2000;
const FILES: usize = 5000;
const ROUNDS: usize = 5;

struct Bench {
    directory: tempfile::TempDir,
    issuer: IdIssuer,
    round: usize,
}

fn open(root: &Path, settings: &str) -> Arc<dyn Datastore> {
    let mut config = Config::default();
    config.merge_text(&format!("[datastore]\nroot = '{}'\n{settings}", root.display()), "bench").unwrap();
    let context = DatastoreContext {
        universe: DimensionUniverse::default(),
        formatters: Arc::new(formatters()),
        storage_classes: Arc::new(StorageClasses::default()),
        genres: Arc::default(),
        delegates: Arc::new(Delegates::default()),
        factories: Arc::new(Factories::default()),
        read_only: false,
        strict: false,
    };
    FileDatastoreFactory.build(&config.section("datastore").unwrap(), &context).unwrap()
}

impl Bench {
    fn fresh(&mut self, name: &str) -> PathBuf {
        self.round += 1;
        self.directory.path().join(format!("{name}{}", self.round))
    }

    /// Datasets of the default template's depth: one directory for each 189 of them.
    fn datasets(&self, count: usize) -> Vec<DatasetRef> {
        let universe = DimensionUniverse::default();
        let group = universe.conform(["exposure", "detector"]).unwrap();
        let dataset_type = DatasetType::new("bench_put", group, "StructuredDataDict").unwrap();
        (0..count)
            .map(|n| {
                let (exposure, detector) = (n / 189, n % 189);
                let name = format!("BC_O_20260101_{:06}", exposure + 1);
                let values: Vec<(&str, DimensionValue)> = vec![
                    ("instrument", "BenchCam".into()),
                    ("exposure", (2_026_010_100_001 + exposure as i64).into()),
                    ("detector", (detector as i64).into()),
                    ("physical_filter", "BenchCam-u".into()),
                    ("band", "u".into()),
                    ("day_obs", 20_260_101.into()),
                    ("group", name.as_str().into()),
                ];
                let records: Vec<Option<DimensionRecord>> = group
                    .elements()
                    .map(|element| {
                        let keys = values.iter().filter(|(key, _)| {
                            element.field(key).is_some() && element.dimensions().any(|d| d.name() == key)
                        });
                        let mut fields: Vec<(&str, FieldValue)> =
                            keys.map(|(key, value)| (*key, value.clone().into())).collect();
                        match element.name().as_str() {
                            "detector" => fields.push((
                                "full_name",
                                format!("R{:02}_S{:02}", detector / 9, detector % 9).into(),
                            )),
                            "exposure" => fields.push(("obs_id", name.as_str().into())),
                            "instrument" => fields.push(("class_name", "bench.BenchCam".into())),
                            _ => {}
                        }
                        element.has_table().then(|| DimensionRecord::new(element, fields).unwrap())
                    })
                    .collect();
                let data_id = DataId::from_pairs(group, values).unwrap().without_records();
                let data_id = data_id.with_records(Arc::from(records)).unwrap();
                DatasetRef::new(self.issuer.issue(), dataset_type.clone(), data_id, "bench/run/00".into())
                    .unwrap()
            })
            .collect()
    }
}

fn payload(n: usize) -> Structured {
    json!({
        "index": n, "name": format!("dataset-{n:06}"), "exposure": 2_026_010_100_001_i64, "detector": n % 189,
        "values": (0..10).map(|i| i * n).collect::<Vec<_>>(), "mean": 0.25 * n as f64, "ok": true,
    })
}

/// The best of some rounds.
fn best(mut round: impl FnMut() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| round()).min().unwrap()
}

fn report(name: &str, count: usize, time: Duration, bound: Option<Duration>) {
    let micros = time.as_secs_f64() * 1e6 / count as f64;
    let ratio =
        bound.map_or_else(String::new, |bound| format!("{:8.2} x", time.as_secs_f64() / bound.as_secs_f64()));
    println!("{name:34} {:9.1} ms {micros:9.1} µs each {ratio}", time.as_secs_f64() * 1e3);
}

async fn write(datastore: &dyn Datastore, requests: Vec<WriteRequest>) -> Vec<DatasetRef> {
    let datasets: Vec<DatasetRef> = requests.iter().flat_map(WriteRequest::datasets).cloned().collect();
    let mut transaction: Box<dyn WriteTransaction> = datastore.prepare_write(requests).await.unwrap();
    let records = transaction.execute().await.unwrap();
    transaction.commit().await.unwrap();
    let attach = |(dataset, (_, record)): (&DatasetRef, _)| {
        dataset.with_records(Some(Arc::new(ArtifactRecords(vec![record]))))
    };
    datasets.iter().zip(records.0).map(attach).collect()
}

fn puts(bench: &mut Bench, runtime: &tokio::runtime::Runtime) {
    let requests = |bench: &Bench| -> Vec<WriteRequest> {
        let objects = (0..PUTS).map(|n| Object::new(payload(n)));
        bench
            .datasets(PUTS)
            .into_iter()
            .zip(objects)
            .map(|(dataset, object)| WriteRequest::Put { dataset, object })
            .collect()
    };
    let plain = best(|| {
        let root = bench.fresh("plain");
        fs::create_dir_all(&root).unwrap();
        let payloads: Vec<Structured> = (0..PUTS).map(payload).collect();
        let begun = Instant::now();
        for (n, value) in payloads.iter().enumerate() {
            if n % 189 == 0 {
                fs::create_dir_all(root.join(format!("{}", n / 189))).unwrap();
            }
            fs::write(root.join(format!("{}/{n}.json", n / 189)), value.to_string()).unwrap();
        }
        begun.elapsed()
    });
    report("plain writes", PUTS, plain, None);
    for (name, settings) in [("put, one batch", ""), ("put, one batch, no checksum", "checksum = false")] {
        let batch = best(|| {
            let (datastore, requests) = (open(&bench.fresh("batch"), settings), requests(bench));
            let begun = Instant::now();
            runtime.block_on(write(&*datastore, requests));
            begun.elapsed()
        });
        report(name, PUTS, batch, Some(plain));
    }
    let single = best(|| {
        let (datastore, requests) = (open(&bench.fresh("single"), ""), requests(bench));
        let begun = Instant::now();
        runtime.block_on(async {
            for request in requests {
                write(&*datastore, vec![request]).await;
            }
        });
        begun.elapsed()
    });
    report("put, one by one", PUTS, single, Some(plain));
    let datastore = open(&bench.fresh("read"), "");
    let stored = runtime.block_on(write(&*datastore, requests(bench)));
    let files: Vec<PathBuf> = runtime
        .block_on(datastore.uris(&stored, false))
        .unwrap()
        .into_iter()
        .map(|uris| PathBuf::from(uris.primary.unwrap().strip_prefix("file://").unwrap()))
        .collect();
    let plain = best(|| {
        let begun = Instant::now();
        for file in &files {
            serde_json::from_slice::<Structured>(&fs::read(file).unwrap()).unwrap();
        }
        begun.elapsed()
    });
    report("plain reads", PUTS, plain, None);
    let get = |datasets: &[DatasetRef]| -> Vec<GetRequest> {
        datasets
            .iter()
            .map(|dataset| GetRequest { dataset: dataset.clone(), parameters: ReadParameters::new() })
            .collect()
    };
    let batch = best(|| {
        let begun = Instant::now();
        runtime.block_on(datastore.get(get(&stored))).into_iter().for_each(|object| drop(object.unwrap()));
        begun.elapsed()
    });
    report("get, one batch", PUTS, batch, Some(plain));
    let single = best(|| {
        let begun = Instant::now();
        runtime.block_on(async {
            for dataset in &stored {
                datastore.get(get(std::slice::from_ref(dataset))).await.remove(0).unwrap();
            }
        });
        begun.elapsed()
    });
    report("get, one by one", PUTS, single, Some(plain));
    let exists = best(|| {
        let begun = Instant::now();
        assert!(runtime.block_on(datastore.exists(&stored)).unwrap().iter().all(|there| *there));
        begun.elapsed()
    });
    report("exists, one batch", PUTS, exists, None);
    let not_stored = bench.datasets(PUTS);
    let rendered = best(|| {
        let begun = Instant::now();
        assert_eq!(runtime.block_on(datastore.uris(&not_stored, true)).unwrap().len(), PUTS);
        begun.elapsed()
    });
    report("paths of templates, predicted", PUTS, rendered, None);
}

fn ingests(bench: &mut Bench, runtime: &tokio::runtime::Runtime) {
    let source = bench.fresh("source");
    fs::create_dir_all(&source).unwrap();
    for n in 0..FILES {
        fs::write(source.join(format!("f{n:05}.json")), vec![b'x'; 4096]).unwrap();
    }
    let plain = |bench: &mut Bench, options: &str| {
        best(|| {
            let target = bench.fresh("cp");
            let begun = Instant::now();
            assert!(
                Command::new("cp")
                    .args([options.as_ref(), source.as_os_str(), target.as_os_str()])
                    .status()
                    .unwrap()
                    .success()
            );
            begun.elapsed()
        })
    };
    let ingest = |bench: &mut Bench, mode: TransferMode, settings: &str| {
        best(|| {
            let datastore = open(&bench.fresh("ingest"), settings);
            let files = (0..FILES).map(|n| source.join(format!("f{n:05}.json")).to_str().unwrap().into());
            let requests =
                bench.datasets(FILES).into_iter().zip(files).map(|(dataset, path)| WriteRequest::Ingest {
                    file: FileDataset { path, datasets: vec![dataset], formatter: None },
                    mode,
                    track_attributes: true,
                });
            let requests = requests.collect();
            let begun = Instant::now();
            runtime.block_on(write(&*datastore, requests));
            begun.elapsed()
        })
    };
    for (options, mode) in [("-r", TransferMode::Copy), ("-rl", TransferMode::Hardlink)] {
        let bound = plain(bench, options);
        report(&format!("cp {options}"), FILES, bound, None);
        let time = ingest(bench, mode, "checksum = false");
        report(&format!("ingest by {mode}, no checksum"), FILES, time, Some(bound));
        let time = ingest(bench, mode, "");
        report(&format!("ingest by {mode}"), FILES, time, Some(bound));
    }
    let time = ingest(bench, TransferMode::Direct, "checksum = false");
    report("ingest directly, no checksum", FILES, time, None);
}

fn main() {
    let directory = match std::env::var_os("BUTLER_BENCH_DIR") {
        Some(directory) => tempfile::tempdir_in(directory).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut bench = Bench { directory, issuer: IdIssuer::new(), round: 0 };
    puts(&mut bench, &runtime);
    ingests(&mut bench, &runtime);
}
