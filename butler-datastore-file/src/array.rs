//! Arrays in memory: numbers in any number of dimensions.

use arcstr::ArcStr;
use butler_core::{Error, ErrorKind, Result};

macro_rules! array_values {
    ($($(#[$doc:meta])* $name:ident($ty:ty) = $code:literal,)*) => {
        /// Values of an array, the last index running fastest.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ArrayValues { $($(#[$doc])* $name(Vec<$ty>),)* }

        impl ArrayValues {
            /// Number of values.
            #[must_use]
            pub fn len(&self) -> usize {
                match self { $(Self::$name(values) => values.len(),)* }
            }

            /// Type, as NumPy names it without the order of bytes.
            #[must_use]
            pub fn type_code(&self) -> &'static str {
                match self { $(Self::$name(_) => $code,)* }
            }

            /// The bytes of some of the values, in little-endian order.
            pub(crate) fn write_range(&self, range: std::ops::Range<usize>, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$name(values) => {
                        values[range].iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
                    })*
                }
            }

            /// Values of a type, of bytes in some order; none for a type that is not known.
            pub(crate) fn read(code: &str, big_endian: bool, bytes: &[u8]) -> Option<Self> {
                match code {
                    $($code => {
                        let chunks = bytes.chunks_exact(size_of::<$ty>());
                        let values = chunks.map(|chunk| {
                            let mut one = [0; size_of::<$ty>()];
                            one.copy_from_slice(chunk);
                            if big_endian { <$ty>::from_be_bytes(one) } else { <$ty>::from_le_bytes(one) }
                        });
                        Some(Self::$name(values.collect()))
                    })*
                    _ => None,
                }
            }

            /// Bytes of a value of a type; none for one that is not known.
            pub(crate) fn size_of(code: &str) -> Option<usize> {
                match code {
                    $($code => Some(size_of::<$ty>()),)*
                    _ => None,
                }
            }
        }
    };
}

array_values! {
    /// Integers of 8 bits.
    I8(i8) = "i1",
    /// Integers of 16 bits.
    I16(i16) = "i2",
    /// Integers of 32 bits.
    I32(i32) = "i4",
    /// Integers of 64 bits.
    I64(i64) = "i8",
    /// Integers of 8 bits without a sign.
    U8(u8) = "u1",
    /// Integers of 16 bits without a sign.
    U16(u16) = "u2",
    /// Integers of 32 bits without a sign.
    U32(u32) = "u4",
    /// Integers of 64 bits without a sign.
    U64(u64) = "u8",
    /// Numbers of 32 bits.
    F32(f32) = "f4",
    /// Numbers of 64 bits.
    F64(f64) = "f8",
}

impl ArrayValues {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The object of storage classes that are an `array` in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    values: ArrayValues,
}

impl Array {
    /// An array of a shape: the lengths of its dimensions.
    ///
    /// # Errors
    /// `Argument` if there are not as many values as the shape has places.
    pub fn new(shape: impl Into<Vec<usize>>, values: ArrayValues) -> Result<Self> {
        let shape = shape.into();
        let places = shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
        if places == Some(values.len()) {
            return Ok(Self { shape, values });
        }
        Err(Error::new(
            ErrorKind::Argument,
            format!("{} values cannot be an array of shape {shape:?}", values.len()),
        ))
    }

    /// Lengths of its dimensions.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values, the last index running fastest.
    #[must_use]
    pub fn values(&self) -> &ArrayValues {
        &self.values
    }
}

/// The object of storage classes that are `arrays` in memory: several, each with a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrays(Vec<(ArcStr, Array)>);

impl Arrays {
    /// Arrays with names.
    ///
    /// # Errors
    /// `Argument` if two have one name.
    pub fn new<N: Into<ArcStr>>(arrays: impl IntoIterator<Item = (N, Array)>) -> Result<Self> {
        let arrays: Vec<(ArcStr, Array)> =
            arrays.into_iter().map(|(name, array)| (name.into(), array)).collect();
        for (at, (name, _)) in arrays.iter().enumerate() {
            if arrays[..at].iter().any(|(other, _)| other == name) {
                let message = format!("two arrays are called '{}'", name.escape_debug());
                return Err(Error::new(ErrorKind::Argument, message));
            }
        }
        Ok(Self(arrays))
    }

    /// Names and arrays, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ArcStr, &Array)> {
        self.0.iter().map(|(name, array)| (name, array))
    }

    /// An array by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, array)| array)
    }
}
