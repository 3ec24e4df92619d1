//! From what a datastore has read to what was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;

use super::request::GetRequest;
use crate::dataset::DatasetType;
use crate::formatter::ReadOutcome;
use crate::object::Object;
use crate::storage_class::{Delegates, ReadParameters, StorageClass, StorageClassDelegate, StorageClasses};
use crate::{Error, ErrorKind, Result};

/// What is wanted of a dataset.
#[derive(Clone, Copy, Debug)]
pub struct ReadGoal<'a> {
    /// Component, if not the whole.
    pub component: Option<&'a str>,
    /// Name of the storage class.
    pub class: &'a ArcStr,
    /// Parameters of the read.
    pub parameters: &'a ReadParameters,
}

impl<'a> ReadGoal<'a> {
    /// What a request wants.
    #[must_use]
    pub fn of(request: &'a GetRequest) -> Self {
        let dataset_type: &'a DatasetType = request.dataset.dataset_type();
        Self {
            component: dataset_type.component_name(),
            class: dataset_type.storage_class(),
            parameters: &request.parameters,
        }
    }
}

/// Takes components out of objects, applies read parameters, and converts
/// between storage classes: what is the same in every datastore.
#[derive(Clone, Debug)]
pub struct Reader {
    classes: Arc<StorageClasses>,
    delegates: Arc<Delegates>,
}

impl Reader {
    /// A reader that knows these.
    #[must_use]
    pub fn new(classes: Arc<StorageClasses>, delegates: Arc<Delegates>) -> Self {
        Self { classes, delegates }
    }

    /// A storage class by name; one that is not known here is a class of bytes.
    #[must_use]
    pub fn class(&self, name: &str) -> Arc<StorageClass> {
        self.classes.get_or_bytes(name)
    }

    /// The delegate of a storage class.
    ///
    /// # Errors
    /// `Configuration` if it names one that is not known.
    pub fn delegate(&self, class: &StorageClass) -> Result<Arc<dyn StorageClassDelegate>> {
        self.delegates.of(class)
    }

