//! Which child gets what.

use butler_core::datastore::{Acceptance, FileDataset, TransferMode, WriteRequest};
use butler_core::{DatasetId, DatasetRef, Error, ErrorKind, Result};

use super::share::copies;
use super::{Chain, Child};

/// What a child must be able to do.
#[derive(Clone, Copy)]
enum Need {
    Objects,
    Files(TransferMode),
    Archives(TransferMode),
    Artifacts,
}

impl Need {
    fn of(request: &WriteRequest) -> Self {
        match request {
            WriteRequest::Put { .. } => Self::Objects,
            WriteRequest::Ingest { mode, .. } => Self::Files(*mode),
            WriteRequest::IngestArchive { mode, .. } => Self::Archives(*mode),
            WriteRequest::Copy { .. } => Self::Artifacts,
        }
    }

    fn is_met(self, child: &Child) -> bool {
        let capabilities = child.datastore.capabilities();
        match self {
            Self::Objects => true,
            // Whoever cannot read anyway only wants to know of it.
            _ if !capabilities.readable => true,
            Self::Files(mode) => capabilities.transfer_modes.contains(&mode),
            Self::Archives(mode) => capabilities.archives && capabilities.transfer_modes.contains(&mode),
            Self::Artifacts => capabilities.artifacts,
        }
    }
}

/// Requests by child.
pub(super) type Shares = Vec<Vec<WriteRequest>>;

/// Gives each child its share of some requests.
///
/// # Errors
/// `DatasetTypeNotSupported` for a dataset that nobody takes, `Unsupported` if those who would cannot;
/// those of children that look at files.
pub(super) async fn distribute(chain: &Chain, requests: Vec<WriteRequest>) -> Result<Shares> {
    let mut shares: Shares = chain.children.iter().map(|_| Vec::new()).collect();
    let owned = Owned::find(chain, requests.iter().map(inside).collect()).await?;
    for (position, request) in requests.into_iter().enumerate() {
        let mut takers = takers(chain, &request)?;
        if let Some(owner) = owned.0.get(position).copied().flatten() {
            takers.retain(|(child, _)| {
                *child == owner || !chain.children[*child].datastore.capabilities().readable
            });
        }
        share(chain, request, takers, &mut shares);
    }
    Ok(shares)
}

/// The children that get a request, each with the datasets that it accepts.
fn takers(chain: &Chain, request: &WriteRequest) -> Result<Vec<(usize, Vec<DatasetRef>)>> {
    let need = Need::of(request);
    let mut takers: Vec<(usize, Vec<DatasetRef>)> = Vec::new();
    for dataset in request.datasets() {
        let (dataset_type, data_id) = (dataset.dataset_type(), Some(dataset.data_id()));
        let accepts = |(_, child): &(usize, &Child)| {
            child.datastore.acceptance(dataset_type, data_id) != Acceptance::Refused
        };
        let accepting: Vec<(usize, &Child)> = match chain.constraints.accepts(dataset_type, data_id) {
            true => chain.writable().filter(accepts).collect(),
            false => Vec::new(),
        };
        if accepting.is_empty() {
            return Err(chain.constraints.refusal(&chain.name, dataset_type));
        }
        let able = chain.chosen(accepting.into_iter().filter(|(_, child)| need.is_met(child)));
        if able.is_empty() {
            return Err(unable(chain, need, dataset));
        }
        for (index, _) in able {
            match takers.iter_mut().find(|(taker, _)| *taker == index) {
                Some((_, datasets)) => datasets.push(dataset.clone()),
                None => takers.push((index, vec![dataset.clone()])),
            }
        }
    }
    takers.sort_unstable_by_key(|(child, _)| *child);
    Ok(takers)
}

fn unable(chain: &Chain, need: Need, dataset: &DatasetRef) -> Error {
    let what = match need {
        Need::Files(mode) => format!("ingest files by transfer mode '{mode}'"),
        Need::Archives(mode) => format!("ingest archives by transfer mode '{mode}'"),
        Need::Artifacts => "take artifacts of other datastores".to_owned(),
        Need::Objects => "take objects".to_owned(),
    };
    Error::new(
        ErrorKind::Unsupported,
        format!("no child of datastore '{}' that accepts dataset {dataset} can {what}", chain.name),
    )
}

