//! Long commands that somebody interrupts.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use butler::VerifyOptions;
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::Repository;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_ends_at_the_next_batch() {
    let repository = Repository::new().await;
    let sources = tempfile::TempDir::new().unwrap();
    let source = sources.path().join("source.json");
    std::fs::write(&source, "{\"value\": 1}").unwrap();
    let group = repository.butler.universe().conform(["htm7"]).unwrap();
    let pixel = butler::DatasetType::new("pixel", group, "StructuredDataDict").unwrap();
    repository.butler.register_dataset_type(&pixel).await.unwrap();
    // Each file is another, so that each is a dataset by itself.
    let table = sources.path().join("table.csv");
    let mut text = std::fs::File::create(&table).unwrap();
    writeln!(text, "path,htm7").unwrap();
    for number in 0..6_000 {
        let link = sources.path().join(format!("{number}.json"));
        std::fs::hard_link(&source, &link).unwrap();
        writeln!(text, "{},{}", link.display(), 131_072 + number).unwrap();
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_butler"))
        .args(["ingest-files", repository.path().to_str().unwrap(), "pixel", "new"])
        .args([table.to_str().unwrap(), "--transfer", "copy"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while repository.artifacts().len() < 1_100 {
        assert!(begun.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = tokio::task::block_in_place(|| child.wait_with_output()).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{told}");
    let there = repository.other().await.query_datasets("pixel").collections(["new"]).count().await.unwrap();
    assert!((1_000..6_000).contains(&there) && there.is_multiple_of(1_000), "{there}: {told}");
    assert!(told.contains(&format!("{there} of 6000 files are in new, and the next one is ")), "{told}");
    assert_eq!(repository.artifacts().len() as u64, there);
    assert_eq!(repository.entries(), Vec::<String>::new());
    let options = VerifyOptions { orphans: true, ..VerifyOptions::default() };
    assert!(repository.butler.verify(&options).await.unwrap().is_sound());
}
