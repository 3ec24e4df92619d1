//! `insert-dimension-records`.

use butler::registry::{Operation, RecordConflict, RecordSet};
use butler::{DimensionElement, DimensionRecord, Error, ErrorKind, FieldValue, Result, Structured};
use clap::{Args, ValueEnum};

use super::common::Repository;
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `insert-dimension-records`.
#[derive(Args, Debug)]
pub(crate) struct InsertDimensionRecords {
    #[command(flatten)]
    repository: Repository,
    /// Dimension element
    element: String,
    /// File with the records: .json, .ndjson, .csv or .yaml
    file: String,
    /// What to do with a record whose key is there already
    #[arg(long, value_enum, default_value_t, conflicts_with = "sync")]
    on_conflict: OnConflict,
    /// Make records agree with the file in the fields that it gives, and tell what differed
    #[arg(long)]
    sync: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum OnConflict {
    /// Fail, and insert nothing
    #[default]
    Error,
    /// Leave it as it is
    Skip,
    /// Replace it
    Replace,
}

impl InsertDimensionRecords {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let element = butler.universe().element(&self.element)?;
        let records = read_records(element, &self.file)?;
        let on_conflict = match (self.sync, self.on_conflict) {
            (true, _) => RecordConflict::SyncUpdate,
            (false, OnConflict::Error) => RecordConflict::Fail,
            (false, OnConflict::Skip) => RecordConflict::Skip,
            (false, OnConflict::Replace) => RecordConflict::Replace,
        };
        let records = RecordSet::new(element, records);
        let report = butler.apply_one(Operation::InsertRecords { records, on_conflict }).await?;
        for difference in &report.differences {
            output::line(&format!(
                "{} {}: {} was {}",
                element, difference.data_id, difference.field, difference.before
            ))?;
        }
        output::told(&format!(
            "{} records of {element} are new, {} were changed, {} were there",
            report.inserted, report.changed, report.existing
        ))?;
        butler.close().await
    }
}

fn read_records(element: DimensionElement, file: &str) -> Result<Vec<DimensionRecord>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Error::new(ErrorKind::Argument, format!("{file} cannot be read: {error}")).with_source(error)
    })?;
    let malformed =
        |what: &str, error: String| Error::new(ErrorKind::Argument, format!("{file} is no {what}: {error}"));
    let extension = std::path::Path::new(file).extension().and_then(|extension| extension.to_str());
    let rows: Vec<Structured> = match extension {
        Some("csv") => return read_csv(element, file, &text),
        Some("json") => {
            serde_json::from_str(&text).map_err(|error| malformed("JSON array", error.to_string()))?
        }
        Some("ndjson" | "jsonl") => text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(number, line)| {
                serde_json::from_str(line)
                    .map_err(|error| malformed("JSON", format!("line {}: {error}", number + 1)))
            })
            .collect::<Result<_>>()?,
        Some("yaml" | "yml") => {
            serde_saphyr::from_str(&text).map_err(|error| malformed("YAML list", error.to_string()))?
        }
        _ => {
            return Err(Error::new(ErrorKind::Argument, format!("the format of {file} is not clear"))
                .with_hint("its name must end in .json, .ndjson, .csv or .yaml"));
        }
    };
    rows.iter()
        .enumerate()
        .map(|(number, row)| record(element, row).map_err(|error| error.with_context("record", number + 1)))
        .collect()
}

fn record(element: DimensionElement, row: &Structured) -> Result<DimensionRecord> {
    let Structured::Object(members) = row else {
        return Err(Error::new(
            ErrorKind::Argument,
            format!("a record of {element} is an object, not {row}"),
        ));
    };
    let fields = members.iter().map(|(name, value)| {
        let value = match element.field(name) {
            Some(field) => FieldValue::from_structured(field.ty, value)
                .map_err(|error| error.with_context("field", name))?,
            // The record says which fields there are.
            None => FieldValue::Null,
        };
        Ok((name.as_str(), value))
    });
    DimensionRecord::new(element, fields.collect::<Result<Vec<_>>>()?)
}

fn read_csv(element: DimensionElement, file: &str, text: &str) -> Result<Vec<DimensionRecord>> {
    let malformed = |error: csv::Error| {
        Error::new(ErrorKind::Argument, format!("{file} is no CSV table: {error}")).with_source(error)
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let names = reader.headers().map_err(malformed)?.clone();
    let mut records = Vec::new();
    for row in reader.records() {
        let row = row.map_err(malformed)?;
        let line = row.position().map_or(0, csv::Position::line);
        let mut fields = Vec::new();
        for (column, (name, text)) in names.iter().zip(&row).enumerate() {
            let value = match element.field(name) {
                Some(_) if text.is_empty() => FieldValue::Null,
                Some(field) => FieldValue::from_text(field.ty, text).map_err(|error| {
                    error
                        .with_context("place", format!("{file}, line {line}, column {} ({name})", column + 1))
                })?,
                None => FieldValue::Null,
            };
            fields.push((name, value));
        }
        let record = DimensionRecord::new(element, fields)
            .map_err(|error| error.with_context("place", format!("{file}, line {line}")))?;
        records.push(record);
    }
    Ok(records)
}
