//! What people are told about expressions that are refused.

use butler_core::query::language::{Diagnostic, Span, parse, parse_order_term};
use butler_core::{Error, ErrorKind};

fn refusal(text: &str) -> Diagnostic {
    match parse(text) {
        Err(diagnostic) => diagnostic,
        Ok(tree) => panic!("{text:?} gives {tree:?}"),
    }
}

#[test]
fn messages_say_what_was_expected_and_found() {
    for (text, message, help) in [
        ("a = ", "expected a value after `=`, found end of expression", None),
        ("= 1", "expected a value, found `=`", None),
        ("(a = 1", "expected an operator or `)` after `1`, found end of expression", None),
        ("a = 1)", "expected an operator or end of expression after `1`, found `)`", None),
        ("f(a", "expected an operator, `,` or `)` after `a`, found end of expression", None),
        ("a in 1", "expected `(` after `in`, found `1`", None),
        ("a not b", "expected `IN` or `BETWEEN` after `not`, found `b`", None),
        ("a is 1", "expected `NULL` or `NOT NULL` after `is`, found `1`", None),
        ("a between 1 or 2", "expected `AND` after `1`, found `or`", None),
        ("(a, b, c)", "expected an operator or `)` after `b`, found `,`", None),
        ("a in (1) + 2", "expected `AND`, `OR` or end of expression after `)`, found `+`", None),
        ("1 < a < 3", "comparisons cannot be chained", Some("write `a < b AND b < c`")),
        ("a = 1..3", "a range can only be a member of a list", Some("write `x IN (1..3)`")),
        ("a in (4..1)", "range 4..1 ends before it begins", None),
        ("a in (1.5..3)", "the bounds of a range are integers", None),
        ("a in (1..3:0)", "expected a positive integer after `:`, found `0`", None),
        ("a.b.c.d = 1", "a name has three words at most, this one has 4", None),
        (
            "a = 99999999999999999999",
            "number `99999999999999999999` is beyond the range of 64-bit integers",
            None,
        ),
        ("a = -1e999", "number `-1e999` is beyond the range of 64-bit floats", None),
        ("a == 1", "unexpected `==`", Some("write `=`")),
        ("a <> 1", "unexpected `<>`", Some("write `!=`")),
        ("a && b", "unexpected `&&`", Some("write `AND`")),
        ("!a", "unexpected `!`", Some("write `NOT`")),
        ("a # 1", "unexpected character `#`", None),
        ("a\u{a0}= 1", "unexpected character U+00A0", None),
        ("a = \"b\"", "unexpected `\"`", Some("strings are written in straight single quotes: 'text'")),
        (
            "a LIKE 'b%'",
            "expected an operator or end of expression after `a`, found `LIKE`",
            Some("write `GLOB(name, 'pattern')`, with `*` and `?` in the pattern"),
        ),
        (
            "a = 1 ADN b = 2",
            "expected an operator or end of expression after `1`, found `ADN`",
            Some("did you mean `AND`?"),
        ),
        (
            "a = 'O'Brien'",
            "expected an operator or end of expression after `'O'`, found `Brien`",
            Some("write `''` for a quote inside a string"),
        ),
        (
            "a = not b",
            "expected a value after `=`, found `not`",
            Some("after this operator `NOT` needs parentheses: `(NOT …)`"),
        ),
        (
            "a in ()",
            "expected a member of the list after `(`, found `)`",
            Some("a list has literals, ranges, names of one word, and calls like `UUID('…')`"),
        ),
        (
            "a = 'b",
            "this string is not closed",
            Some("a string ends with `'` on the line it begins; write `''` for a quote in it"),
        ),
    ] {
        let diagnostic = refusal(text);
        assert_eq!((diagnostic.message.as_str(), diagnostic.help.as_deref()), (message, help), "{text}");
    }
    let diagnostic = parse_order_term("-1").expect_err("not a name");
    assert_eq!(diagnostic.to_string(), "expected a name after `-`, found `1` (at character 2)");
    let diagnostic = parse_order_term("a = 1").expect_err("more than a name");
    assert_eq!(diagnostic.to_string(), "expected end of expression after `a`, found `=` (at character 3)");
}

