//! What the datastores of the suite know: storage classes, delegates and formatters.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use arcstr::ArcStr;
use bytes::Bytes;

use butler_core::datastore::Datastore;
use butler_core::{
    Config, DatastoreContext, DatastoreFactory, Delegates, DimensionUniverse, Error, ErrorKind, Factories,
    Formatter, Formatters, Object, ReadOutcome, ReadParameters, ReadRequest, ReadSource, Result,
    StorageClass, StorageClassConfig, StorageClassDelegate, StorageClasses, Structured,
};

/// `Pair` has two numbers, one of which is a `Counter`; `Note` is text that structured data can become.
const CLASSES: &str = "
[Pair]
in_memory = 'structured'
formatter = 'plain'
delegate = 'pair'
components = { a = 'Counter', b = 'int' }
derived_components = { total = 'int', double = 'int' }
parameters = ['scale']
[Counter]
in_memory = 'structured'
formatter = 'plain'
delegate = 'pair'
derived_components = { double = 'int' }
[Number]
in_memory = 'structured'
formatter = 'plain'
[Note]
in_memory = 'text'
formatter = 'plain text'
delegate = 'pair'
converts_from = ['structured']
[Blob]
in_memory = 'bytes'
formatter = 'plain bytes'
[Broken]
in_memory = 'structured'
formatter = 'broken'
[Panicking]
in_memory = 'structured'
formatter = 'panicking'
";

/// How a datastore is opened.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// Whether for reading only.
    pub read_only: bool,
    /// Keys of its table of the configuration, as TOML, besides those that say where it is.
    pub settings: String,
}

impl Opening {
    /// Builds a datastore: `place` has the keys that say where it is.
    ///
    /// # Errors
    /// Those of the factory.
    pub fn build(&self, factory: &dyn DatastoreFactory, place: &str) -> Result<Arc<dyn Datastore>> {
        let mut config = Config::default();
        config.merge_text(&format!("[datastore]\n{place}\n{}", self.settings), "test")?;
        factory.build(&config.section("datastore")?, &self.context()?)
    }

    /// What the datastore knows.
    ///
    /// # Errors
    /// None, unless this crate is wrong.
    pub fn context(&self) -> Result<DatastoreContext> {
        let mut config = Config::default();
        config.merge_text(CLASSES, "testkit")?;
        let section = config.root_section();
        let mut classes: BTreeMap<ArcStr, StorageClassConfig> = BTreeMap::new();
        for name in section.keys() {
            classes.extend(section.value(name)?.map(|class| (name.into(), class)));
        }
        let mut delegates = Delegates::default();
        delegates.register("pair", Arc::new(Pair));
        Ok(DatastoreContext {
            universe: DimensionUniverse::default(),
            formatters: Arc::new(formatters()),
            storage_classes: Arc::new(StorageClasses::from_config(&classes)?),
            genres: Arc::default(),
            delegates: Arc::new(delegates),
            factories: Arc::new(Factories::default()),
            read_only: self.read_only,
            strict: false,
        })
    }
}

/// Delegate of `Pair`, `Counter` and `Note`.
#[derive(Debug)]
struct Pair;

fn number(value: Option<&Structured>) -> Result<i64> {
    value
        .and_then(Structured::as_i64)
        .ok_or_else(|| Error::new(ErrorKind::StorageClass, "that is no pair of numbers"))
}

impl StorageClassDelegate for Pair {
    fn component(&self, class: &StorageClass, object: &Object, name: &str) -> Result<Object> {
        class.component(name)?;
        let value: &Structured = object.downcast_ref()?;
        let part = |part: &str| number(value.get(part).or(Some(value)));
        let result = match name {
            "total" => part("a")? + part("b")?,
            "double" => part("a")? * 2,
            _ => part(name)?,
        };
        Ok(Object::new(Structured::from(result)))
    }

