//! Values that a predicate fixes, and the rule about governor dimensions.

use rustc_hash::{FxHashMap, FxHashSet};

use super::typed::{Field, Literal, Predicate, TypedExpr};
use crate::backend::Comparison;
use crate::dimension::{DataId, DimensionElement, DimensionGroup, DimensionValue, FieldRole};
use crate::{Error, ErrorKind, Result};

/// Values that dimensions have in every row that satisfies a predicate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FixedValues {
    /// The values.
    pub values: FxHashMap<DimensionElement, DimensionValue>,
    /// Dimensions for which two different values are demanded.
    pub contradictions: Vec<(DimensionElement, DimensionValue, DimensionValue)>,
}

impl FixedValues {
    /// The values that the equalities of a predicate fix.
    #[must_use]
    pub fn of(predicate: &Predicate) -> Self {
        let mut this = Self::default();
        this.collect(predicate);
        this
    }

    fn collect(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::And(operands) => operands.iter().for_each(|operand| self.collect(operand)),
            Predicate::Compare { op: Comparison::Eq, left, right } => match (left, right) {
                (TypedExpr::Field(Field::Key(dimension)), TypedExpr::Literal(literal))
                | (TypedExpr::Literal(literal), TypedExpr::Field(Field::Key(dimension))) => {
                    self.fix(*dimension, literal);
                }
                _ => {}
            },
            Predicate::InList { value: TypedExpr::Field(Field::Key(dimension)), list } => {
                if let [literal] = &list[..] {
                    self.fix(*dimension, literal);
                }
            }
            _ => {}
        }
    }

    fn fix(&mut self, dimension: DimensionElement, literal: &Literal) {
        let value = match literal {
            Literal::Int(value) => DimensionValue::Int(*value),
            Literal::Text(value) => DimensionValue::Text(value.clone()),
            _ => return,
        };
        match self.values.get(&dimension) {
            Some(old) if *old != value => self.contradictions.push((dimension, old.clone(), value)),
            Some(_) => {}
            None => {
                self.values.insert(dimension, value);
            }
        }
    }
}

/// Applies the rule about governor dimensions: whoever constrains a key that a
/// governor scopes mentions the governor too, or has a default for it.
///
/// Any comparison that mentions the governor, or an alternate key of it, is
/// enough. Where a default value is known, and the governor is not mentioned,
/// the default becomes part of the predicate.
///
/// # Errors
/// `InvalidQuery` if the predicate constrains something that a governor scopes, and says nothing of the governor.
pub fn apply_governors(
    predicate: Predicate,
    dimensions: DimensionGroup,
    defaults: &DataId,
) -> Result<Predicate> {
    // For each governor, what needs it.
    let mut needed = FxHashMap::default();
    let mut mentioned = FxHashSet::default();
    predicate.for_each_field(&mut |field| note_needed(field, &mut needed));
    note_mentioned(&predicate, &mut mentioned);
    let universe = dimensions.universe();
    let mut result = predicate;
    for governor in universe.governors().filter(|governor| !mentioned.contains(governor)) {
        let used = needed.get(&governor);
        if used.is_none() && !dimensions.contains(governor) {
            continue;
        }
        if let Some(value) = defaults.get_dimension(governor) {
            result = result.and(Predicate::key_equals(governor, value));
        } else if let Some(culprit) = used {
            return Err(Error::new(
                ErrorKind::InvalidQuery,
                format!("the expression constrains '{culprit}', which means something for one {governor} only, and does not mention '{governor}'"),
            )
            .with_hint(format!("add `{governor} = '…'`")));
        }
    }
    Ok(result)
}

fn note_needed(field: &Field, needed: &mut FxHashMap<DimensionElement, String>) {
    let governor = match field {
        Field::Key(dimension) => dimension.governor().filter(|governor| governor != dimension),
        Field::Record { element, field } => element
            .governor()
            .filter(|_| element.is_dimension())
            .filter(|_| element.field(field).is_some_and(|field| field.role == FieldRole::AlternateKey)),
        Field::Dataset { .. } => None,
    };
    if let Some(governor) = governor {
        needed.entry(governor).or_insert_with(|| field.qualified_name());
    }
}

