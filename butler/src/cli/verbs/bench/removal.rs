//! What goes again.

use butler::{PruneOptions, Result, WorkObserver};

use super::measure::measure;
use super::workload::SMALL_CHAIN;
use super::{Site, check};

const PRUNED: usize = 2_000;
const INGESTED: usize = 5_000;

/// Purges datasets, and removes runs with and without files.
pub(super) async fn removal(site: &Site<'_>) -> Result<()> {
    let butler = site.writer().await?;
    let stored = || butler.query_datasets("bench_put").collections(SMALL_CHAIN).find_first(true);
    let mut datasets = stored().collect().await?;
    datasets.truncate(PRUNED);
    let options = PruneOptions { purge: true, referenced: true, ..PruneOptions::default() };
    measure("prune_purge", datasets.len(), async || butler.prune(datasets, &options).await).await?;
    check(!stored().any().await?, "a dataset is there after it was purged")?;
    let ingested = INGESTED.min(site.scale());
    for (op, run, n) in [
        ("remove_run_files", "bench/ingest/copy", ingested),
        ("remove_run_direct", "bench/ingest/direct", ingested),
        ("remove_run_registry_only", "bench/bulk", site.scale()),
    ] {
        let observer = WorkObserver::default();
        measure(op, n, async || butler.remove_runs(vec![run.into()], false, false, &observer).await).await?;
    }
    butler.close().await
}
