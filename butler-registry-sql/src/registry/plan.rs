//! What a removal would take with it.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use butler_core::backend::{Aggregate, AggregateColumn, ColumnBatch, Relation, Scalar, TableRef, Value};
use butler_core::registry::{CollectionQuery, Removal, RemovalPlan};
use butler_core::{CollectionCatalog, CollectionType, DatasetId, Error, ErrorKind, Result};
use rustc_hash::FxHashSet;

use super::Shared;
use super::catalog::{collections, dataset_types};
use super::layout::{COLLECTION_ID, ID, ORIGIN, RUN_ID, SharedTypeHandle, TYPE_ID};
use super::rows::{among_ids, equal, int, is, text};
use crate::schema::{
    COLLECTION, COLLECTION_SUMMARY, DATASET, DATASET_LOCATION, DATASET_TAG, QUANTUM_INPUT, QUANTUM_OUTPUT,
};

/// Looks at what a removal would take with it; nothing changes.
pub(crate) async fn plan(shared: &Shared, removal: Removal) -> Result<RemovalPlan> {
    match removal {
        Removal::Datasets(ids) => {
            let mut doomed = Doomed::default();
            doomed.add(shared, among_ids(DATASET.scan(), &ORIGIN, &ID, ids)).await?;
            Ok(doomed.plan())
        }
        Removal::Collections { names, .. } => plan_collections(shared, &names).await,
        Removal::DatasetTypes(names) => {
            let found = dataset_types(shared, Some(&names)).await?;
            let known = found.iter().map(|ty| ty.definition.name());
            check_names(&names, known, ErrorKind::MissingDatasetType, "dataset type")?;
            let mut doomed = Doomed::default();
            for ty in &found {
                doomed.add(shared, ty.data.scan().filter(is(TYPE_ID, ty.id))).await?;
            }
            Ok(RemovalPlan { dataset_types: names, ..doomed.plan() })
        }
    }
}

fn check_names<'a>(
    names: &[ArcStr],
    found: impl Iterator<Item = &'a ArcStr>,
    kind: ErrorKind,
    what: &str,
) -> Result<()> {
    let found: FxHashSet<&ArcStr> = found.collect();
    match names.iter().find(|name| !found.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(kind, format!("{what} '{name}' does not exist"))),
    }
}

async fn plan_collections(shared: &Shared, names: &[ArcStr]) -> Result<RemovalPlan> {
    let catalog: CollectionCatalog =
        collections(shared, CollectionQuery::default()).await?.into_iter().collect();
    let handles = shared.collection_handles(names).await?;
    let of_type = |ty| -> Vec<Value> {
        handles.values().filter(|handle| handle.ty == ty).map(|handle| handle.id.into()).collect()
    };
    let runs = of_type(CollectionType::Run);
    let mut doomed = Doomed::default();
    for ty in summarised_types(shared, &runs).await? {
        let rows = Scalar::all([is(TYPE_ID, ty.id), Scalar::column(RUN_ID).is_in(runs.clone())]);
        doomed.add(shared, ty.data.scan().filter(rows)).await?;
    }
    let mut plan = doomed.plan();
    for name in names {
        let info = catalog.get(name)?;
        plan.collections.insert(info.name.clone(), info.ty);
        let parents: Vec<ArcStr> =
            catalog.parents(name).into_iter().filter(|parent| !names.contains(parent)).collect();
        if !parents.is_empty() {
            plan.parents.insert(info.name.clone(), parents);
        }
    }
    // All members of a collection that goes are gone: those of datasets that go are among them.
    let (mut tags, mut ranges) = (BTreeMap::new(), BTreeMap::new());
    let tagged =
        DATASET_TAG.scan().filter(Scalar::column(COLLECTION_ID).is_in(of_type(CollectionType::Tagged)));
    count_by_collection(shared, tagged, &mut tags).await?;
    let calibrations = of_type(CollectionType::Calibration);
    if !calibrations.is_empty() {
        for ty in dataset_types(shared, None).await? {
            if let Some(calib) = &ty.calib {
                let rows = calib.scan().filter(Scalar::all([
                    is(TYPE_ID, ty.id),
                    Scalar::column(COLLECTION_ID).is_in(calibrations.clone()),
                ]));
                count_by_collection(shared, rows, &mut ranges).await?;
            }
        }
    }
    plan.tags.extend(tags);
    plan.calibrations.extend(ranges);
    Ok(plan)
}

