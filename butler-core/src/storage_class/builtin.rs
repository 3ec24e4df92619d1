//! Storage classes that are known without configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arcstr::ArcStr;

use super::{StorageClass, StorageClassConfig, resolve};

/// The definitions of `builtin.toml` in a form that takes a tenth of the time to read: every start of a program
/// does. A test keeps the two together.
const DEFINITIONS: &str = include_str!("builtin.json");

static CLASSES: LazyLock<BTreeMap<ArcStr, Arc<StorageClass>>> = LazyLock::new(|| {
    let config: BTreeMap<ArcStr, StorageClassConfig> =
        serde_json::from_str(DEFINITIONS).expect("a test reads the built-in storage classes");
    config
        .keys()
        .map(|name| {
            let class = resolve(name, &config, &|_| None, &mut Vec::new())
                .expect("a test resolves the built-in storage classes");
            (name.clone(), Arc::new(class))
        })
        .collect()
});

pub(super) fn classes() -> &'static BTreeMap<ArcStr, Arc<StorageClass>> {
    &CLASSES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `BUTLER_BLESS=1 cargo test -p butler-core builtin` writes the file anew.
    #[test]
    fn both_forms_of_the_definitions_are_the_same() {
        let read: BTreeMap<ArcStr, serde_json::Value> = toml::from_str(include_str!("builtin.toml")).unwrap();
        let json = serde_json::to_string(&read).unwrap();
        if std::env::var_os("BUTLER_BLESS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage_class/builtin.json");
            std::fs::write(path, format!("{json}\n")).unwrap();
            return;
        }
        assert_eq!(DEFINITIONS, format!("{json}\n"), "BUTLER_BLESS=1 writes builtin.json anew");
    }

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
