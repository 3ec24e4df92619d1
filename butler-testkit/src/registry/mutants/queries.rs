//! Mutants that understand or answer queries otherwise.

use butler_core::backend::{Arithmetic, Comparison, GlobPattern};
use butler_core::query::{
    Association, DatasetField, Explanation, ExprType, Field, Literal, Predicate, Query, QueryRows,
    ResultSpec, RowValue, TypedExpr,
};
use butler_core::{
    CollectionSearch, CollectionType, DataId, DatasetKind, DatasetRef, DimensionRecord, FieldValue, Timespan,
};

use super::tamper::{Tamper, mutants};

/// A predicate with each part changed, innermost first.
fn parts(predicate: Predicate, change: fn(Predicate) -> Predicate) -> Predicate {
    let all = |operands: Vec<Predicate>| operands.into_iter().map(|operand| parts(operand, change)).collect();
    change(match predicate {
        Predicate::And(operands) => Predicate::And(all(operands)),
        Predicate::Or(operands) => Predicate::Or(all(operands)),
        Predicate::Not(operand) => Predicate::Not(Box::new(parts(*operand, change))),
        other => other,
    })
}

fn predicates(query: Query, change: fn(Predicate) -> Predicate) -> Query {
    Query { predicate: parts(query.predicate.clone(), change), ..query }
}

/// Expressions of comparisons changed, innermost first.
fn expressions(query: Query, change: fn(TypedExpr) -> TypedExpr) -> Query {
    fn within(expr: TypedExpr, change: fn(TypedExpr) -> TypedExpr) -> TypedExpr {
        let inner = |operand: Box<TypedExpr>| Box::new(within(*operand, change));
        change(match expr {
            TypedExpr::Negate(operand) => TypedExpr::Negate(inner(operand)),
            TypedExpr::Arithmetic { op, left, right } => {
                TypedExpr::Arithmetic { op, left: inner(left), right: inner(right) }
            }
            other => other,
        })
    }
    fn of(predicate: Predicate, change: fn(TypedExpr) -> TypedExpr) -> Predicate {
        let all =
            |operands: Vec<Predicate>| operands.into_iter().map(|operand| of(operand, change)).collect();
        match predicate {
            Predicate::And(operands) => Predicate::And(all(operands)),
            Predicate::Or(operands) => Predicate::Or(all(operands)),
            Predicate::Not(operand) => Predicate::Not(Box::new(of(*operand, change))),
            Predicate::Compare { op, left, right } => {
                Predicate::Compare { op, left: within(left, change), right: within(right, change) }
            }
            other => other,
        }
    }
    Query { predicate: of(query.predicate.clone(), change), ..query }
}

fn searches(query: Query, change: fn(&CollectionSearch) -> CollectionSearch) -> Query {
    let mut query = query;
    for search in &mut query.datasets {
        search.collections = change(&search.collections).into();
    }
    query
}

fn find_first(query: Query, first: bool) -> Query {
    let result = match query.result {
        ResultSpec::Datasets { dataset_type, .. } => ResultSpec::Datasets { dataset_type, find_first: first },
        other => other,
    };
    Query { result, ..query }
}

fn is_spatial(predicate: &Predicate) -> bool {
    matches!(predicate, Predicate::Overlaps { left, .. } if left.ty() == ExprType::Region)
}

/// A condition that says something of the regions of two families, and restricts nothing.
fn connected(query: Query) -> Query {
    let region = |name: &str| {
        let element = query.dimensions.elements().find(|element| element.name() == name)?;
        Some(TypedExpr::Field(Field::Record { element, field: "region".into() }))
    };
    let (Some(left), Some(right)) = (region("visit"), region("tract")) else { return query };
    let always = Predicate::Not(Box::new(Predicate::IsNull(TypedExpr::Field(Field::Key(
        query.dimensions.required().next().unwrap_or(query.dimensions.universe().common_skypix()),
    )))));
    let either = Predicate::Or(vec![Predicate::Overlaps { left, right }, always]);
    Query { predicate: query.predicate.clone().and(either), ..query }
}

/// A condition that visits and patches overlap, if there are both.
fn joined(query: Query) -> Query {
    let region = |name: &str| {
        let element = query.dimensions.elements().find(|element| element.name() == name)?;
        Some(TypedExpr::Field(Field::Record { element, field: "region".into() }))
    };
    let (Some(left), Some(right)) = (region("visit"), region("patch")) else { return query };
    Query { predicate: query.predicate.clone().and(Predicate::Overlaps { left, right }), ..query }
}

