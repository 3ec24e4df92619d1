//! A template for one dataset type: every field knows where its value is.

use arcstr::ArcStr;
use butler_core::{
    DatasetKind, DatasetRef, DatasetType, DimensionElement, DimensionValue, Error, ErrorKind, FieldValue,
    Result, suggest,
};

use super::parse::{Field, FieldName, FileTemplate};
use super::path::{finish, sanitise};
use super::spec::FormatSpec;
use super::template_error;

/// Makes paths of artifacts of one dataset type, or of one of its components.
#[derive(Clone, Debug)]
pub(crate) struct PathMaker {
    template: String,
    dataset_type: ArcStr,
    component: Option<ArcStr>,
    pieces: Vec<Piece>,
    tail: String,
    /// Whether the id comes last in the file name.
    appends_id: bool,
    needs_expansion: bool,
}

#[derive(Clone, Debug)]
struct Piece {
    literal: String,
    source: Source,
    name: FieldName,
    optional: bool,
    keeps_slashes: bool,
    spec: FormatSpec,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Run,
    DatasetType,
    Component,
    Id,
    /// Position among the values of a data ID.
    Value(usize),
    /// Position of a record among those of a data ID, and of a field in it.
    Record(usize, usize),
    Nothing,
}

impl PathMaker {
    /// Prepares a template for a dataset type, which may be a component.
    ///
    /// `of_type` says that the template is for this dataset type alone.
    ///
    /// # Errors
    /// `Template` if it does not tell the type's datasets apart, or has a field that they have not.
    pub(super) fn new(template: &FileTemplate, dataset_type: &DatasetType, of_type: bool) -> Result<Self> {
        let composite = dataset_type.composite();
        let component = dataset_type.component_name();
        let mut this = Self {
            template: template.text.clone(),
            dataset_type: composite.name().clone(),
            component: component.map(ArcStr::from),
            pieces: Vec::with_capacity(template.segments.len()),
            tail: template.tail.clone(),
            appends_id: composite.kind() == DatasetKind::Nonsingular && !template.has_id(),
            needs_expansion: false,
        };
        let mut named = Vec::new();
        for segment in &template.segments {
            let (name, source) = choose(template, &segment.field, dataset_type, &mut named)?;
            if source == Source::Nothing && !segment.field.optional {
                return Err(this.lacks(&name, dataset_type));
            }
            let implied =
                matches!(source, Source::Value(index) if index >= dataset_type.group().required_len());
            this.needs_expansion |= implied || matches!(source, Source::Record(..));
            this.pieces.push(Piece {
                literal: segment.literal.clone(),
                source,
                name,
                optional: segment.field.optional,
                keeps_slashes: segment.field.keeps_slashes,
                spec: segment.field.spec.clone(),
            });
        }
        this.check(dataset_type, &named, of_type)?;
        Ok(this)
    }

    fn lacks(&self, name: &FieldName, dataset_type: &DatasetType) -> Error {
        let error = template_error(
            &self.template,
            format!("has the field {{{name}}}, which dataset type '{}' has not", dataset_type.name()),
        );
        let (universe, group) = (dataset_type.group().universe(), dataset_type.group());
        match name {
            FieldName::Metadata { dimension, field } if group.contains_name(dimension) => {
                let fields = universe.get(dimension).map(DimensionElement::fields).unwrap_or_default();
                match suggest::nearest(field, fields.iter().map(|field| field.name.as_str())) {
                    Some(near) => error.with_hint(format!("did you mean {{{dimension}.{near}}}?")),
                    None => error.with_hint(format!("'{dimension}' has no field '{field}'")),
                }
            }
            FieldName::Dimension(name) => match suggest::nearest(name, group.names()) {
                Some(near) => error.with_hint(format!("did you mean {{{near}}}?")),
                None => error.with_hint("add '?' if it is optional"),
            },
            _ => error.with_hint("add '?' if it is optional"),
        }
    }

    /// Checks that different datasets get different paths.
    fn check(&self, dataset_type: &DatasetType, named: &[DimensionElement], of_type: bool) -> Result<()> {
        let has = |source: Source| self.pieces.iter().any(|piece| piece.source == source);
        if self.component.is_some() && !has(Source::Component) {
            return Err(template_error(
                &self.template,
                format!("needs the field {{component}}, since '{}' is a component", dataset_type.name()),
            ));
        }
        if self.has_id() {
            return Ok(());
        }
        let missing: Vec<&str> = dataset_type
            .group()
            .required()
            .filter(|dimension| !named.contains(dimension))
            .map(|dimension| dimension.name().as_str())
            .collect();
        if !missing.is_empty() {
            return Err(template_error(
                &self.template,
                format!(
                    "needs {{id}}, or fields of {} for dataset type '{}'",
                    missing.join(", "),
                    dataset_type.name()
                ),
            ));
        }
        if !of_type && !has(Source::DatasetType) {
            return Err(template_error(
                &self.template,
                "needs {datasetType} or {id}, since several dataset types use it",
            ));
        }
        Ok(())
    }

    /// Whether paths have the id in their file names.
    pub(crate) fn has_id(&self) -> bool {
        self.appends_id || self.pieces.iter().any(|piece| piece.source == Source::Id)
    }

