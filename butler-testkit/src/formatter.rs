//! The suite of formatters: what every [`Formatter`] does, whatever its format.
//!
//! Whoever writes one says what it writes, and gets a test for each behaviour:
//!
//! ```
//! use std::sync::Arc;
//!
//! use butler_core::{Formatter, StorageClasses};
//! use butler_testkit::Harness;
//! use butler_testkit::formatter::{FormatterHarness, Sample, plain};
//!
//! struct MyHarness;
//!
//! impl Harness for MyHarness {
//!     fn name(&self) -> &str {
//!         "mine"
//!     }
//! }
//!
//! impl FormatterHarness for MyHarness {
//!     fn formatter(&self) -> Arc<dyn Formatter> {
//! #       let my_formatter = plain;
//!         my_formatter()
//!     }
//!
//!     fn samples(&self) -> Vec<Sample> {
//!         let classes = StorageClasses::default();
//!         let class = classes.get("StructuredData").expect("a built-in class");
//!         vec![Sample::of(class, serde_json::json!({"a": 1})), Sample::of(class, serde_json::json!([null, "b"]))]
//!     }
//! }
//!
//! butler_testkit::formatter_suite!(|| Some(MyHarness));
//! # fn main() {
//! #     butler_testkit::formatter::CASES.iter().for_each(|case| case.check(&MyHarness).unwrap());
//! # }
//! ```

pub mod mutants;
mod naming;
mod reading;
mod writing;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use butler_core::{Formatter, Object, Result, StorageClass};

use crate::case::{Case, Harness};

pub use mutants::plain;

/// A formatter, and what it writes.
pub trait FormatterHarness: Harness {
    /// The formatter.
    fn formatter(&self) -> Arc<dyn Formatter>;

    /// Objects that it writes: two that differ, at least.
    fn samples(&self) -> Vec<Sample>;

    /// Whether it takes any bytes, as one of text or of bytes does, so that none are malformed.
    fn takes_any_bytes(&self) -> bool {
        false
    }
}

/// An object that a formatter writes.
#[derive(Clone)]
pub struct Sample {
    /// Its storage class.
    pub class: Arc<StorageClass>,
    /// The object.
    pub object: Object,
    equals: fn(&Object, &Object) -> bool,
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} of storage class {}", self.object.type_name(), self.class)
    }
}

impl Sample {
    /// An object of a storage class.
    #[must_use]
    pub fn of<T: Any + Send + Sync + PartialEq>(class: &Arc<StorageClass>, object: T) -> Self {
        let equals = |one: &Object, other: &Object| match (one.downcast_ref::<T>(), other.downcast_ref::<T>())
        {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        };
        Self { class: Arc::clone(class), object: Object::new(object), equals }
    }

    /// Whether it is what was read.
    fn is(&self, read: &Object) -> bool {
        (self.equals)(&self.object, read)
    }

    /// What a formatter makes of it.
    fn written(&self, formatter: &dyn Formatter) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        formatter.write(&self.object, &self.class, &mut bytes)?;
        Ok(bytes)
    }
}

/// Hands the names of all cases to a macro of this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __formatter_cases {
    ($then:ident [$($arguments:tt)*]) => { $crate::$then! { [$($arguments)*]
        naming {
            records_and_paths_can_have_its_names,
        }
        reading {
            bytes_of_something_else_are_refused,
            bytes_that_are_cut_short_are_not_taken_for_the_whole,
            a_failure_of_the_source_is_told,
            what_it_cannot_apply_is_left_to_others,
        }
        writing {
            what_is_written_is_read,
            equal_objects_are_equal_bytes,
            objects_of_other_types_are_refused,
            a_failure_of_the_sink_is_told,
            a_sink_may_take_little_at_once,
        }
    }};
}

/// All cases of the suite.
pub const CASES: &[Case<dyn FormatterHarness>] =
    __formatter_cases!(__case_list [dyn FormatterHarness + 'static]);

/// Runs one case: what [`formatter_suite!`](crate::formatter_suite) expands to.
///
/// # Panics
/// If the case fails.
#[doc(hidden)]
pub fn check<H: FormatterHarness + 'static>(path: &str, harness: Option<H>) {
    crate::case::check(CASES, path, harness.as_ref().map(|harness| harness as &dyn FormatterHarness));
}

/// Makes a test of each case of the suite of formatters.
///
/// Takes a function without arguments that returns a
/// [`FormatterHarness`](crate::formatter::FormatterHarness), or none if the formatter
/// cannot be tested here. It is called for each test.
#[macro_export]
macro_rules! formatter_suite {
    ($harness:expr) => {
        $crate::__formatter_cases!(__case_tests [formatter $harness]);
    };
}
