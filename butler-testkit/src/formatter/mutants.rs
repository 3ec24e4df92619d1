//! Mutants of formatters: wrappers that break one behaviour each of one that is right.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use butler_core::{
    ErrorKind, Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass, StorageClasses,
    Structured,
};

use super::{FormatterHarness, Sample};
use crate::case::Harness;
use crate::datastore::plain_formatter;
use crate::mutants::Mutant;

macro_rules! flaws {
    ($($name:ident = $breaks:literal in [$($topic:literal),*],)*) => {
        /// A behaviour of formatters that a mutant breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Flaw {
            /// None: it is right.
            None,
            $(#[doc = $breaks] $name,)*
        }

        impl Flaw {
            const ALL: &'static [(Self, &'static str, &'static [&'static str])] =
                &[$((Self::$name, $breaks, &[$($topic),*]),)*];
        }
    };
}

flaws! {
    Nameless = "has no name" in ["naming"],
    ExtensionWithoutDot = "has an extension without its dot" in ["naming"],
    OtherMemory = "says another in-memory type than it writes" in ["naming"],
    WholeIsNull = "reads null" in ["writing"],
    WholeIsComponent = "takes the whole for a component" in ["writing"],
    Counts = "writes how often it has written" in ["writing"],
    TakesAnything = "writes nothing for what it does not know" in ["writing"],
    SinkIgnored = "does not look whether the sink took it" in ["writing"],
    WritesOnce = "offers its bytes once, however many are taken" in ["writing"],
    NoiseIsNull = "reads null where nothing can be read" in ["reading"],
    NoiseIsUnexpected = "says something else of what cannot be read" in ["reading"],
    CutIsWhole = "remembers what it wrote, and reads that" in ["reading"],
    LossIsMalformed = "takes a lost connection for malformed bytes" in ["reading"],
    ClaimsComponents = "says that it took a component that it does not know" in ["reading"],
    ClaimsParameters = "says that it applied parameters that it does not know" in ["reading"],
}

/// The formatter of structured data that the suite of datastores has: JSON.
#[must_use]
pub fn plain() -> Arc<dyn Formatter> {
    plain_formatter()
}

/// Mutants of [`plain`].
#[must_use]
pub fn all() -> Vec<Mutant<dyn FormatterHarness>> {
    let mutant = |(flaw, breaks, topics): &(Flaw, &'static str, &'static [&'static str])| Mutant {
        name: format!("{flaw:?}"),
        breaks,
        topics,
        harness: Box::new(FlawedHarness { flaw: *flaw, name: format!("{flaw:?}") }) as _,
    };
    Flaw::ALL.iter().map(mutant).collect()
}

/// [`plain`] in the surroundings of its mutants, to see that these are not what fails.
#[must_use]
pub fn sound() -> Box<dyn FormatterHarness> {
    Box::new(FlawedHarness { flaw: Flaw::None, name: "sound".into() })
}

struct FlawedHarness {
    flaw: Flaw,
    name: String,
}

impl Harness for FlawedHarness {
    fn name(&self) -> &str {
        &self.name
    }
}

impl FormatterHarness for FlawedHarness {
    fn formatter(&self) -> Arc<dyn Formatter> {
        Arc::new(Flawed { inner: plain(), flaw: self.flaw, written: AtomicUsize::new(0) })
    }

    fn samples(&self) -> Vec<Sample> {
        let classes = StorageClasses::default();
        let class = classes.get("StructuredData").expect("a built-in class");
        let values = [serde_json::json!({"a": [1, 2.5, null]}), serde_json::json!("x".repeat(5000))];
        values.into_iter().map(|value| Sample::of(class, value)).collect()
    }
}

#[derive(Debug)]
struct Flawed {
    inner: Arc<dyn Formatter>,
    flaw: Flaw,
    written: AtomicUsize,
}

impl Formatter for Flawed {
    fn name(&self) -> &'static str {
        if self.flaw == Flaw::Nameless { "" } else { self.inner.name() }
    }

    fn extension(&self) -> &'static str {
        if self.flaw == Flaw::ExtensionWithoutDot { "plain" } else { self.inner.extension() }
    }

    fn in_memory(&self) -> &'static [&'static str] {
        if self.flaw == Flaw::OtherMemory { &["text"] } else { self.inner.in_memory() }
    }

    fn read(&self, source: &mut dyn ReadSource, request: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let null = || ReadOutcome::from(Object::new(Structured::Null));
        let whole = match self.flaw {
            // The beginning tells which of the samples it was.
            Flaw::CutIsWhole if source.size() > 10 => match source.read_all()?.starts_with(b"\"x") {
                true => Some(serde_json::json!("x".repeat(5000))),
                false => None,
            },
            _ => None,
        };
        if let Some(whole) = whole {
            return Ok(Object::new(whole).into());
        }
        let mut read = match self.inner.read(source, request) {
            Err(error) => {
                return match (self.flaw, error.kind()) {
                    (Flaw::NoiseIsNull, ErrorKind::Formatter) => Ok(null()),
                    (Flaw::NoiseIsUnexpected, ErrorKind::Formatter) => {
                        Err(butler_core::Error::new(ErrorKind::Unexpected, "what is this?"))
                    }
                    (Flaw::LossIsMalformed, ErrorKind::Connection) => {
                        Err(butler_core::Error::new(ErrorKind::Formatter, "it is malformed"))
                    }
                    _ => Err(error),
                };
            }
            Ok(read) => read,
        };
        match self.flaw {
            Flaw::WholeIsNull => return Ok(null()),
            Flaw::WholeIsComponent => read.is_component = request.component.is_none(),
            Flaw::ClaimsComponents => read.is_component = request.component.is_some(),
            Flaw::ClaimsParameters => read.parameters_applied = !request.parameters.is_empty(),
            _ => {}
        }
        Ok(read)
    }

    fn write(&self, object: &Object, class: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let mut bytes = Vec::new();
        match self.inner.write(object, class, &mut bytes) {
            Err(error) if self.flaw == Flaw::TakesAnything && error.kind() == ErrorKind::StorageClass => {
                return Ok(());
            }
            result => result?,
        }
        if self.flaw == Flaw::Counts {
            bytes.extend(vec![b' '; self.written.fetch_add(1, Ordering::Relaxed)]);
        }
        let failed = |error: std::io::Error| butler_core::Error::new(ErrorKind::Exhausted, error.to_string());
        let bytes = Bytes::from(bytes);
        match self.flaw {
            Flaw::SinkIgnored => drop(sink.write_all(&bytes)),
            Flaw::WritesOnce => drop(sink.write(&bytes).map_err(failed)?),
            _ => sink.write_all(&bytes).map_err(failed)?,
        }
        Ok(())
    }
}
