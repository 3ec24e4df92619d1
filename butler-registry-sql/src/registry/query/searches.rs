//! Searches for datasets as relations.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{ColumnType, Relation, Scalar, Value};
use butler_core::query::{DatasetField, DatasetSearch};
use butler_core::{CollectionType, DimensionElement, DimensionGroup, Result, Timespan};
use rustc_hash::{FxHashMap, FxHashSet};

use super::plan::Plan;
use crate::registry::Shared;
use crate::registry::layout::{
    COLLECTION_ID, ID, ORIGIN, RUN_ID, SharedTypeHandle, TYPE_ID, VALIDITY_BEGIN, VALIDITY_END,
};
use crate::registry::rows::{batch, equal, int, is};
use crate::schema::{COLLECTION, COLLECTION_SUMMARY, DATASET, DATASET_TAG};

/// More collections than this are not listed in a question about summaries.
const LISTED_MAX: usize = 1000;

const INGESTED_AT: ArcStr = arcstr::literal!("ingested_at");
const RANK: ArcStr = arcstr::literal!("rank");
const RUN_NAME: ArcStr = arcstr::literal!("run_name");
const COLLECTION_NAME: ArcStr = arcstr::literal!("collection_name");

/// A collection in which a dataset type may have datasets.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) name: ArcStr,
    pub(super) ty: CollectionType,
}

/// A search with the collections that may have something.
#[derive(Debug)]
pub(super) struct SearchPlan {
    pub(super) handle: SharedTypeHandle,
    /// In search order.
    pub(super) places: Vec<Place>,
}

/// Columns of a search in a plan.
#[derive(Clone, Debug)]
pub(super) struct SearchColumns {
    pub(super) origin: ArcStr,
    pub(super) id: ArcStr,
    pub(super) run_id: ArcStr,
    pub(super) collection_id: Option<ArcStr>,
    pub(super) rank: Option<ArcStr>,
    pub(super) run_name: Option<ArcStr>,
    pub(super) collection_name: Option<ArcStr>,
    pub(super) ingested_at: Option<ArcStr>,
    pub(super) validity: Option<Validity>,
}

/// Columns of a dataset's validity.
#[derive(Clone, Debug)]
pub(super) struct Validity {
    pub(super) begin: ArcStr,
    pub(super) end: ArcStr,
}

/// What is wanted of the datasets of a search.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) rank: bool,
    pub(super) run_name: bool,
    pub(super) collection: bool,
    pub(super) ingested_at: bool,
    pub(super) validity: bool,
}

impl Wanted {
    pub(super) fn of(fields: Option<&FxHashSet<DatasetField>>) -> Self {
        let has = |field| fields.is_some_and(|fields| fields.contains(&field));
        Self {
            rank: false,
            run_name: has(DatasetField::Run),
            collection: has(DatasetField::Collection),
            ingested_at: has(DatasetField::IngestDate),
            validity: has(DatasetField::Timespan),
        }
    }
}

impl SearchPlan {
    /// Looks which of the collections may have datasets of the type.
    pub(super) async fn new(shared: &Shared, search: &DatasetSearch) -> Result<Self> {
        let handle = shared.type_handle(&search.dataset_type.composite()).await?;
        let names: Vec<ArcStr> =
            search.collections.members().iter().map(|member| member.name.clone()).collect();
        let known = shared.collection_handles(&names).await?;
        let mut rows = COLLECTION_SUMMARY.scan().filter(is(TYPE_ID, handle.id));
        if names.len() <= LISTED_MAX {
            let ids = known.values().map(|handle| handle.id.into()).collect();
            rows = rows.filter(Scalar::column(COLLECTION_ID).is_in(ids));
        }
        let mut summarised: FxHashSet<i64> = FxHashSet::default();
        for batch in shared.collect(rows.select([COLLECTION_ID])).await? {
            for row in 0..batch.len() {
                summarised.insert(int(&batch.columns()[0], row)?);
            }
        }
        let places = search
            .collections
            .members()
            .iter()
            .filter_map(|member| known.get(&member.name))
            .filter(|place| summarised.contains(&place.id))
            .map(|place| Place { id: place.id, name: place.name.clone(), ty: place.ty })
            .collect();
        Ok(Self { handle, places })
    }

    pub(super) fn name(&self) -> &ArcStr {
        self.handle.definition.name()
    }

    pub(super) fn group(&self) -> DimensionGroup {
        self.handle.definition.group()
    }

    /// Whether validity ranges are searched.
    pub(super) fn is_calibration(&self) -> bool {
        self.handle.calib.is_some() && self.places.iter().any(|place| place.ty == CollectionType::Calibration)
    }