/// Notes governors that a comparison mentions; a test for NULL is none.
fn note_mentioned(predicate: &Predicate, mentioned: &mut FxHashSet<DimensionElement>) {
    let mut note = |expr: &TypedExpr| {
        expr.for_each_field(&mut |field| {
            let (element, counts) = match field {
                Field::Key(dimension) => (*dimension, true),
                Field::Record { element, field } => (
                    *element,
                    element.field(field).is_some_and(|field| field.role == FieldRole::AlternateKey),
                ),
                Field::Dataset { .. } => return,
            };
            if counts && element.is_governor() {
                mentioned.insert(element);
            }
        });
    };
    match predicate {
        Predicate::And(operands) | Predicate::Or(operands) => {
            operands.iter().for_each(|operand| note_mentioned(operand, mentioned));
        }
        Predicate::Not(operand) => note_mentioned(operand, mentioned),
        Predicate::Compare { left, right, .. } | Predicate::Overlaps { left, right } => {
            note(left);
            note(right);
        }
        Predicate::InList { value, .. }
        | Predicate::InRange { value, .. }
        | Predicate::Glob { value, .. } => {
            note(value);
        }
        Predicate::Field(_) | Predicate::IsNull(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DimensionUniverse;
    use crate::query::{Binds, Scope};

    fn applied(dimensions: &[&str], text: &str, default: Option<&str>) -> Result<Predicate> {
        let universe = DimensionUniverse::default();
        let dimensions = universe.conform(dimensions).unwrap();
        let binds = Binds::new();
        let predicate =
            Scope { dimensions, datasets: &[], searched: &[], binds: &binds }.predicate(text).unwrap();
        let defaults = match default {
            Some(name) => {
                DataId::from_pairs(universe.conform(["instrument"]).unwrap(), [("instrument", name)]).unwrap()
            }
            None => DataId::empty(universe),
        };
        apply_governors(predicate, dimensions, &defaults)
    }

    /// Vectors of the reference, §5.8.
    #[test]
    fn a_key_needs_a_mention_of_its_governor() {
        for text in [
            "instrument='Cam1' OR detector=1",
            "instrument!='Cam1' AND detector=1",
            "NOT instrument='Cam1' AND detector=1",
            "raft='A'",
            "instrument='Cam1' AND full_name='Aa'",
            "instrument IN ('a', 'b') AND detector = 1",
            "GLOB(instrument, 'x*') AND detector = 1",
        ] {
            assert!(applied(&["detector"], text, None).is_ok(), "{text}");
        }
        for text in [
            "detector=1",
            "full_name='Aa'",
            "instrument = NULL AND detector = 1",
            "patch = 1 AND instrument = 'x'",
        ] {
            let error = applied(&["detector"], text, None).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidQuery);
        }
    }

    #[test]
    fn defaults_fill_what_is_not_mentioned() {
        let filled = applied(&["detector"], "detector = 1", Some("Cam1")).unwrap();
        assert_eq!(FixedValues::of(&filled).values.len(), 2);
        let mentioned = applied(&["detector"], "instrument = 'Cam2' AND detector = 1", Some("Cam1")).unwrap();
        let instrument = DimensionUniverse::default().dimension("instrument").unwrap();
        assert_eq!(FixedValues::of(&mentioned).values[&instrument], "Cam2".into());
        let silent = applied(&["detector"], "", Some("Cam1")).unwrap();
        assert_eq!(FixedValues::of(&silent).values[&instrument], "Cam1".into());
        let elsewhere = applied(&["tract"], "", Some("Cam1")).unwrap();
        assert!(elsewhere.is_always());
    }

    #[test]
    fn contradictions_are_noticed() {
        let predicate =
            applied(&["detector"], "instrument = 'a' AND detector = 1 AND detector = 2", None).unwrap();
        let fixed = FixedValues::of(&predicate);
        assert_eq!(fixed.contradictions.len(), 1);
        assert_eq!(fixed.contradictions[0].2, 2.into());
    }
}
