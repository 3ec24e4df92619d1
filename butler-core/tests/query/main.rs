//! The `where` language: what is accepted, as what, and what is said about the rest.

#![expect(clippy::panic, reason = "a helper that panics fails its test")]

mod diagnostics;
mod language;
mod laws;
mod peer;
mod typed;

use butler_core::query::language::{Expr, ExprKind, Item, Literal, Sign, Span, parse};

/// The tree of an expression that parses.
fn tree(text: &str) -> Expr {
    match parse(text) {
        Ok(Some(tree)) => tree,
        other => panic!("{text:?} gives {other:?}"),
    }
}

/// The tree as an S-expression, as in `generate.py` of the fixtures.
fn shape(expr: &Expr) -> String {
    let list = |head: &str, operands: &[&Expr]| {
        let operands: String = operands.iter().map(|operand| format!(" {}", shape(operand))).collect();
        format!("({head}{operands})")
    };
    let not = |negated: &bool| if *negated { "not" } else { "" };
    match &expr.kind {
        ExprKind::Or(operands) => list("or", &operands.iter().collect::<Vec<_>>()),
        ExprKind::And(operands) => list("and", &operands.iter().collect::<Vec<_>>()),
        ExprKind::Not(operand) => list("not", &[operand]),
        ExprKind::Compare { op, left, right } => list(&op.to_string().to_lowercase(), &[left, right]),
        ExprKind::In { value, items, negated } => {
            let items: String = items.iter().map(|item| format!(" {}", item_shape(item))).collect();
            format!("({}in {}{items})", not(negated), shape(value))
        }
        ExprKind::Between { value, low, high, negated } => {
            list(&format!("{}between", not(negated)), &[value, low, high])
        }
        ExprKind::IsNull { value, negated } => list(&format!("is{}null", not(negated)), &[value]),
        ExprKind::Arithmetic { op, left, right } => list(&op.to_string(), &[left, right]),
        ExprKind::Signed { sign: Sign::Minus, operand } => list("-", &[operand]),
        ExprKind::Signed { sign: Sign::Plus, operand } => list("+", &[operand]),
        ExprKind::Tuple(first, second) => list("tuple", &[first, second]),
        ExprKind::Call { name, args } => list(&format!("call {name}"), &args.iter().collect::<Vec<_>>()),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Bind(name) => format!(":{name}"),
        ExprKind::Literal(literal) => match literal {
            Literal::Null => "NULL".into(),
            Literal::Bool(value) => value.to_string().to_uppercase(),
            Literal::Integer(value) => value.to_string(),
            Literal::Float(value) => format!("f{:016x}", value.to_bits()),
            Literal::String(text) => format!("'{text}'"),
            Literal::Time(text) => format!("T'{text}'"),
        },
    }
}

fn item_shape(item: &Item) -> String {
    match item {
        Item::Value(expr) => shape(expr),
        Item::Range { start, end, stride, .. } => format!("{start}..{end}:{stride}"),
    }
}

/// Calls a function with every node, parents first.
fn visit(expr: &mut Expr, each: &mut dyn FnMut(&mut Expr)) {
    each(expr);
    match &mut expr.kind {
        ExprKind::Or(operands) | ExprKind::And(operands) | ExprKind::Call { args: operands, .. } => {
            operands.iter_mut().for_each(|operand| visit(operand, each));
        }
        ExprKind::Not(operand)
        | ExprKind::IsNull { value: operand, .. }
        | ExprKind::Signed { operand, .. } => {
            visit(operand, each);
        }
        ExprKind::Compare { left, right, .. }
        | ExprKind::Arithmetic { left, right, .. }
        | ExprKind::Tuple(left, right) => {
            visit(left, each);
            visit(right, each);
        }
        ExprKind::Between { value, low, high, .. } => {
            [value, low, high].into_iter().for_each(|operand| visit(operand, each));
        }
        ExprKind::In { value, items, .. } => {
            visit(value, each);
            for item in items {
                if let Item::Value(expr) = item {
                    visit(expr, each);
                }
            }
        }
        ExprKind::Name(_) | ExprKind::Bind(_) | ExprKind::Literal(_) => {}
    }
}

/// The same tree as if it came from nowhere.
fn without_spans(mut expr: Expr) -> Expr {
    visit(&mut expr, &mut |node| {
        node.span = Span::default();
        if let ExprKind::In { items, .. } = &mut node.kind {
            for item in items {
                if let Item::Range { span, .. } = item {
                    *span = Span::default();
                }
            }
        }
    });
    expr
}
