//! Finding datasets by data ID and collections, and by id.

use arcstr::ArcStr;
use butler_core::backend::{ColumnBatch, ColumnType, Relation, Scalar, SortKey, TableRef, Value};
use butler_core::registry::FindRequest;
use butler_core::{
    CollectionSearch, CollectionType, DataId, DatasetId, DatasetKind, DatasetRef, DimensionValue, Error,
    ErrorKind, NewDataset, Result, Timespan,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Shared;
use super::layout::{
    COLLECTION_ID, ID, ORIGIN, RUN_ID, SharedTypeHandle, TYPE_ID, VALIDITY_BEGIN, VALIDITY_END, clustered,
};
use super::rows::{Strings, among_ids, batch, equal, int, is, key};
use crate::schema::{DATASET, DATASET_TAG};

/// With more datasets of one data ID than this, runs are probed in search order.
const CANDIDATES_MAX: u64 = 64;

/// Columns of the places of datasets that are asked for by id.
const GIVEN: [ArcStr; 3] =
    [arcstr::literal!("given_run"), arcstr::literal!("given_origin"), arcstr::literal!("given_id")];

/// Number of runs that are probed at once: at first, and at most.
const BLOCK: usize = 64;
const BLOCK_MAX: usize = 4096;

/// A dataset that answers a request, and where it was found.
struct Candidate {
    id: DatasetId,
    run_id: i64,
    rank: usize,
    /// Whether it was found by validity, of which only one may match.
    calibration: bool,
}

/// Finds one dataset for each request, in the order given.
pub(crate) async fn find(shared: &Shared, requests: Vec<FindRequest>) -> Result<Vec<Option<DatasetRef>>> {
    let mut results = Vec::with_capacity(requests.len());
    for request in requests {
        results.push(find_one(shared, &request).await?);
    }
    Ok(results)
}

async fn find_one(shared: &Shared, request: &FindRequest) -> Result<Option<DatasetRef>> {
    let definition = request.dataset_type.composite();
    let handle = shared.type_handle(&definition).await?;
    if handle.definition.kind() == DatasetKind::Nonsingular {
        return Err(Error::new(
            ErrorKind::DatasetType,
            format!(
                "a data ID does not tell which dataset of the nonsingular type '{}' is meant",
                definition.name()
            ),
        )
        .with_hint("get it by id, or iterate over a query"));
    }
    if request.data_id.group() != handle.definition.group() {
        return Err(Error::new(
            ErrorKind::DimensionName,
            format!(
                "data ID {} has the dimensions {}, but dataset type '{}' has {}",
                request.data_id,
                request.data_id.group(),
                definition.name(),
                handle.definition.group()
            ),
        ));
    }
    let mut candidates = in_runs(shared, &handle, request).await?;
    candidates.extend(in_tags(shared, &handle, request).await?);
    if let Some(timespan) = request.timespan {
        candidates.extend(in_calibrations(shared, &handle, request, timespan).await?);
    }
    let Some(best) = candidates.iter().map(|candidate| candidate.rank).min() else { return Ok(None) };
    let mut winners = candidates.into_iter().filter(|candidate| candidate.rank == best);
    let Some(winner) = winners.next() else { return Ok(None) };
    if winner.calibration && winners.next().is_some() {
        return Err(ambiguous(request, best));
    }
    let run = shared.collection_names(&[winner.run_id]).await?.remove(&winner.run_id).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, format!("the run of dataset {} does not exist", winner.id))
    })?;
    NewDataset::new(request.dataset_type.clone(), request.data_id.clone(), run)
        .map(|new| Some(new.with_id(winner.id)))
}

fn ambiguous(request: &FindRequest, rank: usize) -> Error {
    let collection = &request.collections.members()[rank].name;
    let timespan = request.timespan.unwrap_or(Timespan::UNBOUNDED);
    Error::new(
        ErrorKind::CalibrationLookup,
        format!(
            "several datasets of type '{}' for {} are valid in {timespan} in '{collection}'",
            request.dataset_type.name(),
            request.data_id
        ),
    )
    .with_hint("ask for a shorter timespan")
}

