//! Formatters of the Python butler that have a counterpart.

/// Names of classes in modules of `lsst.daf.butler.formatters`, and of our own formatters.
const FORMATTERS: [(&str, &str, &str); 4] = [
    ("json", "JsonFormatter", "json"),
    ("yaml", "YamlFormatter", "yaml"),
    ("typeless", "TypelessFormatter", "bytes"),
    ("parquet", "ParquetFormatter", "parquet"),
];

/// Our formatter for what a class of Python wrote.
pub(super) fn own(class: &str) -> Option<&'static str> {
    FORMATTERS.iter().find(|(_, known, _)| *known == class).map(|(_, _, own)| *own)
}

/// The class of Python that reads what our formatter wrote, by its full name.
pub(super) fn python(own: &str) -> Option<String> {
    let (module, class, _) = FORMATTERS.iter().find(|(_, _, known)| *known == own)?;
    Some(format!("lsst.daf.butler.formatters.{module}.{class}"))
}