    /// Whether data IDs must be expanded.
    pub(crate) fn needs_expansion(&self) -> bool {
        self.needs_expansion
    }

    /// The path of an artifact of a dataset.
    ///
    /// # Errors
    /// `Template` if the data ID is not expanded but must be, if a field that is
    /// not optional is null, or if the path would leave the root or is too long.
    pub(crate) fn path(&self, dataset: &DatasetRef, extension: &str) -> Result<ArcStr> {
        let mut out = String::with_capacity(160);
        for piece in &self.pieces {
            match self.value(piece, dataset)? {
                Some(value) => {
                    out.push_str(&piece.literal);
                    out.push_str(&value);
                }
                None if piece.optional => {
                    if piece.literal.contains('/') {
                        out.push_str(&piece.literal);
                    }
                }
                None => {
                    return Err(template_error(
                        &self.template,
                        format!("has the field {{{}}}, which is null for {dataset}", piece.name),
                    )
                    .with_hint("add '?' if it is optional"));
                }
            }
        }
        out.push_str(&self.tail);
        if self.appends_id {
            out.push('_');
            out.push_str(&dataset.id().to_string());
        }
        finish(&out, extension).map_err(|error| {
            error.with_context("dataset", dataset).with_context("file template", &self.template)
        })
    }

    fn value(&self, piece: &Piece, dataset: &DatasetRef) -> Result<Option<String>> {
        let text = |text: &str| Some(piece.spec.text(&sanitise(text, piece.keeps_slashes)));
        let data_id = dataset.data_id();
        let unexpanded = || {
            template_error(
                &self.template,
                format!("has the field {{{}}}, but the data ID of {dataset} is not expanded", piece.name),
            )
        };
        Ok(match piece.source {
            Source::Nothing => None,
            Source::Run => text(dataset.run()),
            Source::DatasetType => text(&self.dataset_type),
            Source::Component => self.component.as_ref().and_then(|component| text(component)),
            Source::Id => text(&dataset.id().to_string()),
            Source::Value(index) => match data_id.values().get(index).ok_or_else(unexpanded)? {
                DimensionValue::Int(value) => Some(piece.spec.int(*value)),
                DimensionValue::Text(value) => text(value),
            },
            Source::Record(record, field) => {
                let record = data_id.records().ok_or_else(unexpanded)?.get(record).and_then(Option::as_ref);
                match record.map(|record| &record.values()[field]) {
                    None | Some(FieldValue::Null) => None,
                    Some(FieldValue::Int(value)) => Some(piece.spec.int(*value)),
                    Some(FieldValue::Float(value)) => Some(piece.spec.float(*value)),
                    Some(FieldValue::Bool(value)) => text(if *value { "True" } else { "False" }),
                    Some(FieldValue::Text(value)) => text(value),
                    Some(_) => {
                        let problem =
                            format!("has the field {{{}}}, which makes no part of a path", piece.name);
                        return Err(Error::new(
                            ErrorKind::Template,
                            template_error(&self.template, problem).to_string(),
                        ));
                    }
                }
            }
        })
    }
}

/// The first alternative of a field that datasets of a type have, and where its value is.
///
/// Notes dimensions that it stands for in `named`.
fn choose(
    template: &FileTemplate,
    field: &Field,
    dataset_type: &DatasetType,
    named: &mut Vec<DimensionElement>,
) -> Result<(FieldName, Source)> {
    let group = dataset_type.group();
    let value =
        |dimension: DimensionElement| group.key_index(dimension).map_or(Source::Nothing, Source::Value);
    let mut unknown_field = None;
    for name in &field.names {
        let source = match name {
            FieldName::Run => Source::Run,
            FieldName::DatasetType => Source::DatasetType,
            FieldName::Id => Source::Id,
            FieldName::Component if dataset_type.component_name().is_some() => Source::Component,
            FieldName::Component => Source::Nothing,
            FieldName::Skypix => {
                let mut pixels = group.dimensions().filter(|dimension| dimension.skypix().is_some());
                match (pixels.next(), pixels.next()) {
                    (Some(only), None) => {
                        named.push(only);
                        value(only)
                    }
                    _ => Source::Nothing,
                }
            }
            FieldName::Dimension(dimension) => match group.dimension(dimension) {
                Ok(dimension) => {
                    named.push(dimension);
                    value(dimension)
                }
                Err(_) => Source::Nothing,
            },
            FieldName::Metadata { dimension, field } => match group.dimension(dimension) {
                Err(_) => Source::Nothing,
                Ok(dimension) => {
                    match (group.elements().position(|e| e == dimension), dimension.field_index(field)) {
                        (Some(record), Some(index)) if dimension.has_table() => {
                            named.push(dimension);
                            Source::Record(record, index)
                        }
                        _ => {
                            unknown_field.get_or_insert_with(|| name.clone());
                            Source::Nothing
                        }
                    }
                }
            },
        };
        if source != Source::Nothing {
            return Ok((name.clone(), source));
        }
    }
    if let Some(name) = unknown_field {
        // A misspelled field is told even where it is optional.
        return Err(template_error(
            &template.text,
            format!("has the field {{{name}}}, which the dimension has not"),
        ));
    }
    Ok((field.names[0].clone(), Source::Nothing))
}