fn of_conditions() -> Vec<Tamper> {
    mutants! {
        "ConditionsIgnored" "looks at no conditions" in ["conditions", "data_ids", "orders"]
            query: |query| Query { predicate: Predicate::always(), ..query };
        "AndIsOr" "takes one of several conditions for all" in ["conditions", "data_ids"]
            query: |query| predicates(query, |part| match part {
                Predicate::And(operands) if operands.len() > 1 => Predicate::Or(operands),
                other => other,
            });
        "OrIsAnd" "needs all of several alternatives" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::Or(operands) => Predicate::And(operands),
                other => other,
            });
        "NotIgnored" "negates nothing" in ["conditions", "sky"]
            query: |query| predicates(query, |part| match part {
                Predicate::Not(operand) => *operand,
                other => other,
            });
        "NullIsFalse" "takes a comparison with NULL for false" in ["conditions", "sky"]
            query: |query| predicates(query, |part| match part {
                Predicate::Not(operand) => {
                    let mut unknown = vec![Predicate::Not(operand.clone())];
                    operand.for_each_field(&mut |field| {
                        unknown.push(Predicate::IsNull(TypedExpr::Field(field.clone())));
                    });
                    Predicate::Or(unknown)
                }
                other => other,
            });
        "NullNeverFound" "finds no NULL" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::IsNull(_) => Predicate::Or(Vec::new()),
                other => other,
            });
        "EndsIncluded" "takes less for at most" in ["conditions", "data_ids", "searches"]
            query: |query| predicates(query, |part| match part {
                Predicate::Compare { op: Comparison::Lt, left, right } => {
                    Predicate::Compare { op: Comparison::Le, left, right }
                }
                other => other,
            });
        "GreaterOrEqual" "takes greater for at least" in ["conditions", "orders"]
            query: |query| predicates(query, |part| match part {
                Predicate::Compare { op: Comparison::Gt, left, right } => {
                    Predicate::Compare { op: Comparison::Ge, left, right }
                }
                other => other,
            });
        "CaseIgnored" "compares texts without case" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::Compare { op: Comparison::Eq, left, right: TypedExpr::Literal(Literal::Text(text)) } => {
                    let letters = text.chars().map(|c| if c.is_ascii_alphabetic() { '?' } else { c });
                    Predicate::Glob { value: left, pattern: GlobPattern::new(letters.collect::<String>()) }
                }
                other => other,
            });
        "PatternsAreTexts" "takes patterns for texts" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::Glob { value, pattern } => Predicate::Compare {
                    op: Comparison::Eq,
                    left: value,
                    right: TypedExpr::Literal(Literal::Text(pattern.as_str().into())),
                },
                other => other,
            });
        "PatternsMatchParts" "finds patterns anywhere in texts" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::Glob { value, pattern } => {
                    Predicate::Glob { value, pattern: GlobPattern::new(format!("{}*", pattern.as_str())) }
                }
                other => other,
            });
        "StepsIgnored" "takes all members of a range" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::InRange { value, start, stop, .. } => Predicate::InRange { value, start, stop, step: 1 },
                other => other,
            });
        "RangesHalfOpen" "leaves out the end of a range" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::InRange { value, start, stop, step } => {
                    Predicate::InRange { value, start, stop: stop - 1, step }
                }
                other => other,
            });
        "FirstOfList" "looks at the first of a list only" in ["conditions", "searches"]
            query: |query| predicates(query, |part| match part {
                Predicate::InList { value, mut list } => {
                    list.truncate(1);
                    Predicate::InList { value, list }
                }
                other => other,
            });
        "SignsIgnored" "calculates without signs" in ["conditions"]
            query: |query| expressions(query, |expr| match expr {
                TypedExpr::Negate(operand) => *operand,
                other => other,
            });
        "DifferencesAdded" "adds what it should subtract" in ["conditions"]
            query: |query| expressions(query, |expr| match expr {
                TypedExpr::Arithmetic { op: Arithmetic::Sub, left, right } => {
                    TypedExpr::Arithmetic { op: Arithmetic::Add, left, right }
                }
                other => other,
            });
        "BooleansIgnored" "takes every boolean for true" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::Field(_) => Predicate::always(),
                other => other,
            });
        "TimesTouch" "takes timespans that touch for overlapping" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::Overlaps { left, right: TypedExpr::Literal(Literal::Timespan(timespan)) } if !timespan.is_empty() => {
                    let (begin, end) = timespan.to_raw();
                    let wider = Timespan::from_raw(begin.saturating_sub(1), end.saturating_add(1));
                    Predicate::Overlaps { left, right: TypedExpr::Literal(Literal::Timespan(wider)) }
                }
                other => other,
            });
        "EmptyOverlaps" "takes the empty timespan for all times" in ["conditions"]
            query: |query| predicates(query, |part| match part {
                Predicate::Overlaps { left, right: TypedExpr::Literal(Literal::Timespan(Timespan::EMPTY)) } => {
                    Predicate::Overlaps { left, right: TypedExpr::Literal(Literal::Timespan(Timespan::UNBOUNDED)) }
                }
                other => other,
            });
        "TimeAlwaysFits" "never compares timespans" in ["conditions", "lookups"]
            query: |query| predicates(query, |part| match part {
                Predicate::Overlaps { left, .. } if left.ty() == ExprType::Timespan => Predicate::always(),
                other => other,
            });
        "RunIsCollection" "takes the run for the collection" in ["searches"]
            query: |query| predicates(query, |part| match part {
                Predicate::Compare { op, left: TypedExpr::Field(Field::Dataset { dataset_type, .. }), right } => {
                    let field = Field::Dataset { dataset_type, field: DatasetField::Run };
                    if right.ty() == ExprType::Text {
                        Predicate::Compare { op, left: TypedExpr::Field(field), right }
                    } else {
                        Predicate::always()
                    }
                }
                other => other,
            });
    }
}

