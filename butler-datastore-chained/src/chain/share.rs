//! Artifacts that several children get.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;

use butler_core::datastore::{Artifact, ArtifactBody};
use butler_core::{Error, ErrorKind, Result};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use tokio::sync::{Mutex, OnceCell};

/// Bytes that are kept in memory, and read at once from a file.
const BLOCK: usize = 1 << 20;

type Parts = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// As many copies of artifacts as there are children that get them.
pub(super) fn copies(artifacts: Vec<Artifact>, count: usize) -> Vec<Vec<Artifact>> {
    let mut all: Vec<Vec<Artifact>> = std::iter::repeat_with(Vec::new).take(count).collect();
    for artifact in artifacts {
        let bodies = bodies(artifact.body, count);
        for (copies, body) in all.iter_mut().zip(bodies) {
            copies.push(Artifact {
                component: artifact.component.clone(),
                formatter: artifact.formatter.clone(),
                storage_class: artifact.storage_class.clone(),
                file_name: artifact.file_name.clone(),
                size: artifact.size,
                checksum: artifact.checksum.clone(),
                body,
            });
        }
    }
    all
}

fn bodies(body: ArtifactBody, count: usize) -> Vec<ArtifactBody> {
    match body {
        ArtifactBody::Bytes(bytes) => (0..count).map(|_| ArtifactBody::Bytes(bytes.clone())).collect(),
        ArtifactBody::File(path) => (0..count).map(|_| ArtifactBody::File(path.clone())).collect(),
        ArtifactBody::Stream(parts) if count < 2 => vec![ArtifactBody::Stream(parts)],
        ArtifactBody::Stream(parts) => {
            let shared = Arc::new(Shared { parts: Mutex::new(Some(parts)), spool: OnceCell::new() });
            (0..count).map(|_| ArtifactBody::Stream(read(Arc::clone(&shared)))).collect()
        }
    }
}

/// A stream that the first reader brings to its end, and all read what that gave.
struct Shared {
    parts: Mutex<Option<Parts>>,
    spool: OnceCell<Result<Spool>>,
}

/// All bytes of a stream: its beginning in a file if they are many, the rest in memory.
struct Spool {
    file: Option<Arc<File>>,
    in_file: u64,
    rest: Bytes,
}

fn read(shared: Arc<Shared>) -> Parts {
    let read = move |at: u64| {
        let shared = Arc::clone(&shared);
        async move {
            let spool = match shared.spool.get_or_init(|| spool(&shared.parts)).await {
                Ok(spool) => spool,
                Err(error) => {
                    return Err(Error::new(error.kind(), error.message()).with_retry(error.retry()));
                }
            };
            let part = match &spool.file {
                Some(file) if at < spool.in_file => block(Arc::clone(file), at, spool.in_file).await?,
                _ if at == spool.in_file => spool.rest.clone(),
                _ => Bytes::new(),
            };
            let next = at + part.len() as u64;
            Ok((!part.is_empty()).then_some((part, next)))
        }
    };
    Box::pin(stream::try_unfold(0, read))
}

async fn spool(parts: &Mutex<Option<Parts>>) -> Result<Spool> {
    // Whoever gives up half-way has taken it along.
    let taken = parts.lock().await.take();
    let mut parts =
        taken.ok_or_else(|| Error::new(ErrorKind::Interrupted, "a stream was given up half-way"))?;
    let (mut rest, mut file, mut in_file) = (BytesMut::new(), None, 0);
    while let Some(part) = parts.next().await {
        rest.extend_from_slice(&part?);
        if rest.len() >= BLOCK {
            let bytes = rest.split().freeze();
            in_file += bytes.len() as u64;
            file = Some(append(file, bytes).await?);
        }
    }
    Ok(Spool { file: file.map(Arc::new), in_file, rest: rest.freeze() })
}

async fn append(file: Option<File>, bytes: Bytes) -> Result<File> {
    blocking(move || {
        let mut file = match file {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        file.seek(std::io::SeekFrom::End(0))?;
        file.write_all(&bytes)?;
        Ok(file)
    })
    .await
}

async fn block(file: Arc<File>, at: u64, end: u64) -> Result<Bytes> {
    blocking(move || {
        let mut bytes = vec![0; usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK)];
        file.read_exact_at(&mut bytes, at)?;
        Ok(bytes.into())
    })
    .await
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    let result = tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| Error::new(ErrorKind::Interrupted, "the runtime is shut down").with_source(error))?;
    result.map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
            _ => ErrorKind::Unexpected,
        };
        Error::new(kind, format!("an artifact cannot be kept in a temporary file: {error}"))
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(body: ArtifactBody) -> Result<Vec<u8>> {
        let ArtifactBody::Stream(mut parts) = body else { unreachable!("it is a stream") };
        let mut bytes = Vec::new();
        while let Some(part) = parts.next().await {
            bytes.extend_from_slice(&part?);
        }
        Ok(bytes)
    }

    fn shared(parts: Vec<Result<Bytes>>) -> Vec<ArtifactBody> {
        bodies(ArtifactBody::Stream(Box::pin(stream::iter(parts))), 3)
    }

    #[tokio::test]
    async fn all_readers_get_all_bytes() {
        for sizes in
            [vec![], vec![0], vec![5, 0, 3], vec![BLOCK], vec![BLOCK + 1, 7, BLOCK - 1, 3 * BLOCK, 9]]
        {
            let parts: Vec<Vec<u8>> =
                sizes.iter().map(|&size| (0..size).map(|byte| (byte * 7 % 251) as u8).collect()).collect();
            let expected = parts.concat();
            let bodies = shared(parts.into_iter().map(|part| Ok(part.into())).collect());
            for read in futures::future::join_all(bodies.into_iter().map(all)).await {
                assert!(read.unwrap() == expected, "{sizes:?}");
            }
        }
    }

    #[tokio::test]
    async fn all_readers_learn_of_a_failure() {
        let failing = Err(Error::new(ErrorKind::Connection, "no reply"));
        for body in shared(vec![Ok(Bytes::from_static(b"1")), failing]) {
            assert_eq!(all(body).await.unwrap_err().kind(), ErrorKind::Connection);
        }
    }

    #[tokio::test]
    async fn a_stream_that_was_given_up_is_not_taken_for_whole() {
        let parts = stream::iter([Ok(Bytes::from_static(b"1"))]).chain(stream::pending());
        let mut bodies = bodies(ArtifactBody::Stream(Box::pin(parts)), 2);
        let patience = std::time::Duration::from_millis(5);
        assert!(tokio::time::timeout(patience, all(bodies.remove(0))).await.is_err());
        assert_eq!(all(bodies.remove(0)).await.unwrap_err().kind(), ErrorKind::Interrupted);
    }
}
