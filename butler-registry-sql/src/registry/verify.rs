//! Whether the rows obey the rules that no key or constraint of the database enforces.
//!
//! Each rule is one relation of the rows that break it, and so is evaluated in one snapshot: what
//! others write meanwhile breaks none.

use arcstr::ArcStr;
use butler_core::backend::{
    BackendExt, ColumnBatch, OnConflict, Relation, Scalar, TableRef, Transaction, Value,
};
use butler_core::registry::{OpaqueTable, RegistryCheck, Rule, Violation};
use butler_core::{CollectionType, DatasetId, DimensionElement, FieldType, Result};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Shared;
use super::catalog::dataset_types;
use super::layout::{COLLECTION_ID, ID, ORIGIN, RUN_ID, SharedTypeHandle, TYPE_ID, element_table};
use super::rows::{batch, collect, equal, int, is, text};
use crate::schema::{
    COLLECTION, COLLECTION_CHAIN, COLLECTION_GOVERNOR, COLLECTION_SUMMARY, DATASET, DATASET_LOCATION,
    DATASET_TAG, DATASET_TYPE, DATASTORE, OPAQUE_TABLE, QUANTUM, QUANTUM_INPUT, QUANTUM_OUTPUT,
};

/// Rows of each rule that are shown.
const EXAMPLES: usize = 5;

/// A rule, and the rows that break it.
struct Check {
    rule: Rule,
    table: TableRef,
    bad: Relation,
    repair: Repair,
}

/// What can be done about rows that break a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repair {
    /// Nothing that could not lose something.
    Nothing,
    /// They go: they say nothing about anything.
    Delete,
    /// What they lack is inserted into a table: the rows of the relation themselves.
    Insert,
}

/// Looks for rows that break a rule.
pub(crate) async fn verify(shared: &Shared, check: RegistryCheck) -> Result<Vec<Violation>> {
    let types = dataset_types(shared, None).await?;
    let mut checks = dataset_checks(&types);
    for ty in &types {
        checks.extend(type_checks(ty));
    }
    checks.extend(record_checks(shared));
    checks.extend(quantum_checks());
    checks.extend(datastore_checks(shared, &check.tables).await?);
    let mut violations = Vec::from_iter(cycles(shared).await?);
    for check_ in checks {
        let Some(mut violation) = look(shared, &check_).await? else { continue };
        if check.repair && check_.repair != Repair::Nothing {
            violation.repaired = shared.backend.run(move |tx| repair(tx, &check_)).await?;
        }
        violations.push(violation);
    }
    Ok(violations)
}

async fn look(shared: &Shared, check: &Check) -> Result<Option<Violation>> {
    let mut violation = Violation {
        rule: check.rule,
        table: check.table.name.clone(),
        count: 0,
        examples: Vec::new(),
        repaired: 0,
    };
    for batch in shared.collect(check.bad.clone()).await? {
        let wanted = EXAMPLES - violation.examples.len().min(EXAMPLES);
        violation.examples.extend((0..batch.len().min(wanted)).map(|row| show(&batch, row)));
        violation.count += batch.len() as u64;
    }
    Ok((violation.count > 0).then_some(violation))
}

/// A row as text, with the id as people write it.
fn show(batch: &ColumnBatch, row: usize) -> String {
    let mut parts = Vec::new();
    let part = |name: &str| batch.column(name).ok().and_then(|column| column.int(row));
    if let (Some(origin), Some(id)) = (part(&ORIGIN), part(&ID)) {
        parts.push(format!("dataset {}", DatasetId::from_trusted(origin, id)));
    }
    for (name, column) in batch.names().iter().zip(batch.columns()) {
        if (*name == ORIGIN || *name == ID) && !parts.is_empty() {
            continue;
        }
        match column.value(row) {
            Value::Text(text) => parts.push(format!("{name} '{text}'")),
            Value::Int(int) => parts.push(format!("{name} {int}")),
            _ => {}
        }
    }
    parts.join(", ")
}

fn repair(tx: &mut dyn Transaction, check: &Check) -> Result<u64> {
    match check.repair {
        Repair::Nothing => Ok(0),
        Repair::Delete => tx.delete(&check.table, &check.bad),
        Repair::Insert => {
            let mut rows = batch(check.table.columns.iter().map(|column| (&column.name, column.ty)));
            for found in collect(tx, &check.bad)? {
                for row in found.rows() {
                    rows.push_row(&row)?;
                }
            }
            tx.insert(&check.table, &rows, OnConflict::Ignore)
        }
    }
}

/// Rows without a partner: names of columns on the left with those on the right.
fn lonely(left: Relation, right: Relation, pairs: &[(&str, &str)]) -> Relation {
    let other = |name: &str| format!("other_{name}");
    let right = right.rename(pairs.iter().map(|(_, name)| (other(name), ArcStr::from(*name))));
    left.anti(right, equal(pairs.iter().map(|(one, name)| (ArcStr::from(*one), other(name)))))
}

fn without_dataset(left: Relation) -> Relation {
    lonely(left, DATASET.scan(), &[("origin", "origin"), ("id", "id")])
}

