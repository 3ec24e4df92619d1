//! Storage classes that are known without configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arcstr::ArcStr;

use super::{StorageClass, StorageClassConfig, StorageClasses};

static CLASSES: LazyLock<BTreeMap<ArcStr, Arc<StorageClass>>> = LazyLock::new(|| {
    let config: BTreeMap<ArcStr, StorageClassConfig> =
        toml::from_str(include_str!("builtin.toml")).expect("a test reads the built-in storage classes");
    let none = StorageClasses { by_name: BTreeMap::new() };
    config
        .keys()
        .map(|name| {
            let class = none
                .resolve(name, &config, &mut Vec::new())
                .expect("a test resolves the built-in storage classes");
            (name.clone(), Arc::new(class))
        })
        .collect()
});

pub(super) fn classes() -> BTreeMap<ArcStr, Arc<StorageClass>> {
    CLASSES.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_known_classes() {
        let classes = classes();
        for class in classes.values() {
            for component in class.components.values().chain(class.derived_components.values()) {
                assert!(classes.contains_key(component), "{class}: {component}");
            }
        }
        assert_eq!(classes["ExposureF"].components["image"], "ImageF");
        assert_eq!(classes["DataFrame"].in_memory, "table");
    }
}
