//! `ingest-files`.

use std::path::Path;

use butler::datastore::TransferMode;
use butler::{
    ArcStr, Butler, Draft, Error, ErrorKind, IdGenerationMode, IngestFile, IngestOptions, LooseDataId,
    PutTarget, Result,
};
use clap::Args;
use rustc_hash::FxHashMap;

use super::common::Repository;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::progress::Bar;

/// Files that come in together: all of them, or none.
const BATCH: usize = 1_000;

/// Arguments of `ingest-files`.
#[derive(Args, Debug)]
pub(crate) struct IngestFiles {
    #[command(flatten)]
    repository: Repository,
    /// Dataset type
    #[arg(value_name = "TYPE")]
    dataset_type: String,
    /// Run that gets the datasets, registered if it is new
    run: String,
    /// Table in CSV or ECSV: the first column has paths, the others are keys of data IDs
    table: String,
    /// Formatter that reads the files, if not that of the storage class
    #[arg(long, value_name = "NAME")]
    formatter: Option<ArcStr>,
    /// How ids come about: unique, dataid_type or dataid_type_run
    #[arg(long, value_name = "MODE", default_value = "unique")]
    id_generation_mode: IdGenerationMode,
    /// Values that the data IDs of all files have
    #[arg(long = "data-id", value_name = "KEY=VALUE", value_delimiter = ',')]
    data_id: Vec<String>,
    /// Directory or URL that relative paths begin at
    #[arg(long, value_name = "PATH")]
    prefix: Option<String>,
    /// Determine sizes and checksums (the default)
    #[arg(long, overrides_with = "no_track_file_attrs")]
    track_file_attrs: bool,
    /// Do not determine sizes and checksums
    #[arg(long)]
    no_track_file_attrs: bool,
    /// Pass over files whose datasets are stored already; needs ids that follow from the data IDs
    #[arg(long)]
    skip_existing: bool,
    /// How the files come in: auto, copy, move, link, hardlink, symlink, relsymlink, direct
    #[arg(short, long, value_name = "MODE", default_value = "auto")]
    transfer: TransferMode,
}

impl IngestFiles {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        if self.skip_existing && self.id_generation_mode == IdGenerationMode::Unique {
            return Err(Error::new(
                ErrorKind::Argument,
                "new ids are given to all files: none is there already",
            )
            .with_hint("--skip-existing goes with --id-generation-mode dataid_type_run or dataid_type"));
        }
        let butler = context.write(&self.repository.repo).await?;
        let dataset_type = butler.dataset_type(self.dataset_type.as_str()).await?;
        let mut files: Vec<IngestFile> = Vec::new();
        let mut by_path: FxHashMap<ArcStr, usize> = FxHashMap::default();
        for row in read_table(&self.table)? {
            let texts = self.data_id.iter().cloned().chain(row.keys);
            let data_id = LooseDataId::from_texts(butler.universe(), texts)
                .map_err(|error| error.with_context("place", format!("{}, line {}", self.table, row.line)))?;
            let draft = Draft::new(&dataset_type, data_id).run(self.run.as_str());
            let path: ArcStr = self.resolve(&row.path).into();
            match by_path.get(&path) {
                Some(&at) => files[at].datasets.push(PutTarget::from(draft)),
                None => {
                    by_path.insert(path.clone(), files.len());
                    let mut file = IngestFile::new(path, draft);
                    file.formatter.clone_from(&self.formatter);
                    files.push(file);
                }
            }
        }
        let options = IngestOptions {
            mode: self.transfer,
            ids: self.id_generation_mode,
            track_attributes: !self.no_track_file_attrs,
            skip_existing: self.skip_existing,
        };
        let count = self.ingest(context, &butler, files, &options).await?;
        let new = if self.skip_existing { " more" } else { "" };
        output::told(&format!("{count}{new} datasets are in {}", self.run))?;
        butler.close().await
    }

    /// Batch by batch: whoever interrupts it finds whole ones, and is told where it stopped.
    async fn ingest(
        &self,
        context: &Context,
        butler: &Butler,
        files: Vec<IngestFile>,
        options: &IngestOptions,
    ) -> Result<usize> {
        let (bar, all) = (Bar::new(context), files.len());
        let (mut done, mut count) = (0, 0);
        let mut files = files.into_iter().peekable();
        while let Some(next) = files.peek() {
            let so_far =
                format!("{done} of {all} files are in {}, and the next one is {}", self.run, next.path);
            let some: Vec<IngestFile> = match context.check() {
                Ok(()) => files.by_ref().take(BATCH).collect(),
                Err(interrupted) => return Err(interrupted.with_hint(so_far)),
            };
            let size = some.len();
            match butler.ingest(some, options).await {
                Ok(datasets) => count += datasets.len(),
                Err(error) if done == 0 => return Err(error),
                Err(error) => return Err(error.with_context("so far", so_far)),
            }
            done += size;
            bar.count("ingesting", done as u64, Some(all as u64));
        }
        Ok(count)
    }

    /// The path of a row: from the prefix on, or from where the command was given.
    fn resolve(&self, path: &str) -> String {
        let path = match &self.prefix {
            Some(prefix) if !path.contains("://") && !Path::new(path).is_absolute() => {
                format!("{}/{path}", prefix.trim_end_matches('/'))
            }
            _ => path.to_owned(),
        };
        if path.contains("://") {
            return path;
        }
        std::path::absolute(&path).map_or(path, |absolute| absolute.to_string_lossy().into_owned())
    }
}

/// A row of the table.
struct Row {
    line: u64,
    path: String,
    /// `KEY=VALUE` texts.
    keys: Vec<String>,
}

fn read_table(file: &str) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Error::new(ErrorKind::Argument, format!("{file} cannot be read: {error}")).with_source(error)
    })?;
    let malformed = |error: csv::Error| {
        Error::new(ErrorKind::Argument, format!("{file} is no table: {error}")).with_source(error)
    };
    // ECSV says in its comments what is between the columns; by default, spaces are.
    let mut delimiter = b',';
    if text.starts_with("# %ECSV") {
        let comma =
            text.lines().take_while(|line| line.starts_with('#')).any(|line| line.contains("delimiter: ','"));
        delimiter = if comma { b',' } else { b' ' };
    }
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).delimiter(delimiter).from_reader(text.as_bytes());
    let names = reader.headers().map_err(malformed)?.clone();
    if names.len() < 2 && names.iter().all(str::is_empty) {
        return Err(Error::new(ErrorKind::Argument, format!("{file} has no columns"))
            .with_hint("the first line names the columns: the path, then keys of data IDs"));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut cells = record.iter();
        let path = cells.next().unwrap_or_default().to_owned();
        if path.is_empty() {
            return Err(Error::new(ErrorKind::Argument, format!("{file}, line {line}: the path is missing")));
        }
        let keys = names.iter().skip(1).zip(cells).map(|(name, value)| format!("{name}={value}")).collect();
        rows.push(Row { line, path, keys });
    }
    Ok(rows)
}
