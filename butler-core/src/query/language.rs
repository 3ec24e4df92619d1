//! The `where` and `order_by` language: from text to a syntax tree.
//!
//! [`parse`] turns a `where` expression into an [`Expr`], [`parse_order_term`]
//! one term of an ordering into an [`OrderTerm`]. The tree is purely syntactic:
//! no name is resolved, no type is checked, the content of time literals and the
//! arguments of functions are as written. Every node knows the bytes of the
//! source that it came from, so that later stages can point at them with a
//! [`Diagnostic`]. Printing a tree gives text that parses to the same tree.
//!
//! The language is that of the Python butler, precedence included:
//!
//! ```text
//! expr       = expr OR expr | expr AND expr | NOT expr | comparison
//! comparison = predicate [ ( = | != | < | <= | > | >= | OVERLAPS ) predicate ]
//! predicate  = sum [ [NOT] IN ( item, … ) | [NOT] BETWEEN sum AND sum | IS [NOT] NULL ]
//! sum        = sum ( + | - | * | / | % ) sum | value
//! value      = literal | name | :bind | + value | - value | ( expr ) | ( expr , expr ) | function ( [expr, …] )
//! item       = literal | begin..end[:stride] | word | :bind | function ( [expr, …] )
//! literal    = integer | float | 'string' | T'time' | NULL | TRUE | FALSE
//! ```
//!
//! From loose to tight: `OR`, `AND`, `NOT`, comparisons, `IN` with `BETWEEN` and
//! `IS`, `+` and `-`, the other arithmetic, signs. So `NOT a = 1` negates the
//! comparison. Keywords and the `T` of time literals are case-insensitive, names are one to
//! three ASCII words joined by dots and case-sensitive. What the Python butler
//! refuses and this accepts: `''` for a quote inside a string, `BETWEEN`,
//! `IS [NOT] NULL`, `TRUE`, `FALSE`, carriage returns, and space after the sign of
//! a range bound. What it refuses only in a later stage, this refuses at once:
//! chains of comparisons, ranges outside `IN`, reversed ranges and integers
//! beyond 64 bits. And it takes floats beyond the range of `f64` for infinity,
//! digits of other scripts for digits, and a comma before the first argument of a
//! function for nothing, all of which are errors here.
//!
//! ```
//! use butler_core::query::language::{ExprKind, parse};
//!
//! let tree = parse("instrument = 'HSC' and (visit in (1..9:2) or detector=1)")?.expect("not blank");
//! assert!(matches!(&tree.kind, ExprKind::And(operands) if operands.len() == 2));
//! assert_eq!(tree.to_string(), "instrument = 'HSC' AND (visit IN (1..9:2) OR detector = 1)");
//!
//! let error = parse("instrument = 'HSC' AND detector = ").unwrap_err();
//! assert_eq!(error.message, "expected a value after `=`, found end of expression");
//! # Ok::<(), butler_core::Error>(())
//! ```

mod diagnostic;
mod lexer;
mod parser;
mod print;
mod syntax;

pub use diagnostic::Diagnostic;
pub use parser::{MAX_DEPTH, parse, parse_order_term};
pub use syntax::{ArithmeticOp, CompareOp, Expr, ExprKind, Item, Literal, OrderTerm, Sign, Span};