/// Rows of a table of the dataset's type with the request's data ID.
fn matching(handle: &SharedTypeHandle, table: &TableRef, data_id: &DataId) -> Relation {
    let group = handle.definition.group();
    let values = clustered(group).into_iter().filter_map(|dimension| {
        let value: Value = data_id.get_dimension(dimension)?.clone().into();
        Some(is(dimension.name().clone(), value))
    });
    table.scan().filter(Scalar::all(std::iter::once(is(TYPE_ID, handle.id)).chain(values)))
}

async fn in_runs(
    shared: &Shared,
    handle: &SharedTypeHandle,
    request: &FindRequest,
) -> Result<Vec<Candidate>> {
    let search = &request.collections;
    let everywhere = handle.definition.kind() == DatasetKind::Global;
    if !everywhere && search.of_type(CollectionType::Run).next().is_none() {
        return Ok(Vec::new());
    }
    let rows = matching(handle, &handle.data, &request.data_id).select([ORIGIN, ID, RUN_ID]);
    let order = [RUN_ID, ORIGIN, ID].map(SortKey::ascending).to_vec();
    let batches = shared.collect(rows.clone().slice(order, 0, Some(CANDIDATES_MAX + 1))).await?;
    let count: usize = batches.iter().map(ColumnBatch::len).sum();
    if count as u64 <= CANDIDATES_MAX {
        let runs = run_names(shared, &batches).await?;
        return ranked(&batches, |run| if everywhere { Some(0) } else { search.rank(runs.get(&run)?) });
    }
    in_blocks_of_runs(shared, &rows, search).await
}

async fn run_names(shared: &Shared, batches: &[ColumnBatch]) -> Result<FxHashMap<i64, ArcStr>> {
    let mut ids = FxHashSet::default();
    for batch in batches {
        let run = batch.column(&RUN_ID)?;
        for row in 0..batch.len() {
            ids.insert(int(run, row)?);
        }
    }
    shared.collection_names(&ids.into_iter().collect::<Vec<_>>()).await
}

fn ranked(batches: &[ColumnBatch], rank: impl Fn(i64) -> Option<usize>) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for batch in batches {
        let (origin, id, run) = (batch.column(&ORIGIN)?, batch.column(&ID)?, batch.column(&RUN_ID)?);
        for row in 0..batch.len() {
            let run_id = int(run, row)?;
            if let Some(rank) = rank(run_id) {
                let id = DatasetId::from_trusted(int(origin, row)?, int(id, row)?);
                candidates.push(Candidate { id, run_id, rank, calibration: false });
            }
        }
    }
    Ok(candidates)
}

/// Asks for the data ID in a few runs at a time, first searched first, until one has it; in more and more of
/// them, as what is not in the first ones may be in the last one only.
async fn in_blocks_of_runs(
    shared: &Shared,
    rows: &Relation,
    search: &CollectionSearch,
) -> Result<Vec<Candidate>> {
    let mut runs = search.of_type(CollectionType::Run).cloned();
    let mut size = BLOCK;
    loop {
        let block: Vec<ArcStr> = runs.by_ref().take(size).collect();
        if block.is_empty() {
            return Ok(Vec::new());
        }
        size = (4 * size).min(BLOCK_MAX);
        let handles = shared.collection_handles(&block).await?;
        let ranks: FxHashMap<i64, usize> =
            handles.values().filter_map(|handle| Some((handle.id, search.rank(&handle.name)?))).collect();
        let keys: Vec<Value> = ranks.keys().map(|&id| id.into()).collect();
        let batches = shared.collect(rows.clone().filter(Scalar::column(RUN_ID).is_in(keys))).await?;
        let candidates = ranked(&batches, |run| ranks.get(&run).copied())?;
        if !candidates.is_empty() {
            return Ok(candidates);
        }
    }
}

