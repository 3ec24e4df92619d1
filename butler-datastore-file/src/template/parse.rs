//! The text of a template.

use std::fmt;

use butler_core::{DatasetType, Result};

use super::spec::FormatSpec;
use super::template_error;

/// A template, parsed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileTemplate {
    pub(super) text: String,
    pub(super) segments: Vec<Segment>,
    /// Text after the last field.
    pub(super) tail: String,
}

/// A field, with the text between it and the one before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) literal: String,
    pub(super) field: Field,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// Alternatives, best first.
    pub(super) names: Vec<FieldName>,
    pub(super) optional: bool,
    pub(super) keeps_slashes: bool,
    pub(super) spec: FormatSpec,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum FieldName {
    Run,
    DatasetType,
    Component,
    Id,
    Skypix,
    Dimension(String),
    Metadata { dimension: String, field: String },
}

impl FileTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// `Template` if it is malformed, leaves the root, or has neither `{run}` nor `{id}`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let end = after.find(['{', '}']).filter(|&end| brace == "{" && after[end..].starts_with('}'));
            let Some(end) = end else {
                return Err(template_error(text, "has a brace without its partner")
                    .with_hint("write {{ or }} for a brace"));
            };
            let field = Field::parse(text, &after[..end])?;
            segments.push(Segment { literal: std::mem::take(&mut literal), field });
            rest = &after[end + 1..];
        }
        literal.push_str(rest);
        let this = Self { text: text.to_owned(), segments, tail: literal };
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<()> {
        let literals =
            self.segments.iter().map(|segment| segment.literal.as_str()).chain([self.tail.as_str()]);
        if literals.clone().any(|literal| literal.contains(char::is_control)) {
            return Err(template_error(&self.text, "has control characters in it"));
        }
        if literals.flat_map(|literal| literal.split('/')).any(|part| part == "..") {
            return Err(template_error(&self.text, "leaves the root with '..'"));
        }
        let has = |name: &FieldName| self.names().any(|other| other == name);
        if !has(&FieldName::Run) && !has(&FieldName::Id) {
            return Err(template_error(&self.text, "needs the field {run} or {id}"));
        }
        if has(&FieldName::Id) && !self.id_is_in_file_name() {
            return Err(template_error(&self.text, "has the field {id}, but not in the file name"));
        }
        Ok(())
    }

    fn id_is_in_file_name(&self) -> bool {
        let slash = |segment: &Segment| segment.literal.contains('/') || segment.field.keeps_slashes;
        let last = self.segments.iter().rposition(slash).unwrap_or(0);
        // The field right after the last slash is in the file name too.
        let from =
            last + usize::from(self.segments.get(last).is_some_and(|segment| segment.field.keeps_slashes));
        !self.tail.contains('/')
            && self.segments.iter().skip(from).any(|segment| segment.field.names == [FieldName::Id])
    }

    fn names(&self) -> impl Iterator<Item = &FieldName> {
        self.segments.iter().flat_map(|segment| &segment.field.names)
    }

    /// Whether it has the field `{id}`.
    pub(super) fn has_id(&self) -> bool {
        self.segments.iter().any(|segment| segment.field.names == [FieldName::Id])
    }

    /// Whether it names every dimension that identifies datasets of a type.
    pub(super) fn names_all_of(&self, dataset_type: &DatasetType) -> bool {
        let skypix = dataset_type.group().required().filter(|dimension| dimension.skypix().is_some()).count();
        dataset_type.group().required().all(|dimension| {
            self.names().any(|name| match name {
                FieldName::Skypix => skypix == 1 && dimension.skypix().is_some(),
                FieldName::Dimension(name) | FieldName::Metadata { dimension: name, .. } => {
                    *name == *dimension.name()
                }
                _ => false,
            })
        })
    }
}

impl Field {
    fn parse(template: &str, text: &str) -> Result<Self> {
        let (names, spec) = text.split_once(':').unwrap_or((text, ""));
        let names = names.split('|').map(|name| FieldName::parse(template, name)).collect::<Result<_>>()?;
        let optional = spec.contains('?');
        let keeps_slashes = spec.contains('/');
        let spec: String = spec.chars().filter(|c| !matches!(c, '?' | '/')).collect();
        let spec = FormatSpec::parse(&spec).ok_or_else(|| {
            template_error(
                template,
                format!("has the malformed format '{}' in {{{text}}}", spec.escape_debug()),
            )
        })?;
        Ok(Self { names, optional, keeps_slashes, spec })
    }
}

impl FieldName {
    fn parse(template: &str, name: &str) -> Result<Self> {
        let is_word =
            |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        Ok(match name {
            "run" => Self::Run,
            "datasetType" => Self::DatasetType,
            "component" => Self::Component,
            "id" => Self::Id,
            "skypix" => Self::Skypix,
            "collection" => {
                return Err(template_error(template, "has the field {collection}")
                    .with_hint("a dataset is in one run: use {run}"));
            }
            _ => match name.split_once('.') {
                None if is_word(name) => Self::Dimension(name.to_owned()),
                Some((dimension, field)) if is_word(dimension) && is_word(field) => {
                    Self::Metadata { dimension: dimension.to_owned(), field: field.to_owned() }
                }
                _ => {
                    return Err(template_error(
                        template,
                        format!("has the malformed field '{}'", name.escape_debug()),
                    ));
                }
            },
        })
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "run",
            Self::DatasetType => "datasetType",
            Self::Component => "component",
            Self::Id => "id",
            Self::Skypix => "skypix",
            Self::Dimension(name) => name,
            Self::Metadata { dimension, field } => return write!(f, "{dimension}.{field}"),
        })
    }
}
