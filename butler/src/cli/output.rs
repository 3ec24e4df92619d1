//! What is written to standard output: the only place that does it.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use butler::query::Explanation;
use butler::{Error, ErrorKind, Result, Structured};
use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentLineStyle, LineStyle, Table, TableStyle};

/// No more reasons for an empty answer are told.
const REASONS_MAX: usize = 10;

/// Writes a line to standard error; nothing can be done where that is gone.
macro_rules! tell {
    ($($text:tt)*) => {{
        let _ = writeln!(io::stderr(), $($text)*);
    }};
}

/// A number of things, in words.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values with a header
    Csv,
}

/// A column of tables for people, and of comma-separated values.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    name: String,
    numeric: bool,
}

impl Column {
    /// A column of text.
    pub(crate) fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), numeric: false }
    }

    /// A column of numbers.
    pub(crate) fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), numeric: true }
    }
}

/// A row: as JSON, and as texts of the columns.
pub(crate) trait Row {
    /// The object of the machine-readable contract.
    fn json(&self) -> Structured;

    /// Texts for people.
    fn cells(&self) -> Vec<String>;

    /// Texts of comma-separated values.
    fn values(&self) -> Vec<String> {
        self.cells()
    }
}

/// Rows on their way out.
pub(crate) struct Listing {
    format: Format,
    columns: Vec<Column>,
    out: BufWriter<StdoutLock<'static>>,
    /// Rows of the current table.
    cells: Vec<Vec<String>>,
    tables: usize,
    rows: usize,
}

impl Listing {
    /// Begins to write rows.
    pub(crate) fn new(format: Format, columns: Vec<Column>) -> Self {
        let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        Self { format, columns, out, cells: Vec::new(), tables: 0, rows: 0 }
    }

    /// Begins another table for people, with other columns.
    pub(crate) fn table(&mut self, columns: Vec<Column>) -> Result<()> {
        if self.format == Format::Table {
            self.end_table()?;
            self.columns = columns;
        }
        Ok(())
    }

    /// How the rows are written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether no row was written so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Writes a row.
    pub(crate) fn push(&mut self, row: &dyn Row) -> Result<()> {
        let first = self.rows == 0;
        self.rows += 1;
        match self.format {
            Format::Table => {
                self.cells.push(row.cells());
                Ok(())
            }
            Format::Json => {
                let before = if first { "[\n" } else { ",\n" };
                written(self.out.write_all(before.as_bytes()))?;
                written(serde_json::to_writer(&mut self.out, &row.json()).map_err(Into::into))
            }
            Format::Ndjson => {
                written(serde_json::to_writer(&mut self.out, &row.json()).map_err(Into::into))?;
                written(self.out.write_all(b"\n"))
            }
            Format::Csv => {
                if first {
                    let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
                    self.csv(&names)?;
                }
                self.csv(&row.values())
            }
        }
    }

    /// Sends on what was written so far, for those who read as it comes.
    pub(crate) fn flush(&mut self) -> Result<()> {
        written(self.out.flush())
    }

    /// Ends the rows. `nothing` tells people that there were none.
    pub(crate) fn finish(mut self, nothing: &str) -> Result<()> {
        match self.format {
            Format::Table if self.rows == 0 => written(writeln!(self.out, "{nothing}"))?,
            Format::Table => self.end_table()?,
            Format::Json if self.rows == 0 => written(self.out.write_all(b"[]\n"))?,
            Format::Json => written(self.out.write_all(b"\n]\n"))?,
            Format::Csv if self.rows == 0 => {
                let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
                self.csv(&names)?;
            }
            _ => {}
        }
        self.flush()
    }

    fn csv(&mut self, values: &[String]) -> Result<()> {
        let mut line = csv::Writer::from_writer(Vec::new());
        line.write_record(values).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a row cannot be written").with_source(error)
        })?;
        let line = line.into_inner().unwrap_or_default();
        written(self.out.write_all(&line))
    }

    fn end_table(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.cells);
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(TableStyle {
            header_separator: LineStyle::none().fill('-').junction(' '),
            content_lines: ContentLineStyle::none().junction(' '),
            header_lines: ContentLineStyle::none().junction(' '),
            ..comfy_table::presets::NOTHING
        });
        table.set_header(self.columns.iter().map(|column| column.name.as_str()));
        table.add_rows(rows);
        for (position, column) in self.columns.iter().enumerate() {
            if let Some(shown) = table.column_mut(position) {
                shown.set_padding((0, 0));
                if column.numeric {
                    shown.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let gap = if self.tables == 0 { "" } else { "\n" };
        self.tables += 1;
        written(write!(self.out, "{gap}{text}"))
    }
}

/// Writes one thing as JSON, or a line for people.
pub(crate) fn one(format: Format, json: &Structured, line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    written(match format {
        Format::Json | Format::Ndjson => writeln!(out, "{json}"),
        Format::Table | Format::Csv => writeln!(out, "{line}"),
    })
}

/// Writes a row, or nothing, that is all there is; `line` for people.
pub(crate) fn one_row(format: Format, columns: Vec<Column>, row: Option<&dyn Row>, line: &str) -> Result<()> {
    if format == Format::Csv {
        let mut listing = Listing::new(format, columns);
        row.map_or(Ok(()), |row| listing.push(row))?;
        return listing.finish("");
    }
    one(format, &row.map_or(Structured::Null, |row| row.json()), line)
}

/// Writes a report as JSON.
pub(crate) fn json(report: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(report).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "a report cannot be written as JSON").with_source(error)
    })?;
    line(&text)
}

