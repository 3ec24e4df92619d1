//! Rows as keys of maps.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use butler_core::backend::Value;

/// A row: its values, in the order of its columns. Negative zero does not occur.
pub(crate) type Row = Arc<[Value]>;

/// Values that compare as they sort: NULL is like NULL, and before all values.
#[derive(Clone, Debug)]
pub(crate) struct Key(pub(crate) Row);

impl Key {
    /// The values of a row at some positions.
    pub(crate) fn of(row: &[Value], positions: &[usize]) -> Self {
        Self(positions.iter().map(|&position| row[position].clone()).collect())
    }

    /// Whether one of the values is NULL.
    pub(crate) fn has_null(&self) -> bool {
        self.0.iter().any(Value::is_null)
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let pairs = self.0.iter().zip(other.0.iter());
        let unequal = pairs.map(|(a, b)| a.sort_cmp(b)).find(|ordering| ordering.is_ne());
        unequal.unwrap_or_else(|| self.0.len().cmp(&other.0.len()))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for value in self.0.iter() {
            match value {
                Value::Null => state.write_u8(0),
                Value::Bool(value) => value.hash(state),
                Value::Int(value) => value.hash(state),
                Value::Float(value) => value.to_bits().hash(state),
                Value::Text(value) => value.as_bytes().hash(state),
                Value::Bytes(value) => value.hash(state),
            }
        }
    }
}
