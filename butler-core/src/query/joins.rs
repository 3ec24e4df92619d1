//! Joins by space and time: those that an expression asks for, and those that go without saying.

use arcstr::ArcStr;

use super::spec::Query;
use super::typed::{DatasetField, ExprType, Field, Predicate, TypedExpr};
use crate::dimension::{DimensionElement, DimensionGroup, Family, Space};
use crate::{Error, ErrorKind, Result};

/// Something with an extent in space or time that can be joined with others.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Endpoint {
    /// Elements of a family.
    Family(Family),
    /// Validity of the datasets of a calibration type.
    Calibration(ArcStr),
}

impl Endpoint {
    fn name(&self) -> String {
        match self {
            Self::Family(family) => family.name().to_owned(),
            Self::Calibration(name) => format!("validity of '{name}'"),
        }
    }

    /// The finest field of it among the dimensions of a query.
    fn field(&self, dimensions: DimensionGroup) -> Option<Field> {
        match self {
            Self::Family(family) => {
                let element = family.choose(dimensions)?;
                let field = match family.space() {
                    Space::Spatial => arcstr::literal!("region"),
                    Space::Temporal => arcstr::literal!("timespan"),
                };
                Some(Field::Record { element, field })
            }
            Self::Calibration(name) => {
                Some(Field::Dataset { dataset_type: name.clone(), field: DatasetField::Timespan })
            }
        }
    }
}

/// Sets of endpoints that are joined with each other.
struct Connections {
    sets: Vec<Vec<Endpoint>>,
}

impl Connections {
    fn merge(&mut self, a: &Endpoint, b: &Endpoint) {
        let find = |sets: &[Vec<Endpoint>], endpoint| sets.iter().position(|set| set.contains(endpoint));
        if let (Some(i), Some(j)) = (find(&self.sets, a), find(&self.sets, b))
            && i != j
        {
            let moved = self.sets.swap_remove(i.max(j));
            self.sets[i.min(j)].extend(moved);
        }
    }

    /// The join that is missing, if exactly one is and there is no doubt which.
    fn missing(&self, kind: &str, dimensions: DimensionGroup) -> Result<Option<Predicate>> {
        let told = || {
            let sets: Vec<String> = self
                .sets
                .iter()
                .map(|set| set.iter().map(Endpoint::name).collect::<Vec<_>>().join(" and "))
                .collect();
            sets.join("; ")
        };
        match &self.sets[..] {
            [] | [_] => Ok(None),
            [a, b] => {
                let ([a], [b]) = (&a[..], &b[..]) else {
                    return Err(problem(
                        format!("a {kind} join is needed, but it is ambiguous between which of: {}", told()),
                        kind,
                    ));
                };
                let (Some(left), Some(right)) = (a.field(dimensions), b.field(dimensions)) else {
                    return Ok(None);
                };
                Ok(Some(Predicate::Overlaps { left: TypedExpr::Field(left), right: TypedExpr::Field(right) }))
            }
            _ => Err(problem(
                format!("too many unconnected {kind} families for an automatic join: {}", told()),
                kind,
            )),
        }
    }
}

fn problem(message: String, kind: &str) -> Error {
    let example = if kind == "spatial" {
        "visit.region OVERLAPS patch.region"
    } else {
        "visit.timespan OVERLAPS bias.timespan"
    };
    Error::new(ErrorKind::InvalidQuery, message)
        .with_hint(format!("add an explicit join, such as `{example}`"))
}

/// The predicate of a query, with the joins by space and time that go without saying.
///
/// Elements of two families that describe the same space, or the same time,
/// must overlap where the query has both and nothing else connects them: a
/// dataset type or an upload with both, or an explicit `OVERLAPS`. The
/// validity of the datasets of `calibrations`, the types that are searched for
/// in calibration collections, is such a family too.
///
/// # Errors
/// `InvalidQuery` if it is in doubt which join is meant, or one within a family is asked for.
pub fn with_automatic_joins(query: &Query, calibrations: &[ArcStr]) -> Result<Predicate> {
    let dimensions = query.dimensions;
    let single = |endpoint| vec![endpoint];
    let mut spatial =
        Connections { sets: dimensions.spatial().map(|family| single(Endpoint::Family(family))).collect() };
    let validity = calibrations.iter().cloned().map(Endpoint::Calibration);
    let mut temporal = Connections {
        sets: validity.chain(dimensions.temporal().map(Endpoint::Family)).map(single).collect(),
    };
    explicit(&query.predicate, &mut spatial, &mut temporal)?;
    let operands = query
        .datasets
        .iter()
        .map(|search| search.dataset_type.group())
        .chain(query.uploads.iter().filter_map(|upload| upload.first()).map(crate::DataId::group));
    for operand in operands {
        connect(&mut spatial, operand, dimensions, operand.spatial().collect());
        connect(&mut temporal, operand, dimensions, operand.temporal().collect());
    }
    let mut predicate = query.predicate.clone();
    for (connections, kind) in [(&spatial, "spatial"), (&temporal, "temporal")] {
        if let Some(join) = connections.missing(kind, dimensions)? {
            predicate = predicate.and(join);
        }
    }
    Ok(predicate)
}

