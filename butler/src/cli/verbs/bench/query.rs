//! Datasets found one at a time, and queried.

use butler::{Butler, DatasetRef, Lookup, LooseDataId, NamePatterns, Result};

use super::measure::{measure, measure_rows};
use super::workload::{
    DEEP_CHAIN, DETECTORS, INSTRUMENT, LOOKUPS, Lcg, RUNS, exposure_id, exposures, loose, run_name,
};
use super::{Site, check};

const INSERTED: &str = "bench/insert";
const QUERIES: usize = 20;

/// Finds datasets by random data IDs, through fifty runs and in one, and by id.
pub(super) async fn find(site: &Site<'_>) -> Result<()> {
    let mut random = Lcg::new();
    let indices: Vec<usize> = (0..LOOKUPS).map(|_| random.below(site.scale())).collect();
    let ids: Vec<LooseDataId> = indices.iter().copied().map(loose).collect();
    let reader = site.reader().await?;
    let found = find_each("find_chain50", &reader, "bench_chain", DEEP_CHAIN, &ids).await?;
    for (index, dataset) in indices.iter().zip(&found) {
        let again = (index % 10 == 0).then_some((index + RUNS / 2) % RUNS);
        let expected = again.map_or(index % RUNS, |again| again.min(index % RUNS));
        check(dataset.run() == &run_name(expected), "a dataset is not that of the first run")?;
    }
    // There is no cache to be asked for: what collections hold is always remembered.
    let reader = site.reader().await?;
    find_each("find_chain50_caching_context", &reader, "bench_chain", DEEP_CHAIN, &ids).await?;
    let reader = site.reader().await?;
    find_each("find_one_run", &reader, "bench_raw", INSERTED, &ids).await?;

    let ids: Vec<_> = found.iter().map(DatasetRef::id).collect();
    measure("get_dataset_by_id", LOOKUPS, async || {
        for id in &ids {
            reader.datasets(vec![*id]).await?;
        }
        Ok(())
    })
    .await?;
    let many = measure_rows(
        "get_many_datasets",
        LOOKUPS,
        async || reader.datasets(ids.clone()).await,
        |found| Some(distinct(found.iter().flatten())),
    );
    many.await.map(|_| ())
}

fn distinct<'a>(datasets: impl Iterator<Item = &'a DatasetRef>) -> usize {
    datasets.map(DatasetRef::id).collect::<std::collections::HashSet<_>>().len()
}

async fn find_each(
    op: &str,
    reader: &Butler,
    ty: &str,
    collection: &str,
    ids: &[LooseDataId],
) -> Result<Vec<DatasetRef>> {
    let search = async || {
        let mut found = Vec::with_capacity(ids.len());
        for data_id in ids {
            found.extend(reader.find(Lookup::new(ty, data_id.clone()).collections([collection])).await?);
        }
        Ok(found)
    };
    measure_rows(op, ids.len(), search, |found| Some(found.len())).await
}

/// Queries datasets, data IDs, dimension records and collections.
pub(super) async fn query(site: &Site<'_>) -> Result<()> {
    let reader = site.reader().await?;
    query_datasets(site, &reader).await?;
    query_dimensions(site, &reader).await?;
    query_counts(site, &reader).await?;
    query_collections(&reader).await
}

async fn query_datasets(site: &Site<'_>, reader: &Butler) -> Result<()> {
    let raw = || reader.query_datasets("bench_raw").collections(INSERTED);
    let chain = |first| reader.query_datasets("bench_chain").collections(DEEP_CHAIN).find_first(first);
    let scale = site.scale();
    measure_rows("query_all", scale, async || raw().collect().await, len).await?;
    let expanded = async || raw().expanded(true).collect().await;
    measure_rows("query_all_with_records", scale, expanded, len).await?;
    let conditions = conditions(exposures(scale));
    let narrow = async || {
        let mut rows = 0;
        for condition in &conditions {
            rows += raw().where_(condition).collect().await?.len();
        }
        Ok(rows)
    };
    measure_rows("query_where", QUERIES, narrow, |rows| Some(*rows)).await?;
    measure_rows("query_find_first_chain50", scale, async || chain(true).collect().await, len).await?;
    measure_rows("query_all_chain50", scale, async || chain(false).collect().await, len).await?;
    let ordered = raw().order_by(["-exposure.timespan.begin", "detector"]).limit(1_000);
    measure_rows("query_order_limit", 1_000, async || ordered.collect().await, len).await.map(|_| ())
}

/// Each over fifty exposures and five detectors.
fn conditions(exposures: usize) -> Vec<String> {
    let width = exposures.min(50);
    let mut random = Lcg::new();
    let condition = |_| {
        let first = random.below(exposures - width + 1);
        format!(
            "instrument='{INSTRUMENT}' AND exposure >= {} AND exposure <= {} AND detector IN (1, 5, 10, 50, 100)",
            exposure_id(first),
            exposure_id(first + width - 1)
        )
    };
    (0..QUERIES).map(condition).collect()
}

async fn query_dimensions(site: &Site<'_>, reader: &Butler) -> Result<()> {
    let exposures = exposures(site.scale());
    let pairs = || reader.query_data_ids(["exposure", "detector"]);
    let all = pairs().where_(format!("instrument='{INSTRUMENT}'"));
    measure_rows("query_data_ids", exposures * DETECTORS, async || all.collect().await, len).await?;
    let joined = pairs().join_datasets("bench_raw", Some(INSERTED.into()));
    measure_rows("query_data_ids_joined", site.scale(), async || joined.collect().await, len).await?;
    let condition = format!(
        "instrument='{INSTRUMENT}' AND exposure.exposure_time > 15.0 \
         AND exposure.observation_type = 'science' AND band IN ('g', 'r', 'i')"
    );
    let records = reader.query_records("exposure").where_(condition);
    measure_rows("query_dimension_records", exposures, async || records.collect().await, len).await.map(|_| ())
}

async fn query_counts(site: &Site<'_>, reader: &Butler) -> Result<()> {
    let all = reader.query_datasets("bench_raw").collections(INSERTED);
    measure_rows("query_count", site.scale(), async || all.count().await, count).await?;
    let first = reader.query_datasets("bench_chain").collections(DEEP_CHAIN).find_first(true);
    measure_rows("query_count_find_first", site.scale(), async || first.count().await, count).await.map(|_| ())
}

async fn query_collections(reader: &Butler) -> Result<()> {
    let patterns = NamePatterns::from("bench/*");
    for (op, summaries) in [("query_collections", false), ("query_collections_info_summary", true)] {
        let search = async || reader.collections(&patterns, summaries).await;
        measure_rows(op, 1, search, |(names, _)| Some(names.len())).await?;
    }
    Ok(())
}

#[expect(clippy::ptr_arg, reason = "it looks at what a query collects")]
fn len<T>(rows: &Vec<T>) -> Option<usize> {
    Some(rows.len())
}

fn count(rows: &u64) -> Option<usize> {
    usize::try_from(*rows).ok()
}
