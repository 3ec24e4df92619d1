//! Each row of the table at [`Scalar`]: comparisons, logic, lists and patterns.

use butler_core::backend::{ColumnType, Comparison, GlobPattern, Relation, Scalar, Value};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, Rows, always, batch, batch_of, col, lit, rows, sorted, values};

use ColumnType::{Bool, Int};
use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};

/// Rows of one relation, one for each literal.
fn column(name: &str, ty: ColumnType, literals: Vec<Value>) -> Relation {
    values(batch_of(&[(name, ty)], literals.into_iter().map(|value| vec![value]).collect()))
}

/// The values that an expression over some rows has, in the order of the rows.
async fn project(db: &Fixture, rows: &Rows, ty: ColumnType, value: Scalar) -> Result<Vec<Value>> {
    let numbered = rows.iter().zip(0_i64..).map(|(row, i)| [vec![i.into()], row.clone()].concat()).collect();
    let input = values(batch_of(&[("row", Int), ("a", ty), ("b", ty)], numbered));
    let result = db.rows(input.project([("row", col("row")), ("value", value)])).await?;
    Ok(result.into_iter().map(|row| row[1].clone()).collect())
}

/// That values of a type are in ascending order for all comparisons, as columns and as literals.
async fn ascends(h: &dyn BackendHarness, ty: ColumnType, ascending: Vec<Value>) -> Result<()> {
    let db = Fixture::new(h).await?;
    let pairs = || column("a", ty, ascending.clone()).join(column("b", ty, ascending.clone()), always());
    let place = |value: &Value| ascending.iter().position(|other| other == value);
    for op in [Eq, Ne, Lt, Le, Gt, Ge] {
        let holds = |a: &Value, b: &Value| match op {
            Eq => place(a) == place(b),
            Ne => place(a) != place(b),
            Lt => place(a) < place(b),
            Le => place(a) <= place(b),
            Gt => place(a) > place(b),
            Ge => place(a) >= place(b),
        };
        let expected: Rows = ascending
            .iter()
            .flat_map(|a| ascending.iter().map(move |b| (a, b)))
            .filter(|(a, b)| holds(a, b))
            .map(|(a, b)| vec![a.clone(), b.clone()])
            .collect();
        let found = db.rows(pairs().filter(col("a").compare(op, col("b")))).await?;
        assert_eq!(found, sorted(expected), "{op:?}");
    }
    for literal in &ascending {
        let below = column("a", ty, ascending.clone()).filter(col("a").lt(literal.clone()));
        assert_eq!(db.count(below).await?, place(literal).unwrap_or_default() as i64, "less than {literal}");
    }
    Ok(())
}

pub(super) async fn integers_are_compared(h: &dyn BackendHarness) -> Result<()> {
    let ints = [i64::MIN, i64::MIN + 1, -5, -1, 0, 1, 4, (1 << 53) + 1, i64::MAX - 1, i64::MAX];
    ascends(h, Int, ints.map(Value::from).to_vec()).await
}

pub(super) async fn floats_are_compared(h: &dyn BackendHarness) -> Result<()> {
    let floats =
        [f64::MIN, -1e300, -1.5, -5e-324, 0.0, 5e-324, f64::MIN_POSITIVE, 0.1, 0.3, 0.1 + 0.2, 1.0, f64::MAX];
    ascends(h, ColumnType::Float, floats.map(Value::from).to_vec()).await
}

pub(super) async fn text_is_compared_by_bytes(h: &dyn BackendHarness) -> Result<()> {
    let texts = [
        "", " ", "-", "10", "9", "A", "B", "Z", "a", "a ", "a-", "aB", "aa", "b", "e\u{301}", "z", "ß", "é",
        "\u{ff5e}", "🙂",
    ];
    ascends(h, ColumnType::Text, texts.map(Value::from).to_vec()).await
}

pub(super) async fn bytes_are_compared(h: &dyn BackendHarness) -> Result<()> {
    let bytes: [&[u8]; 8] = [b"", b"\0", b"\0\0", b"\0\x01", b"A", b"a", b"\x7f\xff", b"\x80"];
    ascends(h, ColumnType::Bytes, bytes.map(Value::from).to_vec()).await
}

pub(super) async fn false_is_before_true(h: &dyn BackendHarness) -> Result<()> {
    ascends(h, Bool, vec![false.into(), true.into()]).await
}

