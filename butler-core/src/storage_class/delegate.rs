//! Delegates: who knows how objects of a storage class are taken apart and put together.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use arcstr::ArcStr;

use super::{ReadParameters, StorageClass};
use crate::object::{Object, Structured};
use crate::{Error, ErrorKind, Result};

/// What a storage class can do with objects in memory.
pub trait StorageClassDelegate: Debug + Send + Sync {
    /// A component of an object.
    ///
    /// # Errors
    /// `UnknownComponent` if the object has none of that name.
    fn component(&self, class: &StorageClass, object: &Object, name: &str) -> Result<Object>;

    /// The components of an object, enough to put it together again.
    ///
    /// # Errors
    /// `StorageClass` if the object cannot be taken apart.
    fn disassemble(&self, class: &StorageClass, object: &Object) -> Result<BTreeMap<ArcStr, Object>>;

    /// An object of components.
    ///
    /// # Errors
    /// `StorageClass` if a component is missing that the object needs.
    fn assemble(&self, class: &StorageClass, components: BTreeMap<ArcStr, Object>) -> Result<Object>;

    /// What is left of an object under read parameters that the formatter did not apply.
    ///
    /// # Errors
    /// `Argument` for a parameter of the wrong form.
    fn apply_parameters(
        &self,
        class: &StorageClass,
        object: &Object,
        parameters: &ReadParameters,
    ) -> Result<Object>;

    /// Component from which a derived component can be computed, of those that there are.
    fn responsible_component(&self, derived: &str, available: &[ArcStr]) -> Option<ArcStr>;

    /// An object of its storage class from one of another in-memory type, which the class
    /// [converts from](StorageClass::converts_from).
    ///
    /// # Errors
    /// `StorageClass` if it cannot be converted.
    fn convert(&self, class: &StorageClass, object: &Object, from: &StorageClass) -> Result<Object> {
        let _ = object;
        Err(Error::new(
            ErrorKind::StorageClass,
            format!("an object of storage class '{from}' cannot be converted to '{class}'"),
        )
        .with_hint("its delegate has no conversion"))
    }
}

/// Delegate of structured objects: a component is the member of a map.
#[derive(Clone, Copy, Debug, Default)]
pub struct StructuredDelegate;

impl StorageClassDelegate for StructuredDelegate {
    fn component(&self, class: &StorageClass, object: &Object, name: &str) -> Result<Object> {
        class.component(name)?;
        let value: &Structured = object.downcast_ref()?;
        value.get(name).cloned().map(Object::new).ok_or_else(|| {
            Error::new(
                ErrorKind::UnknownComponent,
                format!("an object of storage class '{class}' lacks its component '{name}'"),
            )
        })
    }

    fn disassemble(&self, class: &StorageClass, object: &Object) -> Result<BTreeMap<ArcStr, Object>> {
        class.components.keys().map(|name| Ok((name.clone(), self.component(class, object, name)?))).collect()
    }

    fn assemble(&self, _: &StorageClass, components: BTreeMap<ArcStr, Object>) -> Result<Object> {
        let mut map = serde_json::Map::new();
        for (name, component) in components {
            map.insert(name.to_string(), component.downcast_ref::<Structured>()?.clone());
        }
        Ok(Object::new(Structured::Object(map)))
    }

    fn apply_parameters(
        &self,
        class: &StorageClass,
        object: &Object,
        parameters: &ReadParameters,
    ) -> Result<Object> {
        match parameters.keys().next() {
            None => Ok(object.clone()),
            // What cannot be applied must not be passed over.
            Some(name) => Err(Error::new(
                ErrorKind::Unsupported,
                format!("read parameter '{name}' cannot be applied to an object of storage class '{class}'"),
            )
            .with_hint("neither its formatter nor a delegate does that here")),
        }
    }

    fn responsible_component(&self, _: &str, _: &[ArcStr]) -> Option<ArcStr> {
        None
    }
}

/// Known delegates, by name.
#[derive(Clone, Debug)]
pub struct Delegates {
    by_name: BTreeMap<ArcStr, Arc<dyn StorageClassDelegate>>,
}

impl Delegates {
    /// Adds a delegate, or replaces that of the name.
    pub fn register(&mut self, name: impl Into<ArcStr>, delegate: Arc<dyn StorageClassDelegate>) {
        self.by_name.insert(name.into(), delegate);
    }

    /// The delegate of a storage class: the one it names, or that of structured objects.
    ///
    /// # Errors
    /// `Configuration` if it names one that is not known.
    pub fn of(&self, class: &StorageClass) -> Result<Arc<dyn StorageClassDelegate>> {
        let name = class.delegate.as_ref().map_or("structured", ArcStr::as_str);
        self.by_name.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.by_name.keys().map(ArcStr::as_str).collect();
            Error::new(
                ErrorKind::Configuration,
                format!("storage class '{class}' names the delegate '{name}', which is not known here"),
            )
            .with_hint(format!("there are {}", known.join(", ")))
        })
    }
}

impl Default for Delegates {
    fn default() -> Self {
        let mut this = Self { by_name: BTreeMap::new() };
        this.register("structured", Arc::new(StructuredDelegate));
        this
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage_class::{StorageClassConfig, StorageClasses};

    #[test]
    fn structured_objects_come_apart_and_together() {
        let config: BTreeMap<ArcStr, StorageClassConfig> = toml::from_str(
            "[Metric]\ninherits = \"StructuredData\"\ncomponents = { a = \"int\", b = \"int\" }",
        )
        .unwrap();
        let classes = StorageClasses::from_config(&config).unwrap();
        let class = classes.get("Metric").unwrap();
        let delegate = Delegates::default().of(class).unwrap();
        let object = Object::new(serde_json::json!({"a": 1, "b": 2}));
        let parts = delegate.disassemble(class, &object).unwrap();
        assert_eq!(parts["b"].deserialize::<i32>().unwrap(), 2);
        let whole = delegate.assemble(class, parts).unwrap();
        assert_eq!(whole.downcast_ref::<Structured>().unwrap(), object.downcast_ref::<Structured>().unwrap());
        assert_eq!(delegate.component(class, &object, "c").unwrap_err().kind(), ErrorKind::UnknownComponent);
        let parameters = ReadParameters::from([("a".into(), Structured::Null)]);
        let error = delegate.apply_parameters(class, &object, &parameters).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(delegate.convert(class, &object, class).unwrap_err().kind(), ErrorKind::StorageClass);
    }
}
