//! Configuration of a chained datastore.

use std::sync::Arc;

use butler_core::datastore::{Constraints, Datastore, check_datastore_name};
use butler_core::{DatastoreContext, DatastoreFactory, Error, ErrorKind, Result, Section};

use crate::{ChainedDatastore, Child, WritePolicy};

/// Builds datastores of the kind `chained`.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `name` | `chained` | name, for messages |
/// | `write` | `all` | `first` to store a dataset in the first child that accepts it, not in all |
/// | `accept`, `reject` | everything | [constraints](Constraints), beside those of the children |
/// | `children` | | array of tables, nearest first |
///
/// Each child has the keys of its `kind`, which is any that the program has, and
///
/// | key | default | meaning |
/// |---|---|---|
/// | `required` | `true` if it can be read | whether a write fails if it fails here, though other children have it |
/// | `fill_back` | `false` | whether what is read from a later child is kept here; for the kind `memory` |
#[derive(Clone, Copy, Debug, Default)]
pub struct ChainedDatastoreFactory;

impl DatastoreFactory for ChainedDatastoreFactory {
    fn build(&self, section: &Section<'_>, context: &DatastoreContext) -> Result<Arc<dyn Datastore>> {
        section.text("kind")?;
        let name = section.text("name")?.unwrap_or_else(|| "chained".to_owned());
        check_datastore_name(&name)?;
        let constraints = Constraints::from_section(section, context.universe)?;
        let policy = policy(section)?;
        let sections = section.sections("children")?;
        section.finish()?;
        let children = sections.iter().map(|section| child(section, context)).collect::<Result<_>>()?;
        Ok(Arc::new(ChainedDatastore::new(name, constraints, policy, children)?))
    }
}

fn policy(section: &Section<'_>) -> Result<WritePolicy> {
    match section.text("write")?.as_deref() {
        None | Some("all") => Ok(WritePolicy::All),
        Some("first") => Ok(WritePolicy::First),
        Some(other) => Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "configuration key '{}.write' is 'all' or 'first', not '{}'",
                section.path(),
                other.escape_debug()
            ),
        )),
    }
}

fn child(section: &Section<'_>, context: &DatastoreContext) -> Result<Child> {
    let kind = section.required_text("kind")?;
    let factory =
        context.factories.datastore(&kind).map_err(|error| error.with_context("key", section.path()))?;
    // Asked for before the child's own factory looks for keys that nobody knows.
    let (required, fill_back) = (section.flag("required")?, section.flag("fill_back")?);
    let mut child = Child::new(factory.build(section, context)?);
    child.required = required.unwrap_or(child.required);
    child.fill_back = fill_back.unwrap_or(false);
    Ok(child)
}
