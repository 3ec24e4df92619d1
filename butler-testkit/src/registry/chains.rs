//! Chains of collections.

use arcstr::ArcStr;
use butler_core::registry::Operation;
use butler_core::{ChainEdit, CollectionType, ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{Fixture, edit, fails, names, register, register_run};

/// Runs `a` to `f`, and a chain `p` of the first three.
async fn chain_of_three(h: &dyn RegistryHarness) -> Result<Fixture> {
    let mut operations: Vec<Operation> = ["a", "b", "c", "d", "e", "f"].map(register_run).into();
    operations.push(register("p", CollectionType::Chained));
    operations.push(edit("p", redefine(&["a", "b", "c"])));
    Fixture::with(h, operations).await
}

fn redefine(children: &[&str]) -> ChainEdit {
    ChainEdit::Redefine(names(children))
}

/// That an edit of a chain of `a`, `b` and `c` gives certain children.
async fn gives(h: &dyn RegistryHarness, change: ChainEdit, expected: &[&str]) -> Result<()> {
    let fixture = chain_of_three(h).await?;
    let report = fixture.one(edit("p", change)).await?;
    assert_eq!(report.children, names(expected), "as reported");
    assert_eq!(report.changed, u64::from(expected != ["a", "b", "c"]));
    assert_eq!(fixture.children("p").await?, names(expected));
    assert_eq!(fixture.another().await?.children("p").await?, names(expected));
    Ok(())
}

pub(super) async fn a_new_chain_has_no_children(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [register("p", CollectionType::Chained)]).await?;
    assert_eq!(fixture.children("p").await?, [""; 0]);
    assert!(fixture.search(&["p"]).await?.is_empty());
    Ok(())
}

pub(super) async fn to_redefine_is_to_replace_all(h: &dyn RegistryHarness) -> Result<()> {
    gives(h, redefine(&["e", "b"]), &["e", "b"]).await
}

pub(super) async fn a_chain_may_lose_all_children(h: &dyn RegistryHarness) -> Result<()> {
    gives(h, redefine(&[]), &[]).await
}

pub(super) async fn of_repeated_children_the_first_counts(h: &dyn RegistryHarness) -> Result<()> {
    gives(h, redefine(&["e", "b", "e", "a", "b"]), &["e", "b", "a"]).await
}

pub(super) async fn to_extend_is_to_move_to_the_end(h: &dyn RegistryHarness) -> Result<()> {
    gives(h, ChainEdit::Extend(names(&["d", "b"])), &["a", "c", "d", "b"]).await
}

pub(super) async fn to_prepend_is_to_move_to_the_front(h: &dyn RegistryHarness) -> Result<()> {
    gives(h, ChainEdit::Prepend(names(&["d", "b"])), &["d", "b", "a", "c"]).await
}

pub(super) async fn others_than_children_are_removed_in_vain(h: &dyn RegistryHarness) -> Result<()> {
    gives(h, ChainEdit::Remove(names(&["b", "d"])), &["a", "c"]).await
}

pub(super) async fn children_are_popped_by_place(h: &dyn RegistryHarness) -> Result<()> {
    gives(h, ChainEdit::Pop(vec![0, -1]), &["b"]).await?;
    let fixture = chain_of_three(h).await?;
    fails(fixture.one(edit("p", ChainEdit::Pop(vec![3]))).await, ErrorKind::Argument, &["3"]);
    Ok(())
}

pub(super) async fn an_edit_that_changes_nothing_is_none(h: &dyn RegistryHarness) -> Result<()> {
    gives(h, redefine(&["a", "b", "c"]), &["a", "b", "c"]).await
}

pub(super) async fn children_must_be_there(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = chain_of_three(h).await?;
    for change in [ChainEdit::Extend, ChainEdit::Prepend, ChainEdit::Redefine, ChainEdit::Remove] {
        let change = change(names(&["d", "nobody"]));
        fails(fixture.one(edit("p", change)).await, ErrorKind::MissingCollection, &["nobody"]);
    }
    fails(fixture.one(edit("q", redefine(&["a"]))).await, ErrorKind::MissingCollection, &["'q'"]);
    assert_eq!(fixture.children("p").await?, ["a", "b", "c"]);
    Ok(())
}

pub(super) async fn only_chains_have_children(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = chain_of_three(h).await?;
    fails(
        fixture.one(edit("a", redefine(&["b"]))).await,
        ErrorKind::CollectionType,
        &["'a'", "RUN", "CHAINED"],
    );
    Ok(())
}

pub(super) async fn a_chain_cannot_contain_itself(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = chain_of_three(h).await?;
    fails(fixture.one(edit("p", redefine(&["a", "p"]))).await, ErrorKind::CollectionCycle, &["'p'"]);
    fixture
        .apply([
            register("q", CollectionType::Chained),
            register("s", CollectionType::Chained),
            edit("q", redefine(&["p"])),
            edit("s", redefine(&["q", "a"])),
        ])
        .await?;
    let cycle = edit("p", ChainEdit::Extend(names(&["s"])));
    fails(fixture.one(cycle).await, ErrorKind::CollectionCycle, &["'p'", "'s'"]);
    assert_eq!(fixture.children("p").await?, ["a", "b", "c"]);
    Ok(())
}

pub(super) async fn a_batch_makes_no_cycle_either(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = chain_of_three(h).await?;
    let cycle = [
        register("q", CollectionType::Chained),
        edit("p", ChainEdit::Extend(names(&["q"]))),
        edit("q", ChainEdit::Extend(names(&["p"]))),
    ];
    fails(fixture.apply(cycle).await, ErrorKind::CollectionCycle, &["'q'"]);
    assert!(!fixture.collection_names().await?.contains(&"q".into()));
    Ok(())
}

pub(super) async fn chains_are_searched_depth_first(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = chain_of_three(h).await?;
    fixture
        .apply([
            register("q", CollectionType::Chained),
            register("top", CollectionType::Chained),
            edit("q", redefine(&["f", "p", "d"])),
            edit("top", redefine(&["b", "q", "p", "e", "a"])),
        ])
        .await?;
    let search = fixture.search(&["top"]).await?;
    let order: Vec<&ArcStr> = search.members().iter().map(|member| &member.name).collect();
    assert_eq!(order, ["b", "f", "a", "c", "d", "e"]);
    Ok(())
}

pub(super) async fn edits_of_two_writers_are_both_done(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = chain_of_three(h).await?;
    let other = fixture.another().await?;
    let one = fixture.one(edit("p", ChainEdit::Prepend(names(&["d"]))));
    let two = other.one(edit("p", ChainEdit::Prepend(names(&["e"]))));
    let (one, two) = futures::future::join(one, two).await;
    let reports = [one?, two?];
    let children = fixture.children("p").await?;
    let orders = [["d", "e", "a", "b", "c"], ["e", "d", "a", "b", "c"]].map(|order| names(&order));
    assert!(orders.contains(&children), "{children:?}");
    assert!(reports.iter().any(|report| report.children == children), "the later one saw the earlier one's");
    Ok(())
}
