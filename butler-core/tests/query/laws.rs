//! Laws that hold for every text and every tree.

use butler_core::query::language::{
    ArithmeticOp, CompareOp, Diagnostic, Expr, ExprKind, Item, Literal, Sign, Span, parse, parse_order_term,
};
use proptest::prelude::*;
use proptest::sample::select;

use super::{peer, visit, without_spans};

/// Texts that once were, or might be, trouble.
pub(super) const CORPUS: &str = include_str!("../../../butler-testkit/fixtures/query/corpus.jsonl");

/// What pieces of expressions there are, sound and unsound.
const PIECES: &[&str] = &[
    "AND",
    "or",
    "NOT",
    "IN",
    "OVERLAPS",
    "IS",
    "BETWEEN",
    "NULL",
    "TRUE",
    "T",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "(",
    ")",
    "(",
    ")",
    ",",
    ":",
    ".",
    "..",
    "'",
    "''",
    "'a'",
    "T'1.'",
    "1",
    "2.5",
    ".5",
    "1e3",
    "1e999",
    "9223372036854775808",
    "-9223372036854775808",
    "1..3",
    "1..3:2",
    "a",
    "a.b",
    "a.b.c",
    "a.b.c.d",
    ":b",
    "f(",
    "f()",
    "(a, b)",
    "==",
    "\"",
    "é",
    "日",
    "\u{301}",
    "\u{a0}",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    " ",
    " ",
];

/// Checks all that must hold of the parser's answer to a text.
fn holds(text: &str) {
    match parse(text) {
        Ok(None) => assert!(text.trim().is_empty(), "{text:?} is not blank"),
        Ok(Some(tree)) => {
            let bare = without_spans(tree.clone());
            let printed = tree.to_string();
            let again = parse(&printed).ok().flatten().map(without_spans);
            assert_eq!(again.as_ref(), Some(&bare), "{text:?} is printed as {printed:?}");
            parts_mean_what_they_mean_in_the_whole(text, tree);
        }
        Err(diagnostic) => points_into(&diagnostic, text),
    }
    if let Err(diagnostic) = parse_order_term(text) {
        points_into(&diagnostic, text);
    }
}

fn parts_mean_what_they_mean_in_the_whole(text: &str, mut tree: Expr) {
    visit(&mut tree, &mut |node| {
        let part = &text[node.span.start..node.span.end];
        let alone = parse(part).ok().flatten().map(without_spans);
        assert_eq!(alone, Some(without_spans(node.clone())), "{part:?} of {text:?}");
    });
}

fn points_into(diagnostic: &Diagnostic, text: &str) {
    assert_eq!(diagnostic.source, text);
    assert!(text.get(diagnostic.span.start..diagnostic.span.end).is_some(), "{diagnostic:?}");
    assert!(diagnostic.message.len() < 800 && !diagnostic.message.contains('\n'), "{diagnostic:?}");
    assert!((1..=text.chars().count() + 1).contains(&diagnostic.character()), "{diagnostic:?}");
    assert_eq!(diagnostic.picture().lines().count(), 2, "{diagnostic:?}");
}

#[test]
fn hold_for_the_corpus() {
    for line in CORPUS.lines() {
        holds(&serde_json::from_str::<String>(line).expect("a string"));
    }
}

#[test]
fn hold_for_long_texts() {
    for piece in [
        "(", "NOT ", "-", "'", "9", "0", "a", "a.", "\u{301}", "1..", "f(", "\n", "日", "a IN (", "1 + ",
        "''",
    ] {
        for (before, after) in [("", ""), ("a = ", " = b"), ("$", "$")] {
            holds(&format!("{before}{}{after}", piece.repeat(1500)));
        }
    }
}

#[test]
fn hold_for_what_the_python_butler_was_asked() {
    peer::texts().iter().for_each(|text| holds(text));
}

/// `BUTLER_QUERY_CASES=5000000 cargo test --release -p butler-core --test query mutants` for a long run.
#[test]
fn hold_for_mutants() {
    let count =
        std::env::var("BUTLER_QUERY_CASES").map_or(3000, |count| count.parse().expect("a number of cases"));
    let mut seeds = peer::texts();
    seeds.extend(CORPUS.lines().map(|line| serde_json::from_str::<String>(line).expect("a string")));
    seeds.retain(|seed| seed.len() < 2000);
    let mut random = Random(count);
    for _ in 0..count {
        let seed = &seeds[random.below(seeds.len())];
        holds(&mutant(seed, &seeds, &mut random));
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014, <https://doi.org/10.1145/2714064.2660195>).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits") % limit
    }

    fn boundary(&mut self, text: &str) -> usize {
        text.floor_char_boundary(self.below(text.len() + 1))
    }
}

pub(super) fn mutant(seed: &str, seeds: &[String], random: &mut Random) -> String {
    let mut text = seed.to_owned();
    for _ in 0..=random.below(4) {
        let (one, other) = (random.boundary(&text), random.boundary(&text));
        let (begin, end) = (one.min(other), one.max(other));
        match random.below(6) {
            0 => text.replace_range(begin..end, ""),
            1 => text = [&text[..end], &text[begin..]].concat(),
            2 => {
                let donor = &seeds[random.below(seeds.len())];
                let (from, to) = (random.boundary(donor), random.boundary(donor));
                text.insert_str(begin, &donor[from.min(to)..from.max(to)]);
            }
            3 if begin < text.len() => {
                text.remove(begin);
            }
            _ => text.insert_str(begin, PIECES[random.below(PIECES.len())]),
        }
    }
    text
}

