//! From what people know data by to data IDs.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use futures::TryStreamExt;

use super::Butler;
use super::target::LooseDataId;
use crate::backend::Comparison;
use crate::dataset::DatasetType;
use crate::dimension::{
    DataId, DimensionElement, DimensionGroup, DimensionRecord, DimensionUniverse, DimensionValue, FieldRole,
    FieldType, FieldValue,
};
use crate::query::{Field, Literal, Predicate, Query, QueryRows, ResultSpec, TypedExpr};
use crate::time::Timespan;
use crate::{Error, ErrorKind, Result, suggest};

/// Element whose records say which visits belong to which definition of visits.
const MEMBERSHIP: &str = "visit_system_membership";

/// Values of dimensions, in any order.
type Known = Vec<(DimensionElement, DimensionValue)>;

/// Values of fields, by the element whose record must have them.
type Constraints = BTreeMap<DimensionElement, Vec<(ArcStr, FieldValue)>>;

impl Butler {
    /// The data ID of a group of dimensions that some values mean.
    ///
    /// Names of dimensions stand for themselves; a value of another type than
    /// the dimension's key is looked up among its alternate keys (`detector="Bb"`);
    /// `element.field` and bare fields (`seq_num`) are looked up in dimension
    /// records. Governor dimensions that are not given have their default values.
    /// Values of dimensions outside the group are passed over.
    ///
    /// # Errors
    /// `DimensionName` for a name that means nothing, or a dimension without a value;
    /// `DimensionValue` if records do not exist, are not unique or say otherwise;
    /// `InconsistentDataId` if an implied value is not that of the records.
    pub async fn data_id(&self, group: DimensionGroup, loose: impl Into<LooseDataId>) -> Result<DataId> {
        let known = self.known_values(group, false, &loose.into()).await?;
        let data_id = self.data_id_of(group, &known)?;
        self.check_implied(&data_id, &known).await?;
        Ok(data_id)
    }

    /// Checks that implied values, if some are given, are those of the records.
    async fn check_implied(&self, data_id: &DataId, known: &Known) -> Result<()> {
        let implied: Vec<_> = known
            .iter()
            .filter(|(dimension, _)| data_id.group().implied().any(|d| d == *dimension))
            .collect();
        if implied.is_empty() || data_id.is_full() {
            // Those of a full data ID are compared when it is stored.
            return Ok(());
        }
        let expanded = self.expand_data_id(data_id.clone()).await?;
        match implied.iter().find(|(dimension, value)| expanded.get_dimension(*dimension) != Some(value)) {
            None => Ok(()),
            Some((dimension, value)) => Err(Error::new(
                ErrorKind::InconsistentDataId,
                format!(
                    "{dimension}={value} was given, and the records of {data_id} say otherwise: {expanded}"
                ),
            )),
        }
    }

    /// The data ID of a dataset of a type, and the time that further values, if any, point to.
    pub(super) async fn data_id_and_time(
        &self,
        dataset_type: &DatasetType,
        loose: &LooseDataId,
    ) -> Result<(DataId, Option<Timespan>)> {
        let group = dataset_type.group();
        let known = self.known_values(group, dataset_type.is_calibration(), loose).await?;
        let data_id = self.data_id_of(group, &known)?;
        if !dataset_type.is_calibration() {
            return Ok((data_id, None));
        }
        let all = self.universe().conform_dimensions(known.iter().map(|(dimension, _)| *dimension));
        if all.temporal().len() == 0 {
            return Ok((data_id, None));
        }
        let expanded = self.expand_data_id(self.data_id_of(all, &known)?).await?;
        Ok((data_id, expanded.timespan()))
    }

    fn data_id_of(&self, group: DimensionGroup, known: &Known) -> Result<DataId> {
        let given = known.iter().map(|(dimension, value)| (dimension.name(), value.clone()));
        let defaults = self
            .defaults
            .data_id
            .iter()
            .filter(|(dimension, _)| !known.iter().any(|(other, _)| other == dimension));
        let defaults = defaults.map(|(dimension, value)| (dimension.name(), value.clone()));
        DataId::from_pairs(group, given.chain(defaults))
    }

