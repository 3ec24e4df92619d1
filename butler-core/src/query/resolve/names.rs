//! What names mean.

use arcstr::ArcStr;

use super::{Scope, problem};
use crate::dimension::{DimensionElement, FieldRole};
use crate::query::language::{Diagnostic, Span};
use crate::query::typed::{DatasetField, ExprType, Field, TypedExpr};
use crate::suggest;

impl Scope<'_> {
    /// The expression that a name of one to three words stands for.
    pub(super) fn name(&self, name: &str, span: Span) -> Result<TypedExpr, Diagnostic> {
        let words: Vec<&str> = name.split('.').collect();
        match words[..] {
            [word] => self.one_word(word, span).map(TypedExpr::Field),
            ["timespan", bound @ ("begin" | "end")] => self.bound("timespan", bound, span),
            [first, second] => self.two_words(first, second, span).map(TypedExpr::Field),
            [first, second, bound @ ("begin" | "end")] => {
                self.bound(&format!("{first}.{second}"), bound, span)
            }
            [first, second, other] => {
                self.two_words(first, second, span)?;
                Err(Diagnostic::new(span, format!("`{first}.{second}` has no part `{other}`"))
                    .with_expected(["begin", "end"])
                    .with_help("a timespan has the parts `begin` and `end`"))
            }
            _ => problem(span, format!("`{name}` is no name")),
        }
    }

    fn bound(&self, timespan: &str, bound: &str, span: Span) -> Result<TypedExpr, Diagnostic> {
        let base = self.name(timespan, span)?;
        if base.ty() != ExprType::Timespan {
            return problem(
                span,
                format!("`{timespan}` is a {}, and only a timespan has a {bound}", base.ty().name()),
            );
        }
        let base = Box::new(base);
        Ok(if bound == "begin" { TypedExpr::Begin(base) } else { TypedExpr::End(base) })
    }

    fn one_word(&self, word: &str, span: Span) -> Result<Field, Diagnostic> {
        let universe = self.dimensions.universe();
        if let Some(dimension) = universe.get(word).filter(|element| element.is_dimension()) {
            return Ok(Field::Key(dimension));
        }
        let elements: Vec<DimensionElement> =
            self.dimensions.elements().filter(|element| has_bare_field(*element, word)).collect();
        let dataset_field = DatasetField::from_name(word);
        let datasets = if dataset_field.is_some() { self.datasets } else { &[] };
        match (&elements[..], datasets, dataset_field) {
            ([], [], _) => Err(self.unknown(word, span)),
            ([element], [], _) => Ok(element_field(*element, word)),
            ([], [dataset], Some(field)) => {
                Ok(Field::Dataset { dataset_type: dataset.name().clone(), field })
            }
            _ => {
                let mut matches: Vec<String> = elements
                    .iter()
                    .map(|element| format!("{element}.{word}"))
                    .chain(datasets.iter().map(|dataset| format!("{}.{word}", dataset.name())))
                    .collect();
                matches.sort();
                Err(Diagnostic::new(span, format!("`{word}` is ambiguous: it may be {}", matches.join(", ")))
                    .with_help("say which one is meant")
                    .with_expected(matches))
            }
        }
    }

    fn two_words(&self, first: &str, second: &str, span: Span) -> Result<Field, Diagnostic> {
        if let Some(element) = self.dimensions.universe().get(first) {
            return qualified_field(element, second, span);
        }
        if let Some(dataset) = self.searched.iter().find(|dataset| dataset.name() == first) {
            let Some(field) = DatasetField::from_name(second) else {
                let names = DatasetField::ALL.map(DatasetField::name);
                let diagnostic = Diagnostic::new(
                    span.part(first.len() + 1..first.len() + 1 + second.len()),
                    format!("datasets have no field `{second}`"),
                )
                .with_expected(names);
                return Err(match suggest::nearest(second, names) {
                    Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
                    None => diagnostic.with_help(format!("there are {}", names.join(", "))),
                });
            };
            return Ok(Field::Dataset { dataset_type: dataset.name().clone(), field });
        }
        let known = self.dimensions.universe().elements().map(|element| element.name().as_str());
        let known = known.chain(self.searched.iter().map(|dataset| dataset.name().as_str()));
        let place = span.part(0..first.len());
        let message = if DatasetField::from_name(second).is_some() {
            format!("`{first}` is neither a dimension element nor a dataset type of this query")
        } else {
            format!("`{first}` is no dimension element")
        };
        Err(match suggest::nearest(first, known) {
            Some(near) => Diagnostic::new(place, message).with_help(format!("did you mean `{near}`?")),
            None => Diagnostic::new(place, message),
        })
    }

    fn unknown(&self, word: &str, span: Span) -> Diagnostic {
        let universe = self.dimensions.universe();
        let dimensions = universe.elements().filter(|e| e.is_dimension()).map(|e| e.name().clone());
        let fields = self.dimensions.elements().flat_map(bare_fields);
        let datasets = DatasetField::ALL.into_iter().filter(|_| !self.datasets.is_empty());
        let candidates: Vec<ArcStr> =
            dimensions.chain(fields).chain(datasets.map(|field| ArcStr::from(field.name()))).collect();
        let diagnostic =
            Diagnostic::new(span, format!("`{word}` is no dimension, and no field of this query"));
        if let Some(near) = suggest::nearest(word, candidates.iter().map(ArcStr::as_str)) {
            return diagnostic.with_help(format!("did you mean `{near}`?"));
        }
        // Perhaps a field of an element that the query does not have.
        let elsewhere = universe.elements().find(|element| has_bare_field(*element, word));
        match elsewhere {
            Some(element) => diagnostic.with_help(format!("did you mean `{element}.{word}`?")),
            None if word.eq_ignore_ascii_case("like") => diagnostic.with_help("use GLOB(name, 'pattern')"),
            None => diagnostic,
        }
    }

    /// The expression that a term of an ordering stands for.
    pub(super) fn order_value(&self, name: &str, span: Span) -> Result<TypedExpr, Diagnostic> {
        let value = self.name(name, span)?;
        if !value.ty().is_ordered() {
            return problem(span, format!("`{name}` is a {}, which has no order", value.ty().name()));
        }
        self.check_determined(name, &value, span)?;
        Ok(value)
    }

    /// The field of the rows that a name stands for.
    pub(super) fn determined_field(&self, name: &str, span: Span) -> Result<Field, Diagnostic> {
        let value = self.name(name, span)?;
        self.check_determined(name, &value, span)?;
        match value {
            TypedExpr::Field(field) => Ok(field),
            _ => problem(span, format!("`{name}` is no field, but computed from one")),
        }
    }

    /// Checks that the dimensions of the rows determine a value.
    fn check_determined(&self, name: &str, value: &TypedExpr, span: Span) -> Result<(), Diagnostic> {
        let mut determined = true;
        value.for_each_field(&mut |field| {
            if let Field::Key(element) | Field::Record { element, .. } = field {
                determined &= element.minimal_group().is_subset(self.dimensions);
            }
        });
        if determined {
            return Ok(());
        }
        let message =
            format!("`{name}` is not determined by the rows, which have the dimensions {}", self.dimensions);
        Err(Diagnostic::new(span, message)
            .with_help("name something of these dimensions, or ask for more dimensions"))
    }
}

