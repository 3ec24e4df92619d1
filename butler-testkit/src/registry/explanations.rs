//! Explanations of queries.

use butler_core::query::Query;
use butler_core::{ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{Fixture, bias, dataset_type, fails, register_run, select};

pub(super) async fn they_tell_how_a_query_is_evaluated(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let explanation = fixture.registry.explain(select(&["detector"], "detector > 2")).await?;
    assert!(!explanation.relation.is_empty() && !explanation.plan.is_empty());
    assert_eq!(explanation.reasons, [""; 0], "there are rows");
    Ok(())
}

pub(super) async fn they_tell_why_there_is_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    fixture.one(register_run("empty")).await?;
    let without_datasets = fixture.query_for(&bias(), &["empty"], true).await?;
    let without_collections = fixture.query_for(&bias(), &[], true).await?;
    let without_data_ids = Query { uploads: vec![std::sync::Arc::new([])], ..select(&["detector"], "") };
    for (query, says) in [
        (without_datasets, "bias"),
        (without_collections, "bias"),
        (without_data_ids, "data ID"),
        (select(&["detector"], "detector = 1 AND detector = 2"), "detector"),
        (select(&["detector"], "instrument = 'Cam9'"), "Cam9"),
        (select(&["visit"], ""), "visit"),
        (select(&["detector"], "detector > 99"), "condition"),
    ] {
        assert_eq!(fixture.registry.count(query.clone()).await?, 0);
        let explanation = fixture.registry.explain(query).await?;
        assert!(
            explanation.reasons.iter().any(|reason| reason.contains(says)),
            "{says} is missing in {:?}",
            explanation.reasons
        );
    }
    Ok(())
}

pub(super) async fn what_cannot_be_asked_is_not_explained(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let query = fixture.query_for(&dataset_type("flat", &["detector"]), &["r"], true).await?;
    fails(fixture.registry.explain(query).await, ErrorKind::MissingDatasetType, &["flat"]);
    Ok(())
}