fn of_shapes() -> Vec<Tamper> {
    mutants! {
        "OrderIgnored" "orders nothing" in ["orders", "data_ids", "searches", "sky"]
            query: |query| Query { order_by: Vec::new(), ..query };
        "AlwaysAscending" "orders upwards only" in ["orders", "searches"]
            query: |mut query| {
                query.order_by.iter_mut().for_each(|term| term.descending = false);
                query
            };
        "FirstTermOnly" "orders by the first term only" in ["orders", "searches", "sky"]
            query: |mut query| {
                query.order_by.truncate(1);
                query
            };
        "LimitIgnored" "limits nothing" in ["orders", "searches", "sky"]
            query: |query| Query { limit: None, ..query };
        "ZeroIsNoLimit" "takes the limit 0 for none" in ["orders", "sky"]
            query: |query| Query { limit: query.limit.filter(|limit| *limit > 0), ..query };
        "OffsetIgnored" "leaves nothing out" in ["orders", "searches", "sky"]
            query: |query| Query { offset: 0, ..query };
        "UploadsIgnored" "looks at no uploads" in ["data_ids"]
            query: |query| Query { uploads: Vec::new(), ..query };
        "FirstUploadOnly" "looks at the first upload only" in ["data_ids"]
            query: |mut query| {
                query.uploads.truncate(1);
                query
            };
        "EmptyUploadIgnored" "takes an empty upload for none" in ["data_ids"]
            query: |mut query| {
                query.uploads.retain(|upload| !upload.is_empty());
                query
            };
        "AThousandUploaded" "looks at some data IDs of an upload only" in ["data_ids"]
            query: |mut query| {
                query.uploads.iter_mut().for_each(|upload| *upload = upload.iter().take(300).cloned().collect());
                query
            };
        "NeverExpanded" "expands no data IDs of rows" in ["data_ids", "searches"]
            query: |query| Query { expanded: false, ..query };
        "AlwaysExpanded" "always expands data IDs" in ["data_ids"]
            query: |query| Query { expanded: true, ..query };
        "SearchesIgnored" "finds data IDs without datasets" in ["data_ids", "lookups"]
            query: |query| match query.result {
                ResultSpec::DataIds { .. } => Query { datasets: Vec::new(), ..query },
                _ => query,
            };
        "SecondSearchIgnored" "looks at the first search only" in ["data_ids", "searches", "lookups"]
            query: |mut query| {
                query.datasets.truncate(1);
                query
            };
        "FindsAll" "finds all where the first is asked for" in ["searches", "lookups", "sky"]
            query: |query| find_first(query, false);
        "FindsFirst" "finds the first where all are asked for" in ["searches", "lookups", "sky", "types"]
            query: |query| find_first(query, true);
        "SearchedTurned" "searches collections from the end" in ["searches", "lookups", "sky"]
            query: |query| searches(query, |all| CollectionSearch::new(all.members().iter().rev().cloned()));
        "SearchesFirstCollection" "queries the first collection only" in ["searches", "lookups", "sky", "data_ids"]
            query: |query| searches(query, |all| CollectionSearch::new(all.members().iter().take(1).cloned()));
        "TagsNotQueried" "queries no tagged collections" in ["searches", "tags", "batches", "types"]
            query: |query| searches(query, |all| all.filter(|member| member.ty != CollectionType::Tagged));
        "CalibrationsNotQueried" "queries no calibration collections" in ["searches", "lookups", "calibrations"]
            query: |query| searches(query, |all| all.filter(|member| member.ty != CollectionType::Calibration));
        "OnlyCalibrationsQueried" "queries calibration collections only, where there is one" in ["lookups"]
            query: |query| searches(query, |all| {
                let calibrations = all.filter(|member| member.ty == CollectionType::Calibration);
                if calibrations.is_empty() { all.clone() } else { calibrations }
            });
        "ExtraDimensionsDropped" "looks at the dimensions of the dataset type only" in ["searches", "lookups"]
            query: |query| match &query.result {
                ResultSpec::Datasets { .. } if query.datasets.len() == 1 => {
                    let dimensions = query.datasets[0].dataset_type.group();
                    Query { dimensions, predicate: Predicate::always(), ..query }
                }
                _ => query,
            };
        "DoubtfulQueriesPass" "takes any calibration where it is in doubt" in ["lookups"]
            query: |query| match &query.result {
                ResultSpec::Datasets { .. } if query.dimensions == query.datasets[0].dataset_type.group() => {
                    Query { limit: Some(1), ..find_first(query, false) }
                }
                _ => query,
            };
        "RegionsIgnored" "never compares regions" in ["sky"]
            query: |query| predicates(query, |part| if is_spatial(&part) { Predicate::always() } else { part });
        "RegionsNeverOverlap" "never finds regions that overlap" in ["sky"]
            query: |query| predicates(query, |part| if is_spatial(&part) { Predicate::Or(Vec::new()) } else { part });
        "AlwaysJoins" "joins by place what datasets say belongs together" in ["sky"]
            query: |query| match &query.result {
                ResultSpec::Datasets { .. } => joined(query),
                _ => query,
            };
        "FirstRowsIgnored" "gives rows of all datasets where those of the first are asked for" in ["searches", "lookups"]
            query: |query| match query.result {
                ResultSpec::General { dimensions, fields, .. } => {
                    Query { result: ResultSpec::General { dimensions, fields, find_first: None }, ..query }
                }
                _ => query,
            };
        "NoSpatialJoins" "joins nothing by place" in ["sky", "records"]
            query: connected;
    }
}

