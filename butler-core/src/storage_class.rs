//! Storage classes: how datasets look in memory, which parts they have, and how parts and types become each other.

mod builtin;
mod delegate;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arcstr::ArcStr;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::object::{Object, Structured};
use crate::{Error, ErrorKind, Result, suggest};

pub use delegate::{Delegates, StorageClassDelegate, StructuredDelegate};

/// Parameters of a read, such as a region of an image or columns of a table.
pub type ReadParameters = BTreeMap<ArcStr, Structured>;

/// A storage class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass {
    /// Name.
    pub name: ArcStr,
    /// Name of the in-memory type, such as `structured`, `text` or `bytes`; formatters and delegates know it.
    pub in_memory: ArcStr,
    /// Parts that a dataset can be taken apart into, with their storage classes.
    pub components: BTreeMap<ArcStr, ArcStr>,
    /// Parts that are computed, with their storage classes.
    pub derived_components: BTreeMap<ArcStr, ArcStr>,
    /// Names of the parameters that a read accepts.
    pub parameters: BTreeSet<ArcStr>,
    /// Name of the delegate that knows how to take datasets apart.
    pub delegate: Option<ArcStr>,
    /// In-memory types that can be converted into its own.
    pub converts_from: BTreeSet<ArcStr>,
    /// Name of the formatter, unless configuration names another.
    pub formatter: Option<ArcStr>,
}

impl StorageClass {
    /// Storage class of a component.
    ///
    /// # Errors
    /// `UnknownComponent` if there is none of that name.
    pub fn component(&self, name: &str) -> Result<&ArcStr> {
        self.components.get(name).or_else(|| self.derived_components.get(name)).ok_or_else(|| {
            let known: Vec<&str> =
                self.components.keys().chain(self.derived_components.keys()).map(ArcStr::as_str).collect();
            let error = Error::new(
                ErrorKind::UnknownComponent,
                format!("storage class '{}' has no component '{}'", self.name, name.escape_debug()),
            );
            match (suggest::nearest(name, known.iter().copied()), known.is_empty()) {
                (Some(near), _) => error.with_hint(format!("did you mean '{near}'?")),
                (None, false) => error.with_hint(format!("there are {}", known.join(", "))),
                (None, true) => error.with_hint("it has no components"),
            }
        })
    }

    /// Checks that a read accepts parameters of these names.
    ///
    /// # Errors
    /// `Argument` for one that it does not.
    pub fn check_parameters(&self, parameters: &ReadParameters) -> Result<()> {
        match parameters.keys().find(|name| !self.parameters.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let known: Vec<&str> = self.parameters.iter().map(ArcStr::as_str).collect();
                let hint = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(Error::new(
                    ErrorKind::Argument,
                    format!(
                        "storage class '{}' takes no read parameter '{}'",
                        self.name,
                        name.escape_debug()
                    ),
                )
                .with_hint(format!("it takes {hint}")))
            }
        }
    }

    /// Checks that an object is of its in-memory type, as far as that is known here:
    /// `structured`, `text` and `bytes` are.
    ///
    /// # Errors
    /// `StorageClass` if it is not.
    pub fn check_object(&self, object: &Object) -> Result<()> {
        let fits = match self.in_memory.as_str() {
            "structured" => object.is::<Structured>(),
            "text" => object.is::<String>(),
            "bytes" => object.is::<Bytes>(),
            _ => true,
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::StorageClass,
            format!(
                "an object of type {} is no {self}, which is {} in memory",
                object.type_name(),
                self.in_memory
            ),
        ))
    }

    /// Whether objects of another storage class can be taken for its own.
    #[must_use]
    pub fn can_convert(&self, other: &Self) -> bool {
        self.in_memory == other.in_memory || self.converts_from.contains(&other.in_memory)
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Definition of a storage class in configuration; what is not given comes from the class that it inherits from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageClassConfig {
    /// Name of the class that it inherits from.
    pub inherits: Option<ArcStr>,
    /// Name of the in-memory type.
    pub in_memory: Option<ArcStr>,
    /// Further components.
    pub components: BTreeMap<ArcStr, ArcStr>,
    /// Further derived components.
    pub derived_components: BTreeMap<ArcStr, ArcStr>,
    /// Further read parameters.
    pub parameters: BTreeSet<ArcStr>,
    /// Name of the delegate.
    pub delegate: Option<ArcStr>,
    /// Further in-memory types that can be converted.
    pub converts_from: BTreeSet<ArcStr>,
    /// Name of the formatter.
    pub formatter: Option<ArcStr>,
}

/// Known storage classes, by name: the built-in ones, and further ones that add to them or change them.
///
/// The built-in ones are read when the first of them is asked for.
#[derive(Clone, Debug, Default)]
pub struct StorageClasses {
    further: BTreeMap<ArcStr, Arc<StorageClass>>,
}

impl StorageClasses {
    /// The built-in ones, and those of a configuration, which may change built-in ones.
    ///
    /// # Errors
    /// `Configuration` if a definition inherits from something unknown or from itself.
    pub fn from_config(config: &BTreeMap<ArcStr, StorageClassConfig>) -> Result<Self> {
        let mut this = Self::default();
        for name in config.keys() {
            let class = resolve(name, config, &|other| this.known(other).cloned(), &mut Vec::new())?;
            this.further.insert(name.clone(), Arc::new(class));
        }
        Ok(this)
    }

    fn known(&self, name: &str) -> Option<&Arc<StorageClass>> {
        self.further.get(name).or_else(|| builtin::classes().get(name))
    }

    /// A storage class by name.
    ///
    /// # Errors
    /// `StorageClass` if it is not known here; the message suggests the nearest name.
    pub fn get(&self, name: &str) -> Result<&Arc<StorageClass>> {
        self.known(name).ok_or_else(|| {
            let error = Error::new(
                ErrorKind::StorageClass,
                format!("storage class '{}' is not known here", name.escape_debug()),
            );
            match suggest::nearest(name, self.iter().map(|class| class.name.as_str())) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint("define it under [storage_classes] in butler.toml"),
            }
        })
    }

    /// A storage class by name; one that is not known here is a class of bytes.
    #[must_use]
    pub fn get_or_bytes(&self, name: &str) -> Arc<StorageClass> {
        self.known(name).cloned().unwrap_or_else(|| {
            Arc::new(StorageClass {
                name: name.into(),
                in_memory: "bytes".into(),
                components: BTreeMap::new(),
                derived_components: BTreeMap::new(),
                parameters: BTreeSet::new(),
                delegate: None,
                converts_from: BTreeSet::new(),
                formatter: Some("bytes".into()),
            })
        })
    }

    /// All storage classes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<StorageClass>> {
        let mut all: BTreeMap<&ArcStr, &Arc<StorageClass>> = builtin::classes().iter().collect();
        all.extend(&self.further);
        all.into_values()
    }

    /// Adds a storage class; one that is there already must be the same.
    ///
    /// # Errors
    /// `ConflictingDefinition` if another of that name is known.
    pub fn register(&mut self, class: StorageClass) -> Result<()> {
        if let Some(known) = self.known(&class.name)
            && **known != class
        {
            return Err(Error::new(
                ErrorKind::ConflictingDefinition,
                format!("storage class '{}' is defined otherwise: {known:?} is not {class:?}", class.name),
            ));
        }
        self.further.insert(class.name.clone(), Arc::new(class));
        Ok(())
    }
}

