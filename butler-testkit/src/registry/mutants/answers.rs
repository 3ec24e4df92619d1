//! Mutants that answer questions otherwise.

use std::collections::BTreeSet;

use arcstr::ArcStr;
use butler_core::registry::{
    CollectionQuery, DatasetTypeQuery, Direction, FindRequest, OpaqueFetch, ProvenanceQuery, Quantum,
    Registry, RemovalPlan,
};
use butler_core::{CollectionInfo, CollectionSearch, DataId, DatasetRef, ErrorKind, Result, Timespan};

use super::tamper::{Tamper, mutants};

/// The same data ID with its required values only.
fn minimal(data_id: &DataId) -> DataId {
    DataId::from_trusted(data_id.group(), data_id.required_values().iter().cloned())
}

async fn expanded(
    registry: &dyn Registry,
    data_ids: Vec<DataId>,
    change: fn(DataId) -> DataId,
) -> Result<Vec<DataId>> {
    Ok(registry.expand(data_ids).await?.into_iter().map(change).collect())
}

fn of_expansion() -> Vec<Tamper> {
    mutants! {
        "NothingExpanded" "expands nothing" in ["expansion", "find"]
            expand: |_, data_ids| Box::pin(async move { Ok(data_ids) });
        "RecordsForgotten" "expands without records" in ["expansion"]
            expand: |registry, data_ids| Box::pin(expanded(registry, data_ids, |data_id| data_id.without_records()));
        "ExpandedInOrder" "expands in the order of values" in ["expansion"]
            expand: |registry, mut data_ids| Box::pin(async move {
                data_ids.sort();
                registry.expand(data_ids).await
            });
        "ExpandedByGroup" "expands data IDs of the same dimensions together" in ["expansion"]
            expand: |registry, mut data_ids| Box::pin(async move {
                data_ids.sort_by_key(|data_id| data_id.group().len());
                registry.expand(data_ids).await
            });
        "ExpandedOneByOne" "shares no records" in ["expansion"]
            expand: |registry, data_ids| Box::pin(async move {
                let mut all = Vec::new();
                for data_id in data_ids {
                    all.extend(registry.expand(vec![data_id]).await?);
                }
                Ok(all)
            });
        "ExpandsOnce" "expands equal data IDs once" in ["expansion"]
            expand: |registry, mut data_ids| Box::pin(async move {
                let mut seen = BTreeSet::new();
                data_ids.retain(|data_id| seen.insert(data_id.clone()));
                registry.expand(data_ids).await
            });
        "GivenValuesIgnored" "never compares implied values that are given" in ["expansion"]
            expand: |registry, data_ids| Box::pin(async move {
                registry.expand(data_ids.iter().map(minimal).collect()).await
            });
        "UnknownLeftAlone" "leaves values without records alone" in ["expansion"]
            expand: |registry, data_ids| Box::pin(async move {
                match registry.expand(data_ids.clone()).await {
                    Err(error) if error.kind() == ErrorKind::DataIdValue => Ok(data_ids),
                    other => other,
                }
            });
        "InconsistentLeftAlone" "leaves values that do not belong together alone" in ["expansion"]
            expand: |registry, data_ids| Box::pin(async move {
                match registry.expand(data_ids.clone()).await {
                    Err(error) if error.kind() == ErrorKind::InconsistentDataId => Ok(data_ids),
                    other => other,
                }
            });
        "AllRecordsNeeded" "needs a record of every element" in ["expansion"]
            expand: |registry, data_ids| Box::pin(async move {
                let all = registry.expand(data_ids).await?;
                let lacks = |data_id: &DataId| {
                    data_id.group().elements().any(|element| element.has_table() && data_id.record(element).is_none())
                };
                match all.iter().find(|data_id| lacks(data_id)) {
                    None => Ok(all),
                    Some(data_id) => Err(butler_core::Error::new(ErrorKind::DataIdValue, data_id.to_string())),
                }
            });
        "PixelsNeedRecords" "needs records of pixels" in ["expansion"]
            expand: |registry, data_ids| Box::pin(async move {
                let pixel = |data_id: &DataId| data_id.group().dimensions().any(|d| d.skypix().is_some());
                if let Some(data_id) = data_ids.iter().find(|data_id| pixel(data_id)) {
                    return Err(butler_core::Error::new(ErrorKind::DataIdValue, data_id.to_string()));
                }
                registry.expand(data_ids).await
            });
        "InstrumentsMixed" "takes the records of one data ID for another one's" in ["expansion"]
            expand: |registry, data_ids| Box::pin(async move {
                let all = registry.expand(data_ids).await?;
                all.iter().map(|data_id| {
                    let first = all.iter().find(|other| other.group() == data_id.group());
                    match first.and_then(DataId::records) {
                        Some(records) => data_id.without_records().with_records(records.clone()).or_else(|_| Ok(data_id.clone())),
                        None => Ok(data_id.clone()),
                    }
                }).collect()
            });
    }
}

