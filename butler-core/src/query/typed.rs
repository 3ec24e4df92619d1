//! Typed expressions: what remains of a query's text once names are resolved.

mod print;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backend::{Arithmetic, Comparison, GlobPattern};
use crate::dimension::{DimensionElement, EncodedRegion, FieldType};
use crate::time::{Instant, Timespan};

/// Type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExprType {
    /// Boolean.
    Bool,
    /// Integer.
    Int,
    /// Float.
    Float,
    /// Text.
    Text,
    /// Bytes of a digest.
    Hash,
    /// Identity of a dataset.
    Uuid,
    /// Point in time.
    Instant,
    /// Half-open timespan.
    Timespan,
    /// Region on the sphere.
    Region,
}

impl ExprType {
    /// Name, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Text => "string",
            Self::Hash => "hash",
            Self::Uuid => "uuid",
            Self::Instant => "datetime",
            Self::Timespan => "timespan",
            Self::Region => "region",
        }
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// Whether its values have an order.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Text | Self::Instant)
    }
}

impl From<FieldType> for ExprType {
    fn from(ty: FieldType) -> Self {
        match ty {
            FieldType::Int => Self::Int,
            FieldType::Float => Self::Float,
            FieldType::Bool => Self::Bool,
            FieldType::Text(_) => Self::Text,
            FieldType::Hash(_) => Self::Hash,
            FieldType::Region => Self::Region,
            FieldType::Timespan => Self::Timespan,
        }
    }
}

/// Field of the datasets that a query searches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetField {
    /// Identity.
    DatasetId,
    /// Name of the run that it lives in.
    Run,
    /// Name of the collection in which it was found.
    Collection,
    /// When the repository came to know it.
    IngestDate,
    /// Validity in the calibration collection in which it was found; unbounded in others.
    Timespan,
}

impl DatasetField {
    /// All fields.
    pub const ALL: [Self; 5] =
        [Self::DatasetId, Self::Run, Self::Collection, Self::IngestDate, Self::Timespan];

    /// Name in expressions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DatasetId => "dataset_id",
            Self::Run => "run",
            Self::Collection => "collection",
            Self::IngestDate => "ingest_date",
            Self::Timespan => "timespan",
        }
    }

    /// The field of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Type of its values.
    #[must_use]
    pub fn ty(self) -> ExprType {
        match self {
            Self::DatasetId => ExprType::Uuid,
            Self::Run | Self::Collection => ExprType::Text,
            Self::IngestDate => ExprType::Instant,
            Self::Timespan => ExprType::Timespan,
        }
    }
}

/// Something that has a value in each row of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Value of a dimension.
    Key(DimensionElement),
    /// Field of a dimension record that is no key.
    Record {
        /// The element.
        element: DimensionElement,
        /// Name of the field.
        field: ArcStr,
    },
    /// Field of a dataset.
    Dataset {
        /// Name of the dataset type.
        dataset_type: ArcStr,
        /// The field.
        field: DatasetField,
    },
}

impl Field {
    /// Type of its values.
    #[must_use]
    pub fn ty(&self) -> ExprType {
        match self {
            Self::Key(dimension) => dimension.key().map_or(ExprType::Int, |key| key.ty.into()),
            // A sky pixel has a region, though no record.
            Self::Record { element, field } => {
                element.field(field).map_or(ExprType::Region, |field| field.ty.into())
            }
            Self::Dataset { field, .. } => field.ty(),
        }
    }

    /// Name as in expressions: `visit`, `visit.name`, `bias.run`.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        match self {
            Self::Key(dimension) => dimension.name().to_string(),
            Self::Record { element, field } => format!("{element}.{field}"),
            Self::Dataset { dataset_type, field } => format!("{dataset_type}.{}", field.name()),
        }
    }
}

/// A value in an expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Finite float.
    Float(f64),
    /// Text.
    Text(ArcStr),
    /// Bytes.
    Hash(Box<[u8]>),
    /// Identity of a dataset.
    Uuid(Uuid),
    /// Point in time.
    Instant(Instant),
    /// Timespan.
    Timespan(Timespan),
    /// Region.
    Region(EncodedRegion),
}

impl Literal {
    /// Type.
    #[must_use]
    pub fn ty(&self) -> ExprType {
        match self {
            Self::Bool(_) => ExprType::Bool,
            Self::Int(_) => ExprType::Int,
            Self::Float(_) => ExprType::Float,
            Self::Text(_) => ExprType::Text,
            Self::Hash(_) => ExprType::Hash,
            Self::Uuid(_) => ExprType::Uuid,
            Self::Instant(_) => ExprType::Instant,
            Self::Timespan(_) => ExprType::Timespan,
            Self::Region(_) => ExprType::Region,
        }
    }
}

