//! Random queries about a random repository.

use arcstr::ArcStr;
use butler_core::backend::{Arithmetic, Comparison, GlobPattern};
use butler_core::query::{
    DatasetField, DatasetSearch, ExprType, Field, Literal, OrderTerm, Predicate, Query, ResultSpec, TypedExpr,
};
use butler_core::{DataId, DatasetRef, DimensionGroup, FieldRole, FieldValue};

use crate::world::World;

/// Dimensions that results have.
const DIMENSIONS: &[&[&str]] = &[
    &["instrument"],
    &["detector"],
    &["physical_filter"],
    &["band"],
    &["exposure"],
    &["visit"],
    &["exposure", "detector"],
    &["visit", "detector"],
    &["visit", "exposure"],
    &["tract"],
    &["patch"],
    &["patch", "band"],
    &["visit", "tract"],
    &["visit", "detector", "patch"],
    &["visit", "htm7"],
    &["patch", "htm7"],
    &["day_obs"],
    &["skymap", "instrument"],
    &["visit_system", "visit"],
];

const ELEMENTS: &[&str] = &[
    "instrument",
    "detector",
    "physical_filter",
    "day_obs",
    "exposure",
    "visit",
    "tract",
    "patch",
    "visit_definition",
    "visit_detector_region",
    "visit_system_membership",
];

impl World {
    /// A query. It may be one that is refused.
    pub(crate) fn query(&mut self) -> Query {
        let (result, datasets, mut dimensions) = self.result();
        for search in &datasets {
            dimensions = dimensions.union(search.dataset_type.group());
        }
        let uploads = if self.rng.u8(..8) == 0 { vec![self.upload(dimensions).into()] } else { Vec::new() };
        let fields = self.fields(dimensions, &datasets);
        let predicate = if self.rng.u8(..8) == 0 { Predicate::always() } else { self.predicate(&fields, 3) };
        let determined = match &result {
            ResultSpec::Datasets { dataset_type, .. } | ResultSpec::Associations { dataset_type } => datasets
                .iter()
                .find(|search| search.dataset_type.name() == dataset_type)
                .map_or(dimensions, |search| search.dataset_type.group()),
            ResultSpec::DataIds { dimensions } | ResultSpec::General { dimensions, .. } => *dimensions,
            ResultSpec::Records { element } => element.minimal_group(),
        };
        let order_by = self.order(determined);
        let sliced = self.rng.u8(..4) == 0;
        Query {
            dimensions,
            datasets,
            uploads,
            predicate,
            result,
            order_by,
            limit: sliced.then(|| self.rng.u64(..5)),
            offset: if sliced { self.rng.u64(..3) } else { 0 },
            expanded: self.rng.bool(),
        }
    }

    fn result(&mut self) -> (ResultSpec, Vec<DatasetSearch>, DimensionGroup) {
        let universe = Self::universe();
        let names = DIMENSIONS[self.rng.usize(..DIMENSIONS.len())];
        let dimensions = universe.conform(names).expect("known dimensions");
        let joined = if self.rng.u8(..3) == 0 { vec![self.dataset_search()] } else { Vec::new() };
        match self.rng.u8(..10) {
            0..3 => (ResultSpec::DataIds { dimensions }, joined, dimensions),
            3..5 => {
                let name = ELEMENTS[self.rng.usize(..ELEMENTS.len())];
                let element = universe.element(name).expect("a known element");
                (ResultSpec::Records { element }, joined, element.minimal_group())
            }
            5..8 => {
                let search = self.dataset_search();
                let dataset_type = search.dataset_type.name().clone();
                let result = ResultSpec::Datasets { dataset_type, find_first: self.rng.bool() };
                let group = search.dataset_type.group();
                let mut all = joined;
                all.retain(|other| other.dataset_type != search.dataset_type);
                all.push(search);
                (result, all, group)
            }
            8 => {
                let search = self.dataset_search();
                let dataset_type = search.dataset_type.name().clone();
                let group = search.dataset_type.group();
                (ResultSpec::Associations { dataset_type }, vec![search], group)
            }
            _ => {
                let mut all = dimensions;
                for search in &joined {
                    all = all.union(search.dataset_type.group());
                }
                let mut fields: Vec<Field> = self
                    .fields(all, &joined)
                    .into_iter()
                    .filter(|field| match field {
                        Field::Key(_) => true,
                        Field::Record { element, .. } => element.skypix().is_none(),
                        Field::Dataset { .. } => !joined.is_empty(),
                    })
                    .collect();
                self.rng.shuffle(&mut fields);
                fields.truncate(3);
                (ResultSpec::General { dimensions: all, fields, find_first: None }, joined, all)
            }
        }
    }

    fn dataset_search(&mut self) -> DatasetSearch {
        let dataset_type = self.types[self.rng.usize(..self.types.len())].clone();
        DatasetSearch { dataset_type, collections: self.search() }
    }