async fn found(
    registry: &dyn Registry,
    requests: Vec<FindRequest>,
    change: fn(FindRequest) -> FindRequest,
) -> Result<Vec<Option<DatasetRef>>> {
    registry.find(requests.into_iter().map(change).collect()).await
}

fn search(request: FindRequest, change: fn(CollectionSearch) -> CollectionSearch) -> FindRequest {
    FindRequest { collections: change((*request.collections).clone()).into(), ..request }
}

fn each(
    datasets: Vec<Option<DatasetRef>>,
    change: fn(&DatasetRef) -> Option<DatasetRef>,
) -> Vec<Option<DatasetRef>> {
    datasets.iter().map(|dataset| dataset.as_ref().and_then(change)).collect()
}

fn of_find() -> Vec<Tamper> {
    mutants! {
        "LastCollectionWins" "searches from the end" in ["find", "types", "removals"]
            find: |registry, requests| Box::pin(found(registry, requests, |request| search(request, |all| {
                CollectionSearch::new(all.members().iter().rev().cloned())
            })));
        "FirstCollectionOnly" "searches in the first collection only" in ["find", "removals"]
            find: |registry, requests| Box::pin(found(registry, requests, |request| search(request, |all| {
                CollectionSearch::new(all.members().iter().take(1).cloned())
            })));
        "RunsOnly" "searches in runs only" in ["find", "tags"]
            find: |registry, requests| Box::pin(found(registry, requests, |request| search(request, |all| {
                all.filter(|member| member.ty == butler_core::CollectionType::Run)
            })));
        "FirstRunsOnly" "searches in some runs only" in ["find"]
            find: |registry, requests| Box::pin(found(registry, requests, |request| search(request, |all| {
                CollectionSearch::new(all.members().iter().take(9).cloned())
            })));
        "TimeIgnored" "finds calibrations of any time" in ["find"]
            find: |registry, requests| Box::pin(found(registry, requests, |request| {
                FindRequest { timespan: request.timespan.map(|_| Timespan::UNBOUNDED), ..request }
            }));
        "TimeNotNeeded" "searches calibrations without a time" in ["find"]
            find: |registry, requests| Box::pin(found(registry, requests, |request| {
                FindRequest { timespan: request.timespan.or(Some(Timespan::UNBOUNDED)), ..request }
            }));
        "CalibrationsSkipped" "never searches calibrations" in ["find"]
            find: |registry, requests| Box::pin(found(registry, requests, |request| {
                FindRequest { timespan: None, ..request }
            }));
        "BeginOfTimeOnly" "looks at the begin of a timespan only" in ["find"]
            find: |registry, requests| Box::pin(found(registry, requests, |request| {
                let timespan = request.timespan.map(|timespan| match timespan.begin() {
                    Some(begin) => Timespan::from_instant(begin),
                    None => timespan,
                });
                FindRequest { timespan, ..request }
            }));
        "DoubtPasses" "finds nothing where it is in doubt" in ["find"]
            find: |registry, requests| Box::pin(async move {
                match registry.find(requests).await {
                    Err(error) if error.kind() == ErrorKind::CalibrationLookup => Ok(vec![None]),
                    other => other,
                }
            });
        "DoubtEverywhere" "is in doubt about any calibration that is asked for at all times" in ["find"]
            find: |registry, requests| Box::pin(async move {
                if requests.iter().any(|request| request.timespan == Some(Timespan::UNBOUNDED)) {
                    return Err(butler_core::Error::new(ErrorKind::CalibrationLookup, "bias 'c' {detector: 1}"));
                }
                registry.find(requests).await
            });
        "CalibrationsOnly" "expects only calibrations where a time is given" in ["find"]
            find: |registry, requests| Box::pin(async move {
                if requests.iter().any(|request| request.timespan.is_some() && !request.dataset_type.is_calibration()) {
                    return Err(butler_core::Error::new(ErrorKind::DatasetType, "no calibration"));
                }
                registry.find(requests).await
            });
        "FoundTurned" "answers in another order" in ["find"]
            find: |registry, requests| Box::pin(async move {
                let mut found = registry.find(requests).await?;
                found.reverse();
                Ok(found)
            });
        "FindsMinimal" "finds datasets with minimal data IDs" in ["find"]
            find: |registry, requests| Box::pin(async move {
                let found = registry.find(requests).await?;
                Ok(each(found, |dataset| dataset.with_data_id(minimal(dataset.data_id())).ok()))
            });
        "FindsComposites" "finds composites where components are asked for" in ["find"]
            find: |registry, requests| Box::pin(async move {
                let found = registry.find(requests).await?;
                Ok(each(found, |dataset| dataset.with_dataset_type(dataset.dataset_type().composite()).ok()))
            });
        "FindsAsRegistered" "finds datasets with the registered storage class" in ["find"]
            find: |registry, requests| Box::pin(async move {
                let found = registry.find(requests).await?;
                Ok(each(found, |dataset| {
                    dataset.with_dataset_type(dataset.dataset_type().clone().with_storage_class("Bytes")).ok()
                }))
            });
        "ComponentsNotFound" "finds no components" in ["find"]
            find: |registry, requests| Box::pin(async move {
                let found = registry.find(requests).await?;
                Ok(each(found, |dataset| Some(dataset.clone()).filter(|d| d.dataset_type().component_name().is_none())))
            });
        "GlobalInCollections" "finds global datasets in their collections only" in ["types"]
            find: |registry, requests| Box::pin(async move {
                let wanted: Vec<_> = requests.iter().map(|request| request.collections.clone()).collect();
                let found = registry.find(requests).await?;
                Ok(found.into_iter().zip(wanted).map(|(dataset, search)| {
                    dataset.filter(|dataset| search.members().is_empty() || search.rank(dataset.run()).is_some()
                        || search.members().iter().any(|member| member.ty != butler_core::CollectionType::Run))
                }).collect())
            });
        "UnknownTypesNotFound" "finds nothing of types that are not registered" in ["find"]
            find: |registry, requests| Box::pin(async move {
                let count = requests.len();
                match registry.find(requests).await {
                    Err(error) if error.kind() == ErrorKind::MissingDatasetType => Ok(vec![None; count]),
                    other => other,
                }
            });
        "OtherDimensionsNotFound" "finds nothing for data IDs of other dimensions" in ["find"]
            find: |registry, requests| Box::pin(async move {
                let count = requests.len();
                match registry.find(requests).await {
                    Err(error) if error.kind() == ErrorKind::DimensionName => Ok(vec![None; count]),
                    other => other,
                }
            });
        "NonsingularNotFound" "finds nothing of nonsingular types" in ["types"]
            find: |registry, requests| Box::pin(async move {
                let count = requests.len();
                match registry.find(requests).await {
                    Err(error) if error.kind() == ErrorKind::DatasetType => Ok(vec![None; count]),
                    other => other,
                }
            });
        "FindsNothing" "finds nothing" in ["find", "types", "datasets", "tags", "collections", "removals", "imports"]
            find: |_, requests| Box::pin(async move { Ok(vec![None; requests.len()]) });
    }
}

