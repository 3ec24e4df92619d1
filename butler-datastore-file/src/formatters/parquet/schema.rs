//! Columns of a Parquet file, and what becomes of them in memory.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::schema::types::{SchemaDescriptor, Type};

/// What the values of a column become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    /// Integers without a sign.
    Unsigned,
    Float,
    Text,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// Name of its type in the file, as Arrow calls it.
    pub(super) type_name: String,
    /// What its values become, and its number among those that hold values; none if they are not read here.
    pub(super) readable: Option<(Kind, usize)>,
}

/// The columns of a file, in order.
pub(super) fn columns(schema: &SchemaDescriptor) -> Vec<Column> {
    let mut columns: Vec<Column> =
        schema.root_schema().get_fields().iter().map(|field| column(field)).collect();
    for leaf in 0..schema.num_columns() {
        let is_plain = schema.column(leaf).max_rep_level() == 0;
        if let Some(column) = columns.get_mut(schema.get_column_root_idx(leaf)) {
            column.readable = column.readable.filter(|_| is_plain).map(|(kind, _)| (kind, leaf));
        }
    }
    columns
}

fn column(field: &Type) -> Column {
    let (type_name, kind) = match field.is_primitive() {
        false => (nested(field).to_owned(), None),
        true => primitive(field),
    };
    Column { name: field.name().to_owned(), type_name, readable: kind.map(|kind| (kind, 0)) }
}

fn nested(field: &Type) -> &'static str {
    let info = field.get_basic_info();
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::List), _) | (_, ConvertedType::LIST) => "list",
        (Some(LogicalType::Map), _) | (_, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => "map",
        _ => "struct",
    }
}

fn primitive(field: &Type) -> (String, Option<Kind>) {
    let info = field.get_basic_info();
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => "ms",
        TimeUnit::MICROS => "us",
        TimeUnit::NANOS => "ns",
    };
    let kind = match field.get_physical_type() {
        Physical::BOOLEAN => Some(Kind::Bool),
        Physical::INT32 | Physical::INT64 => Some(Kind::Int),
        Physical::FLOAT | Physical::DOUBLE => Some(Kind::Float),
        Physical::BYTE_ARRAY => Some(Kind::Text),
        Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY => None,
    };
    match info.logical_type_ref() {
        Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => ("string".into(), kind),
        Some(LogicalType::Date) => ("date32[day]".into(), kind),
        Some(LogicalType::Time(time)) => (format!("time[{}]", unit(&time.unit)), kind),
        Some(LogicalType::Timestamp(time)) => {
            let zone = if time.is_adjusted_to_u_t_c { ", tz=UTC" } else { "" };
            (format!("timestamp[{}{zone}]", unit(&time.unit)), kind)
        }
        Some(LogicalType::Integer(integer)) if integer.is_signed => {
            (format!("int{}", integer.bit_width), kind)
        }
        Some(LogicalType::Integer(integer)) => {
            (format!("uint{}", integer.bit_width), kind.map(|_| Kind::Unsigned))
        }
        Some(LogicalType::Decimal(decimal)) => {
            (format!("decimal({}, {})", decimal.precision, decimal.scale), None)
        }
        Some(LogicalType::Float16) => ("halffloat".into(), None),
        Some(LogicalType::Unknown) => ("null".into(), kind),
        None => without_logical_type(field.get_physical_type(), info.converted_type(), kind),
        Some(_) => ("binary".into(), None),
    }
}

/// Types of old writers, and of values that are what they are.
fn without_logical_type(
    physical: Physical,
    converted: ConvertedType,
    kind: Option<Kind>,
) -> (String, Option<Kind>) {
    let name = match (converted, physical) {
        (ConvertedType::DECIMAL, _) => return ("decimal".into(), None),
        (ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON, _) => "string",
        (ConvertedType::DATE, _) => "date32[day]",
        (ConvertedType::TIME_MILLIS, _) => "time[ms]",
        (ConvertedType::TIME_MICROS, _) => "time[us]",
        (ConvertedType::TIMESTAMP_MILLIS, _) => "timestamp[ms]",
        (ConvertedType::TIMESTAMP_MICROS, _) => "timestamp[us]",
        (ConvertedType::UINT_8, _) => return ("uint8".into(), Some(Kind::Unsigned)),
        (ConvertedType::UINT_16, _) => return ("uint16".into(), Some(Kind::Unsigned)),
        (ConvertedType::UINT_32, _) => return ("uint32".into(), Some(Kind::Unsigned)),
        (ConvertedType::UINT_64, _) => return ("uint64".into(), Some(Kind::Unsigned)),
        (ConvertedType::INT_8, _) => "int8",
        (ConvertedType::INT_16, _) => "int16",
        (_, Physical::BOOLEAN) => "bool",
        (_, Physical::INT32) => "int32",
        (_, Physical::INT64) => "int64",
        (_, Physical::FLOAT) => "float32",
        (_, Physical::DOUBLE) => "float64",
        (_, Physical::INT96) => "timestamp[ns]",
        (_, Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY) => "binary",
    };
    (name.into(), kind)
}