fn only<T>(rows: Vec<T>, keep: fn(usize, usize) -> bool) -> Vec<T> {
    let count = rows.len();
    rows.into_iter().enumerate().filter(|(at, _)| keep(*at, count)).map(|(_, row)| row).collect()
}

/// Data IDs of rows changed.
fn data_ids(rows: QueryRows, change: fn(DataId) -> DataId) -> QueryRows {
    let dataset = |dataset: DatasetRef| {
        let data_id = change(dataset.data_id().clone());
        dataset.with_data_id(data_id).unwrap_or(dataset)
    };
    match rows {
        QueryRows::DataIds(rows) => QueryRows::DataIds(rows.into_iter().map(change).collect()),
        QueryRows::Datasets(rows) => QueryRows::Datasets(rows.into_iter().map(dataset).collect()),
        other => other,
    }
}

fn each(batches: Vec<QueryRows>, change: fn(QueryRows) -> QueryRows) -> Vec<QueryRows> {
    batches.into_iter().map(change).collect()
}

fn twice<T: Clone>(rows: Vec<T>) -> Vec<T> {
    [rows.clone(), rows].concat()
}

fn associations(batches: Vec<QueryRows>, change: fn(Association) -> Association) -> Vec<QueryRows> {
    batches
        .into_iter()
        .map(|rows| match rows {
            QueryRows::Associations(rows) => QueryRows::Associations(rows.into_iter().map(change).collect()),
            other => other,
        })
        .collect()
}

