//! Agreement with the Python butler's parser, whose answers are in a fixture.

use butler_core::query::language::{Expr, ExprKind, Item, Literal, parse};

use super::{shape, tree, visit, without_spans};

const ANSWERS: &str = include_str!("../../../butler-testkit/fixtures/query/peer.jsonl");

struct Answer {
    verdict: String,
    text: String,
    shape: Option<String>,
}

/// The fixture, or the file that `BUTLER_QUERY_ANSWERS` names.
fn answers() -> Vec<Answer> {
    let file = std::env::var_os("BUTLER_QUERY_ANSWERS").map(std::fs::read_to_string);
    let lines = file.map_or_else(|| ANSWERS.to_owned(), |text| text.expect("a readable file"));
    let answer = |line: &str| {
        let mut fields: Vec<String> = serde_json::from_str(line).expect("an array of strings");
        let shape = (fields.len() > 3).then(|| fields.remove(3));
        let text = fields.remove(2);
        Answer { verdict: fields.remove(1), text, shape }
    };
    lines.lines().map(answer).collect()
}

/// The expressions that the Python butler was asked about.
pub(super) fn texts() -> Vec<String> {
    answers().into_iter().map(|answer| answer.text).collect()
}

/// What this parser accepts and the Python butler's does not.
fn extension(text: &str, mut tree: Expr) -> Option<&'static str> {
    let mut found = None;
    visit(&mut tree, &mut |node| match &node.kind {
        ExprKind::Between { .. } => found = Some("BETWEEN"),
        ExprKind::IsNull { .. } => found = Some("IS NULL"),
        ExprKind::Literal(Literal::String(value) | Literal::Time(value)) if value.contains('\'') => {
            found = Some("quote in a string");
        }
        ExprKind::In { items, .. } => {
            for item in items {
                let range = &text[item.span().start..item.span().end];
                let apart = |rest: &str| !rest.starts_with(|first: char| first.is_ascii_digit());
                let spaced = range.contains('+') || range.split('-').skip(1).any(apart);
                if matches!(item, Item::Range { .. }) && spaced {
                    found = Some("signs of ranges");
                }
            }
        }
        _ => {}
    });
    found.or(text.contains('\r').then_some("CR"))
}

#[test]
fn agrees_with_the_python_butler() {
    let mut counts = std::collections::BTreeMap::<_, usize>::new();
    for Answer { verdict, text, shape: expected } in answers() {
        let outcome = match (verdict.as_str(), parse(&text)) {
            ("accept", Ok(tree)) => {
                assert_eq!(
                    tree.as_ref().map_or_else(String::new, shape),
                    expected.expect("a tree"),
                    "{text:?}"
                );
                "accept"
            }
            ("refuse", Ok(None)) if text.contains('\r') => "CR",
            ("refuse", Ok(Some(tree))) => match extension(&text, tree) {
                Some(extension) => extension,
                None => panic!("{text:?} is refused by the Python butler, not by us"),
            },
            ("refuse" | "later" | "odd", Err(_)) => "refuse",
            (verdict, ours) => panic!("{text:?}: the Python butler says {verdict}, we say {ours:?}"),
        };
        *counts.entry(outcome).or_default() += 1;
    }
    for (outcome, least) in [
        ("accept", 2000),
        ("refuse", 2000),
        ("BETWEEN", 1),
        ("IS NULL", 1),
        ("quote in a string", 1),
        ("CR", 1),
    ] {
        assert!(
            counts.get(outcome).is_some_and(|count| *count >= least),
            "too few for {outcome}: {counts:?}"
        );
    }
}

#[test]
fn accepted_expressions_survive_printing() {
    for Answer { text, shape, .. } in answers() {
        if shape.is_some_and(|shape| !shape.is_empty()) {
            let parsed = tree(&text);
            let printed = parsed.to_string();
            assert_eq!(
                without_spans(tree(&printed)),
                without_spans(parsed),
                "{text:?} is printed as {printed:?}"
            );
        }
    }
}