    /// Whether a dataset may be found in several of the collections, or several times in one.
    pub(super) fn repeats(&self) -> bool {
        self.places.len() > 1 && self.places.iter().any(|place| place.ty != CollectionType::Run)
            || self.is_calibration()
    }

    fn ids(&self, ty: CollectionType) -> Vec<Value> {
        self.places.iter().filter(|place| place.ty == ty).map(|place| place.id.into()).collect()
    }

    /// Joins the datasets.
    pub(super) fn join(&self, plan: &mut Plan, wanted: Wanted) {
        let with_collection = wanted.rank || wanted.collection;
        let mut columns: Vec<ArcStr> = vec![ORIGIN, ID, RUN_ID];
        if with_collection {
            columns.push(COLLECTION_ID);
        }
        if wanted.validity {
            columns.extend([VALIDITY_BEGIN, VALIDITY_END]);
        }
        if wanted.ingested_at {
            columns.push(INGESTED_AT);
        }
        let rank = self.rank_by_key().filter(|_| wanted.rank);
        let mut relation = self.relation(&columns, wanted, rank.as_ref());
        if wanted.rank {
            if rank.is_none() {
                relation = relation.join(self.ranks(), equal([(COLLECTION_ID, "ranked_id")]));
            }
            columns.push(RANK);
        }
        for (needed, key, name) in
            [(wanted.run_name, RUN_ID, RUN_NAME), (wanted.collection, COLLECTION_ID, COLLECTION_NAME)]
        {
            if needed {
                let key_name = ArcStr::from(format!("of_{name}"));
                let names = COLLECTION
                    .scan()
                    .rename([(key_name.clone(), COLLECTION_ID), (name.clone(), arcstr::literal!("name"))]);
                relation = relation.join(names, equal([(key, key_name)]));
                columns.push(name);
            }
        }
        let keys: Vec<(DimensionElement, ArcStr)> =
            self.group().required().map(|dimension| (dimension, dimension.name().clone())).collect();
        let names = plan.join(relation, &keys, &columns, Vec::new());
        let named: FxHashMap<ArcStr, ArcStr> = columns.into_iter().zip(names).collect();
        let required = |name: &ArcStr| named.get(name).cloned().unwrap_or_default();
        plan.datasets.insert(
            self.name().clone(),
            SearchColumns {
                origin: required(&ORIGIN),
                id: required(&ID),
                run_id: required(&RUN_ID),
                collection_id: named.get(&COLLECTION_ID).cloned(),
                rank: named.get(&RANK).cloned(),
                run_name: named.get(&RUN_NAME).cloned(),
                collection_name: named.get(&COLLECTION_NAME).cloned(),
                ingested_at: named.get(&INGESTED_AT).cloned(),
                validity: wanted
                    .validity
                    .then(|| Validity { begin: required(&VALIDITY_BEGIN), end: required(&VALIDITY_END) }),
            },
        );
    }

    /// A value that rises with the place in the search order, if the keys of the collections rise or fall with it,
    /// as those of collections do that were made one after the other.
    fn rank_by_key(&self) -> Option<Scalar> {
        let key = Scalar::Column(COLLECTION_ID);
        if self.places.is_sorted_by(|a, b| a.id < b.id) {
            Some(key)
        } else if self.places.is_sorted_by(|a, b| a.id > b.id) {
            Some(Scalar::Negate(Box::new(key)))
        } else {
            None
        }
    }

    /// Places in the search order, by collection.
    fn ranks(&self) -> Relation {
        let names = [arcstr::literal!("ranked_id"), RANK];
        let mut rows = batch(names.iter().map(|name| (name, ColumnType::Int)));
        for (rank, place) in (0i64..).zip(&self.places) {
            rows.columns_mut()[0].push_int(place.id);
            rows.columns_mut()[1].push_int(rank);
            rows.end_row();
        }
        Relation::values(Arc::new(rows))
    }

    /// The datasets of all collections, with some columns, and with a rank if it follows from others.
    fn relation(&self, columns: &[ArcStr], wanted: Wanted, rank: Option<&Scalar>) -> Relation {
        let runs = self.ids(CollectionType::Run);
        let tagged = self.ids(CollectionType::Tagged);
        let calibrations = self.ids(CollectionType::Calibration);
        let mut sources = Vec::new();
        if !tagged.is_empty() {
            sources.push(self.tagged(tagged));
        }
        if !calibrations.is_empty()
            && let Some(source) = self.calibrated(calibrations)
        {
            sources.push(source);
        }
        if !runs.is_empty() || sources.is_empty() {
            // Without any collection there is nothing: an empty list of runs says so.
            sources.push(self.in_runs(runs));
        }
        let dimensions: Vec<ArcStr> =
            self.group().required().map(|dimension| dimension.name().clone()).collect();
        let sources = sources
            .into_iter()
            .map(|source| {
                let source = if wanted.ingested_at {
                    with_ingest_time(source.relation, source.has_time)
                } else {
                    source.relation
                };
                let values = dimensions
                    .iter()
                    .chain(columns)
                    .map(|name| (name.clone(), Scalar::Column(name.clone())))
                    .chain(rank.map(|rank| (RANK, rank.clone())));
                source.project(values)
            })
            .collect();
        Relation::union_all(sources)
    }