/// Names of the fields of an element that are looked up without its name: all
/// that are no dimensions, and its own key under the name of its column.
fn bare_fields(element: DimensionElement) -> impl Iterator<Item = ArcStr> {
    let fields = element
        .fields()
        .iter()
        .filter(|field| matches!(field.role, FieldRole::AlternateKey | FieldRole::Metadata))
        .map(|field| field.name.clone());
    let region = element.skypix().map(|_| arcstr::literal!("region"));
    fields.chain(element.key().map(|key| key.name.clone())).chain(region)
}

fn has_bare_field(element: DimensionElement, name: &str) -> bool {
    bare_fields(element).any(|field| field == name)
}

fn element_field(element: DimensionElement, name: &str) -> Field {
    if element.key().is_some_and(|key| key.name == name) {
        return Field::Key(element);
    }
    Field::Record { element, field: name.into() }
}

fn qualified_field(element: DimensionElement, name: &str, span: Span) -> Result<Field, Diagnostic> {
    if has_bare_field(element, name) {
        return Ok(element_field(element, name));
    }
    // The element's own dimension goes by its key's name only: `detector.id`, not `detector.detector`.
    let others = element.dimensions().filter(|dimension| *dimension != element);
    if let Some(dimension) = others.into_iter().find(|dimension| dimension.name() == name) {
        return Ok(Field::Key(dimension));
    }
    let begin = element.name().len() + 1;
    let fields: Vec<ArcStr> = bare_fields(element).collect();
    let diagnostic =
        Diagnostic::new(span.part(begin..begin + name.len()), format!("`{element}` has no field `{name}`"))
            .with_expected(fields.iter().map(|field| field.to_string()));
    Err(match suggest::nearest(name, fields.iter().map(ArcStr::as_str)) {
        Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
        None => {
            let names: Vec<&str> = fields.iter().map(ArcStr::as_str).collect();
            diagnostic.with_help(format!("there are {}", names.join(", ")))
        }
    })
}
