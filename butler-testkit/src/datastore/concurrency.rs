//! Several writers and removers at once.

use butler_core::{DatasetRef, ErrorKind, Result, Structured};
use futures::future::join_all;

use super::DatastoreHarness;
use super::fixture::{Fixture, put};

/// Two ids of one data ID in one run lead to one path.
pub(super) async fn of_several_writers_of_a_dataset_one_wins(h: &dyn DatastoreHarness) -> Result<()> {
    for round in 0..5 {
        let fixture = Fixture::new(h).await?;
        let dataset = fixture.dataset("x", "Number", round);
        let write = async |value: i64| fixture.put(&dataset, Structured::from(value)).await;
        let results = join_all((0..4).map(write)).await;
        let winners: Vec<usize> = (0..4).filter(|&i| results[i].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
        }
        let stored = results.into_iter().find_map(Result::ok).expect("one has won");
        assert_eq!(fixture.value(&stored).await?, winners[0]);
        assert!(
            !fixture.has_artifacts() || fixture.backstage().is_none() || fixture.files().await?.len() == 1
        );
    }
    Ok(())
}

pub(super) async fn writers_of_different_datasets_do_not_disturb_each_other(
    h: &dyn DatastoreHarness,
) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let write = async |writer: i64| -> Result<Vec<DatasetRef>> {
        let numbers = writer * 50..(writer + 1) * 50;
        let objects = numbers.map(|n| (fixture.dataset("x", "Number", n), Structured::from(n).into()));
        fixture.put_all(objects.collect()).await
    };
    for (writer, stored) in (0..4).zip(join_all((0..4).map(write)).await) {
        for (n, stored) in (writer * 50..).zip(stored?) {
            assert_eq!(fixture.value(&stored).await?, n);
        }
    }
    if fixture.has_artifacts() && fixture.backstage().is_some() {
        assert_eq!(fixture.files().await?.len(), 200);
    }
    Ok(())
}

pub(super) async fn writers_and_removers_do_not_disturb_each_other(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let come_and_go = async |writer: i64| -> Result<()> {
        for n in 0..10 {
            let stored = fixture.put_number("x", writer * 10 + n).await?;
            assert_eq!(fixture.value(&stored).await?, writer * 10 + n);
            fixture.remove(&[stored]).await?;
        }
        Ok(())
    };
    for result in join_all((0..4).map(come_and_go)).await {
        result?;
    }
    assert_eq!(fixture.files().await?, [""; 0]);
    let transaction =
        fixture.datastore.prepare_write(vec![put(&fixture.dataset("x", "Number", 1), Structured::Null)]);
    transaction.await?.roll_back().await
}
