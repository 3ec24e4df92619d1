//! Facts of the grammar, one line each.

use butler_core::query::language::{
    ExprKind, Item, Literal, MAX_DEPTH, OrderTerm, Span, parse, parse_order_term,
};

use super::{shape, tree, without_spans};

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(shape(&tree(text)), *expected, "{text}");
    }
}

fn refused(texts: &[&str]) {
    for text in texts {
        assert!(parse(text).is_err(), "{text:?} gives {:?}", parse(text));
    }
}

#[test]
fn blank_text_is_no_expression() {
    for text in ["", " ", "\t", "\n \r\n"] {
        assert_eq!(parse(text), Ok(None));
    }
}

#[test]
fn keywords_are_case_insensitive_and_names_are_not() {
    check(&[
        ("a AnD Not b oR c oVerlaps D", "(or (and a (not b)) (overlaps c D))"),
        ("a nOt iN (nUlL, tRUe, False)", "(notin a NULL TRUE FALSE)"),
        ("x iS nOt nUll or y bEtween 1 aNd 2", "(or (isnotnull x) (between y 1 2))"),
        ("t'now' = T'then'", "(= T'now' T'then')"),
    ]);
}

#[test]
fn words_that_begin_like_keywords_are_names() {
    check(&[
        ("andy = orb and notes = inn", "(and (= andy orb) (= notes inn))"),
        ("overlaps_ and tt and isnull", "(and overlaps_ tt isnull)"),
        ("not.a = and.b", "(= not.a and.b)"),
        ("is = between", "(= is between)"),
        ("is is null and between between between and is", "(and (isnull is) (between between between is))"),
        ("is(1) = null(2)", "(= (call is 1) (call null 2))"),
    ]);
}

#[test]
fn the_longest_token_wins() {
    check(&[
        ("detector=1OR detector=2", "(or (= detector 1) (= detector 2))"),
        ("a=1and.5=b", "(and (= a 1) (= f3fe0000000000000 b))"),
        ("a<=b", "(<= a b)"),
        ("a=-1", "(= a -1)"),
        ("a-1", "(- a 1)"),
        ("a--1", "(- a -1)"),
    ]);
    refused(&["a< =b", "a! =b", "1and2", "0x10", "1_000", "1e", "1.5.6", "a.5", "5a"]);
}

#[test]
fn precedence_is_that_of_the_python_butler() {
    check(&[
        ("a or b and c or d", "(or a (and b c) d)"),
        ("not a and b", "(and (not a) b)"),
        ("not a = 1", "(not (= a 1))"),
        ("not a in (1) or b", "(or (not (in a 1)) b)"),
        ("not not a", "(not (not a))"),
        ("a + b * c = d - e / f - g", "(= (+ a (* b c)) (- (- d (/ e f)) g))"),
        ("a % b * c / d", "(/ (* (% a b) c) d)"),
        ("a + 1 in (1) = b", "(= (in (+ a 1) 1) b)"),
        ("a = b + 1 in (1)", "(= a (in (+ b 1) 1))"),
        ("not a overlaps b", "(not (overlaps a b))"),
        ("-a * b", "(* (- a) b)"),
        ("a * -b", "(* a (- b))"),
        ("-a in (1)", "(in (- a) 1)"),
        ("a between b + 1 and -c and d", "(and (between a (+ b 1) (- c)) d)"),
        ("a not between 1 and 2 or not b is null", "(or (notbetween a 1 2) (not (isnull b)))"),
        ("(not a) = b", "(= (not a) b)"),
        ("a and (b and c) and (d or e)", "(and a (and b c) (or d e))"),
        ("(a and b) and c", "(and (and a b) c)"),
    ]);
    refused(&["a = not b", "- not a", "a + not b", "a in (1) in (2)", "a in (1) + 2", "a is null is null"]);
}