/// Connects families of which an operand has the finest elements: it says which belong together.
fn connect(
    connections: &mut Connections,
    operand: DimensionGroup,
    all: DimensionGroup,
    families: Vec<Family>,
) {
    for (i, a) in families.iter().enumerate() {
        for b in &families[i + 1..] {
            let has = |family: &Family| {
                family.choose(all).is_some_and(|element: DimensionElement| operand.contains_element(element))
            };
            if has(a) && has(b) {
                connections.merge(&Endpoint::Family(*a), &Endpoint::Family(*b));
            }
        }
    }
}

fn explicit(predicate: &Predicate, spatial: &mut Connections, temporal: &mut Connections) -> Result<()> {
    match predicate {
        Predicate::And(operands) | Predicate::Or(operands) => {
            operands.iter().try_for_each(|operand| explicit(operand, spatial, temporal))
        }
        Predicate::Not(operand) => explicit(operand, spatial, temporal),
        Predicate::Overlaps { left: TypedExpr::Field(a), right: TypedExpr::Field(b) } => {
            let connections = if a.ty() == ExprType::Region { spatial } else { temporal };
            let (Some(x), Some(y)) = (endpoint(a), endpoint(b)) else { return Ok(()) };
            if x == y {
                return Err(Error::new(
                    ErrorKind::InvalidQuery,
                    format!(
                        "a join between '{}' and '{}' is not necessary: their records are related already",
                        a.qualified_name(),
                        b.qualified_name()
                    ),
                ));
            }
            connections.merge(&x, &y);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn endpoint(field: &Field) -> Option<Endpoint> {
    match field {
        Field::Record { element, .. } if field.ty() == ExprType::Region => {
            element.spatial().map(Endpoint::Family)
        }
        Field::Record { element, .. } => element.temporal().map(Endpoint::Family),
        Field::Dataset { dataset_type, .. } => Some(Endpoint::Calibration(dataset_type.clone())),
        Field::Key(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DimensionUniverse;
    use crate::query::{Binds, ResultSpec, Scope};

    fn joined(dimensions: &[&str], text: &str, calibrations: &[&str]) -> Result<Predicate> {
        let dimensions = DimensionUniverse::default().conform(dimensions).unwrap();
        let binds = Binds::new();
        let predicate =
            Scope { dimensions, datasets: &[], searched: &[], binds: &binds }.predicate(text).unwrap();
        let query = Query {
            dimensions,
            datasets: Vec::new(),
            uploads: Vec::new(),
            predicate,
            result: ResultSpec::DataIds { dimensions },
            order_by: Vec::new(),
            limit: None,
            offset: 0,
            expanded: false,
        };
        let calibrations: Vec<ArcStr> = calibrations.iter().map(|&name| name.into()).collect();
        with_automatic_joins(&query, &calibrations)
    }

    fn fields(predicate: &Predicate) -> Vec<String> {
        let mut names = Vec::new();
        predicate.for_each_field(&mut |field| names.push(field.qualified_name()));
        names
    }

    #[test]
    fn two_families_are_joined_by_their_finest_members() {
        let predicate = joined(&["visit", "detector", "patch"], "", &[]).unwrap();
        assert_eq!(fields(&predicate), ["visit_detector_region.region", "patch.region"]);
        let predicate = joined(&["exposure", "detector"], "", &["bias"]).unwrap();
        assert_eq!(fields(&predicate), ["bias.timespan", "exposure.timespan"]);
        assert!(joined(&["visit", "exposure"], "", &[]).unwrap().is_always());
    }

    #[test]
    fn an_explicit_join_replaces_the_automatic_one() {
        let predicate = joined(&["visit", "patch"], "visit.region OVERLAPS tract.region", &[]).unwrap();
        assert_eq!(fields(&predicate), ["visit.region", "tract.region"]);
    }

    #[test]
    fn doubt_is_an_error() {
        for (dimensions, text, calibrations, reason) in [
            (&["visit", "patch", "htm7"][..], "", &[][..], "too many"),
            (&["visit", "exposure"], "visit.timespan OVERLAPS exposure.timespan", &[], "not necessary"),
            (&["detector", "exposure"], "", &["bias", "flat"], "too many"),
        ] {
            let error = joined(dimensions, text, calibrations).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidQuery);
            assert!(error.to_string().contains(reason), "{error}");
        }
        let error = joined(
            &["visit", "patch", "htm7", "healpix9"],
            "visit.region OVERLAPS patch.region AND htm7.region OVERLAPS patch.region",
            &[],
        )
        .unwrap_err();
        assert!(error.to_string().contains("ambiguous"), "{error}");
    }
}
