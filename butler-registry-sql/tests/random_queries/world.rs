//! A small random repository, as changes that any registry can apply.

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::query::Field;
use butler_core::registry::{DatasetInsert, InsertMode, Operation, RecordConflict, RecordSet, RegistryBatch};
use butler_core::sky::Region;
use butler_core::{
    CollectionSearch, CollectionType, DataId, DatasetId, DatasetRef, DatasetType, DimensionElement,
    DimensionRecord, DimensionUniverse, DimensionValue, FieldRole, FieldType, FieldValue, Instant,
    NewDataset, SearchMember, Timespan,
};
use fastrand::Rng;
use rustc_hash::FxHashMap;

/// Elements with records, each after those it refers to, and how many are tried.
const ELEMENTS: &[(&str, usize)] = &[
    ("instrument", 2),
    ("skymap", 1),
    ("day_obs", 4),
    ("detector", 6),
    ("group", 3),
    ("physical_filter", 5),
    ("tract", 3),
    ("visit_system", 2),
    ("exposure", 8),
    ("patch", 6),
    ("visit", 8),
    ("visit_definition", 10),
    ("visit_detector_region", 16),
    ("visit_system_membership", 10),
];

/// Dataset types with their dimensions.
const TYPES: &[(&str, &[&str])] = &[
    ("bias", &["detector"]),
    ("flat", &["detector", "physical_filter"]),
    ("raw", &["exposure", "detector"]),
    ("calexp", &["visit", "detector"]),
    ("coadd", &["patch", "band"]),
];

const RUNS: [&str; 3] = ["run/a", "run/b", "run/c"];
const TAG: &str = "tag";
const CALIBS: [&str; 2] = ["calib/a", "calib/b"];

type Known = BTreeMap<&'static str, FieldValue>;