fn of_get() -> Vec<Tamper> {
    mutants! {
        "GetsInOrder" "gets datasets in the order of their ids" in ["datasets"]
            get: |registry, mut ids| Box::pin(async move {
                ids.sort();
                registry.get(ids).await
            });
        "GetsKnown" "leaves out ids that it does not know" in ["datasets", "removals"]
            get: |registry, ids| Box::pin(async move {
                Ok(registry.get(ids).await?.into_iter().filter(Option::is_some).collect())
            });
        "GetsOnce" "gets each dataset once" in ["datasets"]
            get: |registry, ids| Box::pin(async move {
                let ids: BTreeSet<_> = ids.into_iter().collect();
                registry.get(ids.into_iter().collect()).await
            });
        "GetsAFewOnly" "gets a few hundred datasets at most" in ["datasets"]
            get: |registry, ids| Box::pin(async move {
                let few = ids.len().min(50);
                let mut found = registry.get(ids[..few].to_vec()).await?;
                found.resize(ids.len(), None);
                Ok(found)
            });
        "GetsOwnIdsOnly" "knows no ids from elsewhere" in ["datasets"]
            get: |registry, ids| Box::pin(async move {
                let own = |dataset: &DatasetRef| dataset.id().to_uuid().get_version_num() == 8;
                Ok(registry.get(ids).await?.into_iter().map(|dataset| dataset.filter(own)).collect())
            });
        "GetsOtherRun" "confuses the runs of datasets" in ["datasets", "imports"]
            get: |registry, ids| Box::pin(async move {
                Ok(each(registry.get(ids).await?, |d| {
                    DatasetRef::new(d.id(), d.dataset_type().clone(), d.data_id().clone(), "r".into()).ok()
                }))
            });
        "GetsOtherClass" "confuses storage classes" in ["datasets", "types"]
            get: |registry, ids| Box::pin(async move {
                Ok(each(registry.get(ids).await?, |d| {
                    d.with_dataset_type(d.dataset_type().clone().with_storage_class("Image")).ok()
                }))
            });
        "GetsNothing" "gets nothing" in ["datasets", "imports", "removals", "types", "batches"]
            get: |_, ids| Box::pin(async move { Ok(vec![None; ids.len()]) });
    }
}