/// Databases would round the integer to a float.
pub(super) async fn integers_are_compared_exactly_with_floats(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let limit = 9_223_372_036_854_775_808.0_f64;
    let even = 9_007_199_254_740_992_i64;
    let cases: [(i64, f64, Comparison); 14] = [
        (even + 1, even as f64, Gt),
        (even, even as f64, Eq),
        (-even - 1, -(even as f64), Lt),
        (i64::MAX, limit, Lt),
        (i64::MAX - 600, limit - 1024.0, Gt),
        (i64::MIN, -limit, Eq),
        (i64::MIN + 1, -limit, Gt),
        (i64::MIN, -1e300, Gt),
        (i64::MAX, 1e300, Lt),
        (0, -0.0, Eq),
        (0, 5e-324, Lt),
        (-1, -1.5, Gt),
        (2, 1.5, Gt),
        (1 << 60, (1_u64 << 60) as f64, Eq),
    ];
    let rows =
        cases.iter().zip(0_i64..).map(|((int, float, _), i)| vec![i.into(), (*int).into(), (*float).into()]);
    let columns = [("row", Int), ("i", Int), ("f", ColumnType::Float)];
    let input = values(batch_of(&columns, rows.collect()));
    for op in [Eq, Ne, Lt, Le, Gt, Ge] {
        let expected = |found: Comparison| match found {
            Lt => matches!(op, Lt | Le | Ne),
            Gt => matches!(op, Gt | Ge | Ne),
            _ => matches!(op, Eq | Le | Ge),
        };
        let found = input.clone().filter(col("i").compare(op, col("f"))).select(["row"]);
        let wanted = cases.iter().zip(0_i64..).filter(|((_, _, how), _)| expected(*how));
        assert_eq!(db.rows(found).await?, wanted.map(|(_, i)| vec![i.into()]).collect::<Rows>(), "{op:?}");
        let mirrored = match op {
            Lt => Gt,
            Le => Ge,
            Gt => Lt,
            Ge => Le,
            same => same,
        };
        let found = input.clone().filter(col("f").compare(mirrored, col("i"))).select(["row"]);
        let wanted = cases.iter().zip(0_i64..).filter(|((_, _, how), _)| expected(*how));
        assert_eq!(
            db.rows(found).await?,
            wanted.map(|(_, i)| vec![i.into()]).collect::<Rows>(),
            "{op:?} mirrored"
        );
    }
    let joined = column("i", Int, vec![(even + 1).into(), even.into()])
        .join(column("f", ColumnType::Float, vec![(even as f64).into()]), col("i").eq(col("f")));
    assert_eq!(db.rows(joined).await?, rows!([even, even as f64]));
    let literal =
        column("i", Int, vec![(even + 1).into(), even.into()]).filter(col("i").eq(lit(even as f64)));
    assert_eq!(db.rows(literal).await?, rows!([even]));
    Ok(())
}

pub(super) async fn comparison_with_null_is_null(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let some = rows!([1, 1] [1, NULL] [NULL, 1] [NULL, NULL]);
    let pairs = || some.clone();
    for op in [Eq, Ne, Lt, Le, Gt, Ge] {
        let found = project(&db, &pairs(), Int, col("a").compare(op, col("b")).is_null()).await?;
        assert_eq!(
            found,
            pairs().iter().map(|row| row.contains(&NULL).into()).collect::<Vec<Value>>(),
            "{op:?}"
        );
        let found = project(&db, &pairs(), Int, col("a").compare(op, Scalar::Null(Int)).is_null()).await?;
        assert_eq!(found, [true, true, true, true].map(Value::from), "{op:?}");
    }
    Ok(())
}

