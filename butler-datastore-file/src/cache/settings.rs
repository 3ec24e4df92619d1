//! What configuration and environment say of a cache.

use std::path::PathBuf;
use std::time::Duration;

use butler_core::{DimensionUniverse, LookupTable, Result, Section};

use super::{Cache, Expiry};
use crate::config::unusable;

/// Directory of caches, whatever configuration says.
const DIRECTORY: &str = "DAF_BUTLER_CACHE_DIRECTORY";
/// Directory of caches, if configuration names none.
const DIRECTORY_IF_UNSET: &str = "DAF_BUTLER_CACHE_DIRECTORY_IF_UNSET";
/// `disabled`, or a mode with its threshold, such as `datasets=8`.
const MODE: &str = "DAF_BUTLER_CACHE_EXPIRATION_MODE";

/// Datasets that are kept if nothing else is said.
const DATASETS: u64 = 4;

impl Cache {
    /// The cache of a datastore's section, if it has one.
    ///
    /// # Errors
    /// `Configuration`.
    pub(crate) fn from_section(
        section: &Section<'_>,
        universe: DimensionUniverse,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>> {
        let table = section.section("cache")?;
        if table.is_empty() {
            return Ok(None);
        }
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let root = match (variable(DIRECTORY), table.text("root")?) {
            (Some(root), _) | (None, Some(root)) => Some(root),
            (None, None) => variable(DIRECTORY_IF_UNSET),
        };
        let configured = expiry(&table)?;
        let expiry = match variable(MODE) {
            Some(text) => overridden(&table, &text)?.unwrap_or(configured),
            None => configured,
        };
        let cacheable = LookupTable::from_section(&table, "cacheable", universe)?;
        table.finish()?;
        Ok(Some(Self::new(root.map(PathBuf::from), expiry, cacheable)))
    }
}

fn expiry(table: &Section<'_>) -> Result<Expiry> {
    let mode = table.text("mode")?;
    let threshold = || -> Result<u64> {
        let threshold = table.number("threshold")?;
        threshold.ok_or_else(|| unusable(table, "threshold", &"this mode needs one"))
    };
    match mode.as_deref() {
        None => Ok(Expiry::Datasets(table.number("threshold")?.unwrap_or(DATASETS))),
        Some("disabled" | "never") if table.number("threshold")?.is_some() => {
            Err(unusable(table, "threshold", &"this mode has none"))
        }
        Some("disabled") => Ok(Expiry::Disabled),
        Some("never") => Ok(Expiry::Never),
        Some("age") => match table.duration("threshold")? {
            Some(age) => Ok(Expiry::Age(age)),
            None => Err(unusable(table, "threshold", &"this mode needs a duration, such as '12h'")),
        },
        Some(mode) => with_threshold(table, mode, threshold()?),
    }
}

fn with_threshold(table: &Section<'_>, mode: &str, threshold: u64) -> Result<Expiry> {
    match mode {
        "files" => Ok(Expiry::Files(threshold)),
        "datasets" => Ok(Expiry::Datasets(threshold)),
        "size" => Ok(Expiry::Size(threshold)),
        "age" => Ok(Expiry::Age(Duration::from_secs(threshold))),
        other => Err(unusable(
            table,
            "mode",
            &format!("'{}' is none of datasets, files, size, age, never and disabled", other.escape_debug()),
        )),
    }
}

/// What a variable of the environment says; nothing if it makes no sense, which is told.
fn overridden(table: &Section<'_>, text: &str) -> Result<Option<Expiry>> {
    if text == "disabled" {
        return Ok(Some(Expiry::Disabled));
    }
    match text.split_once('=').and_then(|(mode, threshold)| Some((mode, threshold.parse().ok()?))) {
        Some((mode, threshold)) => with_threshold(table, mode, threshold).map(Some),
        None => {
            tracing::warn!("{MODE} is '{text}', neither 'disabled' nor MODE=THRESHOLD, and is ignored");
            Ok(None)
        }
    }
}
