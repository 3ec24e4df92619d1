//! File templates: where an artifact of a dataset lies under the root.
//!
//! A template is text with fields in braces, `{name|other:spec}`. A field is
//!
//! - a dimension, whose value it is; `skypix` is the only sky pixelisation among the dimensions;
//! - `dimension.field`, a field of the dimension's record;
//! - `run`, `datasetType` (without component), `component` or `id`.
//!
//! Of several names the first is taken that the data ID has. In the spec, `?`
//! makes a field optional: where it is missing or null, it goes together with the
//! text between it and the field before, unless there is a slash in that. A `/`
//! keeps slashes of the value, which otherwise become underscores. The rest is a
//! format specification of Python's (`:08d`, `:>4`); one that does not fit the
//! value's type is left out. Doubled braces are braces.
//!
//! # What a path is like
//!
//! Values of text have blanks, control characters and any of `<>:"\|?*` replaced by
//! underscores; in the file name dots become underscores too, and `#` becomes `HASH`.
//! Empty directories are left out. What would leave the root (`..`), or could be
//! taken for it (encoded slashes and dots, or characters that look like them), lie
//! in the datastore's own directory (`.butler`), or have a directory of more than
//! 255 bytes or a path of more than 1024 is refused. A file name that would be longer
//! than file systems allow keeps its beginning, and gets `~` and 16 digits of the
//! BLAKE3 of the whole. The formatter's extension is appended, or that of the file
//! that is ingested.

mod parse;
mod path;
mod resolve;
mod spec;

use butler_core::{
    DataId, DatasetType, DimensionElement, DimensionUniverse, Error, ErrorKind, Genre, Genres, LookupKey,
    LookupTable, Result, Section,
};

pub(crate) use parse::FileTemplate;
pub(crate) use path::clean_extension;
pub(crate) use resolve::PathMaker;

/// Paths of the Python butler's default configuration.
const DEFAULT: &str = "{run:/}/{datasetType}.{component:?}/{tract:?}/{patch:?}/\
    {day_obs|visit.day_obs|exposure.day_obs:?}/{band:?}/{subfilter:?}/{physical_filter:?}/{visit:?}/\
    {exposure.obs_id|group:?}/{datasetType}_{component:?}_{instrument:?}_{tract:?}_{patch:?}_{band:?}_\
    {physical_filter:?}_{visit:?}_{exposure.obs_id|group:?}_{detector.full_name:?}_{skymap:?}_{skypix:?}_\
    {ssp_hypothesis_table:?}_{ssp_hypothesis_bundle:?}_{ssp_balanced_index:?}_{run}";

/// Dimensions of raw images, and their paths.
const RAW: [&str; 2] = [
    "physical_filter+detector+exposure",
    "{run:/}/{datasetType}.{component:?}/{day_obs|exposure.day_obs}/{exposure.obs_id}/{datasetType}_{component:?}_\
    {instrument:?}_{physical_filter}_{exposure.obs_id}_{detector.full_name}_{run}",
];

/// Error of a template that cannot be used.
fn template_error(template: &str, problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Template, format!("file template '{}' {problem}", template.escape_debug()))
}

/// Templates of a datastore, by dataset type.
#[derive(Clone, Debug)]
pub(crate) struct Templates {
    configured: LookupTable<FileTemplate>,
}

impl Templates {
    /// The built-in templates, overridden by those of genres, and those by a datastore's section.
    ///
    /// # Errors
    /// `Configuration` for unusable keys, `Template` for malformed templates.
    pub(crate) fn from_section(
        section: &Section<'_>,
        universe: DimensionUniverse,
        genres: &Genres,
    ) -> Result<Self> {
        let texts: LookupTable<String> = LookupTable::from_section(section, "templates", universe)?;
        let mut configured = texts.try_map(|text| FileTemplate::parse(&text))?;
        let template = |genre: &Genre| genre.template().map(FileTemplate::parse).transpose();
        genres.fill(&mut configured, "template", template)?;
        let [dimensions, template] = RAW;
        // Another universe may not have these dimensions.
        if let Ok(group) = universe.conform(dimensions.split('+')) {
            configured.insert_default(LookupKey::Dimensions(group), FileTemplate::parse(template)?);
        }
        Ok(Self { configured })
    }

    /// Dimensions of which single values have templates of their own.
    pub(crate) fn dimensions(&self) -> impl Iterator<Item = DimensionElement> {
        self.configured.dimensions()
    }

    /// Where artifacts of a dataset type go, or of a component of it.
    ///
    /// # Errors
    /// `Template` if the template does not tell its datasets apart.
    pub(crate) fn resolve(
        &self,
        dataset_type: &DatasetType,
        component: Option<&DatasetType>,
        data_id: Option<&DataId>,
    ) -> Result<PathMaker> {
        let sought = component.unwrap_or(dataset_type);
        if let Some((key, template)) = self.configured.find(sought, data_id) {
            return PathMaker::new(template, sought, key.is_type_of(sought));
        }
        let shipped = FileTemplate::parse(DEFAULT)?;
        if shipped.names_all_of(sought) {
            return PathMaker::new(&shipped, sought, false);
        }
        PathMaker::new(&generic(sought)?, sought, false)
    }
}

/// A template for dimensions that the built-in one does not know.
fn generic(dataset_type: &DatasetType) -> Result<FileTemplate> {
    let values: String =
        dataset_type.group().required().map(|dimension| format!("{{{dimension}}}_")).collect();
    FileTemplate::parse(&format!(
        "{{run:/}}/{{datasetType}}.{{component:?}}/{{datasetType}}_{{component:?}}_{values}{{run}}"
    ))
}

#[cfg(test)]
mod tests;