    fn in_runs(&self, runs: Vec<Value>) -> Source {
        let rows = self.handle.data.scan().filter(Scalar::all([
            is(TYPE_ID, self.handle.id),
            match &runs[..] {
                [run] => Scalar::column(RUN_ID).eq(run.clone()),
                _ => Scalar::column(RUN_ID).is_in(runs),
            },
        ]));
        Source { relation: self.complete(rows, Scalar::Column(RUN_ID)), has_time: false }
    }

    fn tagged(&self, collections: Vec<Value>) -> Source {
        let tags = DATASET_TAG
            .scan()
            .filter(Scalar::all([
                Scalar::column(COLLECTION_ID).is_in(collections),
                is(TYPE_ID, self.handle.id),
            ]))
            .rename([
                (COLLECTION_ID, COLLECTION_ID),
                (ArcStr::from("tag_origin"), ORIGIN),
                (ArcStr::from("tag_id"), ID),
            ]);
        let datasets = DATASET.scan().rename([
            (ArcStr::from("of_origin"), ORIGIN),
            (ArcStr::from("of_id"), ID),
            (ArcStr::from("of_run"), RUN_ID),
            (INGESTED_AT, INGESTED_AT),
        ]);
        let rows = tags.join(datasets, equal([("tag_origin", "of_origin"), ("tag_id", "of_id")])).join(
            self.handle.data.scan().filter(is(TYPE_ID, self.handle.id)),
            equal(
                [("of_run", &RUN_ID), ("of_origin", &ORIGIN), ("of_id", &ID)]
                    .map(|(a, b)| (ArcStr::from(a), b.clone())),
            ),
        );
        let columns = self.group().required().map(|dimension| dimension.name().clone());
        let values = columns
            .chain([ORIGIN, ID, RUN_ID, COLLECTION_ID, INGESTED_AT])
            .map(|name| (name.clone(), Scalar::Column(name)))
            .chain(unbounded());
        Source { relation: rows.project(values), has_time: true }
    }

    fn calibrated(&self, collections: Vec<Value>) -> Option<Source> {
        let calib = self.handle.calib.as_ref()?;
        let ranges = calib.scan().filter(Scalar::all([
            is(TYPE_ID, self.handle.id),
            Scalar::column(COLLECTION_ID).is_in(collections),
        ]));
        let datasets = DATASET.scan().rename([
            (ArcStr::from("of_origin"), ORIGIN),
            (ArcStr::from("of_id"), ID),
            (RUN_ID, RUN_ID),
            (INGESTED_AT, INGESTED_AT),
        ]);
        let relation =
            ranges.join(datasets, equal([(ORIGIN, ArcStr::from("of_origin")), (ID, ArcStr::from("of_id"))]));
        Some(Source { relation, has_time: true })
    }

    /// Rows of the data table with the columns that other sources have.
    fn complete(&self, rows: Relation, collection: Scalar) -> Relation {
        let columns = self.group().required().map(|dimension| dimension.name().clone());
        let values = columns
            .chain([ORIGIN, ID, RUN_ID])
            .map(|name| (name.clone(), Scalar::Column(name)))
            .chain(std::iter::once((COLLECTION_ID, collection)))
            .chain(unbounded());
        rows.project(values)
    }
}

struct Source {
    relation: Relation,
    /// Whether the time of ingest is among the columns.
    has_time: bool,
}

/// Validity of a dataset that is found by other means.
fn unbounded() -> [(ArcStr, Scalar); 2] {
    let (begin, end) = Timespan::UNBOUNDED.to_raw();
    [(VALIDITY_BEGIN, begin.into()), (VALIDITY_END, end.into())]
}

fn with_ingest_time(relation: Relation, has_time: bool) -> Relation {
    if has_time {
        return relation;
    }
    let times = DATASET.scan().rename([
        (ArcStr::from("timed_origin"), ORIGIN),
        (ArcStr::from("timed_id"), ID),
        (INGESTED_AT, INGESTED_AT),
    ]);
    relation.join(times, equal([(ORIGIN, ArcStr::from("timed_origin")), (ID, ArcStr::from("timed_id"))]))
}