async fn infos(
    registry: &dyn Registry,
    query: CollectionQuery,
    change: fn(CollectionInfo) -> CollectionInfo,
) -> Result<Vec<CollectionInfo>> {
    Ok(registry.collections(query).await?.into_iter().map(change).collect())
}

fn of_lists() -> Vec<Tamper> {
    mutants! {
        "CollectionsByName" "lists collections by name" in ["collections", "removals"]
            collections: |registry, query| Box::pin(async move {
                let mut all = registry.collections(query).await?;
                all.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(all)
            });
        "OddNamesRefused" "refuses to look for odd names" in ["repository"]
            collections: |registry, query| Box::pin(async move {
                let odd = |name: &ArcStr| butler_core::check_collection_name(name).is_err();
                if query.names.iter().flatten().any(odd) {
                    return Err(butler_core::Error::new(ErrorKind::Argument, "an odd name"));
                }
                registry.collections(query).await
            });
        "AllCollections" "lists all collections whatever names are given" in ["collections"]
            collections: |registry, query| Box::pin(async move {
                registry.collections(CollectionQuery { names: None, ..query }).await
            });
        "NoneIsAllCollections" "takes no names for all" in ["collections"]
            collections: |registry, query| Box::pin(async move {
                let names = query.names.filter(|names| !names.is_empty());
                registry.collections(CollectionQuery { names, ..query }).await
            });
        "DescendantsIgnored" "never lists descendants" in ["collections", "chains", "find"]
            collections: |registry, query| Box::pin(async move {
                registry.collections(CollectionQuery { descendants: false, ..query }).await
            });
        "AlwaysDescendants" "always lists descendants" in ["collections", "chains"]
            collections: |registry, query| Box::pin(async move {
                registry.collections(CollectionQuery { descendants: true, ..query }).await
            });
        "ChildrenSorted" "lists children by name" in ["chains", "collections", "find", "removals"]
            collections: |registry, query| Box::pin(infos(registry, query, |mut info| { info.children.sort(); info }));
        "ChildrenTurned" "lists the last child first" in ["chains", "collections", "find", "batches", "searches"]
            collections: |registry, query| Box::pin(infos(registry, query, |mut info| { info.children.reverse(); info }));
        "AlwaysSummaries" "gives summaries unasked" in ["collections"]
            collections: |registry, query| Box::pin(async move {
                registry.collections(CollectionQuery { summaries: true, ..query }).await
            });
        "SummariesEmpty" "gives empty summaries" in ["collections"]
            collections: |registry, query| Box::pin(infos(registry, query, |info| {
                CollectionInfo { summary: info.summary.map(|_| Default::default()), ..info }
            }));
        "GovernorsForgotten" "summarises no governors" in ["collections"]
            collections: |registry, query| Box::pin(infos(registry, query, |mut info| {
                if let Some(summary) = &mut info.summary { summary.governors.clear(); }
                info
            }));
        "ChainsSummarised" "gives chains summaries of their own" in ["collections"]
            collections: |registry, query| Box::pin(infos(registry, query, |info| {
                CollectionInfo { summary: info.summary.or_else(|| Some(Default::default())), ..info }
            }));
        "DocumentationCut" "cuts documentation at the end of a line" in ["collections"]
            collections: |registry, query| Box::pin(infos(registry, query, |info| {
                CollectionInfo { doc: info.doc.lines().next().unwrap_or_default().into(), ..info }
            }));
        "TypesByName" "lists dataset types by name" in ["types"]
            types: |registry, query| Box::pin(async move {
                let mut all = registry.dataset_types(query).await?;
                all.sort_by(|a, b| a.name().cmp(b.name()));
                Ok(all)
            });
        "AllTypes" "lists all dataset types whatever names are given" in ["types"]
            types: |registry, _| Box::pin(registry.dataset_types(DatasetTypeQuery::default()));
        "AFewTypes" "lists a hundred dataset types at most" in ["types"]
            types: |registry, query| Box::pin(async move {
                let mut all = registry.dataset_types(query).await?;
                all.truncate(100);
                Ok(all)
            });
        "AllFacts" "gives all facts whatever names are given" in ["repository", "batches"]
            attributes: |registry, _| Box::pin(registry.attributes(None));
        "NoFacts" "gives no facts without names" in ["repository"]
            attributes: |registry, names| Box::pin(registry.attributes(Some(names.unwrap_or_default())));
        "FactsTurned" "gives facts in another order" in ["repository"]
            attributes: |registry, names| Box::pin(async move {
                let mut all = registry.attributes(names).await?;
                all.reverse();
                Ok(all)
            });
    }
}

