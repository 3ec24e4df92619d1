//! Conditions of queries.

use butler_core::Result;

use super::RegistryHarness;
use super::data::observations;
use super::fixture::{Fixture, at, insert_records, record, select, sorted, span};

/// A registry in which detector 5 has no raft and no purpose.
async fn observed(h: &dyn RegistryHarness) -> Result<Fixture> {
    let fixture = Fixture::with(h, observations()).await?;
    fixture
        .one(insert_records(vec![record!(detector { instrument: "Cam1", id: 5, full_name: "100%_*" })]))
        .await?;
    Ok(fixture)
}

/// That conditions leave certain values of a dimension.
async fn leave(h: &dyn RegistryHarness, dimension: &str, cases: &[(&str, &[i64])]) -> Result<()> {
    let fixture = observed(h).await?;
    for (condition, expected) in cases {
        let found = fixture.data_ids(select(&[dimension], condition)).await?;
        assert_eq!(sorted(&found, dimension), *expected, "{condition}");
    }
    Ok(())
}

pub(super) async fn numbers_are_compared(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "visit",
        &[
            ("visit = 2", &[2]),
            ("visit != 2", &[1, 3, 4]),
            ("visit < 2", &[1]),
            ("visit <= 2", &[1, 2]),
            ("visit > 2", &[3, 4]),
            ("visit >= 2.5", &[3, 4]),
            ("visit.exposure_time = 15", &[2]),
            ("visit.exposure_time > 7.5", &[2, 3, 4]),
            ("visit BETWEEN 2 AND 3", &[2, 3]),
        ],
    )
    .await
}

pub(super) async fn texts_are_compared(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "detector",
        &[
            ("detector.full_name = 'Ab'", &[2]),
            ("detector.full_name = 'ab'", &[]),
            ("detector.full_name > 'Ab'", &[3, 4]),
            ("detector.raft != 'A'", &[3, 4]),
            ("detector.full_name = '100%_*'", &[5]),
            ("instrument = 'Cam1'", &[1, 2, 3, 4, 5]),
            ("instrument = 'cam1'", &[]),
        ],
    )
    .await
}

pub(super) async fn conditions_are_combined(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "visit",
        &[
            ("visit = 1 OR visit = 3", &[1, 3]),
            ("visit > 1 AND visit < 4", &[2, 3]),
            ("NOT visit = 1", &[2, 3, 4]),
            ("NOT (visit = 1 OR NOT visit < 4)", &[2, 3]),
            ("visit = 1 AND visit = 2", &[]),
            ("visit = 1 OR visit > 2 AND band = 'g'", &[1, 4]),
        ],
    )
    .await
}

pub(super) async fn nothing_is_equal_to_null(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "detector",
        &[
            ("detector.raft IS NULL", &[5]),
            ("detector.raft IS NOT NULL", &[1, 2, 3, 4]),
            ("detector.raft = 'A'", &[1, 2]),
            ("NOT detector.raft = 'A'", &[3, 4]),
            ("NOT (detector.raft = 'A' OR detector = 5)", &[3, 4]),
            ("detector.raft = 'A' OR detector = 5", &[1, 2, 5]),
            ("detector.raft IN ('A', 'B')", &[1, 2, 3, 4]),
            ("detector.raft NOT IN ('A')", &[3, 4]),
        ],
    )
    .await
}

pub(super) async fn lists_and_ranges_have_members(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "visit",
        &[
            ("visit IN (1, 3, 99)", &[1, 3]),
            ("visit IN (2..4)", &[2, 3, 4]),
            ("visit IN (1..4:2)", &[1, 3]),
            ("visit IN (-5..2)", &[1, 2]),
            ("visit IN (1, 3..4)", &[1, 3, 4]),
            ("visit NOT IN (1..4:2)", &[2, 4]),
            ("physical_filter IN ('Cam1-G', 'x')", &[1, 4]),
        ],
    )
    .await
}

pub(super) async fn patterns_match_whole_texts(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "detector",
        &[
            ("GLOB(detector.full_name, 'A*')", &[1, 2]),
            ("GLOB(detector.full_name, '?a')", &[1, 3]),
            ("GLOB(detector.full_name, 'a*')", &[]),
            ("GLOB(detector.full_name, 'A')", &[]),
            ("GLOB(detector.full_name, '*%_\\*')", &[5]),
            ("GLOB(detector.full_name, '%')", &[]),
            ("NOT GLOB(detector.full_name, 'A*')", &[3, 4, 5]),
            ("NOT GLOB(detector.raft, 'A*')", &[3, 4]),
        ],
    )
    .await
}

