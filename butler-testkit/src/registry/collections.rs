//! Collections: names, types, documentation, and summaries.

use arcstr::ArcStr;
use butler_core::registry::{CollectionQuery, Operation, OperationReport};
use butler_core::{ChainEdit, CollectionInfo, CollectionSummary, CollectionType, ErrorKind, Result};

use super::RegistryHarness;
use super::data::camera;
use super::fixture::{
    Fixture, associate, bias, certify, data_id, dataset_type, disassociate, edit, fails, insert_records,
    names, record, register, register_run, remove_datasets, span,
};

fn documented(name: &str, doc: &str) -> Operation {
    Operation::RegisterCollection { name: name.into(), ty: CollectionType::Run, doc: Some(doc.into()) }
}

fn document(name: &str, doc: &str) -> Operation {
    Operation::SetDocumentation { name: name.into(), doc: doc.into() }
}

async fn named(fixture: &Fixture, wanted: &[&str], descendants: bool) -> Result<Vec<ArcStr>> {
    let query = CollectionQuery { names: Some(names(wanted)), descendants, summaries: false };
    Ok(fixture.registry.collections(query).await?.into_iter().map(|info| info.name).collect())
}

pub(super) async fn all_types_come_back_in_the_order_of_registration(h: &dyn RegistryHarness) -> Result<()> {
    let types = [
        ("z", CollectionType::Run),
        ("c", CollectionType::Chained),
        ("k", CollectionType::Calibration),
        ("a", CollectionType::Tagged),
    ];
    let fixture = Fixture::new(h).await?;
    let report = fixture.apply(types.map(|(name, ty)| register(name, ty))).await?;
    assert!(report.operations.iter().all(|report| report.inserted == 1));
    let found = fixture.registry.collections(CollectionQuery::default()).await?;
    let expected = types.map(|(name, ty)| CollectionInfo {
        name: name.into(),
        ty,
        doc: "".into(),
        children: Vec::new(),
        summary: None,
    });
    assert_eq!(found, expected);
    Ok(())
}

pub(super) async fn they_are_found_by_name(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, ["a", "b", "c"].map(register_run)).await?;
    assert_eq!(named(&fixture, &["c", "nobody", "a", "a"], false).await?, ["a", "c"]);
    assert_eq!(named(&fixture, &[], false).await?, [""; 0]);
    Ok(())
}

pub(super) async fn registering_again_changes_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [documented("r", "first")]).await?;
    for fixture in [&fixture, &fixture.another().await?] {
        let report = fixture.one(documented("r", "second")).await?;
        assert_eq!(report, OperationReport { existing: 1, ..OperationReport::default() });
        assert_eq!(fixture.collection("r").await?.doc, "first");
    }
    Ok(())
}

pub(super) async fn another_type_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [register_run("r")]).await?;
    for fixture in [&fixture, &fixture.another().await?] {
        let other = fixture.one(register("r", CollectionType::Tagged)).await;
        fails(other, ErrorKind::ConflictingDefinition, &["'r'", "RUN", "TAGGED"]);
    }
    let within = fixture.apply([register_run("x"), register("x", CollectionType::Chained)]).await;
    fails(within, ErrorKind::ConflictingDefinition, &["'x'"]);
    assert_eq!(fixture.collection("r").await?.ty, CollectionType::Run);
    Ok(())
}

pub(super) async fn documentation_may_change(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [documented("r", "it's \"ö\"\nand more"), register_run("s")]).await?;
    assert_eq!(fixture.collection("r").await?.doc, "it's \"ö\"\nand more");
    assert_eq!(fixture.collection("s").await?.doc, "");
    fixture.apply([document("r", ""), document("s", "new")]).await?;
    assert_eq!(fixture.collection("r").await?.doc, "");
    assert_eq!(fixture.collection("s").await?.doc, "new");
    Ok(())
}

pub(super) async fn one_that_is_not_there_is_not_documented(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [register_run("run")]).await?;
    fails(fixture.one(document("runn", "x")).await, ErrorKind::MissingCollection, &["'runn'", "'run'"]);
    Ok(())
}