async fn planned(
    registry: &dyn Registry,
    removal: butler_core::registry::Removal,
    change: fn(RemovalPlan) -> RemovalPlan,
) -> Result<RemovalPlan> {
    registry.plan(removal).await.map(change)
}

fn of_plans() -> Vec<Tamper> {
    mutants! {
        "PlansNothing" "plans nothing" in ["removals"]
            plan: |registry, removal| Box::pin(planned(registry, removal, |_| RemovalPlan::default()));
        "PlansWithoutTags" "overlooks tags" in ["removals"]
            plan: |registry, removal| Box::pin(planned(registry, removal, |plan| RemovalPlan { tags: Default::default(), ..plan }));
        "PlansWithoutQuanta" "overlooks quanta" in ["removals"]
            plan: |registry, removal| Box::pin(planned(registry, removal, |plan| RemovalPlan { quanta: 0, ..plan }));
        "PlansWithoutParents" "overlooks chains" in ["removals"]
            plan: |registry, removal| Box::pin(planned(registry, removal, |plan| RemovalPlan { parents: Default::default(), ..plan }));
        "PlansWithoutTypes" "overlooks dataset types" in ["removals"]
            plan: |registry, removal| Box::pin(planned(registry, removal, |plan| RemovalPlan { dataset_types: Vec::new(), ..plan }));
        "PlansTwice" "counts twice what goes for two reasons" in ["removals"]
            plan: |registry, removal| Box::pin(async move {
                let plan = registry.plan(removal).await?;
                let twice = plan.datasets.len() > 1;
                Ok(RemovalPlan { quanta: if twice { plan.quanta * 2 } else { plan.quanta }, ..plan })
            });
        "PlansAnyway" "plans for names that are not there" in ["removals"]
            plan: |registry, removal| Box::pin(async move {
                Ok(registry.plan(removal).await.unwrap_or_default())
            });
        "PlansAndRemoves" "removes what it should plan" in ["removals"]
            plan: |registry, removal| Box::pin(async move {
                let plan = registry.plan(removal.clone()).await?;
                registry.apply(butler_core::registry::Operation::Remove(removal).into()).await.ok();
                Ok(plan)
            });
    }
}

