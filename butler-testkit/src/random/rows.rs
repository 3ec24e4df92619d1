//! Random values, rows and tables.

use butler_core::backend::{ColumnBatch, ColumnType, RowBatch, TableSpec, Value};
use fastrand::Rng;

/// Types of columns; those first are more frequent.
const TYPES: [ColumnType; 8] = [
    ColumnType::Int,
    ColumnType::Int,
    ColumnType::Int,
    ColumnType::Float,
    ColumnType::Float,
    ColumnType::Text,
    ColumnType::Bool,
    ColumnType::Bytes,
];

/// Texts that databases treat in different ways.
pub(super) const TEXTS: [&str; 18] = [
    "", "a", "A", "ab", "b", "B", "a ", " ", "é", "e\u{301}", "日本", "🙂", "%", "_", "a*", "\\", "it's",
    "10",
];

const BYTES: [&[u8]; 6] = [b"", b"\0", b"\0a", b"a", b"\xff", b"it's"];

const FLOATS: [f64; 16] = [
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    -5e-324,
    1e300,
    1e-300,
    -1e-200,
    0.1,
    0.3,
    0.1 + 0.2,
    9_007_199_254_740_992.0,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    1.0,
    -0.0,
];

const INTEGERS: [i64; 12] = [
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
    i64::MIN + 1,
    (1 << 53) + 1,
    1 << 53,
    -(1 << 53) - 1,
    1 << 31,
    -(1 << 31),
    3_037_000_500,
    0,
    1,
];

/// A column of random relations.
#[derive(Clone, Debug)]
pub(super) struct RandomColumn {
    pub(super) name: String,
    pub(super) ty: ColumnType,
    /// Whether its numbers are so small that a little arithmetic cannot fail.
    pub(super) small: bool,
}

impl RandomColumn {
    pub(super) fn new(rng: &mut Rng, name: String) -> Self {
        let ty = TYPES[rng.usize(..TYPES.len())];
        Self { name, ty, small: rng.bool() }
    }
}

/// A value other than NULL.
pub(super) fn value(rng: &mut Rng, ty: ColumnType, small: bool) -> Value {
    match ty {
        ColumnType::Bool => rng.bool().into(),
        ColumnType::Int if small => rng.i64(-3..=3).into(),
        ColumnType::Int if rng.bool() => rng.i64(-3..=3).into(),
        ColumnType::Int => INTEGERS[rng.usize(..INTEGERS.len())].into(),
        ColumnType::Float if small || rng.bool() => (rng.i32(-5..=5) as f64 / 2.0).into(),
        ColumnType::Float => FLOATS[rng.usize(..FLOATS.len())].into(),
        ColumnType::Text => TEXTS[rng.usize(..TEXTS.len())].into(),
        ColumnType::Bytes => BYTES[rng.usize(..BYTES.len())].into(),
    }
}

/// Rows with duplicates and NULLs, except in columns called `id`, which number them.
pub(super) fn rows(rng: &mut Rng, columns: &[RandomColumn], count: usize) -> RowBatch {
    let mut batch = ColumnBatch::new(columns.iter().map(|column| (column.name.as_str().into(), column.ty)));
    let mut drawn: Vec<Vec<Value>> = Vec::new();
    for id in 0..count {
        let mut row: Vec<Value> = match drawn.len() {
            0 => Vec::new(),
            seen if rng.u8(..4) == 0 => drawn[rng.usize(..seen)].clone(),
            _ => Vec::new(),
        };
        if row.is_empty() {
            let draw = |column: &RandomColumn| match rng.u8(..6) {
                0 => Value::Null,
                _ => value(rng, column.ty, column.small),
            };
            row = columns.iter().map(draw).collect();
        }
        drawn.push(row.clone());
        for (column, value) in columns.iter().zip(&mut row) {
            if column.name == "id" {
                *value = (id as i64).into();
            }
        }
        for (column, value) in batch.columns_mut().iter_mut().zip(&row) {
            push(column, value);
        }
        batch.end_row();
    }
    batch
}

fn push(column: &mut butler_core::backend::Column, value: &Value) {
    match value {
        Value::Null => column.push_null(),
        Value::Bool(value) => column.push_bool(*value),
        Value::Int(value) => column.push_int(*value),
        Value::Float(value) => column.push_float(*value),
        Value::Text(value) => column.push_text(value),
        Value::Bytes(value) => column.push_bytes(value),
    }
}

/// A table with an integer key, and its columns.
pub(super) fn table(rng: &mut Rng, name: &str) -> (TableSpec, Vec<RandomColumn>) {
    let mut columns = vec![RandomColumn { name: "id".into(), ty: ColumnType::Int, small: false }];
    let mut spec = TableSpec::new(name, "").column("id", ColumnType::Int, "").primary_key(["id"]);
    for index in 0..rng.usize(2..6) {
        let column = RandomColumn::new(rng, format!("c{index}"));
        spec = spec.nullable(&column.name, column.ty, "");
        columns.push(column);
    }
    if rng.bool() {
        spec = spec.index(["c1", "c0"]);
    }
    (spec, columns)
}