fn share(chain: &Chain, request: WriteRequest, takers: Vec<(usize, Vec<DatasetRef>)>, shares: &mut Shares) {
    match request {
        WriteRequest::Put { dataset, object } => {
            for (child, _) in takers {
                shares[child].push(WriteRequest::Put { dataset: dataset.clone(), object: object.clone() });
            }
        }
        WriteRequest::Ingest { file, mode, track_attributes } => {
            for (child, datasets, mode) in movers(chain, takers, mode) {
                let file = FileDataset { datasets, ..file.clone() };
                shares[child].push(WriteRequest::Ingest { file, mode, track_attributes });
            }
        }
        WriteRequest::IngestArchive { archive, mode } => {
            for (child, datasets, mode) in movers(chain, takers, mode) {
                let mut archive = archive.clone();
                let left: Vec<DatasetId> = archive
                    .datasets
                    .iter()
                    .map(DatasetRef::id)
                    .filter(|id| !datasets.iter().any(|dataset| dataset.id() == *id))
                    .collect();
                // What is wrong with it otherwise, the child tells.
                archive.members.retain_mut(|member| {
                    let was_empty = member.datasets.is_empty();
                    member.datasets.retain(|id| !left.contains(id));
                    was_empty || !member.datasets.is_empty()
                });
                archive.datasets = datasets;
                shares[child].push(WriteRequest::IngestArchive { archive, mode });
            }
        }
        WriteRequest::Copy { artifacts, .. } => {
            let copies = copies(artifacts, takers.len());
            for ((child, datasets), artifacts) in takers.into_iter().zip(copies) {
                shares[child].push(WriteRequest::Copy { datasets, artifacts });
            }
        }
    }
}

/// Who takes a file, and how: it can be moved once only.
fn movers(
    chain: &Chain,
    takers: Vec<(usize, Vec<DatasetRef>)>,
    mode: TransferMode,
) -> impl Iterator<Item = (usize, Vec<DatasetRef>, TransferMode)> {
    let readable = |child: usize| chain.children[child].datastore.capabilities().readable;
    let last = takers.iter().map(|(child, _)| *child).filter(|child| readable(*child)).max();
    takers.into_iter().map(move |(child, datasets)| match mode {
        TransferMode::Move if Some(child) != last => (child, datasets, TransferMode::Copy),
        mode => (child, datasets, mode),
    })
}

/// For each request, the only child that may take it, if it is about a file under the root of that.
struct Owned(Vec<Option<usize>>);

impl Owned {
    /// Looks for the children under whose roots files lie, by asking them to take these over.
    async fn find(chain: &Chain, inside: Vec<Option<FileDataset>>) -> Result<Self> {
        let mut owners = vec![None; inside.len()];
        let mut open: Vec<(usize, FileDataset)> =
            inside.into_iter().enumerate().filter_map(|(at, file)| Some((at, file?))).collect();
        let takes_files =
            |(_, child): &(usize, &Child)| !child.datastore.capabilities().transfer_modes.is_empty();
        if open.is_empty() || chain.writable().filter(takes_files).count() < 2 {
            return Ok(Self(owners));
        }
        let mut first_error = None;
        for (index, child) in chain.writable() {
            let takes = child.datastore.capabilities().transfer_modes.contains(&TransferMode::InPlace);
            if !takes || open.is_empty() {
                continue;
            }
            // Mostly all files lie under one root.
            if is_inside(child, &open).await.is_ok() {
                open.drain(..).for_each(|(at, _)| owners[at] = Some(index));
            }
            let mut others = Vec::new();
            for file in open {
                match is_inside(child, std::slice::from_ref(&file)).await {
                    Ok(()) => owners[file.0] = Some(index),
                    Err(error) if is_elsewhere(&error) => {
                        first_error.get_or_insert(chain.told(child, "cannot take a file over", error));
                        others.push(file);
                    }
                    Err(error) => return Err(chain.told(child, "cannot take a file over", error)),
                }
            }
            open = others;
        }
        match first_error {
            Some(error) if !open.is_empty() => Err(error),
            _ => Ok(Self(owners)),
        }
    }
}

/// The file of a request, if it lies under some root, or may.
fn inside(request: &WriteRequest) -> Option<FileDataset> {
    match request {
        WriteRequest::Ingest { file, mode, .. }
            if *mode == TransferMode::InPlace || is_relative(&file.path) =>
        {
            Some(file.clone())
        }
        _ => None,
    }
}

fn is_relative(path: &str) -> bool {
    !path.starts_with('/') && !path.contains("://")
}

/// Asks a child whether files lie under its root.
async fn is_inside(child: &Child, files: &[(usize, FileDataset)]) -> Result<()> {
    let in_place = files.iter().map(|(_, file)| WriteRequest::Ingest {
        file: file.clone(),
        mode: TransferMode::InPlace,
        track_attributes: false,
    });
    child.datastore.prepare_write(in_place.collect()).await?.roll_back().await
}

fn is_elsewhere(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Argument
            | ErrorKind::NotFound
            | ErrorKind::DatasetTypeNotSupported
            | ErrorKind::Permission
    )
}
