//! Repositories, dimension records, dataset types, collections and datasets without files.

use butler::registry::{Operation, RecordConflict, RecordSet};
use butler::{
    ArcStr, Butler, ChainEdit, CollectionType, DataId, DatasetRef, DatasetType, Draft, IdGenerationMode,
    IdIssuer, LooseDataId, Result,
};

use super::measure::measure;
use super::workload::{
    CALIBRATION, DEEP_CHAIN, RUNS, RUNS_OF_SMALL_CHAIN, Rows, SMALL_CHAIN, TAGGED, data_ids, dataset_types,
    dimension_rows, loose_ids, records, run_name,
};
use super::{Site, check};

/// Datasets of one call of `insert_batched`.
const BATCH: usize = 1_000;

/// Makes an empty repository.
pub(super) async fn create(site: &Site<'_>) -> Result<()> {
    let butler = measure("create", 1, async || site.make("repo").await).await?;
    butler.close().await
}

/// Inserts the instrument and its exposures: one call for each element.
pub(super) async fn dimensions(site: &Site<'_>) -> Result<()> {
    let rows = dimension_rows(site.scale());
    let butler = site.writer().await?;
    let count = rows.iter().map(|(_, rows)| rows.len()).sum();
    measure("dimensions", count, async || insert_rows(&butler, rows).await).await
}

/// Inserts records: one call for each element.
pub(super) async fn insert_rows(butler: &Butler, rows: Rows) -> Result<()> {
    for (name, rows) in rows {
        let element = butler.universe().element(name)?;
        let records = RecordSet::new(element, records(element, rows)?);
        butler.apply_one(Operation::InsertRecords { records, on_conflict: RecordConflict::Fail }).await?;
    }
    Ok(())
}

/// Registers dataset types and collections: one call for each.
pub(super) async fn register(site: &Site<'_>) -> Result<()> {
    let butler = site.writer().await?;
    let types = dataset_types(&butler)?;
    let runs: Vec<ArcStr> = (0..RUNS).map(run_name).collect();
    measure("register_dataset_types", types.len(), async || {
        for ty in &types {
            butler.register_dataset_type(ty).await?;
        }
        Ok(())
    })
    .await?;
    measure("register_runs", runs.len(), async || register_runs(&butler, &runs).await).await?;
    measure("register_other_collections", 4, async || {
        for (chain, children) in [(DEEP_CHAIN, &runs[..]), (SMALL_CHAIN, &runs[..RUNS_OF_SMALL_CHAIN])] {
            butler.register_collection(chain, CollectionType::Chained, None).await?;
            butler.edit_chain(chain, ChainEdit::Redefine(children.to_vec())).await?;
        }
        butler.register_collection(TAGGED, CollectionType::Tagged, None).await?;
        butler.register_collection(CALIBRATION, CollectionType::Calibration, None).await.map(|_| ())
    })
    .await
}

/// Registers runs, one at a time.
pub(super) async fn register_runs(butler: &Butler, names: &[ArcStr]) -> Result<()> {
    for name in names {
        butler.register_collection(name, CollectionType::Run, None).await?;
    }
    Ok(())
}

/// Inserts datasets without files, in several ways.
pub(super) async fn insert(site: &Site<'_>) -> Result<()> {
    let butler = site.writer().await?;
    let raw = butler.dataset_type("bench_raw").await?;
    let plain = loose_ids(site.scale());
    let known = data_ids(&butler, &raw, site.scale()).await?;
    let runs = ["insert", "noexpand", "bulk", "bulk_expand", "import"].map(|name| format!("bench/{name}"));
    register_runs(&butler, &runs.map(ArcStr::from)).await?;
    insert_drafts(&butler, &raw, &plain, &known).await?;
    import(&butler, &raw, &known).await?;
    insert_chain(&butler, &known).await
}

/// Data IDs as people give them, and as the library has them; by the thousand, and all at once.
async fn insert_drafts(
    butler: &Butler,
    raw: &DatasetType,
    plain: &[LooseDataId],
    known: &[DataId],
) -> Result<()> {
    let n = plain.len();
    measure("insert_batched", n, async || {
        for some in plain.chunks(BATCH) {
            let inserted = insert_some(butler, raw, some, "bench/insert").await?;
            butler.expand(inserted).await?;
        }
        Ok(())
    })
    .await?;
    measure("insert_batched_noexpand", n, async || {
        for some in known.chunks(BATCH) {
            insert_some(butler, raw, some, "bench/noexpand").await?;
        }
        Ok(())
    })
    .await?;
    measure("insert_bulk_expand", n, async || {
        let inserted = insert_some(butler, raw, plain, "bench/bulk_expand").await?;
        butler.expand(inserted).await
    })
    .await?;
    measure("insert_bulk", n, async || insert_some(butler, raw, known, "bench/bulk").await).await.map(|_| ())
}

/// Inserts new datasets in one call.
pub(super) async fn insert_some<D: Clone + Into<LooseDataId>>(
    butler: &Butler,
    ty: &DatasetType,
    data_ids: &[D],
    run: &str,
) -> Result<Vec<DatasetRef>> {
    let run = ArcStr::from(run);
    let drafts = data_ids.iter().map(|data_id| Draft::new(ty, data_id.clone()).run(run.clone())).collect();
    butler.insert(drafts, IdGenerationMode::Unique).await
}

/// Datasets that have their ids already.
async fn import(butler: &Butler, raw: &DatasetType, known: &[DataId]) -> Result<()> {
    let issuer = IdIssuer::new();
    let run = ArcStr::from("bench/import");
    let references = measure("make_refs", known.len(), async || {
        let make = |data_id: &DataId| {
            DatasetRef::new(issuer.issue(), raw.clone(), data_id.clone(), run.clone())
        };
        known.iter().map(make).collect::<Result<Vec<_>>>()
    })
    .await?;
    measure("insert_import", known.len(), async || butler.import_datasets(references).await).await
}

/// Dataset `j` in run `j mod 50`, each tenth once more 25 runs further on.
async fn insert_chain(butler: &Butler, known: &[DataId]) -> Result<()> {
    let ty = butler.dataset_type("bench_chain").await?;
    let mut members: Vec<Vec<DataId>> = vec![Vec::new(); RUNS];
    for (number, data_id) in known.iter().enumerate() {
        members[number % RUNS].push(data_id.clone());
        if number % 10 == 0 {
            members[(number + RUNS / 2) % RUNS].push(data_id.clone());
        }
    }
    let count = members.iter().map(Vec::len).sum();
    measure("insert_chain", count, async || {
        for (number, members) in members.iter().enumerate() {
            let inserted = insert_some(butler, &ty, members, &run_name(number)).await?;
            check(inserted.len() == members.len(), "a dataset was not inserted")?;
        }
        Ok(())
    })
    .await
}