#[test]
fn comparisons_do_not_chain() {
    refused(&["1 < x < 3", "a = b = c", "a overlaps b overlaps c", "a = b overlaps c", "not a = b = c"]);
    check(&[("(a = b) = c", "(= (= a b) c)")]);
}

#[test]
fn numbers_keep_their_value() {
    check(&[
        ("007", "7"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("- 5", "-5"),
        ("--5", "(- -5)"),
        ("-(5)", "(- 5)"),
        ("+-+5", "(+ (- 5))"),
        ("1.", "f3ff0000000000000"),
        (".5e1", "f4014000000000000"),
        ("1E+2", "f4059000000000000"),
        ("1e-400", "f0000000000000000"),
    ]);
    refused(&["9223372036854775808", "-9223372036854775809", "1e400", "a in (1..9223372036854775808)"]);
}

#[test]
fn strings_escape_quotes_by_doubling_them() {
    check(&[
        ("'O''Brien'", "'O'Brien'"),
        ("''''", "'''"),
        ("''", "''"),
        ("'\"--é%'", "'\"--é%'"),
        ("a = ''and b = ''", "(and (= a '') (= b ''))"),
        ("T'iso/2021-09-09 03:00/tai'", "T'iso/2021-09-09 03:00/tai'"),
        ("T''", "T''"),
    ]);
    assert_eq!(tree("'a''b'").to_string(), "'a''b'");
    refused(&["'a", "'", "'a''", "'a\nb'", "\"a\"", "T 'a'", "at'a'", "T'a", "‘a’"]);
}

#[test]
fn names_have_one_to_three_words() {
    check(&[("a", "a"), ("a.b_1", "a.b_1"), ("_a.B.c9", "_a.B.c9"), (":bind", ":bind")]);
    refused(&["a.b.c.d", "a.", ".a", "a . b", "a..b", "a.1", ":", ": a", "::a", ":1", "é", "a b"]);
}

#[test]
fn tuples_have_two_members() {
    check(&[
        ("(a, b or c)", "(tuple a (or b c))"),
        ("((a), (b, c))", "(tuple a (tuple b c))"),
        ("x OVERLAPS (T'1.5', NULL)", "(overlaps x (tuple T'1.5' NULL))"),
    ]);
    refused(&["()", "(a,)", "(,a)", "(a, b, c)", "(a", "a)", "(a, b"]);
}

#[test]
fn functions_have_any_name_and_any_arguments() {
    check(&[
        ("f()", "(call f)"),
        ("Point (1, -2.5) overlaps r", "(overlaps (call Point 1 fc004000000000000) r)"),
        ("f(a = 1 or b, g(not c), (d, e))", "(call f (or (= a 1) b) (call g (not c)) (tuple d e))"),
        ("GLOB(x, 'a*') AND NOT glob(y, :b)", "(and (call GLOB x 'a*') (not (call glob y :b)))"),
    ]);
    refused(&["f(", "f(a", "f(a,", "f(a,)", "f(,a)", "f(1 2)", "a.b(1)", "in(1)", "overlaps(a)"]);
}

#[test]
fn lists_have_simple_members() {
    check(&[
        (
            "a in (1, +2.0, -3, 'x', T'y', :b, c, NULL, true)",
            "(in a 1 f4000000000000000 -3 'x' T'y' :b c NULL TRUE)",
        ),
        (
            "a in (f(), uuid('x'), g(b in (h(1 + 1))))",
            "(in a (call f) (call uuid 'x') (call g (in b (call h (+ 1 1)))))",
        ),
        ("'Aa' IN (full_name)", "(in 'Aa' full_name)"),
        ("(a, b) in (c)", "(in (tuple a b) c)"),
    ]);
    refused(&["a in ()", "a in (1,)", "a in (,1)", "a in 1", "a in (1+1)", "a in ((1))", "a in (b.c)"]);
    refused(&[
        "a in (--1)",
        "a in (not b)",
        "a in (b = 1)",
        "a in (-b)",
        "a in",
        "a not",
        "a in (1",
        "a not b",
    ]);
}

#[test]
fn ranges_are_members_of_lists() {
    check(&[
        ("a in (1..3)", "(in a 1..3:1)"),
        ("a in (-3 .. -1 : 2, 7)", "(in a -3..-1:2 7)"),
        ("a in (1 ..\n3:2 )", "(in a 1..3:2)"),
        ("a in (5..4)", "(in a 5..4:1)"),
        (
            "a in (-9223372036854775808..9223372036854775807)",
            "(in a -9223372036854775808..9223372036854775807:1)",
        ),
    ]);
    refused(&["1..3", "a = 1..3", "f(1..3)", "a in (1..)", "a in (..3)", "a in (1...3)", "a in (1..b)"]);
    refused(&[
        "a in (4..1)",
        "a in (1..3:0)",
        "a in (1..3:-1)",
        "a in (1..3:02)",
        "a in (1..3:1.5)",
        "a in (1..3:)",
    ]);
    refused(&[
        "a in (1.5..3)",
        "a in (1..3.5)",
        "a in (1..3..5)",
        "a in ('a'..'b')",
        "a in (1..3:b)",
        "a between 1..3",
    ]);
}

#[test]
fn extensions_are_refused_where_they_are_incomplete() {
    refused(&["a is", "a is not", "a is 1", "a is true", "a is not not null", "is null", "a not is null"]);
    refused(&[
        "a between",
        "a between 1",
        "a between 1 or 2",
        "a between 1 < 2 and 3",
        "a between (1, 2)",
        "a not like b",
    ]);
}

#[test]
fn spans_are_those_of_the_nodes_without_parentheses() {
    let text = "not (a.b in (-1..5:2, f(x))) AND  (c = T'é''')";
    let expr = tree(text);
    let part = |span: Span| &text[span.start..span.end];
    assert_eq!(part(expr.span), text);
    let ExprKind::And(operands) = &expr.kind else { panic!("{expr:?}") };
    assert_eq!(part(operands[0].span), "not (a.b in (-1..5:2, f(x)))");
    let ExprKind::Not(negated) = &operands[0].kind else { panic!("{expr:?}") };
    assert_eq!(part(negated.span), "a.b in (-1..5:2, f(x))");
    let ExprKind::In { value, items, .. } = &negated.kind else { panic!("{expr:?}") };
    assert_eq!(part(value.span), "a.b");
    assert_eq!(part(value.span.part(2..3)), "b");
    assert_eq!(items.iter().map(|item| part(item.span())).collect::<Vec<_>>(), ["-1..5:2", "f(x)"]);
    assert_eq!(part(operands[1].span), "c = T'é'''");
    let ExprKind::Compare { right, .. } = &operands[1].kind else { panic!("{expr:?}") };
    assert_eq!((part(right.span), &right.kind), ("T'é'''", &ExprKind::Literal(Literal::Time("é'".into()))));
}

#[test]
fn printing_uses_no_more_parentheses_than_needed() {
    for (text, printed) in [
        ("((a)) and (b and (c)) or (not (d))", "a AND (b AND c) OR NOT d"),
        ("(a or b) and not (c = 1)", "(a OR b) AND NOT c = 1"),
        ("(a + b) - (c - d) * (e)", "a + b - (c - d) * e"),
        ("- ( - 1) + -( 1 ) = + (+a)", "--1 + -(1) = ++a"),
        ("(a in (1..3:1, 1 .. 4 : 2)) = (b is null)", "a IN (1..3, 1..4:2) = b IS NULL"),
        ("(a = b) = (not c)", "(a = b) = (NOT c)"),
        ("a not between (1) and (2 + 3)", "a NOT BETWEEN 1 AND 2 + 3"),
        ("f ( (a or b) , 'O''B', t'x' , 1e3, 5e-324)", "f(a OR b, 'O''B', T'x', 1000.0, 5e-324)"),
    ] {
        assert_eq!(tree(text).to_string(), printed);
        assert_eq!(without_spans(tree(printed)), without_spans(tree(text)));
    }
}

#[test]
fn long_chains_are_flat_and_deep_nests_are_refused() {
    for (operator, count) in [(" AND ", 10_000), (" OR ", 10_000)] {
        let text = vec!["a = 1"; count].join(operator);
        let expr = tree(&text);
        let (ExprKind::And(operands) | ExprKind::Or(operands)) = &expr.kind else { panic!("a chain") };
        assert_eq!(operands.len(), count);
        assert_eq!(expr.to_string(), text);
    }
    let members = vec!["1..3"; 10_000].join(", ");
    let ExprKind::In { items, .. } = tree(&format!("a IN ({members})")).kind else { panic!("a list") };
    assert_eq!(items.len(), 10_000);
    assert!(matches!(items[0], Item::Range { start: 1, end: 3, stride: 1, .. }));

    for (before, within, after) in [
        ("(", "x", ")"),
        ("NOT ", "x", ""),
        ("-", "x", ""),
        ("f(", "x", ")"),
        ("(1, ", "x", ")"),
        ("(a = 1 OR ", "x", ")"),
        ("(a = 1 AND b OR ", "x", ")"),
        ("", "x", " + 1"),
        ("", "x", " * 1"),
        ("x + (", "x", ")"),
        ("x IN (f(", "x", "))"),
        ("x BETWEEN 1 AND (", "x", ")"),
    ] {
        let nested = |n: usize| format!("{}{within}{}", before.repeat(n), after.repeat(n));
        let deep = tree(&nested(if before.contains(" AND ") { MAX_DEPTH / 3 } else { MAX_DEPTH / 2 - 1 }));
        assert_eq!(without_spans(tree(&deep.to_string())), without_spans(deep.clone()));
        for n in [2 * MAX_DEPTH + 1, 100_000] {
            let diagnostic = parse(&nested(n)).expect_err("too deep");
            assert_eq!(diagnostic.message, "this is nested too deeply", "{before}");
        }
    }
}

#[test]
fn no_input_exhausts_a_small_stack() {
    let parsing = std::thread::Builder::new().stack_size(256 * 1024).spawn(|| {
        for piece in
            ["(", "NOT ", "-", "f(", "(1, ", "(a = 1 OR ", "x IN (f(", "x BETWEEN (", "x + (", "a * -"]
        {
            assert!(parse(&piece.repeat(100_000)).is_err(), "{piece}");
        }
        assert!(parse(&format!("x{}", " + 1".repeat(100_000))).is_err());
    });
    parsing.expect("a thread").join().expect("no panic");
}

#[test]
fn trees_can_be_stored() {
    let expr = tree(
        "a IN (1..3, 'x') AND NOT (b + 1.5 BETWEEN :c AND -d OR e(T'x') IS NOT NULL) AND (f, g) != NULL",
    );
    let json = serde_json::to_string(&expr).expect("a tree has no map");
    assert_eq!(serde_json::from_str::<butler_core::query::language::Expr>(&json).expect("the same"), expr);
}

#[test]
fn order_terms() {
    for (text, descending, name, at) in [
        ("visit", false, "visit", 0),
        ("-visit.exposure_time", true, "visit.exposure_time", 1),
        (" - bias.timespan.begin ", true, "bias.timespan.begin", 3),
    ] {
        let span = Span::new(at, at + name.len());
        assert_eq!(parse_order_term(text), Ok(OrderTerm { descending, name: name.into(), span }));
    }
    for text in
        ["", "-", "--a", "+a", "a b", "a.b.c.d", "a,b", "a desc", "1", "'a'", ":a", "f(a)", "in", "a + b"]
    {
        assert!(parse_order_term(text).is_err(), "{text}");
    }
}