/// What there is, to be stored and to be asked for.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) batches: Vec<RegistryBatch>,
    pub(crate) types: Vec<DatasetType>,
    /// Values that fields have somewhere.
    pub(crate) values: FxHashMap<Field, Vec<FieldValue>>,
    pub(crate) datasets: Vec<DatasetRef>,
    records: FxHashMap<DimensionElement, Vec<DimensionRecord>>,
    ids: i64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: Rng::with_seed(seed),
            batches: Vec::new(),
            types: Vec::new(),
            values: FxHashMap::default(),
            datasets: Vec::new(),
            records: FxHashMap::default(),
            ids: 0,
        };
        for &(name, count) in ELEMENTS {
            world.make_records(name, count);
        }
        world.make_collections();
        world.make_datasets();
        world
    }

    pub(crate) fn universe() -> DimensionUniverse {
        DimensionUniverse::default()
    }

    /// A random search of collections.
    pub(crate) fn search(&mut self) -> Arc<CollectionSearch> {
        let all = RUNS
            .map(|name| (name, CollectionType::Run))
            .into_iter()
            .chain([(TAG, CollectionType::Tagged)])
            .chain(CALIBS.map(|name| (name, CollectionType::Calibration)));
        let mut members: Vec<SearchMember> = all
            .filter(|_| self.rng.u8(..3) > 0)
            .map(|(name, ty)| SearchMember { name: name.into(), ty })
            .collect();
        self.rng.shuffle(&mut members);
        // Calibrations make much ambiguous.
        if self.rng.bool() {
            members.retain(|member| member.ty != CollectionType::Calibration);
        }
        Arc::new(CollectionSearch::from(members))
    }

    fn make_records(&mut self, name: &str, count: usize) {
        let element = Self::universe().element(name).expect("a known element");
        let mut made: Vec<DimensionRecord> = Vec::new();
        for n in 0..count {
            let Some(record) = self.record(element, n) else { continue };
            let key = record.required_values();
            if made.iter().all(|other| other.required_values() != key) {
                made.push(record);
            }
        }
        for record in &made {
            for (field, value) in element.fields().iter().zip(record.values()) {
                let known = match field.role {
                    FieldRole::Required | FieldRole::Implied => Field::Key(
                        Self::universe().dimension(&field.name).expect("a key names its dimension"),
                    ),
                    _ => Field::Record { element, field: field.name.clone() },
                };
                self.values.entry(known).or_default().push(value.clone());
            }
        }
        if !made.is_empty() {
            let records = RecordSet::new(element, made.clone());
            let operation = Operation::InsertRecords { records, on_conflict: RecordConflict::Fail };
            self.batches.push(operation.into());
        }
        self.records.insert(element, made);
    }

    fn record(&mut self, element: DimensionElement, n: usize) -> Option<DimensionRecord> {
        let mut known = Known::new();
        for dimension in element.required().filter(|dimension| *dimension != element) {
            self.choose(dimension, &mut known)?;
        }
        if element.is_dimension() {
            let value = match element.key()?.ty {
                FieldType::Text(_) => FieldValue::from(format!("{}{n}", &element.name()[..1])),
                _ => FieldValue::from(self.rng.i64(-1..5)),
            };
            known.insert(element.name().as_str(), value);
        }
        for dimension in element.implied() {
            self.choose(dimension, &mut known)?;
        }
        for field in element.fields() {
            let value = match (field.role, field.ty) {
                (FieldRole::Required | FieldRole::Implied, _) => continue,
                (FieldRole::AlternateKey, FieldType::Text(_)) => FieldValue::from(format!("N{n}")),
                (FieldRole::AlternateKey, FieldType::Hash(_)) => FieldValue::Hash(vec![n as u8; 4].into()),
                (_, ty) => self.value(ty),
            };
            known.insert(field.name.as_str(), value);
        }
        Some(DimensionRecord::new(element, known).expect("values of the right types"))
    }

    /// Chooses a value of a dimension, and what it brings, that fits what is known.
    fn choose(&mut self, dimension: DimensionElement, known: &mut Known) -> Option<()> {
        let name = dimension.name().as_str();
        if known.contains_key(name) {
            return Some(());
        }
        if let Some(target) = dimension.union_of() {
            let records = self.records.get(&target).map_or(&[][..], |records| records);
            let band = match records.get(self.rng.usize(..records.len().max(1))) {
                Some(record) => record.get(name)?.clone(),
                None => ["g", "r", "i"][self.rng.usize(..3)].into(),
            };
            known.insert(name, band);
            return Some(());
        }
        let fits = |record: &&DimensionRecord| {
            dimension.required().all(|required| {
                known
                    .get(required.name().as_str())
                    .is_none_or(|value| record.get(required.name()) == Some(value))
            })
        };
        let candidates: Vec<&DimensionRecord> = self.records.get(&dimension)?.iter().filter(fits).collect();
        let chosen = *candidates.get(self.rng.usize(..candidates.len().max(1)))?;
        for required in dimension.required() {
            known.insert(required.name().as_str(), chosen.get(required.name())?.clone());
        }
        Some(())
    }

    fn value(&mut self, ty: FieldType) -> FieldValue {
        if self.rng.u8(..5) == 0 {
            return FieldValue::Null;
        }
        match ty {
            FieldType::Int => self.rng.i64(-2..6).into(),
            FieldType::Float => (self.rng.i32(-4..9) as f64 / 2.0).into(),
            FieldType::Bool => self.rng.bool().into(),
            FieldType::Text(_) => ["", "a", "A", "ab", "a_b", "é", "it's", "%"][self.rng.usize(..8)].into(),
            FieldType::Hash(_) => FieldValue::Hash(vec![self.rng.u8(..3); 4].into()),
            FieldType::Region => self.region().into(),
            FieldType::Timespan => self.timespan().into(),
        }
    }

    /// A region near the others.
    pub(crate) fn region(&mut self) -> Region {
        let rng = &mut self.rng;
        let (ra, dec) = (10.0 + rng.f64() * 3.0, -1.0 + rng.f64() * 3.0);
        let size = 0.05 + rng.f64();
        let pos = match rng.u8(..4) {
            0 => format!("RANGE {ra} {} {dec} {}", ra + size, dec + size),
            1 => format!("POLYGON {ra} {dec} {} {dec} {ra} {}", ra + size, dec + size),
            _ => format!("CIRCLE {ra} {dec} {}", size / 2.0),
        };
        Region::from_ivoa_pos(&pos).expect("a sound region")
    }

    pub(crate) fn instant(&mut self) -> Instant {
        Instant::from_nanoseconds(self.rng.i64(0..8) * 3_600_000_000_000 + 1_600_000_000_000_000_000)
            .expect("an instant of our age")
    }

    pub(crate) fn timespan(&mut self) -> Timespan {
        let mut bound = || (self.rng.u8(..6) > 0).then(|| self.instant());
        let (one, other) = (bound(), bound());
        match (one, other) {
            (Some(one), Some(other)) => Timespan::new(Some(one.min(other)), Some(one.max(other))),
            _ => Timespan::new(one, other),
        }
    }

    fn make_collections(&mut self) {
        let mut batch = RegistryBatch::new();
        let collections = RUNS
            .map(|name| (name, CollectionType::Run))
            .into_iter()
            .chain([(TAG, CollectionType::Tagged)])
            .chain(CALIBS.map(|name| (name, CollectionType::Calibration)));
        for (name, ty) in collections {
            batch.push(Operation::RegisterCollection { name: name.into(), ty, doc: None });
        }
        for &(name, dimensions) in TYPES {
            let group = Self::universe().conform(dimensions).expect("known dimensions");
            let dataset_type = DatasetType::new(name, group, "Bytes")
                .expect("a sound name")
                .with_is_calibration(matches!(name, "bias" | "flat"));
            batch.push(Operation::RegisterDatasetType(dataset_type.clone()));
            self.types.push(dataset_type);
        }
        self.batches.push(batch);
    }

    fn make_datasets(&mut self) {
        for dataset_type in self.types.clone() {
            for run in RUNS {
                let mut data_ids: Vec<DataId> = Vec::new();
                for _ in 0..self.rng.usize(..8) {
                    let mut known = Known::new();
                    let found = dataset_type
                        .group()
                        .required()
                        .try_for_each(|dimension| self.choose(dimension, &mut known));
                    let Some(()) = found else { continue };
                    let pairs =
                        known.iter().filter_map(|(name, value)| Some((*name, value.to_dimension_value()?)));
                    let pairs: Vec<(&str, DimensionValue)> = pairs
                        .filter(|(name, _)| dataset_type.group().required().any(|d| d.name() == *name))
                        .collect();
                    let data_id = DataId::from_pairs(dataset_type.group(), pairs).expect("all dimensions");
                    if !data_ids.contains(&data_id) {
                        data_ids.push(data_id);
                    }
                }
                self.insert(&dataset_type, run, data_ids);
            }
        }
        self.associate();
    }

    fn insert(&mut self, dataset_type: &DatasetType, run: &str, data_ids: Vec<DataId>) {
        if data_ids.is_empty() {
            return;
        }
        let run = ArcStr::from(run);
        let made: Vec<DatasetRef> = data_ids
            .iter()
            .map(|data_id| {
                self.ids += 1;
                let id = DatasetId::from_uuid(uuid::Uuid::from_u128(
                    0x0000_0000_0000_4000_8000_0000_0000_0000 | self.ids as u128,
                ));
                NewDataset::new(dataset_type.clone(), data_id.clone(), run.clone())
                    .expect("its own dimensions")
                    .with_id(id.expect("a UUID of version 4"))
            })
            .collect();
        let ingested_at = self.instant();
        let insert = DatasetInsert {
            dataset_type: dataset_type.clone(),
            run,
            ids: made.iter().map(DatasetRef::id).collect(),
            data_ids,
            mode: InsertMode::New,
            ingested_at,
            quantum: None,
        };
        self.batches.push(Operation::InsertDatasets(insert).into());
        self.datasets.extend(made);
    }

    /// Tags some datasets, and certifies some calibrations.
    fn associate(&mut self) {
        let mut tagged: Vec<DatasetRef> = Vec::new();
        for dataset in &self.datasets {
            let same = |other: &DatasetRef| {
                other.dataset_type() == dataset.dataset_type() && other.data_id() == dataset.data_id()
            };
            if self.rng.bool() && !tagged.iter().any(same) {
                tagged.push(dataset.clone());
            }
        }
        if !tagged.is_empty() {
            self.batches.push(Operation::Associate { collection: TAG.into(), datasets: tagged }.into());
        }
        for collection in CALIBS {
            // Of each data ID only one dataset, so that ranges do not overlap.
            let mut certified: Vec<DatasetRef> = Vec::new();
            for dataset in self.datasets.clone() {
                let same = |other: &DatasetRef| {
                    other.dataset_type() == dataset.dataset_type() && other.data_id() == dataset.data_id()
                };
                if !dataset.dataset_type().is_calibration()
                    || certified.iter().any(same)
                    || self.rng.u8(..3) == 0
                {
                    continue;
                }
                certified.push(dataset.clone());
                let timespan = self.timespan();
                if timespan.is_empty() {
                    continue;
                }
                let datasets = vec![dataset];
                self.batches
                    .push(Operation::Certify { collection: collection.into(), datasets, timespan }.into());
            }
        }
    }
}
