//! Tables of Parquet.
//!
//! Of a file, its end is read, and the columns that are wanted; nothing else.

mod read;
mod schema;
mod thrift;
mod write;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use butler_core::{
    Error, ErrorKind, Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass,
    Structured,
};

use crate::table::{Table, column_names, unknown_column};
use read::File;
use schema::Column;

/// Formatter `parquet`.
#[derive(Debug)]
pub(super) struct Parquet;

fn malformed(problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Formatter, format!("no valid Parquet: {problem}"))
}

/// What the library makes of some bytes; it was written for sound ones.
fn decoded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(malformed("it makes no sense")))
}

impl Formatter for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn extension(&self) -> &'static str {
        ".parq"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["table"]
    }

    fn read(&self, source: &mut dyn ReadSource, request: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let mut file = File::open(source)?;
        let columns = wanted(&file, request)?;
        let applied = request.parameters.keys().all(|name| name == "columns");
        let outcome =
            |object, is_component| ReadOutcome { object, is_component, parameters_applied: applied };
        let names = || columns.iter().map(|column| column.name.as_str());
        Ok(match request.component {
            Some("columns") => outcome(Object::new(names().collect::<Structured>()), true),
            Some("rowcount") => outcome(Object::new(Structured::from(file.rows())), true),
            Some("schema") => {
                let types = columns.iter().map(|column| (column.name.clone(), column.type_name.clone()));
                let types = types.map(|(name, type_name)| (name, type_name.into()));
                outcome(Object::new(Structured::Object(types.collect())), true)
            }
            _ => outcome(Object::new(file.table(&columns)?), false),
        })
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        write::write(object.downcast_ref::<Table>()?, sink)
    }
}

/// The columns that are asked for, in the order in which they are.
fn wanted(file: &File<'_>, request: &ReadRequest<'_>) -> Result<Vec<Column>> {
    let Some(parameter) = request.parameters.get("columns") else { return Ok(file.columns().to_vec()) };
    let column = |name: &String| {
        let found = file.columns().iter().find(|column| column.name == *name);
        found
            .cloned()
            .ok_or_else(|| unknown_column(name, file.columns().iter().map(|column| column.name.as_str())))
    };
    column_names(parameter)?.iter().map(column).collect()
}

#[cfg(test)]
mod tests;