async fn walked(
    registry: &dyn Registry,
    query: ProvenanceQuery,
    change: fn(Quantum) -> Quantum,
) -> Result<butler_core::registry::ProvenanceGraph> {
    let mut graph = registry.provenance(query).await?;
    graph.quanta = graph.quanta.into_iter().map(change).collect();
    Ok(graph)
}

fn of_provenance() -> Vec<Tamper> {
    mutants! {
        "WalksTheOtherWay" "goes the other way" in ["provenance"]
            provenance: |registry, query| Box::pin(async move {
                let direction = match query.direction {
                    Direction::Upstream => Direction::Downstream,
                    Direction::Downstream => Direction::Upstream,
                };
                registry.provenance(ProvenanceQuery { direction, ..query }).await
            });
        "AlwaysUpstream" "goes upstream only" in ["provenance"]
            provenance: |registry, query| Box::pin(registry.provenance(ProvenanceQuery { direction: Direction::Upstream, ..query }));
        "AlwaysDownstream" "goes downstream only" in ["provenance"]
            provenance: |registry, query| Box::pin(registry.provenance(ProvenanceQuery { direction: Direction::Downstream, ..query }));
        "DepthIgnored" "goes to any depth" in ["provenance"]
            provenance: |registry, query| Box::pin(registry.provenance(ProvenanceQuery { depth: None, ..query }));
        "OneStep" "goes one step" in ["provenance"]
            provenance: |registry, query| Box::pin(registry.provenance(ProvenanceQuery { depth: Some(query.depth.unwrap_or(1).min(1)), ..query }));
        "FirstBeginningOnly" "begins at the first dataset only" in ["provenance"]
            provenance: |registry, query| Box::pin(async move {
                let datasets = query.datasets.into_iter().take(1).collect();
                registry.provenance(ProvenanceQuery { datasets, ..query }).await
            });
        "BeginningsLeftOut" "leaves out where it begins" in ["provenance"]
            provenance: |registry, query| Box::pin(async move {
                let begin = query.datasets.clone();
                let mut graph = registry.provenance(query).await?;
                graph.datasets.retain(|id| !begin.contains(id));
                Ok(graph)
            });
        "EdgesForgotten" "gives no edges" in ["provenance"]
            provenance: |registry, query| Box::pin(async move {
                let mut graph = registry.provenance(query).await?;
                graph.inputs.clear();
                Ok(graph)
            });
        "QuantaTurned" "gives quanta in another order" in ["provenance"]
            provenance: |registry, query| Box::pin(async move {
                let mut graph = registry.provenance(query).await?;
                graph.quanta.reverse();
                Ok(graph)
            });
        "QuantaWithoutOutputs" "gives quanta only that wrote something" in ["provenance"]
            provenance: |registry, query| Box::pin(async move {
                let mut graph = registry.provenance(query).await?;
                graph.quanta.retain(|quantum| !quantum.outputs.is_empty());
                Ok(graph)
            });
        "TimesForgotten" "does not tell when quanta ran" in ["provenance"]
            provenance: |registry, query| Box::pin(walked(registry, query, |quantum| Quantum { began: None, ..quantum }));
        "RunsInvented" "gives quanta whose run is gone a run without a name" in ["provenance"]
            provenance: |registry, query| Box::pin(walked(registry, query, |quantum| Quantum { run: quantum.run.or_else(|| Some(ArcStr::new())), ..quantum }));
        "LabelsForgotten" "does not tell the labels of quanta" in ["provenance"]
            provenance: |registry, query| Box::pin(walked(registry, query, |quantum| Quantum { label: ArcStr::new(), ..quantum }));
        "GoneForgotten" "stops at datasets that are gone" in ["provenance"]
            provenance: |registry, query| Box::pin(async move {
                let mut graph = registry.provenance(query).await?;
                let there = registry.get(graph.datasets.clone()).await?;
                let mut there = there.iter().map(Option::is_some);
                graph.datasets.retain(|_| there.next().unwrap_or_default());
                Ok(graph)
            });
    }
}

