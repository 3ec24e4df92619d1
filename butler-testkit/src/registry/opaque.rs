//! Tables of datastores.

use std::sync::Arc;

use butler_core::backend::{ColumnType, RowBatch, TableSpec, Value};
use butler_core::registry::{OpaqueFetch, OpaqueRows, OpaqueTable, Operation};
use butler_core::{DatasetId, DatasetKind, DatasetRef, ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{Fixture, bias, dataset_type, detector, fails, ids, insert, names, store, unstore};

/// A table of paths, with a key beside that of the dataset.
pub(super) fn paths(name: &str, version: u32) -> OpaqueTable {
    let spec = TableSpec::new(name, "Paths of datasets")
        .column("origin", ColumnType::Int, "First part of the dataset id")
        .column("id", ColumnType::Int, "Second part of the dataset id")
        .column("part", ColumnType::Text, "Part of the dataset")
        .column("path", ColumnType::Text, "Path")
        .nullable("size", ColumnType::Int, "Size in bytes")
        .primary_key(["origin", "id", "part"]);
    OpaqueTable { datastore: "disk".into(), spec, version }
}

/// Rows of such a table.
fn rows(table: &OpaqueTable, of: &[(&DatasetRef, &str, &str, Option<i64>)]) -> Result<OpaqueRows> {
    let columns = table.spec.columns.iter().map(|column| (column.name.clone(), column.ty));
    let mut rows = RowBatch::new(columns);
    for (dataset, part, path, size) in of {
        let (origin, id) = (dataset.id().origin(), dataset.id().id());
        rows.push_row(&[origin.into(), id.into(), (*part).into(), (*path).into(), Value::from(*size)])?;
    }
    Ok(OpaqueRows { table: table.spec.name.clone(), rows: Arc::new(rows) })
}

fn insertion(datastore: &str, datasets: &[DatasetRef], rows: Vec<OpaqueRows>) -> Operation {
    Operation::InsertArtifacts { datastore: datastore.into(), datasets: ids(datasets), rows }
}

/// Paths of the rows that a fetch gives, in order of the paths.
async fn fetched(
    fixture: &Fixture,
    table: &str,
    columns: &[&str],
    keys: Option<Vec<Vec<Value>>>,
) -> Result<Vec<String>> {
    let keys = keys.map(|keys| keys.into_iter().map(Vec::into_boxed_slice).collect());
    let fetch = OpaqueFetch { table: table.into(), columns: names(columns), keys };
    let found = fixture.registry.fetch_opaque(vec![fetch]).await?;
    assert_eq!(found.len(), 1, "there is one batch for each fetch");
    let path = found[0].column("path")?;
    let mut paths: Vec<String> =
        (0..found[0].len()).filter_map(|row| path.text(row)).map(str::to_owned).collect();
    paths.sort();
    Ok(paths)
}

fn key(id: DatasetId) -> Vec<Value> {
    vec![id.origin().into(), id.id().into()]
}

/// A registry with a table `paths` with rows of the first two of three biases, of which one has two parts.
async fn with_paths(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, OpaqueTable)> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.biases("r", &[1, 2, 3]).await?;
    let table = paths("paths", 1);
    let [a, b] = [&datasets[0], &datasets[1]];
    let of = [(a, "", "a", Some(1)), (b, "x", "b/x", None), (b, "y", "b/y", Some(3))];
    let filled = insertion("disk", &datasets[..2], vec![rows(&table, &of)?]);
    let report = fixture.apply([filled, Operation::RegisterOpaque(table.clone())]).await?;
    assert_eq!((report.operations[0].inserted, report.operations[1].inserted), (2, 1));
    Ok((fixture, datasets, table))
}