    /// Checks a goal against the storage class that was written, before anything is read.
    ///
    /// # Errors
    /// `UnknownComponent`; `Argument` for parameters that neither the class nor the component takes.
    pub fn check(&self, goal: &ReadGoal<'_>, written: &StorageClass) -> Result<()> {
        let component = match goal.component {
            Some(name) => Some(self.class(written.component(name)?)),
            None => None,
        };
        let taker = component.as_deref().unwrap_or(written);
        let rest: ReadParameters = goal
            .parameters
            .iter()
            .filter(|(name, _)| !written.parameters.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        taker.check_parameters(&rest)
    }

    /// The object that was asked for, of what a formatter read as a storage class.
    ///
    /// Behaviour: parameters that a component takes are applied to the component, others to
    /// the whole before the component is taken out of it; conversion comes last.
    ///
    /// # Errors
    /// `UnknownComponent`, `StorageClass` if it cannot be converted, `Argument` and
    /// `Unsupported` for parameters that cannot be applied.
    pub fn finish(&self, goal: &ReadGoal<'_>, written: &StorageClass, read: ReadOutcome) -> Result<Object> {
        let pending = if read.parameters_applied { ReadParameters::new() } else { goal.parameters.clone() };
        let Some(name) = goal.component else {
            let object = self.apply(written, read.object, &pending)?;
            return self.convert(object, written, goal.class);
        };
        let class = self.class(written.component(name)?);
        let (own, whole): (ReadParameters, ReadParameters) =
            pending.into_iter().partition(|(parameter, _)| class.parameters.contains(parameter));
        let component = if read.is_component {
            match whole.keys().next() {
                None => read.object,
                Some(parameter) => {
                    return Err(Error::new(
                        ErrorKind::Argument,
                        format!("read parameter '{parameter}' cannot be applied to the component '{name}'"),
                    ));
                }
            }
        } else {
            let object = self.apply(written, read.object, &whole)?;
            self.delegate(written)?.component(written, &object, name)?
        };
        let component = self.apply(&class, component, &own)?;
        self.convert(component, &class, goal.class)
    }

    fn apply(&self, class: &StorageClass, object: Object, parameters: &ReadParameters) -> Result<Object> {
        if parameters.is_empty() {
            return Ok(object);
        }
        self.delegate(class)?.apply_parameters(class, &object, parameters)
    }

    /// An object of another storage class.
    ///
    /// # Errors
    /// `StorageClass` if it cannot be converted.
    pub fn convert(&self, object: Object, from: &StorageClass, to: &ArcStr) -> Result<Object> {
        if from.name == *to {
            return Ok(object);
        }
        let class = self.classes.get(to)?;
        if class.in_memory == from.in_memory {
            return Ok(object);
        }
        if class.can_convert(from) {
            return self.delegate(class)?.convert(class, &object, from);
        }
        Err(Error::new(
            ErrorKind::StorageClass,
            format!(
                "an object of storage class '{from}' ({} in memory) is no {class} ({})",
                from.in_memory, class.in_memory
            ),
        )
        .with_hint("the storage class that is asked for must convert from the one that was stored"))
    }

    /// A composite of its components.
    ///
    /// # Errors
    /// `StorageClass` if a component is missing that it needs.
    pub fn assemble(&self, class: &StorageClass, components: BTreeMap<ArcStr, Object>) -> Result<Object> {
        self.delegate(class)?.assemble(class, components)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Structured;
    use crate::storage_class::StorageClassConfig;

    #[derive(Debug)]
    struct Sliced;

    /// Structured lists, of which `first` many items are read; text converts into them.
    impl StorageClassDelegate for Sliced {
        fn component(&self, class: &StorageClass, object: &Object, name: &str) -> Result<Object> {
            class.component(name)?;
            let items: &Structured = object.downcast_ref()?;
            let length = items.as_array().map_or(0, Vec::len);
            Ok(Object::new(Structured::from(length)))
        }

        fn disassemble(&self, class: &StorageClass, _: &Object) -> Result<BTreeMap<ArcStr, Object>> {
            Err(Error::new(ErrorKind::StorageClass, format!("{class} is whole")))
        }

        fn assemble(&self, class: &StorageClass, _: BTreeMap<ArcStr, Object>) -> Result<Object> {
            Err(Error::new(ErrorKind::StorageClass, format!("{class} is whole")))
        }

        fn apply_parameters(
            &self,
            _: &StorageClass,
            object: &Object,
            parameters: &ReadParameters,
        ) -> Result<Object> {
            let first = parameters["first"].as_u64().unwrap() as usize;
            let items: &Structured = object.downcast_ref()?;
            Ok(Object::new(Structured::from(items.as_array().unwrap()[..first].to_vec())))
        }

        fn responsible_component(&self, _: &str, _: &[ArcStr]) -> Option<ArcStr> {
            None
        }

        fn convert(&self, _: &StorageClass, object: &Object, _: &StorageClass) -> Result<Object> {
            Ok(Object::new(Structured::from(vec![object.downcast_ref::<String>()?.clone()])))
        }
    }

    fn reader() -> Reader {
        let config: BTreeMap<ArcStr, StorageClassConfig> = toml::from_str(
            "[List]\nin_memory = 'structured'\ndelegate = 'sliced'\nparameters = ['first']\n\
             derived_components = { length = 'int' }\nconverts_from = ['text']\n[Other]\nin_memory = 'structured'",
        )
        .unwrap();
        let mut delegates = Delegates::default();
        delegates.register("sliced", Arc::new(Sliced));
        Reader::new(Arc::new(StorageClasses::from_config(&config).unwrap()), Arc::new(delegates))
    }

    fn list() -> Object {
        Object::new(serde_json::json!([1, 2, 3]))
    }

    fn finish(
        component: Option<&str>,
        class: &str,
        parameters: &[(&str, i64)],
        read: ReadOutcome,
    ) -> Result<Structured> {
        let parameters =
            parameters.iter().map(|(name, value)| ((*name).into(), Structured::from(*value))).collect();
        let class = class.into();
        let goal = ReadGoal { component, class: &class, parameters: &parameters };
        let reader = reader();
        let written = reader.class("List");
        reader.check(&goal, &written)?;
        reader.finish(&goal, &written, read)?.downcast_ref::<Structured>().cloned()
    }

    #[test]
    fn parameters_come_before_components() {
        assert_eq!(finish(None, "List", &[], list().into()).unwrap(), serde_json::json!([1, 2, 3]));
        assert_eq!(finish(None, "List", &[("first", 2)], list().into()).unwrap(), serde_json::json!([1, 2]));
        assert_eq!(finish(Some("length"), "int", &[("first", 2)], list().into()).unwrap(), 2);
        let applied = ReadOutcome { object: list(), is_component: false, parameters_applied: true };
        assert_eq!(finish(Some("length"), "int", &[("first", 2)], applied).unwrap(), 3);
        let component = ReadOutcome {
            object: Object::new(Structured::from(7)),
            is_component: true,
            parameters_applied: false,
        };
        assert_eq!(finish(Some("length"), "int", &[], component.clone()).unwrap(), 7);
        let error = finish(Some("length"), "int", &[("first", 2)], component).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }

    #[test]
    fn what_is_not_there_is_told_before_reading() {
        let error = finish(Some("lenght"), "int", &[], list().into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownComponent);
        let error = finish(None, "List", &[("last", 2)], list().into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }

    #[test]
    fn storage_classes_convert_as_they_say() {
        assert!(finish(None, "Other", &[], list().into()).is_ok());
        let error = finish(None, "Text", &[], list().into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageClass);
        assert!(finish(None, "Unheard", &[], list().into()).is_err());
        let reader = reader();
        let text = reader.convert(Object::from("x"), &reader.class("Text"), &"List".into()).unwrap();
        assert_eq!(text.downcast_ref::<Structured>().unwrap(), &serde_json::json!(["x"]));
        let same = reader.convert(Object::from(vec![1u8]), &reader.class("Unheard"), &"Unheard".into());
        assert!(same.is_ok());
    }
}