    fn disassemble(&self, class: &StorageClass, object: &Object) -> Result<BTreeMap<ArcStr, Object>> {
        class.components.keys().map(|name| Ok((name.clone(), self.component(class, object, name)?))).collect()
    }

    fn assemble(&self, _: &StorageClass, components: BTreeMap<ArcStr, Object>) -> Result<Object> {
        let mut map = Structured::default();
        for (name, part) in components {
            map[name.as_str()] = part.downcast_ref::<Structured>()?.clone();
        }
        number(map.get("a")).and(number(map.get("b")))?;
        Ok(Object::new(map))
    }

    fn apply_parameters(
        &self,
        _: &StorageClass,
        object: &Object,
        parameters: &ReadParameters,
    ) -> Result<Object> {
        let scale = number(parameters.get("scale"))?;
        let mut value = object.downcast_ref::<Structured>()?.clone();
        for name in ["a", "b"] {
            value[name] = Structured::from(number(value.get(name))? * scale);
        }
        Ok(Object::new(value))
    }

    fn responsible_component(&self, derived: &str, available: &[ArcStr]) -> Option<ArcStr> {
        available.iter().find(|name| derived == "double" && *name == "a").cloned()
    }

    fn convert(&self, _: &StorageClass, object: &Object, _: &StorageClass) -> Result<Object> {
        Ok(Object::new(object.downcast_ref::<Structured>()?.to_string()))
    }
}

/// Formatters: `plain`, `plain text` and `plain bytes` for each in-memory type, two that
/// cannot write, and `other`, which reads what `plain` does as null.
fn formatters() -> Formatters {
    let mut formatters = Formatters::default();
    for (name, in_memory) in [
        ("plain", &["structured"]),
        ("plain text", &["text"]),
        ("plain bytes", &["bytes"]),
        // Those of built-in storage classes.
        ("json", &["structured"]),
        ("bytes", &["bytes"]),
        ("broken", &["structured"]),
        ("panicking", &["structured"]),
        ("other", &["structured"]),
    ] {
        formatters.register(Arc::new(Plain { name, in_memory }));
    }
    formatters
}

/// The formatter `plain`.
pub(crate) fn plain_formatter() -> Arc<dyn Formatter> {
    Arc::new(Plain { name: "plain", in_memory: &["structured"] })
}

#[derive(Debug)]
struct Plain {
    name: &'static str,
    in_memory: &'static [&'static str],
}

impl Formatter for Plain {
    fn name(&self) -> &'static str {
        self.name
    }

    fn extension(&self) -> &'static str {
        ".plain"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        self.in_memory
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let bytes = source.read_all()?;
        let text = || String::from_utf8(bytes.to_vec()).map_err(|error| malformed(&error));
        Ok(match (self.name, self.in_memory) {
            ("other", _) => Object::new(Structured::Null),
            (_, ["structured"]) => {
                Object::new(text()?.parse::<Structured>().map_err(|error| malformed(&error))?)
            }
            (_, ["text"]) => Object::new(text()?),
            _ => Object::new(bytes),
        }
        .into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let failed = |error: std::io::Error| Error::new(ErrorKind::Unexpected, error.to_string());
        match self.name {
            "broken" | "panicking" => {
                sink.write_all(b"half an obj").and_then(|()| sink.flush()).map_err(failed)?;
                if self.name == "panicking" {
                    // As a panic, but without its message.
                    std::panic::resume_unwind(Box::new("a formatter panics"));
                }
                return Err(Error::new(ErrorKind::Formatter, "this formatter is broken"));
            }
            _ => {}
        }
        match self.in_memory {
            ["structured"] => sink.write_all(object.downcast_ref::<Structured>()?.to_string().as_bytes()),
            ["text"] => sink.write_all(object.downcast_ref::<String>()?.as_bytes()),
            _ => sink.write_all(object.downcast_ref::<Bytes>()?),
        }
        .map_err(failed)
    }
}

fn malformed(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Formatter, format!("not what was written: {error}"))
}