pub(super) async fn all_rows_are_fetched(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, table) = with_paths(h).await?;
    assert_eq!(fetched(&fixture, "paths", &[], None).await?, ["a", "b/x", "b/y"]);
    let fetch = OpaqueFetch {
        table: "paths".into(),
        columns: names(&["path"]),
        keys: Some(vec![vec!["b/x".into()].into()]),
    };
    let found = fixture.another().await?.registry.fetch_opaque(vec![fetch]).await?;
    let columns: Vec<_> = table.spec.columns.iter().map(|column| column.name.clone()).collect();
    assert_eq!(found[0].names(), columns);
    let (origin, id) = (datasets[1].id().origin(), datasets[1].id().id());
    let expected: Vec<Value> = vec![origin.into(), id.into(), "x".into(), "b/x".into(), Value::Null];
    assert_eq!(found[0].rows().collect::<Vec<_>>(), [expected]);
    Ok(())
}

pub(super) async fn rows_are_fetched_by_any_columns(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, _) = with_paths(h).await?;
    let by_id = |ids: &[DatasetId]| Some(ids.iter().map(|&id| key(id)).collect());
    let pair = ["origin", "id"];
    let found = fetched(&fixture, "paths", &pair, by_id(&[datasets[1].id(), datasets[2].id()])).await?;
    assert_eq!(found, ["b/x", "b/y"]);
    let found =
        fetched(&fixture, "paths", &["path"], Some(vec![vec!["a".into()], vec!["b/y".into()]])).await?;
    assert_eq!(found, ["a", "b/y"]);
    assert_eq!(fetched(&fixture, "paths", &["size"], Some(vec![vec![3.into()]])).await?, ["b/y"]);
    assert_eq!(fetched(&fixture, "paths", &pair, Some(Vec::new())).await?, [""; 0]);
    Ok(())
}

pub(super) async fn a_key_given_twice_gives_rows_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, _) = with_paths(h).await?;
    let twice = Some(vec![key(datasets[0].id()), key(datasets[0].id())]);
    assert_eq!(fetched(&fixture, "paths", &["origin", "id"], twice).await?, ["a"]);
    Ok(())
}

pub(super) async fn many_rows_are_fetched_at_once(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let table = paths("paths", 1);
    let ty = dataset_type("log", &["detector"]).with_kind(DatasetKind::Nonsingular);
    fixture.one(Operation::RegisterDatasetType(ty.clone())).await?;
    let many = fixture.insert(&ty, "r", &vec![detector(1); 1500]).await?;
    let path = |n: usize| format!("p{n:05}");
    let texts: Vec<String> = (0..many.len()).map(path).collect();
    let of: Vec<_> = many.iter().zip(&texts).map(|(dataset, path)| (dataset, "", &**path, None)).collect();
    let filled = insertion("disk", &many, vec![rows(&table, &of)?]);
    fixture.apply([Operation::RegisterOpaque(table), filled]).await?;
    let keys = many.iter().step_by(2).map(|dataset| key(dataset.id())).collect();
    let found = fetched(&fixture, "paths", &["origin", "id"], Some(keys)).await?;
    assert_eq!(found, (0..1500).step_by(2).map(path).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn fetches_are_answered_in_their_order(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, _) = with_paths(h).await?;
    let other = paths("other", 1);
    let of = [(&datasets[2], "", "c", None)];
    let filled = insertion("disk", &datasets[2..], vec![rows(&other, &of)?]);
    fixture.apply([Operation::RegisterOpaque(other), filled]).await?;
    let fetch = |table: &str| OpaqueFetch { table: table.into(), columns: Vec::new(), keys: None };
    let found = fixture.registry.fetch_opaque(vec![fetch("other"), fetch("paths"), fetch("other")]).await?;
    assert_eq!(found.iter().map(butler_core::backend::ColumnBatch::len).collect::<Vec<_>>(), [1, 3, 1]);
    Ok(())
}

pub(super) async fn a_table_or_column_that_is_not_there_is_told(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, _) = with_paths(h).await?;
    fails(fetched(&fixture, "nothing", &[], None).await, ErrorKind::NotFound, &["nothing"]);
    let column = fetched(&fixture, "paths", &["colour"], Some(vec![vec![1.into()]])).await;
    fails(column, ErrorKind::Argument, &["paths", "colour"]);
    let absent = insertion("disk", &datasets[2..], vec![rows(&paths("nothing", 1), &[])?]);
    fails(fixture.one(absent).await, ErrorKind::NotFound, &["nothing"]);
    Ok(())
}