    /// Values of dimensions that are given, or follow from other values.
    pub(super) async fn known_values(
        &self,
        group: DimensionGroup,
        is_calibration: bool,
        loose: &LooseDataId,
    ) -> Result<Known> {
        let (mut known, constraints) = sort_out(self.universe(), group, is_calibration, loose)?;
        for (element, fields) in constraints {
            let given = known.iter().any(|(dimension, _)| *dimension == element);
            if given {
                self.check_consistency(element, &known, &fields).await?;
            } else {
                let value = self.look_up(element, &known, &fields).await?;
                known.push((element, value));
            }
        }
        Ok(known)
    }

    /// The key of the one record that has some values.
    async fn look_up(
        &self,
        element: DimensionElement,
        known: &Known,
        fields: &[(ArcStr, FieldValue)],
    ) -> Result<DimensionValue> {
        if !element.is_dimension() {
            return Err(Error::new(
                ErrorKind::DimensionName,
                format!("'{element}' is no dimension, and its fields cannot be part of a data ID"),
            ));
        }
        let predicate = keys_equal(element.minimal_group().keys(), known, &self.defaults.data_id)
            .and(fields_equal(element, fields)?);
        let mut records = self.few_records(element, predicate).await?;
        if records.len() > 1
            && self.universe().get(MEMBERSHIP).is_some_and(|m| m.required().any(|d| d == element))
        {
            self.keep_default_definition(element, &mut records).await?;
        }
        let told = || {
            let told: Vec<String> =
                fields.iter().map(|(name, value)| format!("{element}.{name}={}", show(value))).collect();
            told.join(", ")
        };
        match &records[..] {
            [record] => Ok(own_key(record)?),
            [] => Err(Error::new(
                ErrorKind::DimensionValue,
                format!("no record of dimension '{element}' has {}", told()),
            )),
            several => Err(Error::new(
                ErrorKind::DimensionValue,
                format!(
                    "{} records of dimension '{element}' have {}, so that no data ID follows",
                    if several.len() == FEW { format!("at least {FEW}") } else { several.len().to_string() },
                    told()
                ),
            )
            .with_hint(format!("give the value of '{element}', or more fields"))),
        }
    }

    /// Of several visits, keeps those of the instrument's default definition of visits.
    async fn keep_default_definition(
        &self,
        element: DimensionElement,
        records: &mut Vec<DimensionRecord>,
    ) -> Result<()> {
        let universe = self.universe();
        let (Some(membership), Some(instrument)) = (universe.get(MEMBERSHIP), universe.get("instrument"))
        else {
            return Ok(());
        };
        let Some(system) =
            universe.get("visit_system").filter(|_| instrument.field("visit_system").is_some())
        else {
            return Ok(());
        };
        let mut members = Vec::new();
        for record in records.iter() {
            let data_id = record.data_id();
            let Some(name) = data_id.get_dimension(instrument) else { return Ok(()) };
            let of_instrument = Predicate::key_equals(instrument, name);
            let instruments = self.few_records(instrument, of_instrument.clone()).await?;
            let Some(FieldValue::Int(default)) =
                instruments.first().and_then(|instrument| instrument.get("visit_system"))
            else {
                return Ok(());
            };
            let predicate = of_instrument
                .and(Predicate::key_equals(system, &DimensionValue::Int(*default)))
                .and(Predicate::key_equals(element, &own_key(record)?));
            if !self.few_records(membership, predicate).await?.is_empty() {
                members.push(record.clone());
            }
        }
        if !members.is_empty() {
            *records = members;
        }
        Ok(())
    }

    /// Checks that the record of a given value has the given fields.
    async fn check_consistency(
        &self,
        element: DimensionElement,
        known: &Known,
        fields: &[(ArcStr, FieldValue)],
    ) -> Result<()> {
        let predicate = keys_equal(element.required(), known, &self.defaults.data_id);
        let records = self.few_records(element, predicate).await?;
        let [record] = &records[..] else {
            if !records.is_empty() {
                return Ok(());
            }
            let value = known.iter().find(|(dimension, _)| *dimension == element).map(|(_, value)| value);
            return Err(Error::new(
                ErrorKind::DimensionValue,
                format!(
                    "dimension '{element}' has no record for the value {}, whose fields are given too",
                    value.map_or_else(String::new, ToString::to_string)
                ),
            ));
        };
        let differences: Vec<String> = fields
            .iter()
            .filter_map(|(name, value)| {
                let found = record.get(name)?;
                (!same(found, value)).then(|| format!("{name} is {}, not {}", show(found), show(value)))
            })
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::DimensionValue,
            format!(
                "the record of {element}={} says otherwise: {}",
                own_key(record)?,
                differences.join(", ")
            ),
        ))
    }

    async fn few_records(
        &self,
        element: DimensionElement,
        predicate: Predicate,
    ) -> Result<Vec<DimensionRecord>> {
        let mut dimensions = element.minimal_group();
        predicate.for_each_field(&mut |field| {
            if let Field::Key(dimension) = field {
                dimensions = dimensions.union(dimension.minimal_group());
            }
        });
        let query = Query {
            dimensions,
            datasets: Vec::new(),
            uploads: Vec::new(),
            predicate,
            result: ResultSpec::Records { element },
            order_by: Vec::new(),
            limit: Some(FEW as u64),
            offset: 0,
            expanded: false,
        };
        let batches: Vec<QueryRows> = self.inner.registry.query(query).await?.try_collect().await?;
        Ok(batches
            .into_iter()
            .flat_map(|batch| if let QueryRows::Records(records) = batch { records } else { Vec::new() })
            .collect())
    }
}