pub(super) async fn names_are_any_text(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    fixture.one(Operation::RegisterDatasetType(bias())).await?;
    let long = "ö".repeat(255);
    let odd =
        ["u/me/x", "a'b", "a\"b", "a%b_c", "a\\b", "ä", "Ä", "R", "r", "select", "a;b--", "中文", &long];
    fixture.apply(odd.map(register_run)).await?;
    assert_eq!(fixture.collection_names().await?, odd);
    for name in odd {
        let datasets = fixture.biases(name, &[1]).await?;
        let found = fixture.find(&bias(), &super::fixture::detector(1), &[name]).await?;
        assert_eq!(found.as_slice(), datasets, "in {name}");
    }
    Ok(())
}

pub(super) async fn names_that_mean_something_else_are_refused(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let long = "x".repeat(256);
    for name in ["", " a", "a ", "a*", "a?", "[a", "a,b", "a\nb", "a\0", "../a", "a//b", "/a", &long] {
        fails(fixture.one(register_run(name)).await, ErrorKind::Argument, &["cannot name a collection"]);
    }
    assert_eq!(fixture.collections().await?, []);
    Ok(())
}

pub(super) async fn descendants_come_with_their_chains(h: &dyn RegistryHarness) -> Result<()> {
    let chain = |name, children: &[&str]| {
        [register(name, CollectionType::Chained), edit(name, ChainEdit::Redefine(names(children)))]
    };
    let runs = ["a", "b", "c", "d"].map(register_run);
    let fixture = Fixture::with(
        h,
        runs.into_iter().chain(chain("inner", &["b", "a"])).chain(chain("outer", &["c", "inner"])),
    )
    .await?;
    assert_eq!(named(&fixture, &["outer"], false).await?, ["outer"]);
    assert_eq!(named(&fixture, &["outer"], true).await?, ["a", "b", "c", "inner", "outer"]);
    assert_eq!(named(&fixture, &["inner", "d"], true).await?, ["a", "b", "d", "inner"]);
    let search = fixture.search(&["outer", "d", "a"]).await?;
    let order: Vec<&ArcStr> = search.members().iter().map(|member| &member.name).collect();
    assert_eq!(order, ["c", "b", "a", "d"]);
    Ok(())
}

fn summary(types: &[&str], governors: &[(&str, &[&str])]) -> Option<CollectionSummary> {
    let governors = governors
        .iter()
        .map(|(governor, values)| ((*governor).into(), names(values).into_iter().collect()))
        .collect();
    Some(CollectionSummary { dataset_types: names(types).into_iter().collect(), governors })
}

pub(super) async fn summaries_tell_what_may_be_there(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let config = dataset_type("config", &[]);
    let raw = dataset_type("raw", &["instrument"]);
    fixture
        .apply([
            insert_records(vec![record!(instrument { name: "Cam2" })]),
            Operation::RegisterDatasetType(config.clone()),
            Operation::RegisterDatasetType(raw.clone()),
            register("t", CollectionType::Tagged),
            register("c", CollectionType::Calibration),
            register("chain", CollectionType::Chained),
        ])
        .await?;
    assert_eq!(fixture.collection("r").await?.summary, summary(&[], &[]));
    let biases = fixture.biases("r", &[1, 2]).await?;
    assert_eq!(fixture.collection("r").await?.summary, summary(&["bias"], &[("instrument", &["Cam1"])]));
    fixture.insert(&config, "r", &[butler_core::DataId::empty(super::fixture::universe())]).await?;
    fixture.insert(&raw, "r", &[data_id!(instrument: "Cam2")]).await?;
    let all = summary(&["bias", "config", "raw"], &[("instrument", &["Cam1", "Cam2"])]);
    assert_eq!(fixture.collection("r").await?.summary, all);
    fixture.apply([associate("t", &biases[..1]), certify("c", &biases[1..], span(0, 1))]).await?;
    for name in ["t", "c"] {
        let found = fixture.collection(name).await?.summary;
        assert_eq!(found, summary(&["bias"], &[("instrument", &["Cam1"])]), "of {name}");
    }
    assert_eq!(fixture.collection("chain").await?.summary, None, "a chain has none of its own");
    Ok(())
}

pub(super) async fn summaries_do_not_shrink(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.biases("r", &[1]).await?;
    fixture.apply([register("t", CollectionType::Tagged), associate("t", &datasets)]).await?;
    fixture.apply([disassociate("t", &datasets), remove_datasets(&datasets)]).await?;
    for name in ["r", "t"] {
        let found = fixture.collection(name).await?.summary;
        assert_eq!(found, summary(&["bias"], &[("instrument", &["Cam1"])]), "of {name}");
    }
    Ok(())
}