/// Dataset types that may have datasets in some collections.
async fn summarised_types(shared: &Shared, collections: &[Value]) -> Result<Vec<SharedTypeHandle>> {
    if collections.is_empty() {
        return Ok(Vec::new());
    }
    let rows = COLLECTION_SUMMARY.scan().filter(Scalar::column(COLLECTION_ID).is_in(collections.to_vec()));
    let mut ids = FxHashSet::default();
    for batch in shared.collect(rows.select([TYPE_ID]).distinct()).await? {
        for row in 0..batch.len() {
            ids.insert(int(&batch.columns()[0], row)?);
        }
    }
    Ok(dataset_types(shared, None).await?.into_iter().filter(|ty| ids.contains(&ty.id)).collect())
}

/// Datasets that would go, and what refers to them.
#[derive(Default)]
struct Doomed {
    plan: RemovalPlan,
    /// A quantum may have read or written datasets of several types.
    quanta: FxHashSet<DatasetId>,
}

impl Doomed {
    fn plan(self) -> RemovalPlan {
        RemovalPlan { quanta: self.quanta.len() as u64, ..self.plan }
    }

    /// Adds datasets, given as rows of any table that has type and id; none is added twice.
    async fn add(&mut self, shared: &Shared, doomed: Relation) -> Result<()> {
        let plan = &mut self.plan;
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        for batch in shared.collect(doomed.clone().aggregate([TYPE_ID], vec![count()])).await? {
            for row in 0..batch.len() {
                counts.insert(int(&batch.columns()[0], row)?, number(&batch, row)?);
            }
        }
        let keys = doomed.rename([("doomed_origin", ORIGIN), ("doomed_id", ID)]);
        let on = || equal([(ORIGIN, "doomed_origin"), (ID, "doomed_id")]);
        for ty in dataset_types(shared, None).await? {
            let Some(count) = counts.get(&ty.id) else { continue };
            *plan.datasets.entry(ty.definition.name().clone()).or_default() += *count;
            if let Some(calib) = &ty.calib {
                let rows = calib.scan().filter(is(TYPE_ID, ty.id)).semi(keys.clone(), on());
                count_by_collection(shared, rows, &mut plan.calibrations).await?;
            }
        }
        count_by_collection(shared, DATASET_TAG.scan().semi(keys.clone(), on()), &mut plan.tags).await?;
        let stored = DATASET_LOCATION.scan().semi(keys.clone(), on()).select([ORIGIN, ID]).distinct();
        plan.stored += total(shared, stored).await?;
        let quanta =
            |table: &TableRef| table.scan().semi(keys.clone(), on()).select(["quantum_origin", "quantum_id"]);
        let quanta = Relation::union_all(vec![quanta(&QUANTUM_INPUT), quanta(&QUANTUM_OUTPUT)]).distinct();
        for batch in shared.collect(quanta).await? {
            for row in 0..batch.len() {
                let (origin, id) = (int(&batch.columns()[0], row)?, int(&batch.columns()[1], row)?);
                self.quanta.insert(DatasetId::from_trusted(origin, id));
            }
        }
        Ok(())
    }
}

fn count() -> AggregateColumn {
    AggregateColumn { name: "count".into(), function: Aggregate::Count }
}

fn number(batch: &ColumnBatch, row: usize) -> Result<u64> {
    u64::try_from(int(batch.column("count")?, row)?)
        .map_err(|_| Error::new(ErrorKind::Unexpected, "a count is negative"))
}

async fn total(shared: &Shared, rows: Relation) -> Result<u64> {
    match shared.collect(rows.count()).await?.iter().find(|batch| !batch.is_empty()) {
        Some(batch) => number(batch, 0),
        None => Ok(0),
    }
}

async fn count_by_collection(
    shared: &Shared,
    rows: Relation,
    into: &mut BTreeMap<ArcStr, u64>,
) -> Result<()> {
    let names = COLLECTION.scan().rename([("named_id", "collection_id"), ("name", "name")]);
    let counted = rows
        .select([COLLECTION_ID])
        .join(names, equal([(COLLECTION_ID, "named_id")]))
        .aggregate(["name"], vec![count()]);
    for batch in shared.collect(counted).await? {
        for row in 0..batch.len() {
            *into.entry(text(&batch.columns()[0], row)?.into()).or_default() += number(&batch, row)?;
        }
    }
    Ok(())
}