fn word() -> impl Strategy<Value = String> {
    let reserved = ["and", "or", "not", "in", "overlaps", "null", "true", "false"];
    prop_oneof![
        4 => "[a-zA-Z_][a-zA-Z0-9_]{0,5}",
        1 => select(vec!["is", "IS", "between", "like", "t", "T", "e1"]).prop_map(str::to_owned),
    ]
    .prop_filter("reserved", move |word| !reserved.contains(&word.to_lowercase().as_str()))
}

fn text() -> impl Strategy<Value = String> {
    "('|\\PC|\r|[a-z ]){0,6}"
}

fn literal() -> impl Strategy<Value = ExprKind> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Integer),
        (-3_i64..20).prop_map(Literal::Integer),
        (POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO).prop_map(Literal::Float),
        text().prop_map(Literal::String),
        text().prop_map(Literal::Time),
    ]
    .prop_map(ExprKind::Literal)
}

fn leaf() -> impl Strategy<Value = ExprKind> {
    prop_oneof![
        literal(),
        word().prop_map(ExprKind::Bind),
        prop::collection::vec(word(), 1..=3).prop_map(|words| ExprKind::Name(words.join("."))),
    ]
}

fn bare(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

fn item(args: impl Strategy<Value = Vec<Expr>> + 'static) -> impl Strategy<Value = Item> {
    let call = (word(), args).prop_map(|(name, args)| ExprKind::Call { name, args });
    let simple =
        prop_oneof![literal(), word().prop_map(ExprKind::Bind), word().prop_map(ExprKind::Name), call];
    let range =
        (any::<i64>(), any::<i64>(), prop_oneof![Just(1), 1..i64::MAX]).prop_map(|(one, other, stride)| {
            Item::Range { start: one.min(other), end: one.max(other), stride, span: Span::default() }
        });
    prop_oneof![simple.prop_map(|kind| Item::Value(bare(kind))), range]
}

fn compare_op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual, Overlaps};
    select(vec![Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, Overlaps])
}

fn arithmetic_op() -> impl Strategy<Value = ArithmeticOp> {
    use ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
    select(vec![Add, Subtract, Multiply, Divide, Modulo])
}

fn any_tree() -> impl Strategy<Value = Expr> {
    leaf().prop_map(bare).prop_recursive(6, 48, 4, |inner| {
        let node = || inner.clone().prop_map(Box::new);
        let some = |least: usize| prop::collection::vec(inner.clone(), least..=4);
        let items = prop::collection::vec(item(some(0).boxed()), 1..=4);
        prop_oneof![
            some(2).prop_map(ExprKind::Or),
            some(2).prop_map(ExprKind::And),
            node().prop_map(ExprKind::Not),
            (compare_op(), node(), node()).prop_map(|(op, left, right)| ExprKind::Compare {
                op,
                left,
                right
            }),
            (node(), items, any::<bool>()).prop_map(|(value, items, negated)| ExprKind::In {
                value,
                items,
                negated
            }),
            (node(), node(), node(), any::<bool>())
                .prop_map(|(value, low, high, negated)| ExprKind::Between { value, low, high, negated }),
            (node(), any::<bool>()).prop_map(|(value, negated)| ExprKind::IsNull { value, negated }),
            (arithmetic_op(), node(), node()).prop_map(|(op, left, right)| ExprKind::Arithmetic {
                op,
                left,
                right
            }),
            (select(vec![Sign::Plus, Sign::Minus]), node())
                .prop_map(|(sign, operand)| ExprKind::Signed { sign, operand }),
            (node(), node()).prop_map(|(first, second)| ExprKind::Tuple(first, second)),
            (word(), some(0)).prop_map(|(name, args)| ExprKind::Call { name, args }),
        ]
        .prop_map(bare)
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same_tree(tree in any_tree()) {
        let printed = tree.to_string();
        let parsed = parse(&printed).map_err(|diagnostic| TestCaseError::fail(diagnostic.render()))?;
        prop_assert_eq!(parsed.map(without_spans), Some(tree), "{}", printed);
    }

    #[test]
    fn hold_for_trees(tree in any_tree()) {
        holds(&tree.to_string());
    }

    #[test]
    fn hold_for_any_text(text in "\\PC*|(.|\n){0,40}") {
        holds(&text);
    }

    #[test]
    fn hold_for_any_pieces(pieces in prop::collection::vec(select(PIECES), 0..30), joint in select(vec!["", " "])) {
        holds(&pieces.join(joint));
    }

    #[test]
    fn a_suggestion_is_a_candidate(name in "\\PC{0,12}", candidates in prop::collection::vec("\\PC{0,12}", 0..6)) {
        use butler_core::suggest::nearest;
        let found = nearest(&name, candidates.iter().map(String::as_str));
        prop_assert!(found.is_none_or(|found| candidates.iter().any(|candidate| candidate == found)));
        if candidates.contains(&name) {
            prop_assert_eq!(found.map(str::to_lowercase), Some(name.to_lowercase()));
        }
    }
}
