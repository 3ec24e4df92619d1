//! Configuration of a stream datastore.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use butler_core::datastore::{Constraints, Datastore, check_datastore_name};
use butler_core::{DatastoreContext, DatastoreFactory, Error, ErrorKind, Result, Section};

use super::target::{Kind, Target};
use super::{Stream, StreamDatastore, StreamHub};

/// Bytes that may wait for a receiver, unless configuration says otherwise.
const CAPACITY: u64 = 1 << 20;

/// How long a write waits for what is required.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Builds datastores of the kind `stream`.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `name` | `stream` | name, in what is published |
/// | `accept`, `reject` | everything | [constraints](Constraints) |
/// | `to` | | where lines of JSON go: `unix:PATH` (a socket, or a directory of sockets), `pipe:PATH`, `file:PATH` |
/// | `capacity` | 1048576 | bytes that may wait for each of them; events that do not fit are dropped, and counted |
/// | `required` | `false` | whether a write fails if one of them is not there, or takes nothing |
/// | `timeout` | `5s` | how long a write waits for them, if they are required |
///
/// Programs subscribe at the factory's [hub](Self::hub), which all datastores of one factory share.
#[derive(Clone, Debug, Default)]
pub struct StreamDatastoreFactory {
    hub: StreamHub,
}

impl StreamDatastoreFactory {
    /// Where programs subscribe to what the datastores of this factory publish.
    #[must_use]
    pub fn hub(&self) -> &StreamHub {
        &self.hub
    }
}

impl DatastoreFactory for StreamDatastoreFactory {
    fn build(&self, section: &Section<'_>, context: &DatastoreContext) -> Result<Arc<dyn Datastore>> {
        section.text("kind")?;
        let name = section.text("name")?.unwrap_or_else(|| "stream".to_owned());
        check_datastore_name(&name)?;
        let capacity = section.number("capacity")?.unwrap_or(CAPACITY);
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        let targets =
            section.texts("to")?.iter().map(|text| target(section, text, capacity)).collect::<Result<_>>()?;
        let required = section.flag("required")?.unwrap_or(false);
        let timeout = section.duration("timeout")?.unwrap_or(TIMEOUT);
        let stream = Stream {
            constraints: Constraints::from_section(section, context.universe)?
                .with_genres(&context.genres, &name),
            hub: self.hub.clone(),
            targets: Mutex::new(targets),
            patience: required.then_some(timeout),
            read_only: context.read_only,
            name: name.into(),
        };
        section.finish()?;
        Ok(Arc::new(StreamDatastore { stream: Arc::new(stream) }))
    }
}

fn target(section: &Section<'_>, text: &str, capacity: usize) -> Result<Target> {
    let kinds = [("unix:", Kind::Socket), ("pipe:", Kind::Pipe), ("file:", Kind::File)];
    let found = kinds.iter().find_map(|(prefix, kind)| Some((*kind, text.strip_prefix(prefix)?)));
    let (kind, path) =
        found.filter(|(_, path)| !path.is_empty() && !path.contains('\0')).ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                format!(
                    "configuration key '{}.to' has '{}', which is nowhere",
                    section.path(),
                    text.escape_debug()
                ),
            )
            .with_hint("use unix:PATH, pipe:PATH or file:PATH")
        })?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Ok(Target::new(kind, PathBuf::from(path), capacity))
}
