//! Tables that are made at run time: of dimension elements and of dataset types.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use arcstr::ArcStr;
use butler_core::backend::{ColumnType, TableRef, TableSpec};
use butler_core::{DatasetKind, DatasetType, DimensionElement, DimensionGroup, FieldRole, FieldType};

/// Greatest length of a range of pixels in a table, which bounds joins of two such tables.
pub(crate) const PIXEL_RANGE_MAX: u64 = 64;

/// Number of dataset types that get tables of their own; later ones share tables.
pub(crate) const OWN_TABLES_MAX: u64 = 200;

/// Columns of a dataset table that are no dimensions.
pub(crate) const TYPE_ID: ArcStr = arcstr::literal!("dataset_type_id");
pub(crate) const ORIGIN: ArcStr = arcstr::literal!("origin");
pub(crate) const ID: ArcStr = arcstr::literal!("id");
pub(crate) const RUN_ID: ArcStr = arcstr::literal!("run_id");
pub(crate) const COLLECTION_ID: ArcStr = arcstr::literal!("collection_id");
pub(crate) const VALIDITY_BEGIN: ArcStr = arcstr::literal!("validity_begin");
pub(crate) const VALIDITY_END: ArcStr = arcstr::literal!("validity_end");

/// Names of tables are at most 63 bytes; what names stand for is unbounded.
const SLUG_MAX: usize = 32;

/// Type of the column of a dimension's values.
pub(crate) fn key_type(dimension: DimensionElement) -> ColumnType {
    match dimension.key().map(|key| key.ty) {
        Some(FieldType::Text(_)) => ColumnType::Text,
        _ => ColumnType::Int,
    }
}

/// The records of a dimension element: one row each.
///
/// What a record requires and implies is checked by who writes it, for it may be in a parent repository.
pub(crate) fn element_table(element: DimensionElement) -> TableRef {
    cached(("element", element, element.minimal_group()), || {
        let mut spec = TableSpec::new(format!("dim_{element}"), format!("Records of '{element}'"));
        spec.columns = element.columns();
        let required: Vec<&ArcStr> = element.required().map(DimensionElement::name).collect();
        spec = spec.primary_key(&required);
        let scope = &required[..required.len() - usize::from(element.is_dimension())];
        for field in element.fields().iter().filter(|field| field.role == FieldRole::AlternateKey) {
            spec = spec.unique(scope.iter().copied().chain([&field.name]));
        }
        spec
    })
}

/// Pixels of the universe's common system that the regions of an element's records touch.
pub(crate) fn pixel_table(element: DimensionElement) -> TableRef {
    cached(("pixels", element, element.minimal_group()), || {
        let mut spec = TableSpec::new(
            format!("dim_{element}_pixels"),
            format!(
                "Ranges of {} pixels that regions of '{element}' may touch",
                element.universe().common_skypix()
            ),
        );
        for dimension in element.required() {
            spec = spec.column(dimension.name(), key_type(dimension), "");
        }
        let keys = element.required().map(|dimension| dimension.name().as_str());
        spec.primary_key(keys.chain(["begin"]))
            .column("begin", ColumnType::Int, "First pixel of the range")
            .column("end", ColumnType::Int, "First pixel after the range, at most 64 later")
            .index(["begin", "end"])
    })
}