/// Asks somebody at the terminal; nothing if nobody is there.
pub(crate) fn ask(question: &str) -> Result<Option<bool>> {
    if !is_interactive() {
        return Ok(None);
    }
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| {
        Error::new(ErrorKind::Interrupted, "the answer cannot be read").with_source(error)
    })?;
    Ok(Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
}

/// Whether somebody can be asked.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal()
}

/// Writes a line for people.
pub(crate) fn line(text: &str) -> Result<()> {
    written(writeln!(io::stdout().lock(), "{text}"))
}

/// Whether nothing but answers and errors is written.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Lets [`told`] write nothing.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Writes a line that says what was done, for people who want to know.
pub(crate) fn told(text: &str) -> Result<()> {
    if QUIET.load(Ordering::Relaxed) { Ok(()) } else { line(text) }
}

/// Writes bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    written(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Writes how queries are evaluated, and why they have no rows.
pub(crate) fn explanations(format: Format, explanations: &[Explanation]) -> Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            written(serde_json::to_writer_pretty(&mut out, explanations).map_err(Into::into))?;
            return written(writeln!(out));
        }
        Format::Ndjson => {
            return explanations.iter().try_for_each(|explanation| {
                written(serde_json::to_writer(&mut out, explanation).map_err(Into::into))?;
                written(writeln!(out))
            });
        }
        Format::Table | Format::Csv => {}
    }
    for (n, Explanation { reasons, relation, plan }) in explanations.iter().enumerate() {
        let gap = if n == 0 { "" } else { "\n" };
        let reasons = match &reasons[..] {
            [] => String::new(),
            reasons => format!("No rows:\n  {}\n\n", reasons.join("\n  ")),
        };
        let (relation, plan) = (relation.trim_end(), plan.trim_end());
        written(writeln!(out, "{gap}{reasons}Relation:\n{relation}\n\nPlan:\n{plan}"))?;
    }
    Ok(())
}

/// Tells something that is no answer.
pub(crate) fn note(text: &str) {
    tell!("{text}");
}

/// Tells why an answer is empty.
pub(crate) fn reasons(reasons: &[String]) {
    for reason in reasons.iter().take(REASONS_MAX) {
        tell!("reason: {reason}");
    }
    if reasons.len() > REASONS_MAX {
        tell!("reason: and {} others; --explain shows all", reasons.len() - REASONS_MAX);
    }
}

/// Message of an error that nobody needs to be told.
pub(crate) const NOBODY_READS: &str = "nobody reads the output any more";

/// A reader that has gone, such as `head`, is no error of ours.
fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Interrupted, NOBODY_READS))
        }
        Err(error) => Err(Error::new(ErrorKind::Exhausted, format!("the output cannot be written: {error}"))
            .with_source(error)),
    }
}

/// Parts of an error's context that say where in the input it is.
const PLACES: [&str; 4] = ["place", "record", "field", "key"];

/// Tells an error: one line of cause, and a hint.
pub(crate) fn report(error: &Error) {
    let operation = error.operation().map_or_else(String::new, |operation| format!("{operation}: "));
    let place: Vec<String> = error
        .context()
        .iter()
        .filter(|(name, _)| PLACES.contains(name))
        .map(|(name, value)| if *name == "place" { value.clone() } else { format!("{name} {value}") })
        .collect();
    let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(", ")) };
    tell!("error: {operation}{}{place}", error.message());
    if io::stderr().is_terminal()
        && let Some((_, picture)) = error.context().iter().find(|(name, _)| *name == "expression")
    {
        tell!("{}", picture.trim_matches('\n'));
    }
    if let Some(hint) = error.hint() {
        tell!("hint: {hint}");
    }
    if tracing::enabled!(tracing::Level::INFO) {
        tell!("{error:#}");
    }
}
