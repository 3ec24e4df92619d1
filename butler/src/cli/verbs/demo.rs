//! `demo`: a newcomer's first minute.

mod survey;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use butler::{Error, ErrorKind, Result};
use clap::{Args, Parser};

use self::survey::Survey;
use crate::cli::context::Context;
use crate::cli::{Command, output};

/// For which times biases are valid; nights change at noon.
const EPOCHS: [(&str, [&str; 2]); 2] =
    [("a", ["2026-01-01", "2026-01-16T12:00:00"]), ("b", ["2026-01-16T12:00:00", ""])];

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Directory that gets the repository; it must not have one
    directory: String,
}

impl Demo {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let tour = Tour { context, repo: self.directory };
        tour.create().await?;
        tour.describe().await?;
        tour.calibrate().await?;
        tour.observe().await?;
        tour.process().await?;
        tour.ask().await?;
        tour.say(&format!(
            "That is all. {} is an ordinary repository: try `butler query-collections {}` and `butler --help`.",
            tour.repo, tour.repo
        ))
    }
}

/// The way through the demonstration: says what comes, shows the command, runs it.
struct Tour<'a> {
    context: &'a Context,
    repo: String,
}

impl Tour<'_> {
    async fn create(&self) -> Result<()> {
        self.say("A repository is a directory with a registry (SQLite) and a datastore (files).")?;
        self.butler(&["create", &self.repo]).await
    }

    /// Tells the registry about instrument, nights, exposures, visits and sky.
    async fn describe(&self) -> Result<()> {
        self.say("Dimension records say what there is: an instrument, nights, exposures, visits, a map of the sky.")?;
        for (element, records) in Survey.records() {
            let text = serde_json::to_string_pretty(&records).unwrap_or_default();
            let file = self.write(&format!("{element}.json"), &text)?;
            self.butler(&["insert-dimension-records", &self.repo, element, &file]).await?;
        }
        self.say("Dataset types say what there can be: a name, a storage class and dimensions.")?;
        for (name, dimensions, calibration) in Survey::DATASET_TYPES {
            let mut words = vec!["register-dataset-type", &self.repo, name, "StructuredDataDict"];
            words.extend(*dimensions);
            if *calibration {
                words.push("--is-calibration");
            }
            self.butler(&words).await?;
        }
        Ok(())
    }

    /// Biases of two epochs, each certified for its time.
    async fn calibrate(&self) -> Result<()> {
        self.say(
            "Files become datasets by a table of paths and data IDs. Two epochs of biases, in two runs:",
        )?;
        for (epoch, [begin, end]) in EPOCHS {
            let run = format!("DemoCam/calib/{epoch}");
            let table = self.tabulate(&format!("bias-{epoch}"), &Survey.biases(epoch))?;
            self.butler(&["ingest-files", &self.repo, "bias", &run, &table, "--transfer", "copy"]).await?;
            let mut words = vec![
                "certify-calibrations",
                &self.repo,
                &run,
                "DemoCam/calib",
                "bias",
                "--begin-date",
                begin,
            ];
            if !end.is_empty() {
                words.extend(["--end-date", end]);
            }
            self.butler(&words).await?;
        }
        Ok(())
    }

    /// Raw exposures.
    async fn observe(&self) -> Result<()> {
        self.say("Two nights of raw exposures, one file for each detector:")?;
        let table = self.tabulate("raw", &Survey.raws())?;
        let words = ["ingest-files", &self.repo, "raw", "DemoCam/raw", &table, "--transfer", "hardlink"];
        self.butler(&words).await?;
        self.say("A chain of collections is what people search: first found, first served.")?;
        let words = ["collection-chain", &self.repo, "DemoCam/defaults", "DemoCam/raw", "DemoCam/calib"];
        self.butler(&words).await
    }

    /// Results of two processing runs, the second of one night only.
    async fn process(&self) -> Result<()> {
        self.say("Programs put what they make, one dataset at a time or a million; here a person does it:")?;
        let (result, content) = Survey::RESULT;
        let file = self.write("stars.json", content)?;
        let mut words = vec!["put", &self.repo, "stars"];
        words.extend(result);
        words.extend(["--run", "u/you/first", "--file", &file]);
        self.butler(&words).await?;
        let table = self.tabulate("stars", &Survey.results("first"))?;
        self.butler(&["ingest-files", &self.repo, "stars", "u/you/first", &table, "--transfer", "copy"])
            .await?;
        let table = self.tabulate("stars-again", &Survey.results("second"))?;
        self.butler(&["ingest-files", &self.repo, "stars", "u/you/second", &table, "--transfer", "copy"])
            .await?;
        let words =
            ["collection-chain", &self.repo, "u/you/best", "u/you/second", "u/you/first", "DemoCam/defaults"];
        self.butler(&words).await?;
        let condition = "instrument='DemoCam' AND band='r'";
        let words = [
            "associate",
            &self.repo,
            "u/you/red",
            "--dataset-type",
            "stars",
            "--collections",
            "u/you/best",
            "--find-first",
            "--where",
            condition,
        ];
        self.butler(&words).await
    }

    /// Four questions.
    async fn ask(&self) -> Result<()> {
        self.say("Question 1: which raw exposures of the second night were taken in r?")?;
        let condition = "instrument='DemoCam' AND day_obs=20260116 AND band='r'";
        self.butler(&[
            "query-datasets",
            &self.repo,
            "raw",
            "--collections",
            "DemoCam/raw",
            "--where",
            condition,
        ])
        .await?;
        self.say("Question 2: which visits and detectors see the middle patch of the sky map?")?;
        let condition = "instrument='DemoCam' AND skymap='demo_v1' AND tract=0 AND patch=4";
        self.butler(&["query-data-ids", &self.repo, "visit", "detector", "--where", condition]).await?;
        self.say("Question 3: which bias belongs to an exposure of the second night? Its time decides.")?;
        self.butler(&[
            "find-dataset",
            &self.repo,
            "bias",
            "instrument=DemoCam",
            "detector=2",
            "--collections",
            "DemoCam/defaults",
            "--timespan",
            "2026-01-17T03:00:00/2026-01-17T03:00:30",
        ])
        .await?;
        self.say("Question 4: of results made twice, which are the latest?")?;
        let condition = "instrument='DemoCam' AND detector=0";
        self.butler(&[
            "query-datasets",
            &self.repo,
            "stars",
            "--collections",
            "u/you/best",
            "--find-first",
            "--where",
            condition,
            "--order-by",
            "visit",
        ])
        .await?;
        self.say("And the content of one of them:")?;
        let mut words = vec!["get", &self.repo, "stars"];
        words.extend(Survey::RESULT.0);
        words.extend(["--collections", "u/you/best"]);
        self.butler(&words).await
    }

    fn say(&self, text: &str) -> Result<()> {
        output::line(&format!("\n# {text}"))
    }

    /// Shows a command as a person would type it, and runs it.
    async fn butler(&self, words: &[&str]) -> Result<()> {
        self.context.check()?;
        let shown: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        output::line(&format!("$ butler {}", shown.join(" ")))?;
        let command = Command::try_parse_from(["butler"].iter().chain(words)).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the demonstration types a command wrongly").with_source(error)
        })?;
        Box::pin(command.verb.run(self.context)).await
    }

    /// Writes an input file; returns its path.
    fn write(&self, name: &str, text: &str) -> Result<String> {
        let path: PathBuf = Path::new(&self.repo).join(".butler/demo-inputs").join(name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text)).map_err(|error| {
            Error::new(ErrorKind::Permission, format!("{} cannot be written: {error}", path.display()))
                .with_source(error)
        })?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Writes files and the table that lists them; returns the path of the table.
    fn tabulate(&self, name: &str, files: &[survey::SimulatedFile]) -> Result<String> {
        let mut table = String::from("path");
        for (key, _) in files.iter().take(1).flat_map(|file| &file.data_id) {
            let _ = write!(table, ",{key}");
        }
        table.push('\n');
        for (number, file) in files.iter().enumerate() {
            let text = serde_json::to_string(&file.content).unwrap_or_default();
            table.push_str(&self.write(&format!("{name}/{number}.json"), &text)?);
            for (_, value) in &file.data_id {
                let _ = write!(table, ",{value}");
            }
            table.push('\n');
        }
        self.write(&format!("{name}.csv"), &table)
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("\"{word}\"") }
}