pub(super) async fn logic_is_three_valued(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let truths = [Some(false), Some(true), None];
    let pairs: Rows =
        truths.iter().flat_map(|a| truths.iter().map(|b| vec![(*a).into(), (*b).into()])).collect();
    let expect = |f: fn(Option<bool>, Option<bool>) -> Option<bool>| -> Vec<Value> {
        truths.iter().flat_map(|a| truths.iter().map(move |b| f(*a, *b).into())).collect()
    };
    let and = expect(|a, b| match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    });
    let or = expect(|a, b| match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    });
    let both = || vec![col("a"), col("b")];
    assert_eq!(project(&db, &pairs, Bool, Scalar::And(both())).await?, and);
    assert_eq!(project(&db, &pairs, Bool, Scalar::Or(both())).await?, or);
    let not = expect(|a, _| a.map(|a| !a));
    assert_eq!(project(&db, &pairs, Bool, Scalar::Not(Box::new(col("a")))).await?, not);
    let three =
        Scalar::Or(vec![Scalar::And(vec![col("a"), lit(true), col("b")]), Scalar::Null(Bool), lit(false)]);
    let expected = expect(|a, b| if a == Some(true) && b == Some(true) { Some(true) } else { None });
    assert_eq!(project(&db, &pairs, Bool, three).await?, expected);
    let single = Scalar::And(vec![Scalar::Or(vec![col("a")])]);
    assert_eq!(project(&db, &pairs, Bool, single).await?, expect(|a, _| a));
    Ok(())
}

pub(super) async fn the_first_value_is_chosen(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let pairs = rows!([NULL, NULL] [NULL, 2] [1, NULL] [1, 2]);
    let either = || Scalar::Coalesce(vec![col("a"), col("b")]);
    assert_eq!(project(&db, &pairs, Int, either()).await?, [NULL, 2.into(), 1.into(), 1.into()]);
    let three = Scalar::Coalesce(vec![col("a"), Scalar::Null(Int), lit(7)]);
    assert_eq!(project(&db, &pairs, Int, three).await?, [7, 7, 1, 1].map(Value::from));
    assert_eq!(
        project(&db, &pairs, Int, Scalar::Coalesce(vec![col("a")])).await?,
        [NULL, NULL, 1.into(), 1.into()]
    );
    let input = values(batch!([a: Int] [1] [NULL]));
    assert_eq!(db.count(input.filter(Scalar::Coalesce(vec![col("a"), lit(0)]).eq(lit(0)))).await?, 1);
    Ok(())
}

pub(super) async fn connectives_may_have_no_operands(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let one = || values(batch!([a: Int] [1]));
    assert_eq!(db.count(one().filter(always())).await?, 1);
    assert_eq!(db.count(one().filter(Scalar::Or(vec![]))).await?, 0);
    assert_eq!(
        db.rows(one().project([("a", always()), ("o", Scalar::Or(vec![]))])).await?,
        rows!([true, false])
    );
    assert_eq!(db.count(one().filter(Scalar::Or(vec![]).negated())).await?, 1);
    Ok(())
}

pub(super) async fn null_is_found(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for (ty, some) in [
        (Bool, Value::from(false)),
        (Int, 0.into()),
        (ColumnType::Float, 0.0.into()),
        (ColumnType::Text, "".into()),
        (ColumnType::Bytes, vec![].into()),
    ] {
        let found = project(&db, &vec![vec![some, NULL], vec![NULL, NULL]], ty, col("a").is_null()).await?;
        assert_eq!(found, [false.into(), true.into()]);
        let null = values(batch!([x: Int] [1]))
            .project([("n", Scalar::Null(ty)), ("is", Scalar::Null(ty).is_null())]);
        assert_eq!(db.rows(null).await?, rows!([NULL, true]));
    }
    Ok(())
}

pub(super) async fn lists_are_searched(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let some = rows!([1, NULL] [2, NULL] [i64::MAX, NULL]);
    let found =
        project(&db, &some, Int, col("a").is_in(vec![2.into(), i64::MAX.into(), 2.into(), 7.into()])).await?;
    assert_eq!(found, [false.into(), true.into(), true.into()]);
    let texts = rows!(["", NULL] ["A", NULL] ["a", NULL] ["it's", NULL]);
    let found =
        project(&db, &texts, ColumnType::Text, col("a").is_in(vec!["a".into(), "it's".into()])).await?;
    assert_eq!(found, [false.into(), false.into(), true.into(), true.into()]);
    let floats = rows!([0.0, NULL] [0.5, NULL]);
    let found = project(&db, &floats, ColumnType::Float, col("a").is_in(vec![(-0.0).into()])).await?;
    assert_eq!(found, [true.into(), false.into()]);
    let bytes = rows!([vec![0], NULL] [vec![0, 0], NULL]);
    let found = project(&db, &bytes, ColumnType::Bytes, col("a").is_in(vec![vec![0].into()])).await?;
    assert_eq!(found, [true.into(), false.into()]);
    let bools = rows!([false, NULL] [true, NULL]);
    let found = project(&db, &bools, Bool, col("a").is_in(vec![true.into()])).await?;
    assert_eq!(found, [false.into(), true.into()]);
    Ok(())
}

