//! Finds through very many collections, which the workload does not have.

use butler::{
    ArcStr, Butler, ChainEdit, CollectionType, DatasetType, Draft, IdGenerationMode, Lookup, LooseDataId,
    Result,
};
use futures::future::try_join_all;

use super::measure::measure;
use super::workload::{DEEP_CHAIN, LOOKUPS, Lcg, RUNS, loose, run_name};
use super::{Site, check};

/// Runs that hold a dataset of a type without dimensions.
const RUNS_OF_ONE: usize = 100_000;

/// Length of a chain, ten times that of the workload's.
const LONG: usize = 500;

const LONG_CHAIN: &str = "bench/chain500";
const WIDE_CHAIN: &str = "bench/wide";
const WIDE_TYPE: &str = "bench_wide";

/// Registrations that wait for one commit.
const TOGETHER: usize = 256;

/// Finds a dataset through fifty and five hundred runs, and one without dimensions in a hundred thousand.
pub(super) async fn wide(site: &Site<'_>) -> Result<()> {
    let butler = site.writer().await?;
    let empty: Vec<ArcStr> = (RUNS..LONG).map(|number| format!("bench/empty/{number}").into()).collect();
    let full: Vec<ArcStr> = (0..RUNS).map(run_name).collect();
    // What is found is in the middle.
    let (before, after) = empty.split_at(empty.len() / 2);
    chain(&butler, LONG_CHAIN, &empty, [before, &full, after].concat()).await?;
    let ty = DatasetType::new(WIDE_TYPE, butler.universe().empty(), "StructuredDataDict")?;
    butler.register_dataset_type(&ty).await?;
    let runs: Vec<ArcStr> = (0..RUNS_OF_ONE).map(|number| format!("bench/wide/{number:06}").into()).collect();
    chain(&butler, WIDE_CHAIN, &runs, runs.clone()).await?;
    let drafts = runs.iter().map(|run| Draft::new(&ty, LooseDataId::default()).run(run.clone())).collect();
    butler.insert(drafts, IdGenerationMode::Unique).await?;
    drop(butler);

    let reader = site.reader().await?;
    let mut random = Lcg::new();
    let ids: Vec<LooseDataId> = (0..LOOKUPS).map(|_| loose(random.below(site.scale()))).collect();
    for (op, collection) in [("find_chain50", DEEP_CHAIN), ("find_chain500", LONG_CHAIN)] {
        measure(op, LOOKUPS, async || {
            for data_id in &ids {
                let lookup = Lookup::new("bench_chain", data_id.clone()).collections([collection]);
                check(reader.find(lookup).await?.is_some(), "a dataset is not found")?;
            }
            Ok(())
        })
        .await?;
    }
    let lookup = || Lookup::new(WIDE_TYPE, LooseDataId::default());
    // The first one reads the chain.
    for (op, n) in [("find_without_dimensions_first", 1), ("find_without_dimensions", LOOKUPS)] {
        measure(op, n, async || {
            for _ in 0..n {
                let found = reader.find(lookup().collections([WIDE_CHAIN])).await?;
                check(found.is_some_and(|found| found.run() == &runs[0]), "another run is first")?;
            }
            Ok(())
        })
        .await?;
    }
    measure("find_without_dimensions_in_the_last_run", LOOKUPS, async || {
        for _ in 0..LOOKUPS {
            let last = runs[RUNS_OF_ONE - 1].clone();
            check(reader.find(lookup().collections([last])).await?.is_some(), "a dataset is not found")?;
        }
        Ok(())
    })
    .await
}

/// Registers runs, and a chain of collections.
async fn chain(butler: &Butler, name: &str, runs: &[ArcStr], children: Vec<ArcStr>) -> Result<()> {
    for some in runs.chunks(TOGETHER) {
        try_join_all(some.iter().map(|run| butler.register_collection(run, CollectionType::Run, None)))
            .await?;
    }
    butler.register_collection(name, CollectionType::Chained, None).await?;
    butler.edit_chain(name, ChainEdit::Redefine(children)).await.map(|_| ())
}
