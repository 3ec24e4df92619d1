//! Tables in memory: columns of equal length.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use butler_core::{
    Delegates, Error, ErrorKind, Object, ReadParameters, Result, StorageClass, StorageClassDelegate,
    Structured,
};

/// Values of a column, some of which may be missing.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValues {
    /// Booleans.
    Bool(Vec<Option<bool>>),
    /// Integers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Text.
    Text(Vec<Option<String>>),
}

impl ColumnValues {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the type, as in ECSV.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
        }
    }
}

/// The object of storage classes that are a `table` in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<(ArcStr, ColumnValues)>,
    rows: usize,
}

impl Table {
    /// A table of columns.
    ///
    /// # Errors
    /// `Argument` if two have one name, or they are not of equal length.
    pub fn new<N: Into<ArcStr>>(columns: impl IntoIterator<Item = (N, ColumnValues)>) -> Result<Self> {
        let columns: Vec<(ArcStr, ColumnValues)> =
            columns.into_iter().map(|(name, values)| (name.into(), values)).collect();
        let rows = columns.first().map_or(0, |(_, values)| values.len());
        for (at, (name, values)) in columns.iter().enumerate() {
            let problem = match columns[..at].iter().any(|(other, _)| other == name) {
                true => "comes twice".to_owned(),
                false if values.len() != rows => format!("has {} values, and not {rows}", values.len()),
                false => continue,
            };
            let message = format!("column '{}' of a table {problem}", name.escape_debug());
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(Self { columns, rows })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names and values of the columns, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&ArcStr, &ColumnValues)> {
        self.columns.iter().map(|(name, values)| (name, values))
    }

    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnValues> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, values)| values)
    }

    /// Some of the columns, in the order that is asked for.
    ///
    /// # Errors
    /// `Argument` for one that is not there.
    pub fn select(&self, names: &[String]) -> Result<Self> {
        let column = |name: &String| {
            let found = self.column(name).cloned();
            let known = || self.columns.iter().map(|(name, _)| name.as_str());
            Ok((ArcStr::from(name.as_str()), found.ok_or_else(|| unknown_column(name, known()))?))
        };
        Ok(Self::new(names.iter().map(column).collect::<Result<Vec<_>>>()?)?.with_rows(self.rows))
    }

    /// The same, with so many rows if it has no columns that could tell.
    pub(crate) fn with_rows(mut self, rows: usize) -> Self {
        if self.columns.is_empty() {
            self.rows = rows;
        }
        self
    }
}

/// The error for a column that a table has not.
pub(crate) fn unknown_column<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let known: Vec<&str> = known.collect();
    let error = Error::new(ErrorKind::Argument, format!("a table has no column '{}'", name.escape_debug()));
    match butler_core::suggest::nearest(name, known.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error.with_hint(format!("there are {}", known.join(", "))),
    }
}

/// Delegate `table`: components `columns`, `rowcount` and `schema`, read parameter `columns`.
#[derive(Clone, Copy, Debug, Default)]
struct TableDelegate;

impl StorageClassDelegate for TableDelegate {
    fn component(&self, class: &StorageClass, object: &Object, name: &str) -> Result<Object> {
        class.component(name)?;
        let table: &Table = object.downcast_ref()?;
        let names = || table.columns().map(|(name, _)| name.as_str());
        Ok(Object::new(match name {
            "columns" => names().collect(),
            "rowcount" => Structured::from(table.rows()),
            "schema" => {
                let types =
                    table.columns().map(|(name, values)| (name.to_string(), values.type_name().into()));
                Structured::Object(types.collect())
            }
            other => {
                return Err(Error::new(
                    ErrorKind::UnknownComponent,
                    format!("a table has no component '{}'", other.escape_debug()),
                ));
            }
        }))
    }

    fn disassemble(&self, class: &StorageClass, _: &Object) -> Result<BTreeMap<ArcStr, Object>> {
        Err(Error::new(
            ErrorKind::StorageClass,
            format!("a table of storage class '{class}' is stored whole"),
        ))
    }