pub(super) async fn null_in_a_list_is_null(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let some = rows!([NULL, NULL]);
    assert_eq!(project(&db, &some, Int, col("a").is_in(vec![1.into()])).await?, [NULL]);
    assert_eq!(project(&db, &some, Int, col("a").is_in(vec![1.into()]).negated()).await?, [NULL]);
    Ok(())
}

pub(super) async fn nothing_is_in_an_empty_list(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let found = project(&db, &rows!([NULL, NULL] [1, NULL]), Int, col("a").is_in(vec![])).await?;
    assert_eq!(found, [false.into(), false.into()]);
    let found = project(&db, &rows!([NULL, NULL] [1, NULL]), Int, col("a").is_in(vec![]).negated()).await?;
    assert_eq!(found, [true.into(), true.into()]);
    Ok(())
}

pub(super) async fn lists_have_values_of_one_type(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for list in [vec![NULL], vec![1.into(), "1".into()], vec![1.0.into()]] {
        db.refuses(values(batch!([a: Int] [1])).filter(col("a").is_in(list)), ErrorKind::Argument).await;
    }
    let texts = || values(batch!([a: Text] ["x"]));
    db.refuses(texts().filter(col("a").is_in(vec!["a\0".into()])), ErrorKind::Argument).await;
    db.refuses(texts().filter(col("a").eq(lit("a\0"))), ErrorKind::Argument).await;
    let nul = Scalar::Glob { value: Box::new(col("a")), pattern: GlobPattern::new("\0*") };
    db.refuses(texts().filter(nul), ErrorKind::Argument).await;
    Ok(())
}

pub(super) async fn patterns_fit_whole_texts(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let texts = [
        "", "a", "A", "ab", "abc", "a_c", "a%c", "a*c", "a?c", "a\\c", "[a]", "]", "^", "a\nc", "é",
        "e\u{301}", "aéc", "日本", "🙂", " a", "a ", "{a,b}", "'", "$", "a.c", "ac", "abbc",
    ];
    let patterns = [
        "", "*", "**", "?", "??", "a*", "*c", "a?c", "a*c", "a_c", "a%c", r"a\*c", r"a\?c", r"a\\c", r"\a",
        "\\", "[a]", "[ab]", "]", "^", "é", "a?", "?本", "*a*", "*b*b*", "{a,b}", "'", "$", "a.c", "A*",
        " *", "* ", "%", "_", "a", "[!a]",
    ];
    let rows: Rows = texts.iter().map(|text| vec![(*text).into(), NULL]).collect();
    for pattern in patterns {
        let pattern = GlobPattern::new(pattern);
        let expected: Vec<Value> = texts.iter().map(|text| pattern.matches(text).into()).collect();
        let fits = Scalar::Glob { value: Box::new(col("a")), pattern: pattern.clone() };
        assert_eq!(
            project(&db, &rows, ColumnType::Text, fits).await?,
            expected,
            "pattern '{pattern}' on {texts:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_pattern_on_null_is_null(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for pattern in ["*", "", "a"] {
        let fits = Scalar::Glob { value: Box::new(col("a")), pattern: GlobPattern::new(pattern) };
        assert_eq!(project(&db, &rows!([NULL, NULL]), ColumnType::Text, fits.clone()).await?, [NULL]);
        assert_eq!(project(&db, &rows!([NULL, NULL]), ColumnType::Text, fits.negated()).await?, [NULL]);
    }
    Ok(())
}

pub(super) async fn literals_of_all_types_are_values(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let literals: [Value; 16] = [
        true.into(),
        i64::MAX.into(),
        i64::MIN.into(),
        0.into(),
        f64::MAX.into(),
        5e-324.into(),
        (-0.0).into(),
        2.0.into(),
        "".into(),
        "it's \\ \"x\" %_ $1 ? :a".into(),
        "1".into(),
        "ü🙂".into(),
        vec![].into(),
        vec![0, 255].into(),
        false.into(),
        "NULL".into(),
    ];
    for literal in literals {
        let one = values(batch!([x: Int] [1])).project([("v", lit(literal.clone()))]);
        assert_eq!(db.rows(one).await?, [[literal]]);
    }
    Ok(())
}
