//! Nodes that can be reached.

use butler_core::backend::{Relation, RowBatch};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, col, lit, rows, things, values};

fn reach(seeds: Relation, edges: Relation, max_depth: Option<u32>) -> Relation {
    let (from, to) = (vec!["from".into()], vec!["to".into()]);
    Relation::Closure { seeds: Box::new(seeds), edges: Box::new(edges), from, to, max_depth }
}

fn seeds(rows: RowBatch) -> Relation {
    values(rows)
}

/// A tree with a diamond in it.
fn edges() -> Relation {
    values(batch!([from: Int, to: Int] [1, 2] [1, 3] [2, 4] [3, 4] [4, 5] [6, 7] [2, 4]))
}

pub(super) async fn seeds_and_what_they_lead_to_come_once(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let found = |rows| reach(seeds(rows), edges(), None);
    assert_eq!(db.rows(found(batch!([n: Int] [1]))).await?, rows!([1][2][3][4][5]));
    assert_eq!(db.rows(found(batch!([n: Int] [4] [6] [4] [5]))).await?, rows!([4][5][6][7]));
    assert_eq!(db.rows(found(batch!([n: Int] [99]))).await?, rows!([99]));
    assert_eq!(db.rows(found(batch!([n: Int]))).await?, rows!());
    let alone = reach(seeds(batch!([n: Int] [1] [1])), values(batch!([from: Int, to: Int])), None);
    assert_eq!(db.rows(alone).await?, rows!([1]));
    Ok(())
}

pub(super) async fn cycles_do_no_harm(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let cyclic = || values(batch!([from: Int, to: Int] [1, 2] [2, 3] [3, 1] [3, 3] [4, 4] [5, 1]));
    assert_eq!(db.rows(reach(seeds(batch!([n: Int] [2])), cyclic(), None)).await?, rows!([1][2][3]));
    assert_eq!(db.rows(reach(seeds(batch!([n: Int] [4])), cyclic(), None)).await?, rows!([4]));
    assert_eq!(db.rows(reach(seeds(batch!([n: Int] [2])), cyclic(), Some(100))).await?, rows!([1][2][3]));
    Ok(())
}

pub(super) async fn paths_may_be_limited(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let found = |depth| db.rows(reach(seeds(batch!([n: Int] [1])), edges(), Some(depth)));
    assert_eq!(found(0).await?, rows!([1]));
    assert_eq!(found(1).await?, rows!([1][2][3]));
    assert_eq!(found(2).await?, rows!([1][2][3][4]));
    assert_eq!(found(3).await?, rows!([1][2][3][4][5]));
    assert_eq!(found(u32::MAX).await?, rows!([1][2][3][4][5]));
    let shortcut = values(batch!([from: Int, to: Int] [1, 2] [2, 3] [3, 4] [1, 3]));
    assert_eq!(db.rows(reach(seeds(batch!([n: Int] [1])), shortcut, Some(2))).await?, rows!([1][2][3][4]));
    Ok(())
}

pub(super) async fn nodes_may_have_several_columns(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let edges = batch!([a: Int, b: Text, weight: Int, c: Text, d: Int]
        [1, "x", 5, "y", 1] [1, "y", 5, "x", 2] [2, "x", 5, "x", 1] [1, "z", 5, "q", 9]);
    let closure = Relation::Closure {
        seeds: Box::new(seeds(batch!([n: Int, m: Text] [1, "x"]))),
        edges: Box::new(values(edges)),
        from: vec!["a".into(), "b".into()],
        to: vec!["d".into(), "c".into()],
        max_depth: None,
    };
    assert_eq!(db.rows(closure).await?, rows!([1, "x"] [1, "y"] [2, "x"]));
    Ok(())
}

pub(super) async fn null_is_a_node_that_leads_nowhere(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let edges = || values(batch!([from: Int, to: Int] [1, NULL] [NULL, 2] [1, NULL]));
    assert_eq!(db.rows(reach(seeds(batch!([n: Int] [1])), edges(), None)).await?, rows!([NULL][1]));
    assert_eq!(db.rows(reach(seeds(batch!([n: Int] [NULL] [NULL])), edges(), None)).await?, rows!([NULL]));
    Ok(())
}

pub(super) async fn the_same_edges_can_be_walked_backwards(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let back = Relation::Closure {
        seeds: Box::new(seeds(batch!([n: Int] [4]))),
        edges: Box::new(edges()),
        from: vec!["to".into()],
        to: vec!["from".into()],
        max_depth: None,
    };
    assert_eq!(db.rows(back).await?, rows!([1][2][3][4]));
    let around = Relation::Closure {
        seeds: Box::new(seeds(batch!([n: Int] [4]))),
        edges: Box::new(edges()),
        from: vec!["from".into()],
        to: vec!["from".into()],
        max_depth: None,
    };
    assert_eq!(db.rows(around).await?, rows!([4]));
    Ok(())
}

pub(super) async fn seeds_edges_and_results_are_relations(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) =
        Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"] [2, "b"] [5, "c"] [9, "d"])).await?;
    let start = table.scan().filter(col("name").eq(lit("b"))).select(["id"]);
    let some = Relation::union_all(vec![
        edges().filter(col("from").lt(4)),
        edges().filter(col("from").ge(4)).distinct(),
        table.scan().filter(col("id").eq(9)).project([("from", col("id")), ("to", col("id"))]),
    ]);
    let found = reach(start, some, None);
    assert_eq!(
        db.rows(table.scan().semi(found.clone().rename([("n", "id")]), col("id").eq(col("n")))).await?,
        rows!([2, "b"] [5, "c"])
    );
    assert_eq!(db.count(found.clone()).await?, 3);
    let again = Relation::union_all(vec![found.clone(), found]);
    assert_eq!(db.count(again.distinct()).await?, 3);
    let twice = reach(reach(seeds(batch!([n: Int] [1])), edges(), Some(1)), edges(), Some(1));
    assert_eq!(db.rows(twice).await?, rows!([1][2][3][4]));
    Ok(())
}

pub(super) async fn nodes_need_equal_types(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    db.refuses(reach(seeds(batch!([n: Text] ["1"])), edges(), None), ErrorKind::Argument).await;
    db.refuses(reach(seeds(batch!([n: Int, m: Int] [1, 1])), edges(), None), ErrorKind::Argument).await;
    Ok(())
}