#[test]
fn what_is_expected_is_listed_for_programs() {
    assert_eq!(refusal("a not").expected, ["`IN`", "`BETWEEN`"]);
    assert_eq!(refusal("a = $").expected, [""; 0]);
}

#[test]
fn the_place_is_underlined() {
    for (text, rendered) in [
        (
            "instrument = 'HSC' AND detector == 5",
            "unexpected `==`\n  instrument = 'HSC' AND detector == 5\n                                  ^^\nhelp: write `=`",
        ),
        ("a =  ", "expected a value after `=`, found end of expression\n  a =\n     ^"),
        ("a = 1\n  AND b ? 2\n  AND c = 3\n", "unexpected character `?`\n  2 |   AND b ? 2\n              ^"),
        ("\ta = '日本é' AND #", "unexpected character `#`\n   a = '日本é' AND #\n                   ^"),
        ("a = 'e\u{301}' $", "unexpected character `$`\n  a = 'e\u{301}' $\n          ^"),
        ("", "expected a name, found end of expression\n  \n  ^"),
    ] {
        let diagnostic =
            if text.is_empty() { parse_order_term(text).expect_err("blank") } else { refusal(text) };
        assert_eq!(diagnostic.render(), rendered);
    }
}

#[test]
fn of_a_long_line_only_a_part_is_shown() {
    let text = format!("{}detector == 1{}", "visit = 1 OR ".repeat(1000), " OR visit = 2".repeat(1000));
    let diagnostic = refusal(&text);
    let line = diagnostic.picture().lines().next().expect("two lines").to_owned();
    assert!(line.starts_with("  …") && line.ends_with('…') && line.contains("detector == 1"), "{line}");
    let caret = diagnostic.picture().lines().nth(1).expect("two lines").to_owned();
    assert_eq!(caret.chars().count() - 2, line.split_once("==").expect("shown").0.chars().count());

    let name = refusal(&format!("a {}", "b".repeat(1000)));
    assert!(name.message.chars().count() < 150, "{name}");
    assert!(name.picture().lines().all(|line| line.chars().count() < 200), "{name}");
}

#[test]
fn as_an_error_it_tells_the_position_the_fragment_and_the_picture() {
    let error = Error::from(refusal("a = 'é' AND b <> 2"));
    assert_eq!(error.kind(), ErrorKind::InvalidQuery);
    assert_eq!(error.to_string(), "unexpected `<>` (at character 15); write `!=`");
    assert_eq!(error.hint(), Some("write `!=`"));
    assert_eq!(error.context(), [("expression", "\n  a = 'é' AND b <> 2\n                ^^".to_owned())]);

    let later =
        Diagnostic::new(Span::new(4, 11), "types int and string cannot be added").with_source("x = 1 + 'a'");
    assert_eq!(later.to_string(), "types int and string cannot be added (at character 5, `1 + 'a'`)");
    assert_eq!(
        later.with_help("write 1").render(),
        "types int and string cannot be added\n  x = 1 + 'a'\n      ^^^^^^^\nhelp: write 1"
    );
    let error = Error::from(Diagnostic::new(Span::new(0, 1), "no source"));
    assert_eq!((error.to_string().as_str(), error.context().len()), ("no source", 0));
}

#[test]
fn spans_that_do_not_fit_the_source_do_no_harm() {
    for (start, end) in [(0, 99), (99, 3), (1, 2), (2, 1), (3, 7), (usize::MAX, usize::MAX), (0, 0)] {
        let diagnostic = Diagnostic::new(Span::new(start, end), "x").with_source("é\n日'");
        assert!(diagnostic.render().contains('^'));
        assert!(diagnostic.to_string().starts_with("x (at character "));
    }
}