pub(super) async fn a_table_is_registered_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _, table) = with_paths(h).await?;
    for fixture in [&fixture, &fixture.another().await?] {
        let report = fixture.one(Operation::RegisterOpaque(table.clone())).await?;
        assert_eq!((report.inserted, report.existing), (0, 1));
    }
    assert_eq!(fetched(&fixture, "paths", &[], None).await?.len(), 3);
    Ok(())
}

pub(super) async fn another_version_is_refused(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = with_paths(h).await?;
    let newer = fixture.one(Operation::RegisterOpaque(paths("paths", 2))).await;
    fails(newer, ErrorKind::SchemaVersion, &["paths", "1", "2"]);
    Ok(())
}

pub(super) async fn the_key_begins_with_the_id_of_a_dataset(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let mut wrong = paths("paths", 1);
    wrong.spec.primary_key = names(&["id", "origin"]);
    fails(fixture.one(Operation::RegisterOpaque(wrong)).await, ErrorKind::Argument, &["paths", "origin"]);
    Ok(())
}

pub(super) async fn rows_go_with_the_artifacts(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, _) = with_paths(h).await?;
    let gone = Operation::RemoveArtifacts {
        datastore: "disk".into(),
        datasets: ids(&datasets[1..]),
        tables: names(&["paths"]),
    };
    assert_eq!(fixture.one(gone).await?.removed, 1, "those without artifacts are passed over");
    assert_eq!(fetched(&fixture, "paths", &[], None).await?, ["a"]);
    Ok(())
}

pub(super) async fn artifacts_are_told_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, table) = with_paths(h).await?;
    let again = insertion("disk", &datasets, vec![rows(&table, &[(&datasets[2], "", "c", None)])?]);
    fails(fixture.one(again).await, ErrorKind::ConflictingDefinition, &["'disk'"]);
    assert_eq!(fetched(&fixture, "paths", &[], None).await?.len(), 3);
    fixture.one(store("tape", &datasets)).await?;
    fixture.apply([unstore("disk", &datasets), store("disk", &datasets)]).await?;
    Ok(())
}

pub(super) async fn artifacts_are_of_datasets_that_are_there(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, table) = with_paths(h).await?;
    let absent = fixture.new_refs(&bias(), "r", &[detector(4)]);
    let some = [datasets[2].clone(), absent[0].clone()];
    let row = rows(&table, &[(&datasets[2], "", "c", None), (&absent[0], "", "d", None)])?;
    let id = absent[0].id().to_string();
    let told = fixture.one(insertion("disk", &some, vec![row.clone()])).await;
    fails(told, ErrorKind::DatasetNotFound, &[&id]);
    assert_eq!(fetched(&fixture, "paths", &[], None).await?.len(), 3, "nothing is left of it");
    fixture.apply([insertion("disk", &some, vec![row]), insert(&absent)]).await?;
    assert_eq!(fetched(&fixture, "paths", &[], None).await?.len(), 5, "they may come in the same batch");
    Ok(())
}

pub(super) async fn a_table_of_the_registry_is_not_given_away(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.biases("r", &[1]).await?;
    for name in
        ["dataset", "collection", "quantum_output", "dim_detector", "journal_outcome", "repo_attribute"]
    {
        let mut table = paths(name, 1);
        table.spec.columns.truncate(3);
        fixture.one(Operation::RegisterOpaque(table)).await.ok();
        let gone = Operation::RemoveArtifacts {
            datastore: "disk".into(),
            datasets: ids(&datasets),
            tables: names(&[name]),
        };
        fixture.one(gone).await.ok();
    }
    assert_eq!(fixture.present(&datasets).await?, datasets);
    assert_eq!(fixture.collection_names().await?, ["r"]);
    assert_eq!(fixture.records("detector").await?.len(), 4);
    Ok(())
}