    /// Data IDs of the caller: some that there are.
    fn upload(&mut self, dimensions: DimensionGroup) -> Vec<DataId> {
        let fitting: Vec<DataId> = self
            .datasets
            .iter()
            .map(DatasetRef::data_id)
            .filter(|data_id| data_id.group().is_subset(dimensions))
            .cloned()
            .collect();
        let Some(first) = fitting.get(self.rng.usize(..fitting.len().max(1))) else { return Vec::new() };
        let group = first.group();
        fitting.into_iter().filter(|data_id| data_id.group() == group).take(4).collect()
    }

    /// Everything that conditions may be about.
    fn fields(&self, dimensions: DimensionGroup, datasets: &[DatasetSearch]) -> Vec<Field> {
        let mut fields: Vec<Field> = dimensions.dimensions().map(Field::Key).collect();
        for element in dimensions.elements() {
            let own = element
                .fields()
                .iter()
                .filter(|field| matches!(field.role, FieldRole::AlternateKey | FieldRole::Metadata));
            fields.extend(own.map(|field| Field::Record { element, field: field.name.clone() }));
            if element.skypix().is_some() {
                fields.push(Field::Record { element, field: arcstr::literal!("region") });
            }
        }
        for search in datasets {
            let dataset_type = search.dataset_type.name();
            fields.extend(
                DatasetField::ALL.map(|field| Field::Dataset { dataset_type: dataset_type.clone(), field }),
            );
        }
        fields
    }

    fn order(&mut self, dimensions: DimensionGroup) -> Vec<OrderTerm> {
        let mut terms = Vec::new();
        let fields = self.fields(dimensions, &[]);
        while self.rng.u8(..3) == 0 && terms.len() < 3 {
            let field = fields[self.rng.usize(..fields.len())].clone();
            let value = match field.ty() {
                ExprType::Timespan if self.rng.bool() => TypedExpr::Begin(Box::new(TypedExpr::Field(field))),
                ExprType::Timespan => TypedExpr::End(Box::new(TypedExpr::Field(field))),
                ty if ty.is_ordered() => TypedExpr::Field(field),
                _ => continue,
            };
            terms.push(OrderTerm { value, descending: self.rng.bool() });
        }
        terms
    }

    fn predicate(&mut self, fields: &[Field], depth: usize) -> Predicate {
        match self.rng.u8(..10) {
            _ if depth == 0 => self.leaf(fields),
            0..3 => Predicate::And(self.predicates(fields, depth)),
            3..5 => Predicate::Or(self.predicates(fields, depth)),
            5 => Predicate::Not(Box::new(self.predicate(fields, depth - 1))),
            _ => self.leaf(fields),
        }
    }

    fn predicates(&mut self, fields: &[Field], depth: usize) -> Vec<Predicate> {
        (0..self.rng.usize(0..4)).map(|_| self.predicate(fields, depth - 1)).collect()
    }

    fn leaf(&mut self, fields: &[Field]) -> Predicate {
        let field = fields[self.rng.usize(..fields.len())].clone();
        let value = TypedExpr::Field(field.clone());
        if self.rng.u8(..10) == 0 {
            return Predicate::IsNull(value);
        }
        match field.ty() {
            ExprType::Bool => Predicate::Field(field),
            ExprType::Int | ExprType::Float => self.number(fields, &field),
            ExprType::Text => self.text(fields, &field),
            ExprType::Instant => self.compare(value, &field),
            ExprType::Timespan => self.overlaps_time(fields, value),
            ExprType::Region => self.overlaps_sky(fields, value),
            ExprType::Uuid | ExprType::Hash => {
                let list = vec![self.literal(&field)];
                let op = if self.rng.bool() { Comparison::Eq } else { Comparison::Ne };
                match self.rng.bool() {
                    true => Predicate::InList { value, list },
                    false => {
                        let right = TypedExpr::Literal(list[0].clone());
                        Predicate::Compare { op, left: value, right }
                    }
                }
            }
        }
    }

    fn number(&mut self, fields: &[Field], field: &Field) -> Predicate {
        let value = TypedExpr::Field(field.clone());
        let is_int = field.ty() == ExprType::Int;
        match self.rng.u8(..6) {
            0 if is_int => {
                let start = self.rng.i64(-2..4);
                let stop = start + self.rng.i64(-1..5);
                Predicate::InRange { value, start, stop, step: self.rng.i64(1..4) }
            }
            1 => {
                let list = (0..self.rng.usize(..4)).map(|_| self.literal(field)).collect();
                Predicate::InList { value, list }
            }
            2 => {
                let other = self.like(fields, |ty| ty.is_number());
                let op = self.comparison();
                Predicate::Compare { op, left: self.computed(value, is_int), right: other }
            }
            3 => {
                let left = self.computed(value, is_int);
                self.compare(left, field)
            }
            _ => self.compare(value, field),
        }
    }

    /// Arithmetic that stays far from the ends of the range.
    fn computed(&mut self, value: TypedExpr, is_int: bool) -> TypedExpr {
        let number = if self.rng.bool() {
            Literal::Int(self.rng.i64(-3..4))
        } else {
            Literal::Float(self.rng.i32(-3..4) as f64 / 2.0)
        };
        let op = match self.rng.u8(..6) {
            0 => return TypedExpr::Negate(Box::new(value)),
            1 => Arithmetic::Add,
            2 => Arithmetic::Sub,
            3 => Arithmetic::Mul,
            4 if is_int && matches!(number, Literal::Int(_)) => Arithmetic::Rem,
            _ => Arithmetic::Div,
        };
        let (left, right) = (Box::new(value), Box::new(TypedExpr::Literal(number)));
        TypedExpr::Arithmetic { op, left, right }
    }

