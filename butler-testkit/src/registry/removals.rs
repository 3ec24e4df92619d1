//! Removals: what goes, what goes with it, and what is in the way.

use butler_core::registry::{Operation, QuantumStatus, Removal};
use butler_core::{ChainEdit, CollectionType, DatasetId, DatasetRef, ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{
    Fixture, associate, bias, certify, detector, edit, fails, ids, names, quantum, register, register_run,
    remove_collections, remove_datasets, span, store, unstore,
};

/// A registry with biases of two detectors in runs `r` and `s`; those of `r` are in the
/// tagged collection `t` and the calibration collection `c`, and all four are in the chain `p`.
async fn populated(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, Vec<DatasetRef>)> {
    let fixture = Fixture::with_camera(h).await?;
    fixture.one(register_run("s")).await?;
    let first = fixture.biases("r", &[1, 2]).await?;
    let second = fixture.biases("s", &[1, 2]).await?;
    fixture
        .apply([
            register("t", CollectionType::Tagged),
            register("c", CollectionType::Calibration),
            register("p", CollectionType::Chained),
            associate("t", &first),
            certify("c", &first, span(0, 10)),
            edit("p", ChainEdit::Redefine(names(&["t", "c", "r", "s"]))),
        ])
        .await?;
    Ok((fixture, first, second))
}

pub(super) async fn datasets_are_gone_from_everywhere(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let report = fixture.one(remove_datasets(&first[..1])).await?;
    assert_eq!(report.removed, 1);
    assert_eq!(fixture.get(&ids(&first)).await?, [None, Some(first[1].clone())]);
    for collection in ["r", "t", "c"] {
        assert_eq!(fixture.members(&bias(), collection).await?, ids(&first[1..]), "in {collection}");
    }
    assert_eq!(fixture.members(&bias(), "s").await?, ids(&second));
    assert_eq!(fixture.find(&bias(), &detector(1), &["p"]).await?.as_ref(), Some(&second[0]));
    Ok(())
}

pub(super) async fn datasets_that_are_not_there_are_passed_over(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let unknown = fixture.new_refs(&bias(), "r", &[detector(3)]);
    let report = fixture.one(remove_datasets(&[unknown, first.clone(), first.clone()].concat())).await?;
    assert_eq!(report.removed, 2);
    assert_eq!(fixture.one(remove_datasets(&first)).await?.removed, 0);
    assert_eq!(fixture.present(&second).await?, second);
    Ok(())
}

pub(super) async fn a_data_id_may_be_used_again(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    fixture.one(remove_datasets(&first)).await?;
    let new = fixture.biases("r", &[1]).await?;
    fixture.apply([associate("t", &new), certify("c", &new, span(5, 15))]).await?;
    assert_eq!(fixture.find(&bias(), &detector(1), &["p"]).await?.as_slice(), new);
    Ok(())
}

pub(super) async fn what_is_stored_is_not_removed(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    fixture.one(store("disk", &first[1..])).await?;
    let id = first[1].id().to_string();
    fails(fixture.one(remove_datasets(&first)).await, ErrorKind::OrphanedRecord, &[&id]);
    assert_eq!(fixture.present(&first).await?, first);
    fails(fixture.one(remove_collections(&["r"], true)).await, ErrorKind::OrphanedRecord, &[&id]);
    assert!(fixture.collection_names().await?.contains(&"r".into()));
    fixture.apply([remove_datasets(&first), unstore("disk", &first)]).await?;
    assert_eq!(fixture.present(&first).await?, []);
    Ok(())
}

pub(super) async fn a_run_goes_with_its_datasets(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    fixture.one(edit("p", ChainEdit::Remove(names(&["r"])))).await?;
    let report = fixture.one(remove_collections(&["r"], false)).await?;
    assert_eq!(report.removed, 1);
    assert_eq!(fixture.collection_names().await?, ["s", "t", "c", "p"]);
    assert_eq!(fixture.present(&first).await?, []);
    for collection in ["t", "c"] {
        assert_eq!(fixture.members(&bias(), collection).await?, [], "in {collection}");
    }
    assert_eq!(fixture.members(&bias(), "s").await?, ids(&second));
    Ok(())
}

pub(super) async fn other_collections_go_without_datasets(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    fixture.one(remove_collections(&["p", "t", "c"], false)).await?;
    assert_eq!(fixture.collection_names().await?, ["r", "s"]);
    assert_eq!(fixture.present(&[first, second].concat()).await?.len(), 4);
    Ok(())
}

pub(super) async fn a_name_that_is_free_again_stands_for_something_new(
    h: &dyn RegistryHarness,
) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    let other = fixture.another().await?;
    assert_eq!(other.members(&bias(), "t").await?, ids(&first));
    assert!(other.find(&bias(), &detector(1), &["p"]).await?.is_some());
    fixture.one(remove_collections(&["p", "t", "r"], false)).await?;
    fixture.apply([register("t", CollectionType::Tagged), register("r", CollectionType::Tagged)]).await?;
    for fixture in [&fixture, &other] {
        fixture.registry.refresh();
        for name in ["t", "r"] {
            assert_eq!(fixture.members(&bias(), name).await?, [], "in {name}");
            assert_eq!(fixture.find(&bias(), &detector(1), &[name]).await?, None);
        }
    }
    fails(other.biases("r", &[3]).await, ErrorKind::CollectionType, &["'r'", "TAGGED"]);
    let new = other.biases("s", &[3]).await?;
    other.one(associate("t", &new)).await?;
    assert_eq!(fixture.members(&bias(), "t").await?, ids(&new));
    Ok(())
}