/// Surrogate keys of the collections of a type, with their places in the search order.
async fn ranks_of(
    shared: &Shared,
    search: &CollectionSearch,
    ty: CollectionType,
) -> Result<FxHashMap<i64, usize>> {
    let names: Vec<ArcStr> = search.of_type(ty).cloned().collect();
    if names.is_empty() {
        return Ok(FxHashMap::default());
    }
    let handles = shared.collection_handles(&names).await?;
    Ok(handles.values().filter_map(|handle| Some((handle.id, search.rank(&handle.name)?))).collect())
}

async fn in_tags(
    shared: &Shared,
    handle: &SharedTypeHandle,
    request: &FindRequest,
) -> Result<Vec<Candidate>> {
    let ranks = ranks_of(shared, &request.collections, CollectionType::Tagged).await?;
    if ranks.is_empty() {
        return Ok(Vec::new());
    }
    let digest = request.data_id.digest();
    let rows = DATASET_TAG.scan().filter(Scalar::all([
        Scalar::column(COLLECTION_ID).is_in(ranks.keys().map(|&id| id.into()).collect()),
        is(TYPE_ID, handle.id),
        is("data_id_hash", &digest[..]),
    ]));
    in_collections(shared, rows, &ranks, false).await
}

async fn in_calibrations(
    shared: &Shared,
    handle: &SharedTypeHandle,
    request: &FindRequest,
    timespan: Timespan,
) -> Result<Vec<Candidate>> {
    let Some(calib) = &handle.calib else { return Ok(Vec::new()) };
    let ranks = ranks_of(shared, &request.collections, CollectionType::Calibration).await?;
    if ranks.is_empty() || timespan.is_empty() {
        return Ok(Vec::new());
    }
    let (begin, end) = timespan.to_raw();
    let rows = matching(handle, calib, &request.data_id).filter(Scalar::all([
        Scalar::column(COLLECTION_ID).is_in(ranks.keys().map(|&id| id.into()).collect()),
        Scalar::column(VALIDITY_BEGIN).lt(Value::Int(end)),
        Scalar::column(VALIDITY_END).gt(Value::Int(begin)),
    ]));
    in_collections(shared, rows, &ranks, true).await
}

/// Members of collections among rows of their tables, with the runs that they live in.
async fn in_collections(
    shared: &Shared,
    rows: Relation,
    ranks: &FxHashMap<i64, usize>,
    calibration: bool,
) -> Result<Vec<Candidate>> {
    let runs = DATASET.scan().rename([("of_origin", ORIGIN), ("of_id", ID), ("run_id", RUN_ID)]);
    let rows =
        rows.select([COLLECTION_ID, ORIGIN, ID]).join(runs, equal([(ORIGIN, "of_origin"), (ID, "of_id")]));
    let mut candidates = Vec::new();
    for batch in shared.collect(rows).await? {
        let column = |name: &str| batch.column(name);
        let (collection, run) = (column(&COLLECTION_ID)?, column(&RUN_ID)?);
        let (origin, id) = (column(&ORIGIN)?, column(&ID)?);
        for row in 0..batch.len() {
            if let Some(&rank) = ranks.get(&int(collection, row)?) {
                let id = DatasetId::from_trusted(int(origin, row)?, int(id, row)?);
                candidates.push(Candidate { id, run_id: int(run, row)?, rank, calibration });
            }
        }
    }
    Ok(candidates)
}

/// Where a dataset is, by its id.
struct Place {
    type_id: i64,
    run_id: i64,
}