pub(super) async fn numbers_are_calculated(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "visit",
        &[
            ("visit + 1 = 3", &[2]),
            ("visit * 2 > 5", &[3, 4]),
            ("visit % 2 = 0", &[2, 4]),
            ("visit / 2 = 1.5", &[3]),
            ("-visit < -3", &[4]),
            ("visit.exposure_time - 7.5 * visit = 0", &[1, 2, 3, 4]),
            ("1 / (visit - 2) > 0", &[3, 4]),
        ],
    )
    .await
}

pub(super) async fn booleans_are_conditions(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "exposure",
        &[
            ("exposure.has_simulated", &[2]),
            ("NOT exposure.has_simulated", &[1, 3, 4]),
            ("exposure.can_see_sky", &[]),
            ("NOT exposure.can_see_sky", &[]),
        ],
    )
    .await
}

pub(super) async fn implied_records_are_looked_at(h: &dyn RegistryHarness) -> Result<()> {
    leave(
        h,
        "exposure",
        &[
            ("physical_filter = 'Cam1-G'", &[1, 4]),
            ("band = 'r' AND day_obs = 20200102", &[3]),
            ("group = 'g2'", &[2]),
            ("instrument.detector_max = 4 AND exposure < 3", &[1, 2]),
            ("instrument.detector_max = 5", &[]),
        ],
    )
    .await
}

pub(super) async fn timespans_and_instants_are_compared(h: &dyn RegistryHarness) -> Result<()> {
    use butler_core::backend::Comparison;
    use butler_core::query::{Field, Literal, Predicate, Query, TypedExpr};
    use butler_core::{Instant, Timespan};
    let fixture = observed(h).await?;
    // Exposure N lasts from N·100 to N·100 + 10.
    let field = || {
        let element = super::fixture::element("exposure");
        TypedExpr::Field(Field::Record { element, field: "timespan".into() })
    };
    let overlaps = |with: Literal| Predicate::Overlaps { left: field(), right: TypedExpr::Literal(with) };
    let compare = |left: TypedExpr, op: Comparison, instant: Instant| Predicate::Compare {
        op,
        left,
        right: TypedExpr::Literal(Literal::Instant(instant)),
    };
    let begin = || TypedExpr::Begin(Box::new(field()));
    let end = || TypedExpr::End(Box::new(field()));
    let timespan = Literal::Timespan;
    let cases: [(Predicate, &[i64]); 11] = [
        (overlaps(timespan(span(105, 305))), &[1, 2, 3]),
        (overlaps(timespan(span(110, 200))), &[]),
        (overlaps(timespan(Timespan::UNBOUNDED)), &[1, 2, 3, 4]),
        (overlaps(timespan(Timespan::EMPTY)), &[]),
        (overlaps(timespan(Timespan::new(None, Some(at(205))))), &[1, 2]),
        (overlaps(Literal::Instant(at(200))), &[2]),
        (overlaps(Literal::Instant(at(210))), &[]),
        (Predicate::Not(Box::new(overlaps(timespan(span(105, 305))))), &[4]),
        (compare(begin(), Comparison::Ge, at(300)), &[3, 4]),
        (compare(end(), Comparison::Lt, at(210)), &[1]),
        (compare(end(), Comparison::Eq, at(210)), &[2]),
    ];
    for (predicate, expected) in cases {
        let told = format!("{predicate:?}");
        let found = fixture.data_ids(Query { predicate, ..select(&["exposure"], "") }).await?;
        assert_eq!(sorted(&found, "exposure"), expected, "{told}");
    }
    Ok(())
}

pub(super) async fn what_has_no_time_overlaps_nothing(h: &dyn RegistryHarness) -> Result<()> {
    use butler_core::query::{Field, Literal, Predicate, Query, TypedExpr};
    let fixture = observed(h).await?;
    let days =
        [(1_i64, None), (2, Some(butler_core::Timespan::UNBOUNDED)), (3, Some(butler_core::Timespan::EMPTY))]
            .map(|(id, timespan)| record!(day_obs { instrument: "Cam1", id: id, timespan: timespan }));
    fixture.one(insert_records(days.into())).await?;
    let element = super::fixture::element("day_obs");
    let overlap = Predicate::Overlaps {
        left: TypedExpr::Field(Field::Record { element, field: "timespan".into() }),
        right: TypedExpr::Literal(Literal::Timespan(span(-10, -5))),
    };
    for (predicate, expected) in
        [(overlap.clone(), &[2][..]), (Predicate::Not(Box::new(overlap)), &[3, 20_200_101, 20_200_102])]
    {
        let found = fixture.data_ids(Query { predicate, ..select(&["day_obs"], "") }).await?;
        assert_eq!(sorted(&found, "day_obs"), expected);
    }
    Ok(())
}