pub(super) async fn children_of_chains_are_not_removed(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    fixture
        .apply([register("q", CollectionType::Chained), edit("q", ChainEdit::Redefine(names(&["r", "p"])))])
        .await?;
    let refused = fixture.one(remove_collections(&["r"], false)).await;
    fails(refused, ErrorKind::OrphanedRecord, &["'r'", "p, q"]);
    fails(fixture.one(remove_collections(&["p"], false)).await, ErrorKind::OrphanedRecord, &["'p'", "q"]);
    assert_eq!(fixture.present(&first).await?, first);
    assert_eq!(fixture.children("p").await?, ["t", "c", "r", "s"]);
    Ok(())
}

pub(super) async fn chains_may_be_told_to_forget(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    fixture
        .apply([
            register("q", CollectionType::Chained),
            edit("q", ChainEdit::Redefine(names(&["c", "s", "p"]))),
        ])
        .await?;
    fixture.one(remove_collections(&["c", "t"], true)).await?;
    assert_eq!(fixture.children("p").await?, ["r", "s"]);
    assert_eq!(fixture.children("q").await?, ["s", "p"]);
    Ok(())
}

pub(super) async fn a_chain_may_go_with_its_children(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    fixture.one(remove_collections(&["r", "p", "t", "p"], false)).await?;
    assert_eq!(fixture.collection_names().await?, ["s", "c"]);
    Ok(())
}

pub(super) async fn a_collection_that_is_not_there_is_told(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    let refused = fixture.one(remove_collections(&["r", "nobody"], true)).await;
    fails(refused, ErrorKind::MissingCollection, &["nobody"]);
    assert_eq!(fixture.present(&first).await?, first);
    Ok(())
}

pub(super) async fn a_dataset_is_unstored_by_all_who_have_it(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    fixture.apply([store("disk", &first), store("tape", &first)]).await?;
    fixture.one(unstore("disk", &first)).await?;
    fails(fixture.one(remove_datasets(&first)).await, ErrorKind::OrphanedRecord, &[]);
    fixture.apply([unstore("tape", &first), remove_datasets(&first)]).await?;
    assert_eq!(fixture.present(&first).await?, []);
    Ok(())
}