/// Datasets by id, in the order given.
pub(crate) async fn get(shared: &Shared, ids: Vec<DatasetId>) -> Result<Vec<Option<DatasetRef>>> {
    let places = places(shared, &ids).await?;
    let mut by_type: FxHashMap<i64, Vec<DatasetId>> = FxHashMap::default();
    for (id, place) in &places {
        by_type.entry(place.type_id).or_default().push(*id);
    }
    let handles = shared.type_handles_by_id(&by_type.keys().copied().collect::<Vec<_>>()).await?;
    let run_ids: FxHashSet<i64> = places.values().map(|place| place.run_id).collect();
    let runs = shared.collection_names(&run_ids.into_iter().collect::<Vec<_>>()).await?;
    let mut found: FxHashMap<DatasetId, DatasetRef> = FxHashMap::default();
    for (type_id, ids) in by_type {
        let Some(handle) = handles.get(&type_id) else { continue };
        for (id, data_id) in data_ids(shared, handle, &ids, &places).await? {
            let run = places.get(&id).and_then(|place| runs.get(&place.run_id));
            let Some(run) = run else { continue };
            let new = NewDataset::new(handle.definition.clone(), data_id, run.clone())?;
            found.insert(id, new.with_id(id));
        }
    }
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

async fn places(shared: &Shared, ids: &[DatasetId]) -> Result<FxHashMap<DatasetId, Place>> {
    let rows = if let [id] = ids {
        DATASET.scan().filter(Scalar::all([is(ORIGIN, id.origin()), is(ID, id.id())]))
    } else {
        let distinct: FxHashSet<DatasetId> = ids.iter().copied().collect();
        among_ids(DATASET.scan(), &ORIGIN, &ID, distinct)
    };
    let mut places = FxHashMap::default();
    for batch in shared.collect(rows.select([ORIGIN, ID, TYPE_ID, RUN_ID])).await? {
        let columns = batch.columns();
        for row in 0..batch.len() {
            let id = DatasetId::from_trusted(int(&columns[0], row)?, int(&columns[1], row)?);
            places.insert(id, Place { type_id: int(&columns[2], row)?, run_id: int(&columns[3], row)? });
        }
    }
    Ok(places)
}

async fn data_ids(
    shared: &Shared,
    handle: &SharedTypeHandle,
    ids: &[DatasetId],
    places: &FxHashMap<DatasetId, Place>,
) -> Result<Vec<(DatasetId, DataId)>> {
    let group = handle.definition.group();
    let rows = handle.data.scan().filter(is(TYPE_ID, handle.id));
    let runs: FxHashSet<i64> = ids.iter().filter_map(|id| places.get(id)).map(|place| place.run_id).collect();
    // The index begins with type and run: without the run it would be of no use.
    let rows = if let [id] = ids {
        let run = runs.into_iter().next().unwrap_or_default();
        rows.filter(Scalar::all([is(RUN_ID, run), is(ORIGIN, id.origin()), is(ID, id.id())]))
    } else {
        let mut given = batch(GIVEN.iter().map(|name| (name, ColumnType::Int)));
        for (id, place) in ids.iter().filter_map(|id| Some((id, places.get(id)?))) {
            given.push_row(&[place.run_id.into(), id.origin().into(), id.id().into()])?;
        }
        let on = equal([RUN_ID, ORIGIN, ID].into_iter().zip(GIVEN));
        rows.semi(Relation::values(given), on)
    };
    let mut strings = Strings::default();
    let mut found = Vec::with_capacity(ids.len());
    for batch in shared.collect(rows).await? {
        let (origin, id) = (batch.column(&ORIGIN)?, batch.column(&ID)?);
        let keys = group.required().map(|d| batch.column(d.name())).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.len() {
            let values = keys
                .iter()
                .map(|column| key(column, row, &mut strings))
                .collect::<Result<Vec<DimensionValue>>>()?;
            let id = DatasetId::from_trusted(int(origin, row)?, int(id, row)?);
            found.push((id, DataId::from_trusted(group, values)));
        }
    }
    Ok(found)
}