    fn assemble(&self, class: &StorageClass, _: BTreeMap<ArcStr, Object>) -> Result<Object> {
        Err(Error::new(
            ErrorKind::StorageClass,
            format!("a table of storage class '{class}' is stored whole"),
        ))
    }

    fn apply_parameters(
        &self,
        class: &StorageClass,
        object: &Object,
        parameters: &ReadParameters,
    ) -> Result<Object> {
        class.check_parameters(parameters)?;
        let mut table = object.downcast_ref::<Table>()?.clone();
        if let Some(columns) = parameters.get("columns") {
            table = table.select(&column_names(columns)?)?;
        }
        Ok(Object::new(table))
    }

    fn responsible_component(&self, _: &str, _: &[ArcStr]) -> Option<ArcStr> {
        None
    }
}

/// Names of columns, as the read parameter `columns` has them: a list, or one alone.
///
/// # Errors
/// `Argument` for something else.
pub(crate) fn column_names(value: &Structured) -> Result<Vec<String>> {
    let name = |value: &Structured| value.as_str().map(str::to_owned);
    let all = match value {
        Structured::Array(items) => items.iter().map(name).collect(),
        one => name(one).map(|name| vec![name]),
    };
    all.ok_or_else(|| {
        Error::new(ErrorKind::Argument, "read parameter 'columns' is a list of names of columns")
    })
}

/// The delegates that come with this crate: `table`, besides those of the core.
#[must_use]
pub fn delegates() -> Delegates {
    let mut delegates = Delegates::default();
    delegates.register("table", std::sync::Arc::new(TableDelegate));
    delegates
}

#[cfg(test)]
mod tests {
    use super::*;
    use butler_core::StorageClasses;
    use serde_json::json;

    fn table() -> Table {
        Table::new([
            ("a", ColumnValues::Int(vec![Some(1), None])),
            ("b", ColumnValues::Text(vec![Some("x".into()), Some(String::new())])),
        ])
        .unwrap()
    }

    #[test]
    fn columns_are_of_equal_length_and_have_names_of_their_own() {
        for second in [("a", ColumnValues::Int(vec![None; 1])), ("b", ColumnValues::Int(vec![None; 2]))] {
            let columns = [("a", ColumnValues::Bool(vec![None])), second];
            assert_eq!(Table::new(columns).unwrap_err().kind(), ErrorKind::Argument);
        }
        assert_eq!(Table::new::<&str>([]).unwrap().rows(), 0);
    }

    #[test]
    fn components_and_parameters_are_those_of_tables() {
        let classes = StorageClasses::default();
        let class = classes.get("ArrowTable").unwrap();
        let delegate = delegates().of(class).unwrap();
        let object = Object::new(table());
        let component =
            |name| delegate.component(class, &object, name).unwrap().deserialize::<Structured>().unwrap();
        assert_eq!(component("columns"), json!(["a", "b"]));
        assert_eq!(component("rowcount"), 2);
        assert_eq!(component("schema"), json!({"a": "int64", "b": "string"}));
        assert_eq!(delegate.component(class, &object, "c").unwrap_err().kind(), ErrorKind::UnknownComponent);
        let apply = |columns| {
            delegate.apply_parameters(class, &object, &ReadParameters::from([("columns".into(), columns)]))
        };
        let selected = apply(json!(["b"])).unwrap();
        assert_eq!(selected.downcast_ref::<Table>().unwrap().column("a"), None);
        let none = apply(json!([])).unwrap();
        assert_eq!(none.downcast_ref::<Table>().unwrap().rows(), 2);
        assert!(apply(json!(["bb"])).unwrap_err().to_string().contains("there are a, b"));
        assert_eq!(apply(json!(3)).unwrap_err().kind(), ErrorKind::Argument);
    }
}