/// More records than are ever looked at.
const FEW: usize = 10;

/// Sorts out which values are of dimensions and which are of fields, and of which element.
fn sort_out(
    universe: DimensionUniverse,
    group: DimensionGroup,
    is_calibration: bool,
    loose: &LooseDataId,
) -> Result<(Known, Constraints)> {
    let mut known = Known::new();
    let mut constraints = Constraints::new();
    let mut bare = Vec::new();
    for (key, value) in loose.pairs() {
        if let Some((element, field)) = key.split_once('.') {
            let element = universe.element(element)?;
            let field = element.field(field).ok_or_else(|| no_field(element, field))?;
            constraints.entry(element).or_default().push((field.name.clone(), value.clone()));
            continue;
        }
        let Some(dimension) = universe.get(key).filter(|element| element.is_dimension()) else {
            bare.push((key, value));
            continue;
        };
        match as_key(dimension, value)? {
            AsKey::Value(value) => match known.iter().find(|(other, _)| *other == dimension) {
                Some((_, old)) if *old != value => {
                    return Err(Error::new(
                        ErrorKind::InconsistentDataId,
                        format!("two values are given for '{key}': {old} and {value}"),
                    ));
                }
                Some(_) => {}
                None => known.push((dimension, value)),
            },
            AsKey::Alternate(field) => {
                constraints.entry(dimension).or_default().push((field, value.clone()));
            }
        }
    }
    if !bare.is_empty() {
        assign(universe, group, is_calibration, &bare, &mut constraints)?;
    }
    Ok((known, constraints))
}

enum AsKey {
    Value(DimensionValue),
    /// Name of the alternate key.
    Alternate(ArcStr),
}

/// What a value that is given for a dimension is.
fn as_key(dimension: DimensionElement, value: &FieldValue) -> Result<AsKey> {
    let ty = dimension.key().map_or(FieldType::Text(0), |field| field.ty);
    match (ty, value) {
        (FieldType::Int, FieldValue::Int(value)) => return Ok(AsKey::Value((*value).into())),
        (FieldType::Text(_), FieldValue::Text(value)) => return Ok(AsKey::Value(value.clone().into())),
        _ => {}
    }
    let fits = |field: &&crate::dimension::Field| {
        field.role == FieldRole::AlternateKey
            && matches!(
                (field.ty, value),
                (FieldType::Int, FieldValue::Int(_)) | (FieldType::Text(_), FieldValue::Text(_))
            )
    };
    match dimension.fields().iter().find(fits) {
        Some(field) => Ok(AsKey::Alternate(field.name.clone())),
        None => Err(Error::new(
            ErrorKind::DimensionValue,
            format!("{} is no value of dimension '{dimension}'", show(value)),
        )),
    }
}