/// The class that a definition describes, which may inherit from one that is defined or known.
fn resolve(
    name: &ArcStr,
    config: &BTreeMap<ArcStr, StorageClassConfig>,
    known: &dyn Fn(&str) -> Option<Arc<StorageClass>>,
    path: &mut Vec<ArcStr>,
) -> Result<StorageClass> {
    let problem = |message: String| Error::new(ErrorKind::Configuration, message);
    if path.contains(name) {
        return Err(problem(format!("storage class '{name}' inherits from itself: {}", path.join(" → "))));
    }
    let Some(own) = config.get(name) else {
        return known(name).map(|class| (*class).clone()).ok_or_else(|| {
            problem(format!("storage class '{}' inherits from '{name}', which is unknown", path.join(" → ")))
        });
    };
    path.push(name.clone());
    let base = match &own.inherits {
        Some(base) => Some(resolve(base, config, known, path)?),
        None => None,
    };
    path.pop();
    let mut class = base.unwrap_or_else(|| StorageClass {
        name: name.clone(),
        in_memory: "bytes".into(),
        components: BTreeMap::new(),
        derived_components: BTreeMap::new(),
        parameters: BTreeSet::new(),
        delegate: None,
        converts_from: BTreeSet::new(),
        formatter: None,
    });
    class.name = name.clone();
    class.components.extend(own.components.clone());
    class.derived_components.extend(own.derived_components.clone());
    class.parameters.extend(own.parameters.iter().cloned());
    class.converts_from.extend(own.converts_from.iter().cloned());
    class.in_memory = own.in_memory.clone().unwrap_or(class.in_memory);
    class.delegate = own.delegate.clone().or(class.delegate);
    class.formatter = own.formatter.clone().or(class.formatter);
    if class.components.len() == 1 {
        return Err(problem(format!(
            "storage class '{name}' has a single component; such a part is the whole, or a derived component"
        )));
    }
    Ok(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<StorageClasses> {
        let config: BTreeMap<ArcStr, StorageClassConfig> = toml::from_str(text).unwrap();
        StorageClasses::from_config(&config)
    }

    #[test]
    fn definitions_inherit_and_add() {
        let classes = config(
            r#"
            [Exposure]
            in_memory = "image"
            components = { image = "Image", wcs = "Wcs" }
            parameters = ["bbox"]
            [ExposureF]
            inherits = "Exposure"
            derived_components = { bbox = "StructuredDataDict" }
            parameters = ["origin"]
            "#,
        )
        .unwrap();
        let class = classes.get("ExposureF").unwrap();
        assert_eq!(class.in_memory, "image");
        assert_eq!(class.component("wcs").unwrap(), "Wcs");
        assert_eq!(class.component("bbox").unwrap(), "StructuredDataDict");
        assert_eq!(class.parameters.len(), 2);
        let error = class.component("wcz").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownComponent);
        assert!(error.to_string().ends_with("did you mean 'wcs'?"), "{error}");
    }

    #[test]
    fn unsound_definitions_are_refused() {
        for (text, reason) in [
            ("[A]\ninherits = \"B\"", "which is unknown"),
            ("[A]\ninherits = \"B\"\n[B]\ninherits = \"A\"", "inherits from itself"),
            ("[A]\ncomponents = { x = \"Bytes\" }", "single component"),
        ] {
            let error = config(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn unknown_classes_are_told_and_read_as_bytes() {
        let classes = StorageClasses::default();
        let error = classes.get("StructuredDataDickt").unwrap_err();
        assert!(error.to_string().contains("did you mean 'StructuredDataDict'?"), "{error}");
        assert_eq!(classes.get_or_bytes("Unheard").in_memory, "bytes");
    }

    #[test]
    fn parameters_are_checked() {
        let classes = StorageClasses::default();
        let parameters = ReadParameters::from([("columns".into(), Structured::Null)]);
        classes.get("ArrowTable").unwrap().check_parameters(&parameters).unwrap();
        let error = classes.get("StructuredDataDict").unwrap().check_parameters(&parameters).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }
}