fn of_type(ty: CollectionType) -> Relation {
    COLLECTION.scan().filter(is("type", ty.code()))
}

fn dataset_checks(types: &[SharedTypeHandle]) -> Vec<Check> {
    let nothing =
        |rule, table: &TableRef, bad| Check { rule, table: table.clone(), bad, repair: Repair::Nothing };
    let mut checks = vec![
        nothing(
            Rule::DatasetType,
            &DATASET,
            lonely(DATASET.scan(), DATASET_TYPE.scan(), &[("dataset_type_id", "dataset_type_id")]),
        ),
        nothing(
            Rule::DatasetRun,
            &DATASET,
            lonely(DATASET.scan(), of_type(CollectionType::Run), &[("run_id", "collection_id")]),
        ),
        Check {
            rule: Rule::TagDataset,
            table: DATASET_TAG.clone(),
            bad: without_dataset(DATASET_TAG.scan()),
            repair: Repair::Delete,
        },
        nothing(
            Rule::TagCollection,
            &DATASET_TAG,
            lonely(
                DATASET_TAG.scan(),
                of_type(CollectionType::Tagged),
                &[("collection_id", "collection_id")],
            ),
        ),
        nothing(Rule::LocationDataset, &DATASET_LOCATION, without_dataset(DATASET_LOCATION.scan())),
        summary(DATASET_TAG.scan()),
    ];
    for ty in types {
        let of_type = || is(TYPE_ID, ty.id);
        let keys = [
            ("dataset_type_id", "dataset_type_id"),
            ("origin", "origin"),
            ("id", "id"),
            ("run_id", "run_id"),
        ];
        let rows = ty.data.scan().filter(of_type());
        checks.push(nothing(
            Rule::DatasetDataId,
            &DATASET,
            lonely(DATASET.scan().filter(of_type()), rows.clone(), &keys),
        ));
        checks.push(nothing(Rule::DataIdDataset, &ty.data, lonely(rows, DATASET.scan(), &keys)));
    }
    checks
}

fn summary(members: Relation) -> Check {
    let bad = members.select([COLLECTION_ID, TYPE_ID]).distinct();
    let keys = [("collection_id", "collection_id"), ("dataset_type_id", "dataset_type_id")];
    // A row that names no collection is another rule's, and could not be inserted.
    let known = COLLECTION.scan().rename([("known_id", "collection_id")]);
    let bad =
        lonely(bad, COLLECTION_SUMMARY.scan(), &keys).semi(known, equal([("collection_id", "known_id")]));
    Check { rule: Rule::Summary, table: COLLECTION_SUMMARY.clone(), bad, repair: Repair::Insert }
}

fn type_checks(ty: &SharedTypeHandle) -> Vec<Check> {
    let rows = ty.data.scan().filter(is(TYPE_ID, ty.id));
    let mut checks = vec![summary(rows.clone().rename([(COLLECTION_ID, RUN_ID), (TYPE_ID, TYPE_ID)]))];
    for dimension in ty.definition.group().required() {
        if let Some(bad) = without_record(rows.clone(), dimension, ORIGIN.as_str()) {
            checks.push(Check {
                rule: Rule::DataIdRecord,
                table: ty.data.clone(),
                bad,
                repair: Repair::Nothing,
            });
        }
        if dimension.is_governor() && matches!(dimension.key().map(|key| key.ty), Some(FieldType::Text(_))) {
            checks.push(governor(&rows, dimension));
        }
    }
    if let Some(calib) = &ty.calib {
        let rows = || calib.scan().filter(is(TYPE_ID, ty.id));
        checks.push(summary(rows()));
        checks.push(Check {
            rule: Rule::ValidityDataset,
            table: calib.clone(),
            bad: without_dataset(rows()),
            repair: Repair::Delete,
        });
        checks.push(Check {
            rule: Rule::ValidityCollection,
            table: calib.clone(),
            bad: lonely(rows(), of_type(CollectionType::Calibration), &[("collection_id", "collection_id")]),
            repair: Repair::Nothing,
        });
    }
    checks
}

fn governor(rows: &Relation, dimension: DimensionElement) -> Check {
    let name = dimension.name();
    let values = rows
        .clone()
        .project([
            (COLLECTION_ID, Scalar::column(RUN_ID)),
            (ArcStr::from("governor"), Scalar::literal(name.clone())),
            (ArcStr::from("value"), Scalar::column(name.clone())),
        ])
        .distinct();
    let keys = [("collection_id", "collection_id"), ("governor", "governor"), ("value", "value")];
    let known = COLLECTION.scan().rename([("known_id", "collection_id")]);
    let bad =
        lonely(values, COLLECTION_GOVERNOR.scan(), &keys).semi(known, equal([("collection_id", "known_id")]));
    Check { rule: Rule::Governor, table: COLLECTION_GOVERNOR.clone(), bad, repair: Repair::Insert }
}