fn of_tables() -> Vec<Tamper> {
    async fn fetched(
        registry: &dyn Registry,
        fetches: Vec<OpaqueFetch>,
        change: fn(OpaqueFetch) -> OpaqueFetch,
    ) -> Result<Vec<butler_core::backend::ColumnBatch>> {
        registry.fetch_opaque(fetches.into_iter().map(change).collect()).await
    }
    mutants! {
        "KeysIgnored" "fetches all rows whatever keys are given" in ["opaque"]
            opaque: |registry, fetches| Box::pin(fetched(registry, fetches, |fetch| OpaqueFetch { keys: None, ..fetch }));
        "NoKeysIsAll" "takes no keys for all" in ["opaque"]
            opaque: |registry, fetches| Box::pin(fetched(registry, fetches, |fetch| {
                OpaqueFetch { keys: fetch.keys.filter(|keys| !keys.is_empty()), ..fetch }
            }));
        "FirstThousandKeys" "fetches rows of some keys only" in ["opaque"]
            opaque: |registry, fetches| Box::pin(fetched(registry, fetches, |mut fetch| {
                if let Some(keys) = &mut fetch.keys { keys.truncate(500); }
                fetch
            }));
        "FirstColumnOnly" "compares the first column only" in ["opaque"]
            opaque: |registry, fetches| Box::pin(fetched(registry, fetches, |mut fetch| {
                fetch.columns.truncate(1);
                if let Some(keys) = &mut fetch.keys {
                    keys.iter_mut().for_each(|key| *key = key.iter().take(1).cloned().collect());
                }
                fetch
            }));
        "RowsForEachKey" "fetches a row for each key that fits" in ["opaque"]
            opaque: |registry, fetches| Box::pin(async move {
                let mut all = Vec::new();
                for fetch in fetches {
                    let again = fetch.keys.as_ref().is_some_and(|keys| keys.len() == 2 && keys[0] == keys[1]);
                    let mut found = registry.fetch_opaque(vec![fetch]).await?.remove(0);
                    if again {
                        for row in found.rows().collect::<Vec<_>>() { found.push_row(&row)?; }
                    }
                    all.push(found);
                }
                Ok(all)
            });
        "FetchesTurned" "answers fetches in another order" in ["opaque"]
            opaque: |registry, mut fetches| Box::pin(async move {
                fetches.sort_by(|a, b| a.table.cmp(&b.table));
                registry.fetch_opaque(fetches).await
            });
        "FetchesNothing" "fetches nothing from tables that are not there" in ["opaque"]
            opaque: |registry, fetches| Box::pin(async move {
                match registry.fetch_opaque(fetches).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => registry.fetch_opaque(Vec::new()).await,
                    other => other,
                }
            });
    }
}

pub(super) fn all() -> Vec<Tamper> {
    [of_expansion(), of_find(), of_get(), of_lists(), of_plans(), of_provenance(), of_tables()].concat()
}