/// What a plan says of counts, as text.
async fn told(fixture: &Fixture, removal: Removal) -> Result<String> {
    let plan = fixture.plan(removal).await?;
    let list = |map: &std::collections::BTreeMap<arcstr::ArcStr, u64>| {
        map.iter().map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>().join(",")
    };
    let collections: Vec<String> = plan.collections.iter().map(|(name, ty)| format!("{name}={ty}")).collect();
    let parents: Vec<String> =
        plan.parents.iter().map(|(name, parents)| format!("{name}<{}", parents.join("+"))).collect();
    Ok(format!(
        "collections {} types {} datasets {} tags {} calibrations {} parents {} stored {} quanta {}",
        collections.join(","),
        plan.dataset_types.join(","),
        list(&plan.datasets),
        list(&plan.tags),
        list(&plan.calibrations),
        parents.join(","),
        plan.stored,
        plan.quanta
    ))
}

fn of_collections(collections: &[&str]) -> Removal {
    Removal::Collections { names: names(collections), unlink: false }
}

pub(super) async fn a_plan_tells_what_refers_to_datasets(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let reader = quantum(&fixture, "s", QuantumStatus::Succeeded, &first[..1], &[]);
    let maker = quantum(&fixture, "s", QuantumStatus::Succeeded, &second, &first[..1]);
    fixture
        .apply([
            store("disk", &first[..1]),
            store("tape", &first[..1]),
            Operation::InsertQuanta(vec![reader, maker]),
        ])
        .await?;
    let unknown: DatasetId = fixture.issuer.issue();
    let plan = told(&fixture, Removal::Datasets(vec![first[0].id(), unknown])).await?;
    assert_eq!(
        plan,
        "collections  types  datasets bias=1 tags t=1 calibrations c=1 parents  stored 1 quanta 2"
    );
    let plan = told(&fixture, Removal::Datasets(vec![unknown])).await?;
    assert_eq!(plan, "collections  types  datasets  tags  calibrations  parents  stored 0 quanta 0");
    assert_eq!(fixture.present(&first).await?, first, "nothing changes");
    Ok(())
}

pub(super) async fn a_plan_tells_what_goes_with_collections(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    let plan = told(&fixture, of_collections(&["r"])).await?;
    assert_eq!(
        plan,
        "collections r=RUN types  datasets bias=2 tags t=2 calibrations c=2 parents r<p stored 0 quanta 0"
    );
    let plan = told(&fixture, of_collections(&["c", "p", "t"])).await?;
    assert_eq!(
        plan,
        "collections c=CALIBRATION,p=CHAINED,t=TAGGED types  datasets  tags t=2 calibrations c=2 parents  stored 0 quanta 0"
    );
    assert_eq!(fixture.collections().await?.len(), 5, "nothing changes");
    Ok(())
}

pub(super) async fn a_plan_counts_everything_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    let flat = super::fixture::dataset_type("flat", &["detector"]);
    fixture.one(Operation::RegisterDatasetType(flat.clone())).await?;
    let flats = fixture.insert(&flat, "r", &[detector(1)]).await?;
    let both = [first[0].clone(), flats[0].clone()];
    let reader = quantum(&fixture, "s", QuantumStatus::Succeeded, &both, &[]);
    fixture.one(Operation::InsertQuanta(vec![reader])).await?;
    let plan = told(&fixture, of_collections(&["r", "t", "c", "p"])).await?;
    assert_eq!(
        plan,
        "collections c=CALIBRATION,p=CHAINED,r=RUN,t=TAGGED types  datasets bias=2,flat=1 tags t=2 calibrations c=2 parents  stored 0 quanta 1"
    );
    Ok(())
}

pub(super) async fn a_plan_tells_what_has_a_dataset_type(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    let plan = told(&fixture, Removal::DatasetTypes(names(&["bias"]))).await?;
    assert_eq!(
        plan,
        "collections  types bias datasets bias=4 tags t=2 calibrations c=2 parents  stored 0 quanta 0"
    );
    Ok(())
}

pub(super) async fn a_plan_needs_names_that_are_there(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    let plan = fixture.plan(of_collections(&["r", "nobody"])).await;
    fails(plan, ErrorKind::MissingCollection, &["nobody"]);
    let plan = fixture.plan(Removal::DatasetTypes(names(&["bias", "nothing"]))).await;
    fails(plan, ErrorKind::MissingDatasetType, &["nothing"]);
    Ok(())
}
