//! Checks that all datastores make.

use rustc_hash::FxHashSet;

use crate::dataset::DatasetRef;
use crate::{Error, ErrorKind, Result};

/// Checks the name of a datastore, which is written down in registries.
///
/// # Errors
/// `Configuration` if it is empty, longer than 128 bytes or has control characters in it.
pub fn check_datastore_name(name: &str) -> Result<()> {
    if !name.is_empty() && name.len() <= 128 && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Configuration,
        format!(
            "'{}' cannot name a datastore: use 1 to 128 bytes without control characters",
            name.escape_debug()
        ),
    ))
}

/// Refuses datasets that are given twice.
///
/// # Errors
/// `Argument` if one is.
pub fn refuse_repeated<'a>(datasets: impl IntoIterator<Item = &'a DatasetRef>) -> Result<()> {
    let mut seen = FxHashSet::default();
    match datasets.into_iter().find(|dataset| !seen.insert(dataset.id())) {
        None => Ok(()),
        Some(dataset) => {
            Err(Error::new(ErrorKind::Argument, format!("dataset {dataset} is to be stored twice at once")))
        }
    }
}

/// Refuses a component, which is stored with its composite.
///
/// # Errors
/// `Argument` if the dataset is one.
pub fn refuse_component(dataset: &DatasetRef) -> Result<()> {
    match dataset.dataset_type().component_name() {
        None => Ok(()),
        Some(component) => Err(Error::new(
            ErrorKind::Argument,
            format!("the component '{component}' of {dataset} cannot be stored on its own"),
        )
        .with_hint("store the composite")),
    }
}