/// Assigns fields without an element to the dimensions that have them.
fn assign(
    universe: DimensionUniverse,
    group: DimensionGroup,
    is_calibration: bool,
    bare: &[(&ArcStr, &FieldValue)],
    constraints: &mut Constraints,
) -> Result<()> {
    let mut candidates: Vec<DimensionElement> = group.dimensions().collect();
    if is_calibration {
        let temporal = universe.elements().filter(|e| e.is_dimension() && e.temporal().is_some());
        candidates.extend(temporal.filter(|element| !group.contains(*element)));
    }
    let has = |element: DimensionElement, field: &str| {
        element
            .field(field)
            .is_some_and(|field| matches!(field.role, FieldRole::AlternateKey | FieldRole::Metadata))
    };
    let count = |element: DimensionElement| bare.iter().filter(|(field, _)| has(element, field)).count();
    for (field, value) in bare {
        let mut having: Vec<DimensionElement> =
            candidates.iter().copied().filter(|element| has(*element, field)).collect();
        if having.len() > 1 {
            let inside: Vec<DimensionElement> =
                having.iter().copied().filter(|element| group.contains(*element)).collect();
            if !inside.is_empty() {
                having = inside;
            } else if having.iter().any(|element| element.name() == "exposure") {
                having.retain(|element| element.name() != "visit");
            }
            // The one that most of the fields belong to.
            let most = having.iter().map(|element| count(*element)).max();
            having.retain(|element| Some(count(*element)) == most);
        }
        let Some(element) = having.first() else {
            let names =
                universe.elements().filter(|element| element.is_dimension()).map(|e| e.name().as_str());
            let fields =
                candidates.iter().flat_map(|element| element.fields().iter().map(|f| f.name.as_str()));
            let error = Error::new(
                ErrorKind::DimensionName,
                format!("'{}' is no dimension, and no field of one of {group}", field.escape_debug()),
            );
            return Err(match suggest::nearest(field, names.chain(fields)) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error,
            });
        };
        constraints.entry(*element).or_default().push(((*field).clone(), (*value).clone()));
    }
    Ok(())
}

fn no_field(element: DimensionElement, field: &str) -> Error {
    let names: Vec<&str> = element.fields().iter().map(|field| field.name.as_str()).collect();
    let error =
        Error::new(ErrorKind::DimensionName, format!("'{element}' has no field '{}'", field.escape_debug()));
    match suggest::nearest(field, names.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error.with_hint(format!("there are {}", names.join(", "))),
    }
}

fn keys_equal(
    dimensions: impl Iterator<Item = DimensionElement>,
    known: &Known,
    defaults: &DataId,
) -> Predicate {
    dimensions.fold(Predicate::always(), |all, dimension| {
        let given = known.iter().find(|(other, _)| *other == dimension).map(|(_, value)| value);
        match given.or_else(|| defaults.get_dimension(dimension)) {
            Some(value) => all.and(Predicate::key_equals(dimension, value)),
            None => all,
        }
    })
}

fn fields_equal(element: DimensionElement, fields: &[(ArcStr, FieldValue)]) -> Result<Predicate> {
    fields.iter().try_fold(Predicate::always(), |all, (name, value)| {
        let field = match element.dimensions().find(|dimension| dimension.name() == name) {
            Some(dimension) => Field::Key(dimension),
            None => Field::Record { element, field: name.clone() },
        };
        let literal = match value {
            FieldValue::Int(value) => Literal::Int(*value),
            FieldValue::Float(value) => Literal::Float(*value),
            FieldValue::Text(value) => Literal::Text(value.clone()),
            FieldValue::Bool(value) => Literal::Bool(*value),
            other => {
                return Err(Error::new(
                    ErrorKind::DimensionValue,
                    format!("{} cannot be looked up in '{element}.{name}'", show(other)),
                ));
            }
        };
        let (left, right) = (TypedExpr::Field(field), TypedExpr::Literal(literal));
        if left.ty() != right.ty() && !(left.ty().is_number() && right.ty().is_number()) {
            return Err(Error::new(
                ErrorKind::DimensionValue,
                format!("{} is no value of '{element}.{name}', which is a {}", show(value), left.ty().name()),
            ));
        }
        Ok(all.and(Predicate::Compare { op: Comparison::Eq, left, right }))
    })
}

fn own_key(record: &DimensionRecord) -> Result<DimensionValue> {
    record.required_values().pop().ok_or_else(|| {
        Error::new(ErrorKind::Unexpected, format!("a record of '{}' has no key", record.element()))
    })
}

fn same(a: &FieldValue, b: &FieldValue) -> bool {
    match (a, b) {
        (FieldValue::Int(int), FieldValue::Float(float))
        | (FieldValue::Float(float), FieldValue::Int(int)) => *int as f64 == *float,
        _ => a == b,
    }
}

pub(super) fn show(value: &FieldValue) -> String {
    match value {
        FieldValue::Text(text) => format!("'{}'", text.escape_debug()),
        other => serde_json::to_string(other).unwrap_or_else(|_| format!("{other:?}")),
    }
}