type CacheKey = (&'static str, DimensionElement, DimensionGroup);

fn cached(key: CacheKey, make: impl FnOnce() -> TableSpec) -> TableRef {
    static TABLES: LazyLock<Mutex<HashMap<CacheKey, TableRef>>> = LazyLock::new(Mutex::default);
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    tables.entry(key).or_insert_with(|| make().into()).clone()
}

/// Required dimensions of a group in the order in which rows are clustered:
/// governors, then what has a time, for datasets arrive in that order and are
/// asked for so, then the others.
pub(crate) fn clustered(group: DimensionGroup) -> Vec<DimensionElement> {
    let mut dimensions: Vec<DimensionElement> = group.required().collect();
    dimensions.sort_by_key(|d| (!d.is_governor(), !d.has_timespan(), *d));
    dimensions
}

/// A table for the datasets of one type, or of all types of a group and kind.
pub(crate) fn data_table(name: &str, group: DimensionGroup, kind: DatasetKind) -> TableRef {
    let mut spec = TableSpec::new(name, "Datasets of one type, or of several of the same dimensions")
        .column(&TYPE_ID, ColumnType::Int, "The dataset type")
        .column(&ORIGIN, ColumnType::Int, "First part of the dataset id")
        .column(&ID, ColumnType::Int, "Second part of the dataset id")
        .column(&RUN_ID, ColumnType::Int, "The run");
    for dimension in group.required() {
        spec = spec.column(dimension.name(), key_type(dimension), "");
    }
    let dimensions = clustered(group);
    let mut key = vec![TYPE_ID];
    key.extend(dimensions.iter().map(|dimension| dimension.name().clone()));
    match kind {
        DatasetKind::Standard => key.push(RUN_ID),
        DatasetKind::Global => {}
        DatasetKind::Nonsingular => key.extend([RUN_ID, ORIGIN, ID]),
    }
    spec.primary_key(key).index([TYPE_ID, RUN_ID, ORIGIN, ID]).into()
}

/// A table for the validity ranges of one type, or of all types of a group and kind.
pub(crate) fn calib_table(name: &str, group: DimensionGroup, kind: DatasetKind) -> TableRef {
    let mut spec = TableSpec::new(name, "Validity ranges in CALIBRATION collections")
        .column(&TYPE_ID, ColumnType::Int, "The dataset type")
        .column(&COLLECTION_ID, ColumnType::Int, "The collection")
        .column(&ORIGIN, ColumnType::Int, "First part of the dataset id")
        .column(&ID, ColumnType::Int, "Second part of the dataset id");
    for dimension in group.required() {
        spec = spec.column(dimension.name(), key_type(dimension), "");
    }
    spec = spec.column(&VALIDITY_BEGIN, ColumnType::Int, "Begin, in TAI nanoseconds since 1970").column(
        &VALIDITY_END,
        ColumnType::Int,
        "End, excluded",
    );
    let dimensions = clustered(group);
    let mut equal = vec![TYPE_ID, COLLECTION_ID];
    equal.extend(dimensions.iter().map(|dimension| dimension.name().clone()));
    if kind == DatasetKind::Nonsingular {
        equal.extend([ORIGIN, ID]);
    }
    let spec = spec.exclude(&equal, &VALIDITY_BEGIN, &VALIDITY_END);
    spec.primary_key(equal.into_iter().chain([VALIDITY_BEGIN])).index([ORIGIN, ID]).into()
}

/// Names of the data table and the calibration table of a dataset type.
pub(crate) fn table_names(dataset_type: &DatasetType, own: bool) -> (String, String) {
    let suffix = if own {
        // Lower case, so that names that differ in case only stay apart by the digest alone.
        let slug: String = dataset_type.name().to_lowercase().chars().take(SLUG_MAX).collect();
        format!("{slug}_{}", digest(dataset_type.name()))
    } else {
        let names = dataset_type.group().required_names().join(",");
        format!("shared_{}", digest(&format!("{} {names}", dataset_type.kind())))
    };
    (format!("dataset_{suffix}"), format!("calib_{suffix}"))
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..8].to_owned()
}

/// All tables that a universe needs.
pub(crate) fn universe_tables(elements: impl Iterator<Item = DimensionElement>) -> Vec<TableRef> {
    // Universe order puts what is referred to before what refers to it.
    elements
        .filter(|element| element.has_table())
        .flat_map(|element| {
            std::iter::once(element_table(element)).chain(element.has_region().then(|| pixel_table(element)))
        })
        .collect()
}

/// A dataset type with the keys and tables by which it is stored.
#[derive(Debug)]
pub(crate) struct TypeHandle {
    pub(crate) id: i64,
    pub(crate) definition: DatasetType,
    pub(crate) data: TableRef,
    pub(crate) calib: Option<TableRef>,
}

/// A [`TypeHandle`] that is shared.
pub(crate) type SharedTypeHandle = Arc<TypeHandle>;

#[cfg(test)]
mod tests {
    use super::*;
    use butler_core::DimensionUniverse;

    #[test]
    fn all_tables_are_sound() {
        let universe = DimensionUniverse::default();
        for table in universe_tables(universe.elements()) {
            table.validate().unwrap();
        }
        for names in [&["exposure", "detector"][..], &[], &["tract", "visit"]] {
            let group = universe.conform(names).unwrap();
            for kind in [DatasetKind::Standard, DatasetKind::Global, DatasetKind::Nonsingular] {
                data_table("dataset_x", group, kind).validate().unwrap();
                calib_table("calib_x", group, kind).validate().unwrap();
            }
        }
    }

    #[test]
    fn names_that_differ_in_case_only_get_different_tables() {
        let group = DimensionUniverse::default().conform(["detector"]).unwrap();
        let name = |name: &str| table_names(&DatasetType::new(name, group, "Bytes").unwrap(), true).0;
        assert_ne!(name("Bias"), name("bias"));
        assert!(name(&"x".repeat(128)).len() <= 63);
        assert!(name("bias").starts_with("dataset_bias_"));
    }

    #[test]
    fn rows_cluster_by_what_has_a_time() {
        let group = DimensionUniverse::default().conform(["detector", "exposure"]).unwrap();
        let names: Vec<&str> = clustered(group).iter().map(|d| d.name().as_str()).collect();
        assert_eq!(names, ["instrument", "exposure", "detector"]);
    }
}
