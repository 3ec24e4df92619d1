//! An object store does not answer, or refuses everything.

use butler::{Creation, ErrorKind, PruneOptions, Retry};
use butler_testkit::datastore::Backstage;
use butler_testkit::datastore::s3::{Faults, S3Server};
use tempfile::TempDir;

use super::examine;
use crate::fixture::{RUN, create_with, fill, put, value};

fn all(errors: f64, lost: f64) -> Faults {
    Faults { errors, lost, ..Faults::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_loses_nothing() {
    let (server, directory) = (S3Server::start().await.unwrap(), TempDir::new().unwrap());
    let config = format!("[datastore]\nkind = 'file'\nname = 's3'\nretries = 1\n{}\n", server.place());
    let configs = vec![("test".to_owned(), config)];
    let butler = create_with(directory.path(), Creation { configs, ..Creation::default() }).await;
    fill(&butler).await;
    let kept = put(&butler, RUN, 0, 0).await.unwrap();

    // Nothing can be announced, and so nothing is changed.
    server.set_faults(all(1.0, 0.0));
    let error = put(&butler, RUN, 1, 1).await.unwrap_err();
    assert!(matches!(error.retry(), Retry::Temporary | Retry::Exhausted), "{error:#}");
    let unstore = PruneOptions { unstore: true, ..PruneOptions::default() };
    butler.prune(vec![kept.clone()], &unstore).await.unwrap_err();
    server.set_faults(Faults::default());
    examine(&butler).await;
    assert_eq!(value(&butler, kept.id()).await.unwrap(), 0);

    // It fails again and again, in the midst of everything.
    let mut stored = vec![(kept, 0)];
    let mut failures = 0;
    for round in 1..40 {
        server.set_faults(if round % 2 == 0 { all(0.5, 0.0) } else { all(0.0, 0.5) });
        match put(&butler, RUN, round, round).await {
            Ok(dataset) => stored.push((dataset, round)),
            Err(error) => {
                failures += 1;
                let expected =
                    [ErrorKind::Connection, ErrorKind::Timeout, ErrorKind::Busy, ErrorKind::AlreadyExists];
                assert!(expected.contains(&error.kind()), "{error:#}");
            }
        }
        if round % 5 == 0 {
            let (dataset, expected) = stored.remove(0);
            // Who is told that it has failed may be sure that nothing has changed.
            if butler.prune(vec![dataset.clone()], &unstore).await.is_err() {
                failures += 1;
                stored.push((dataset, expected));
            }
        }
    }
    assert!(failures > 3, "nothing has failed");
    server.set_faults(Faults::default());
    examine(&butler).await;
    for (dataset, expected) in &stored {
        assert_eq!(value(&butler, dataset.id()).await.unwrap(), *expected);
    }
    let mut files = server.directory().list().await.unwrap();
    files.retain(|path| !path.starts_with(".butler/"));
    assert_eq!(files.len(), stored.len(), "{files:#?}");
}
