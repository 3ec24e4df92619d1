//! Reading from the children, nearest first.

use std::sync::Arc;

use butler_core::datastore::{Acceptance, Artifact, GetRequest, WriteRequest};
use butler_core::{DatasetRef, Error, ErrorKind, Object, Result};

use super::{Chain, Child};

/// What became of a request.
#[derive(Default)]
struct Answer {
    /// The object, or the error that every child would give.
    result: Option<Result<Object>>,
    /// The child that gave the object.
    from: usize,
    /// Errors of children that should have it.
    errors: Vec<Error>,
}

pub(super) async fn get(chain: &Arc<Chain>, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
    let mut answers: Vec<Answer> = requests.iter().map(|_| Answer::default()).collect();
    for (position, child) in chain.children.iter().enumerate() {
        let unanswered =
            |at: &usize| answers[*at].result.is_none() && child.datastore.knows(&requests[*at].dataset);
        let asked: Vec<usize> = (0..requests.len()).filter(unanswered).collect();
        if asked.is_empty() {
            continue;
        }
        let objects = child.datastore.get(asked.iter().map(|&at| requests[at].clone()).collect()).await;
        for (at, object) in asked.into_iter().zip(objects) {
            match object {
                Err(error) if !is_of_the_request(&error) => {
                    answers[at].errors.push(chain.told(child, "could not read a dataset", error));
                }
                object => {
                    answers[at].result = Some(object);
                    answers[at].from = position;
                }
            }
        }
    }
    fill_back(chain, &requests, &answers).await;
    answers.into_iter().zip(&requests).map(|(answer, request)| answer.end(chain, &request.dataset)).collect()
}

/// Whether what is asked for is wrong, wherever it is asked for.
fn is_of_the_request(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnknownComponent | ErrorKind::Argument)
}

impl Answer {
    fn end(self, chain: &Chain, dataset: &DatasetRef) -> Result<Object> {
        self.result.unwrap_or_else(|| Err(all_failed(chain, dataset, self.errors)))
    }
}

/// The first error, with the others.
fn all_failed(chain: &Chain, dataset: &DatasetRef, errors: Vec<Error>) -> Error {
    let mut errors = errors.into_iter();
    match errors.next() {
        Some(first) => errors.fold(first, |error, other| error.with_context("also", other)),
        None => chain.not_found(dataset),
    }
}

/// Keeps what was read in nearer children.
async fn fill_back(chain: &Chain, requests: &[GetRequest], answers: &[Answer]) {
    for (position, child) in chain.children.iter().enumerate().filter(|(_, child)| child.fill_back) {
        for (request, answer) in requests.iter().zip(answers) {
            let Some(Ok(object)) = &answer.result else { continue };
            if answer.from > position && is_whole(request) && takes(child, &request.dataset) {
                let kept = keep(child, request.dataset.clone(), object.clone()).await;
                // It was read, and that is what matters.
                kept.unwrap_or_else(|error| tracing::debug!(%error, "a dataset is not kept nearer by"));
            }
        }
    }
}

fn is_whole(request: &GetRequest) -> bool {
    request.parameters.is_empty() && request.dataset.dataset_type().component_name().is_none()
}

fn takes(child: &Child, dataset: &DatasetRef) -> bool {
    child.datastore.capabilities().writable
        && child.datastore.acceptance(dataset.dataset_type(), Some(dataset.data_id())) != Acceptance::Refused
        && !child.datastore.knows(dataset)
}

/// An ephemeral datastore gives no records, and so nobody else needs to know.
async fn keep(child: &Child, dataset: DatasetRef, object: Object) -> Result<()> {
    let mut write = child.datastore.prepare_write(vec![WriteRequest::Put { dataset, object }]).await?;
    match write.execute().await {
        Ok(_) => write.commit().await,
        Err(error) => write.roll_back().await.and(Err(error)),
    }
}

pub(super) async fn exists(chain: &Chain, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
    let mut found = vec![false; datasets.len()];
    let mut unsure: Vec<Option<Arc<Error>>> = vec![None; datasets.len()];
    for child in &chain.children {
        let asked: Vec<usize> =
            (0..datasets.len()).filter(|&at| !found[at] && child.datastore.knows(&datasets[at])).collect();
        let questions: Vec<DatasetRef> = asked.iter().map(|&at| datasets[at].clone()).collect();
        if questions.is_empty() {
            continue;
        }
        match child.datastore.exists(&questions).await {
            Ok(answers) => asked.into_iter().zip(answers).for_each(|(at, there)| found[at] = there),
            Err(error) => {
                let error = Arc::new(chain.told(child, "could not look for datasets", error));
                asked.into_iter().for_each(|at| unsure[at] = Some(Arc::clone(&error)));
            }
        }
    }
    // Not knowing is not the same as missing.
    let doubt = unsure.into_iter().zip(&found).find_map(|(error, found)| error.filter(|_| !found));
    match doubt {
        None => Ok(found),
        Some(error) => {
            let told = Error::new(error.kind(), error.message()).with_retry(error.retry());
            Err(told.with_source(error))
        }
    }
}

pub(super) async fn open(chain: &Chain, dataset: &DatasetRef) -> Result<Vec<Artifact>> {
    let mut errors = Vec::new();
    let mut without = None;
    for child in chain.children.iter().filter(|child| child.datastore.knows(dataset)) {
        if !child.datastore.capabilities().artifacts {
            without.get_or_insert(child);
            continue;
        }
        match child.datastore.open(dataset).await {
            Ok(artifacts) => return Ok(artifacts),
            Err(error) => errors.push(chain.told(child, "could not open a dataset", error)),
        }
    }
    match without {
        Some(child) if errors.is_empty() => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "of the children of datastore '{}', only '{}' has dataset {dataset}, which has no artifacts",
                chain.name,
                child.datastore.name()
            ),
        )),
        _ => Err(all_failed(chain, dataset, errors)),
    }
}