/// Expression with a value in each row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypedExpr {
    /// A field.
    Field(Field),
    /// A value.
    Literal(Literal),
    /// The number with the other sign.
    Negate(Box<Self>),
    /// Arithmetic on two numbers.
    Arithmetic {
        /// Operator.
        op: Arithmetic,
        /// Left operand.
        left: Box<Self>,
        /// Right operand.
        right: Box<Self>,
    },
    /// Begin of a timespan; of an unbounded one, before every instant.
    Begin(Box<Self>),
    /// End of a timespan; of an unbounded one, after every instant.
    End(Box<Self>),
}

impl TypedExpr {
    /// Type.
    #[must_use]
    pub fn ty(&self) -> ExprType {
        match self {
            Self::Field(field) => field.ty(),
            Self::Literal(literal) => literal.ty(),
            Self::Negate(operand) => operand.ty(),
            Self::Arithmetic { op: Arithmetic::Div, .. } => ExprType::Float,
            Self::Arithmetic { left, right, .. } => match (left.ty(), right.ty()) {
                (ExprType::Int, ExprType::Int) => ExprType::Int,
                _ => ExprType::Float,
            },
            Self::Begin(_) | Self::End(_) => ExprType::Instant,
        }
    }

    /// Calls `see` with every field that is read.
    pub fn for_each_field<'a>(&'a self, see: &mut impl FnMut(&'a Field)) {
        match self {
            Self::Field(field) => see(field),
            Self::Literal(_) => {}
            Self::Negate(operand) | Self::Begin(operand) | Self::End(operand) => operand.for_each_field(see),
            Self::Arithmetic { left, right, .. } => {
                left.for_each_field(see);
                right.for_each_field(see);
            }
        }
    }
}

/// Condition on rows. Three-valued: NULL in an operand makes a comparison neither true nor false.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicate {
    /// Whether all hold; without operands it is true.
    And(Vec<Self>),
    /// Whether one holds; without operands it is false.
    Or(Vec<Self>),
    /// Whether it does not hold.
    Not(Box<Self>),
    /// A boolean field.
    Field(Field),
    /// Comparison of values of one type, or of numbers.
    Compare {
        /// Operator.
        op: Comparison,
        /// Left side.
        left: TypedExpr,
        /// Right side.
        right: TypedExpr,
    },
    /// Whether there is no value.
    IsNull(TypedExpr),
    /// Whether a value is equal to one of a list.
    InList {
        /// The value.
        value: TypedExpr,
        /// The list; all of the type of the value.
        list: Vec<Literal>,
    },
    /// Whether an integer is `start`, `start + step`, … and at most `stop`.
    InRange {
        /// The integer.
        value: TypedExpr,
        /// First member.
        start: i64,
        /// Greatest possible member.
        stop: i64,
        /// Distance of members, at least 1.
        step: i64,
    },
    /// Whether two timespans, a timespan and an instant, or two regions overlap.
    Overlaps {
        /// One side.
        left: TypedExpr,
        /// The other.
        right: TypedExpr,
    },
    /// Whether a text fits a pattern.
    Glob {
        /// The text.
        value: TypedExpr,
        /// The pattern.
        pattern: GlobPattern,
    },
}

impl Predicate {
    /// The predicate that always holds.
    #[must_use]
    pub fn always() -> Self {
        Self::And(Vec::new())
    }

    /// Whether it is the predicate without conditions.
    #[must_use]
    pub fn is_always(&self) -> bool {
        matches!(self, Self::And(operands) if operands.is_empty())
    }

    /// Both conditions.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut operands = match self {
            Self::And(operands) => operands,
            single => vec![single],
        };
        match other {
            Self::And(more) => operands.extend(more),
            single => operands.push(single),
        }
        if operands.len() == 1 { operands.swap_remove(0) } else { Self::And(operands) }
    }

    /// Equality of a dimension with a value.
    #[must_use]
    pub fn key_equals(dimension: DimensionElement, value: &crate::DimensionValue) -> Self {
        let literal = match value {
            crate::DimensionValue::Int(value) => Literal::Int(*value),
            crate::DimensionValue::Text(value) => Literal::Text(value.clone()),
        };
        Self::Compare {
            op: Comparison::Eq,
            left: TypedExpr::Field(Field::Key(dimension)),
            right: TypedExpr::Literal(literal),
        }
    }

    /// Calls `see` with every field that is read.
    pub fn for_each_field<'a>(&'a self, see: &mut impl FnMut(&'a Field)) {
        match self {
            Self::And(operands) | Self::Or(operands) => {
                operands.iter().for_each(|operand| operand.for_each_field(see));
            }
            Self::Not(operand) => operand.for_each_field(see),
            Self::Field(field) => see(field),
            Self::Compare { left, right, .. } | Self::Overlaps { left, right } => {
                left.for_each_field(see);
                right.for_each_field(see);
            }
            Self::IsNull(value)
            | Self::InList { value, .. }
            | Self::InRange { value, .. }
            | Self::Glob { value, .. } => value.for_each_field(see),
        }
    }
}