    fn text(&mut self, fields: &[Field], field: &Field) -> Predicate {
        let value = TypedExpr::Field(field.clone());
        match self.rng.u8(..5) {
            0 => {
                let pattern = ["*", "a*", "?", "*_*", "[a]", r"\*", "*a*", "é", ""][self.rng.usize(..9)];
                Predicate::Glob { value, pattern: GlobPattern::new(pattern) }
            }
            1 => {
                let list = (0..self.rng.usize(1..4)).map(|_| self.literal(field)).collect();
                Predicate::InList { value, list }
            }
            2 => {
                let right = self.like(fields, |ty| ty == ExprType::Text);
                Predicate::Compare { op: self.comparison(), left: value, right }
            }
            _ => self.compare(value, field),
        }
    }

    fn overlaps_time(&mut self, fields: &[Field], value: TypedExpr) -> Predicate {
        let other = match self.rng.u8(..5) {
            0 => TypedExpr::Literal(Literal::Instant(self.instant())),
            1 => self.like(fields, |ty| ty == ExprType::Timespan),
            2 => {
                let part = if self.rng.bool() { TypedExpr::Begin } else { TypedExpr::End };
                let op = self.comparison();
                let right = TypedExpr::Literal(Literal::Instant(self.instant()));
                return Predicate::Compare { op, left: part(Box::new(value)), right };
            }
            _ => TypedExpr::Literal(Literal::Timespan(self.timespan())),
        };
        Predicate::Overlaps { left: value, right: other }
    }

    fn overlaps_sky(&mut self, fields: &[Field], value: TypedExpr) -> Predicate {
        let other = match self.rng.u8(..4) {
            0 => self.like(fields, |ty| ty == ExprType::Region),
            _ => TypedExpr::Literal(Literal::Region(self.region().into())),
        };
        if self.rng.bool() {
            Predicate::Overlaps { left: value, right: other }
        } else {
            Predicate::Overlaps { left: other, right: value }
        }
    }

    fn compare(&mut self, left: TypedExpr, field: &Field) -> Predicate {
        let right = TypedExpr::Literal(self.literal(field));
        let op = self.comparison();
        if self.rng.u8(..4) == 0 {
            Predicate::Compare { op, left: right, right: left }
        } else {
            Predicate::Compare { op, left, right }
        }
    }

    fn comparison(&mut self) -> Comparison {
        use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
        [Eq, Ne, Lt, Le, Gt, Ge][self.rng.usize(..6)]
    }

    /// Some field of a type; there is one.
    fn like(&mut self, fields: &[Field], is: impl Fn(ExprType) -> bool) -> TypedExpr {
        let fitting: Vec<&Field> = fields.iter().filter(|field| is(field.ty())).collect();
        TypedExpr::Field(fitting[self.rng.usize(..fitting.len())].clone())
    }

    /// A value that a field has somewhere, if it has any.
    fn literal(&mut self, field: &Field) -> Literal {
        let known = match field {
            Field::Dataset { field, .. } => return self.dataset_literal(*field),
            other => self.values.get(other),
        };
        let known: Vec<FieldValue> =
            known.into_iter().flatten().filter(|value| **value != FieldValue::Null).cloned().collect();
        let chosen = known.get(self.rng.usize(..known.len().max(1)));
        match (chosen, field.ty()) {
            (Some(FieldValue::Int(value)), _) => Literal::Int(*value),
            (Some(FieldValue::Float(value)), _) => Literal::Float(*value),
            (Some(FieldValue::Text(value)), _) => Literal::Text(value.clone()),
            (Some(FieldValue::Hash(value)), _) => Literal::Hash((**value).into()),
            (_, ExprType::Int) => Literal::Int(self.rng.i64(-2..4)),
            (_, ExprType::Float) => Literal::Float(0.5),
            (_, ExprType::Hash) => Literal::Hash(vec![0].into()),
            _ => Literal::Text("g".into()),
        }
    }

    fn dataset_literal(&mut self, field: DatasetField) -> Literal {
        let dataset = self.datasets.get(self.rng.usize(..self.datasets.len().max(1)));
        match (field, dataset) {
            (DatasetField::DatasetId, Some(dataset)) => Literal::Uuid(dataset.id().to_uuid()),
            (DatasetField::DatasetId, None) => Literal::Uuid(uuid::Uuid::from_u128(4)),
            (DatasetField::Run, Some(dataset)) => Literal::Text(dataset.run().clone()),
            (DatasetField::IngestDate, _) => Literal::Instant(self.instant()),
            (DatasetField::Timespan, _) => Literal::Timespan(self.timespan()),
            _ => Literal::Text(ArcStr::from(["tag", "run/a", "calib/a"][self.rng.usize(..3)])),
        }
    }
}