fn general(batches: Vec<QueryRows>, change: fn(RowValue) -> RowValue) -> Vec<QueryRows> {
    let changed = |rows| match rows {
        QueryRows::General(mut rows) => {
            for row in &mut rows {
                row.values = std::mem::take(&mut row.values).into_iter().map(change).collect();
            }
            QueryRows::General(rows)
        }
        other => other,
    };
    batches.into_iter().map(changed).collect()
}

fn of_rows() -> Vec<Tamper> {
    mutants! {
        "DataIdsTwice" "gives data IDs more than once" in ["data_ids", "sky", "orders"]
            rows: |_, batches| each(batches, |rows| match rows {
                QueryRows::DataIds(rows) => QueryRows::DataIds(twice(rows)),
                other => other,
            });
        "RecordsTwice" "gives records more than once" in ["orders", "sky"]
            rows: |query, batches| match query.result {
                ResultSpec::Records { element } if query.dimensions != element.minimal_group() => each(batches, |rows| match rows {
                    QueryRows::Records(rows) => QueryRows::Records(twice(rows)),
                    other => other,
                }),
                _ => batches,
            };
        "DatasetsTwice" "gives datasets for each further data ID" in ["searches", "lookups", "sky"]
            rows: |query, batches| match &query.result {
                ResultSpec::Datasets { .. } if query.dimensions != query.datasets[0].dataset_type.group() => each(batches, |rows| match rows {
                    QueryRows::Datasets(rows) => QueryRows::Datasets(twice(rows)),
                    other => other,
                }),
                _ => batches,
            };
        "DatasetsForEachCollection" "gives datasets for each collection that they are in" in ["searches"]
            rows: |query, batches| match &query.result {
                ResultSpec::Datasets { find_first: false, .. } if query.datasets[0].collections.members().len() > 1 => each(batches, |rows| match rows {
                    QueryRows::Datasets(rows) => QueryRows::Datasets(twice(rows)),
                    other => other,
                }),
                _ => batches,
            };
        "GeneralTwice" "gives rows of fields more than once" in ["searches", "lookups"]
            rows: |_, batches| each(batches, |rows| match rows {
                QueryRows::General(rows) => QueryRows::General(twice(rows)),
                other => other,
            });
        "ImpliedForgotten" "gives minimal data IDs" in ["data_ids", "searches"]
            rows: |_, batches| each(batches, |rows| data_ids(rows, |data_id| {
                DataId::from_trusted(data_id.group(), data_id.required_values().iter().cloned())
            }));
        "EmptyDataIdMissing" "gives no data IDs without dimensions" in ["data_ids", "sky"]
            rows: |query, batches| match query.result {
                ResultSpec::DataIds { dimensions } if dimensions.is_empty() => Vec::new(),
                _ => batches,
            };
        "EmptyDataIdAlways" "gives one data ID without dimensions if there is nothing" in ["data_ids"]
            rows: |query, batches| match query.result {
                ResultSpec::DataIds { .. } if batches.is_empty() => {
                    vec![QueryRows::DataIds(vec![DataId::empty(query.dimensions.universe())])]
                }
                _ => batches,
            };
        "LastRowMissing" "loses the last row of many" in ["searches", "data_ids", "records", "sky", "races"]
            rows: |_, batches| each(batches, |rows| match rows {
                QueryRows::DataIds(rows) => QueryRows::DataIds(only(rows, |at, count| count < 4 || at + 1 < count)),
                QueryRows::Datasets(rows) => QueryRows::Datasets(only(rows, |at, count| count < 4 || at + 1 < count)),
                QueryRows::Records(rows) => QueryRows::Records(only(rows, |at, count| count < 4 || at + 1 < count)),
                other => other,
            });
        "BandsMissing" "gives no records of what only others imply" in ["records", "orders"]
            rows: |query, batches| match query.result {
                ResultSpec::Records { element } if element.union_of().is_some() => Vec::new(),
                _ => batches,
            };
        "RelationsMissing" "gives no records of what is no dimension" in ["orders", "records", "sky"]
            rows: |query, batches| match query.result {
                ResultSpec::Records { element } if !element.is_dimension() => Vec::new(),
                _ => batches,
            };
        "FieldsMissing" "gives records without their metadata" in ["orders", "records"]
            rows: |_, batches| each(batches, |rows| match rows {
                QueryRows::Records(rows) => QueryRows::Records(rows.iter().map(|record| {
                    let fields = record.element().fields().iter().zip(record.values());
                    let values: Vec<FieldValue> = fields
                        .map(|(field, value)| if field.nullable() { FieldValue::Null } else { value.clone() })
                        .collect();
                    DimensionRecord::from_trusted(record.element(), values)
                }).collect()),
                other => other,
            });
        "ClassesForgotten" "gives datasets with another storage class" in ["searches"]
            rows: |_, batches| each(batches, |rows| match rows {
                QueryRows::Datasets(rows) => QueryRows::Datasets(rows.into_iter().map(|dataset| {
                    let ty = dataset.dataset_type().clone().with_storage_class("Bytes");
                    dataset.with_dataset_type(ty).unwrap_or(dataset)
                }).collect()),
                other => other,
            });
        "NonsingularOnce" "gives one nonsingular dataset of each data ID" in ["types"]
            rows: |query, batches| match &query.result {
                ResultSpec::Datasets { .. } if query.datasets[0].dataset_type.kind() == DatasetKind::Nonsingular => each(batches, |rows| match rows {
                    QueryRows::Datasets(mut rows) => {
                        rows.sort_by(|a, b| a.data_id().cmp(b.data_id()));
                        rows.dedup_by(|a, b| a.data_id() == b.data_id());
                        QueryRows::Datasets(rows)
                    }
                    other => other,
                }),
                _ => batches,
            };
        "GlobalEverywhere" "gives no global datasets" in ["searches"]
            rows: |query, batches| match &query.result {
                ResultSpec::Datasets { .. } if query.datasets[0].dataset_type.kind() == DatasetKind::Global => Vec::new(),
                _ => batches,
            };
        "MembershipsWithoutTime" "gives memberships without validity" in ["searches", "calibrations"]
            rows: |_, batches| associations(batches, |association| Association { timespan: None, ..association });
        "MembershipsWithTime" "gives all memberships a validity" in ["searches"]
            rows: |_, batches| associations(batches, |association| {
                Association { timespan: association.timespan.or(Some(Timespan::UNBOUNDED)), ..association }
            });
        "MembershipsOfRuns" "gives memberships of runs only" in ["searches", "tags", "calibrations", "types"]
            rows: |_, batches| each(batches, |rows| match rows {
                QueryRows::Associations(rows) => QueryRows::Associations(
                    rows.into_iter().filter(|association| association.collection == *association.dataset.run()).collect(),
                ),
                other => other,
            });
        "MembershipsTurned" "gives memberships in another order" in ["searches"]
            rows: |_, mut batches| {
                batches.reverse();
                each(batches, |rows| match rows {
                    QueryRows::Associations(mut rows) => { rows.reverse(); QueryRows::Associations(rows) }
                    other => other,
                })
            };
        "NullsFilled" "gives an empty text for none" in ["searches"]
            rows: |_, batches| general(batches, |value| match value {
                RowValue::Field(FieldValue::Null) => RowValue::Field("".into()),
                other => other,
            });
        "BooleansAreNumbers" "gives numbers for booleans" in ["searches"]
            rows: |_, batches| general(batches, |value| match value {
                RowValue::Field(FieldValue::Bool(value)) => RowValue::Field(i64::from(value).into()),
                other => other,
            });
        "TimesAreNumbers" "gives numbers for times" in ["searches", "datasets"]
            rows: |_, batches| general(batches, |value| match value {
                RowValue::Instant(instant) => RowValue::Field(instant.nanoseconds().into()),
                other => other,
            });
        "CountsOneMore" "counts one row too many" in ["orders", "conditions"]
            count: |count| count + 1;
        "ReasonsForgotten" "does not say why there is nothing" in ["explanations"]
            explanation: |explanation| Explanation { reasons: Vec::new(), ..explanation };
        "ReasonsInvented" "says why there is nothing where there is something" in ["explanations"]
            explanation: |mut explanation| {
                explanation.reasons.push("who knows".to_owned());
                explanation
            };
        "PlansNotTold" "does not say how a query is evaluated" in ["explanations"]
            explanation: |explanation| Explanation { plan: String::new(), ..explanation };
    }
}

pub(super) fn all() -> Vec<Tamper> {
    [of_conditions(), of_shapes(), of_rows()].concat()
}
