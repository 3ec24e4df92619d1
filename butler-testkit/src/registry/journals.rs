//! Outcomes of journal entries.

use butler_core::registry::{JournalOutcome, Operation, Outcome, RegistryExt};
use butler_core::{ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{Fixture, fails, names, register_run};

fn claim(entry: &str, outcome: Outcome) -> Operation {
    Operation::ClaimOutcome(JournalOutcome { entry: entry.into(), outcome })
}

pub(super) async fn who_claims_first_has_won(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let other = fixture.another().await?;
    for (entry, first, second) in
        [("a", Outcome::Committed, Outcome::Aborted), ("b", Outcome::Aborted, Outcome::Committed)]
    {
        assert_eq!(fixture.one(claim(entry, first)).await?.inserted, 1);
        fails(other.one(claim(entry, second)).await, ErrorKind::Aborted, &[entry, first.name()]);
        assert_eq!(other.registry.claim(entry.into(), second).await?, first);
    }
    Ok(())
}

pub(super) async fn to_claim_again_changes_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [claim("a", Outcome::Committed)]).await?;
    let report = fixture.another().await?.one(claim("a", Outcome::Committed)).await?;
    assert_eq!((report.inserted, report.existing), (0, 1));
    assert_eq!(fixture.registry.claim("a".into(), Outcome::Committed).await?, Outcome::Committed);
    Ok(())
}

pub(super) async fn who_has_lost_changes_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [claim("a", Outcome::Aborted)]).await?;
    let work = [register_run("r"), claim("b", Outcome::Committed), claim("a", Outcome::Committed)];
    fails(fixture.apply(work).await, ErrorKind::Aborted, &["'a'"]);
    assert_eq!(fixture.collections().await?, []);
    assert_eq!(fixture.registry.claim("b".into(), Outcome::Aborted).await?, Outcome::Aborted);
    Ok(())
}

pub(super) async fn what_is_forgotten_may_be_claimed_again(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, ["a", "b"].map(|entry| claim(entry, Outcome::Aborted))).await?;
    let forget = Operation::ForgetOutcomes(names(&["a", "nothing"]));
    assert_eq!(fixture.one(forget).await?.removed, 1);
    assert_eq!(fixture.registry.claim("a".into(), Outcome::Committed).await?, Outcome::Committed);
    assert_eq!(fixture.registry.claim("b".into(), Outcome::Committed).await?, Outcome::Aborted);
    Ok(())
}

pub(super) async fn of_two_claims_at_once_one_has_won(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let other = fixture.another().await?;
    for n in 0..4 {
        let entry = arcstr::ArcStr::from(format!("e{n}"));
        let (one, two) = futures::future::join(
            fixture.registry.claim(entry.clone(), Outcome::Committed),
            other.registry.claim(entry, Outcome::Aborted),
        )
        .await;
        assert_eq!(one?, two?);
    }
    Ok(())
}
