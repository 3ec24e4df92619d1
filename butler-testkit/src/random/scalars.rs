//! Random scalars over random columns.

use butler_core::backend::{Arithmetic, ColumnType, Comparison, GlobPattern, Scalar, Value};
use fastrand::Rng;

use super::rows::{RandomColumn, TEXTS, value};

const COMPARISONS: [Comparison; 6] =
    [Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge];

const PATTERNS: [&str; 12] = ["*", "", "a*", "?", "*b", "??", "%", "_", r"\*", "A", "*'*", "[ab]"];

const OPERATORS: [Arithmetic; 6] = [
    Arithmetic::Add,
    Arithmetic::Sub,
    Arithmetic::Mul,
    Arithmetic::Div,
    Arithmetic::Quotient,
    Arithmetic::Rem,
];

/// What makes scalars over some columns.
pub(super) struct Scalars<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) columns: &'a [RandomColumn],
    /// Whether arithmetic may overflow.
    pub(super) explosive: bool,
}

impl Scalars<'_> {
    /// A column of a type, if there is any.
    fn column(&mut self, ty: ColumnType, small: bool) -> Option<Scalar> {
        let fitting: Vec<_> =
            self.columns.iter().filter(|column| column.ty == ty && (column.small || !small)).collect();
        self.rng.choice(fitting).map(|column| Scalar::column(column.name.as_str()))
    }

    /// A column, a literal, or rarely NULL.
    fn leaf(&mut self, ty: ColumnType, small: bool) -> Scalar {
        let column = if self.rng.u8(..4) > 0 { self.column(ty, small) } else { None };
        match column {
            Some(column) => column,
            None if self.rng.u8(..12) == 0 => Scalar::Null(ty),
            None => Scalar::Literal(value(self.rng, ty, small)),
        }
    }

    /// A scalar of a type.
    pub(super) fn of(&mut self, ty: ColumnType, depth: u32) -> Scalar {
        match ty {
            ColumnType::Bool => self.condition(depth),
            ColumnType::Int | ColumnType::Float if depth > 0 && (self.explosive || self.rng.u8(..3) == 0) => {
                self.arithmetic(ty, depth)
            }
            _ if depth > 0 && self.rng.u8(..10) == 0 => {
                let count = self.rng.usize(1..4);
                Scalar::Coalesce((0..count).map(|_| self.leaf(ty, false)).collect())
            }
            _ => self.leaf(ty, false),
        }
    }

    /// Arithmetic whose value is of a numeric type.
    pub(super) fn arithmetic(&mut self, ty: ColumnType, depth: u32) -> Scalar {
        let small = !self.explosive;
        if self.rng.u8(..6) == 0 {
            return Scalar::Negate(Box::new(self.leaf(ty, small)));
        }
        let op = OPERATORS[self.rng.usize(..OPERATORS.len())];
        let integer = |this: &mut Self, small| match depth {
            0 | 1 => this.leaf(ColumnType::Int, small),
            _ if small => this.leaf(ColumnType::Int, small),
            _ => this.of(ColumnType::Int, depth - 1),
        };
        match (ty, op) {
            (ColumnType::Int, Arithmetic::Div) => {
                // No integer comes of a division: one that cannot fail, of any number.
                let divisor = Scalar::Literal(Value::Int(self.rng.i64(2..5)));
                self.leaf(ColumnType::Int, false).arithmetic(Arithmetic::Quotient, divisor)
            }
            (ColumnType::Int, Arithmetic::Rem) => {
                let divisor = self.leaf(ColumnType::Int, true);
                self.leaf(ColumnType::Int, false).arithmetic(op, divisor)
            }
            (ColumnType::Int, op) => {
                let (left, right) = (integer(self, small), integer(self, small));
                left.arithmetic(op, right)
            }
            (_, Arithmetic::Quotient | Arithmetic::Rem) => {
                let divisor = self.leaf(ColumnType::Int, true);
                self.leaf(ColumnType::Int, false).arithmetic(Arithmetic::Div, divisor)
            }
            (_, op) => {
                let other = if self.rng.bool() { ColumnType::Int } else { ColumnType::Float };
                let (left, right) = (self.leaf(ColumnType::Float, small), self.leaf(other, small));
                if self.rng.bool() { left.arithmetic(op, right) } else { right.arithmetic(op, left) }
            }
        }
    }

    /// A condition.
    pub(super) fn condition(&mut self, depth: u32) -> Scalar {
        if depth > 0 && self.rng.u8(..3) == 0 {
            let count = [2, 2, 2, 3, 1, 0][self.rng.usize(..6)];
            let operands = (0..count).map(|_| self.condition(depth - 1)).collect();
            return match self.rng.u8(..3) {
                0 => Scalar::And(operands),
                1 => Scalar::Or(operands),
                _ => Scalar::Not(Box::new(self.condition(depth - 1))),
            };
        }
        let types: Vec<ColumnType> = self.columns.iter().map(|column| column.ty).collect();
        let ty = self.rng.choice(types).unwrap_or(ColumnType::Int);
        match self.rng.u8(..8) {
            0 => self.of_any(ty, depth).is_null(),
            1 => {
                let count = [0, 1, 2, 3, 3, 5][self.rng.usize(..6)];
                let list = (0..count).map(|_| value(self.rng, ty, false)).collect();
                self.leaf(ty, false).is_in(list)
            }
            2 if ty == ColumnType::Text => {
                let pattern = match self.rng.bool() {
                    true => PATTERNS[self.rng.usize(..PATTERNS.len())],
                    false => TEXTS[self.rng.usize(..TEXTS.len())],
                };
                Scalar::Glob { value: Box::new(self.leaf(ty, false)), pattern: GlobPattern::new(pattern) }
            }
            3 if ty == ColumnType::Bool => self.leaf(ty, false),
            _ => {
                let other = match ty {
                    ColumnType::Int | ColumnType::Float if self.rng.u8(..3) == 0 => {
                        if self.rng.bool() {
                            ColumnType::Int
                        } else {
                            ColumnType::Float
                        }
                    }
                    same => same,
                };
                let op = COMPARISONS[self.rng.usize(..COMPARISONS.len())];
                let (left, right) = (self.of_any(ty, depth), self.of_any(other, depth));
                left.compare(op, right)
            }
        }
    }

    fn of_any(&mut self, ty: ColumnType, depth: u32) -> Scalar {
        match ty {
            ColumnType::Bool => self.leaf(ty, false),
            _ => self.of(ty, depth.min(1)),
        }
    }
}