/// Rows whose values of a dimension have no record; none for dimensions without records.
fn without_record(rows: Relation, dimension: DimensionElement, present: &str) -> Option<Relation> {
    if !dimension.has_table() {
        return None;
    }
    let names: Vec<ArcStr> = dimension.required().map(|required| required.name().clone()).collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let given = rows.filter(Scalar::column(present).is_null().negated());
    Some(lonely(given, element_table(dimension).scan(), &pairs))
}

fn record_checks(shared: &Shared) -> Vec<Check> {
    let mut checks = Vec::new();
    for element in shared.universe.elements().filter(|element| element.has_table()) {
        let table = element_table(element);
        let others = element.required().chain(element.implied()).filter(|other| *other != element);
        for other in others {
            // What the other one requires must be among the columns here.
            if !other.required().all(|required| table.get(required.name()).is_some()) {
                continue;
            }
            if let Some(bad) = without_record(table.scan(), other, other.name()) {
                let table = table.clone();
                checks.push(Check { rule: Rule::RecordReference, table, bad, repair: Repair::Nothing });
            }
        }
    }
    checks
}

fn quantum_checks() -> impl Iterator<Item = Check> {
    [&QUANTUM_INPUT, &QUANTUM_OUTPUT].into_iter().map(|table| Check {
        rule: Rule::QuantumLink,
        table: (*table).clone(),
        bad: lonely(table.scan(), QUANTUM.scan(), &[("quantum_origin", "origin"), ("quantum_id", "id")]),
        repair: Repair::Delete,
    })
}

/// Locations against records.
async fn datastore_checks(shared: &Shared, tables: &[OpaqueTable]) -> Result<Vec<Check>> {
    let mut registered: Vec<ArcStr> = Vec::new();
    for batch in shared.collect(OPAQUE_TABLE.scan()).await? {
        let names = batch.column("name")?;
        for row in 0..batch.len() {
            registered.push(text(names, row)?.into());
        }
    }
    let mut keys: Vec<(ArcStr, i64)> = Vec::new();
    for batch in shared.collect(DATASTORE.scan()).await? {
        for row in 0..batch.len() {
            keys.push((text(batch.column("name")?, row)?.into(), int(batch.column("datastore_id")?, row)?));
        }
    }
    let mut checks = Vec::new();
    for (name, key) in keys {
        let tables: Vec<TableRef> = tables
            .iter()
            .filter(|table| table.datastore == name && registered.contains(&table.spec.name))
            .map(|table| table.spec.clone().into())
            .collect();
        if tables.is_empty() {
            continue;
        }
        let located = DATASET_LOCATION.scan().filter(is("datastore_id", key));
        let ids = [("origin", "origin"), ("id", "id")];
        let mut without = located.clone();
        for (number, table) in tables.iter().enumerate() {
            let (origin, id) = (format!("record_origin_{number}"), format!("record_id_{number}"));
            let records = table.scan().rename([(origin.clone(), ORIGIN), (id.clone(), ID)]);
            without = without.anti(records, equal([(ORIGIN, origin), (ID, id)]));
            let unlocated =
                lonely(table.scan(), located.clone(), &ids).select([ORIGIN, ID]).distinct().project([
                    (ORIGIN, Scalar::column(ORIGIN)),
                    (ID, Scalar::column(ID)),
                    (ArcStr::from("datastore_id"), Scalar::literal(key)),
                ]);
            checks.push(Check {
                rule: Rule::RecordLocation,
                table: DATASET_LOCATION.clone(),
                bad: unlocated,
                repair: Repair::Insert,
            });
        }
        checks.push(Check {
            rule: Rule::LocationRecord,
            table: DATASET_LOCATION.clone(),
            bad: without,
            repair: Repair::Nothing,
        });
    }
    Ok(checks)
}

/// Chains that contain themselves.
async fn cycles(shared: &Shared) -> Result<Option<Violation>> {
    let mut children: FxHashMap<i64, Vec<i64>> = FxHashMap::default();
    for batch in shared.collect(COLLECTION_CHAIN.scan()).await? {
        for row in 0..batch.len() {
            let parent = int(batch.column("parent_id")?, row)?;
            children.entry(parent).or_default().push(int(batch.column("child_id")?, row)?);
        }
    }
    let mut cyclic: Vec<i64> =
        children.keys().copied().filter(|start| leads_back(*start, &children)).collect();
    cyclic.sort_unstable();
    Ok((!cyclic.is_empty()).then(|| Violation {
        rule: Rule::ChainCycle,
        table: COLLECTION_CHAIN.name.clone(),
        count: cyclic.len() as u64,
        examples: cyclic.iter().take(EXAMPLES).map(|parent| format!("parent_id {parent}")).collect(),
        repaired: 0,
    }))
}

fn leads_back(start: i64, children: &FxHashMap<i64, Vec<i64>>) -> bool {
    let (mut seen, mut pending) = (FxHashSet::default(), vec![start]);
    while let Some(next) = pending.pop() {
        for child in children.get(&next).into_iter().flatten() {
            if *child == start {
                return true;
            }
            if seen.insert(*child) {
                pending.push(*child);
            }
        }
    }
    false
}
