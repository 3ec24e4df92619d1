//! Mutants whose streams are not what they should be.

use std::sync::Arc;

use butler_core::backend::{Backend, BackendExt, ColumnBatch, ColumnStream};
use butler_core::{Error, ErrorKind, Result};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use tokio::sync::SemaphorePermit;

use super::tamper::{Stream, Tamper};

fn streaming(name: &str, breaks: &'static str, stream: Stream) -> Tamper {
    Tamper { stream: Some(stream), ..Tamper::new(name, breaks) }
}

/// A stream with other items.
macro_rules! changed {
    ($name:literal, $breaks:literal, $change:expr) => {
        streaming($name, $breaks, |backend, relation| {
            async move {
                let change: fn(ColumnStream) -> ColumnStream = $change;
                backend.inner.stream(relation).await.map(change)
            }
            .boxed()
        })
    };
}

pub(super) fn mutants() -> Vec<Tamper> {
    let unsound_relations = &["arithmetic", "closure", "grouping", "joins", "ordering", "scalars", "shapes"];
    [
        Tamper::among(&["shapes", "streams"], items()),
        Tamper::among(&["streams", "transactions"], snapshots()),
        Tamper::among(&["streams"], explanations()),
        Tamper::among(unsound_relations, vec![unsound()]),
    ]
    .concat()
}

fn items() -> Vec<Tamper> {
    vec![
        changed!("StreamEndsEarly", "ends a stream after the first batch", |stream| stream.take(1).boxed()),
        changed!("StreamRepeats", "begins a stream with its first batch twice", |stream| {
            let repeat = |(index, batch): (usize, Result<ColumnBatch>)| match (index, batch) {
                (0, Ok(batch)) => stream::iter(vec![Ok(batch.clone()), Ok(batch)]),
                (_, batch) => stream::iter(vec![batch]),
            };
            stream.enumerate().flat_map(repeat).boxed()
        }),
        changed!("StreamMisnames", "names the columns of batches anew", |stream| {
            let rename = |batch: Result<ColumnBatch>| {
                let batch = batch?;
                let columns = batch.columns().iter().enumerate();
                let mut renamed =
                    ColumnBatch::new(columns.map(|(i, column)| (format!("c{i}").into(), column.ty())));
                batch.rows().try_for_each(|row| renamed.push_row(&row))?;
                Ok(renamed)
            };
            stream.map(rename).boxed()
        }),
        changed!("NamesCut", "cuts names of columns at 63 bytes", |stream| {
            let rename = |batch: Result<ColumnBatch>| {
                let batch = batch?;
                let cut = |name: &arcstr::ArcStr| name.chars().take(63).collect::<String>().into();
                let columns = batch.names().iter().zip(batch.columns());
                let mut renamed = ColumnBatch::new(columns.map(|(name, column)| (cut(name), column.ty())));
                batch.rows().try_for_each(|row| renamed.push_row(&row))?;
                Ok(renamed)
            };
            stream.map(rename).boxed()
        }),
        changed!("StreamNeedsRows", "ends a stream of no rows with an error", |stream| {
            let mut stream = stream.peekable();
            async move {
                match std::pin::Pin::new(&mut stream).peek().await {
                    Some(_) => stream.boxed(),
                    None => stream::iter([Err(Error::new(ErrorKind::NotFound, "no rows"))]).boxed(),
                }
            }
            .flatten_stream()
            .boxed()
        }),
        streaming("StreamSwallows", "ends a stream where there is an error", |backend, relation| {
            async move { Ok(backend.inner.stream(relation).await.unwrap_or_else(|_| stream::empty().boxed())) }.boxed()
        }),
        streaming("StreamGoesOn", "goes on after an error", |backend, relation| {
            async move {
                match backend.inner.stream(relation).await {
                    Err(error) => {
                        let batch = ColumnBatch::new([]);
                        Ok(stream::iter([Err(error), Ok(batch)]).boxed())
                    }
                    stream => stream,
                }
            }
            .boxed()
        }),
    ]
}

fn unsound() -> Tamper {
    Tamper {
        select: Some(
            |t, relation, each| if relation.schema().is_ok() { t.select(relation, each) } else { Ok(()) },
        ),
        ..streaming("UnsoundIsEmpty", "has no rows of an unsound relation", |backend, relation| {
            async move {
                match relation.schema() {
                    Ok(_) => backend.inner.stream(relation).await,
                    Err(_) => Ok(stream::empty().boxed()),
                }
            }
            .boxed()
        })
    }
}

fn snapshots() -> Vec<Tamper> {
    vec![
        streaming("StreamSeesLater", "evaluates a stream when it is first read", |backend, relation| {
            async move {
                relation.schema()?;
                let open = async move { backend.inner.stream(relation).await };
                Ok(stream::once(open).try_flatten().boxed())
            }
            .boxed()
        }),
        streaming("StreamWaits", "makes readers wait for writers", |backend, relation| {
            async move {
                backend.inner.run(|_| Ok(())).await?;
                backend.inner.stream(relation).await
            }
            .boxed()
        }),
        streaming("StreamBlocks", "makes writers wait for readers", |backend, relation| {
            async move {
                let guard = Arc::clone(&backend.gate).read_owned().await;
                let stream = backend.inner.stream(relation).await?;
                Ok(stream
                    .map(move |batch| {
                        let _held = &guard;
                        batch
                    })
                    .boxed())
            }
            .boxed()
        }),
        streaming("StreamsLimited", "makes readers wait for other readers", |backend, relation| {
            async move {
                let place = Arc::clone(&backend.places).acquire_owned().await;
                let stream = backend.inner.stream(relation).await?;
                Ok(stream
                    .map(move |batch| {
                        let _held = &place;
                        batch
                    })
                    .boxed())
            }
            .boxed()
        }),
        streaming("StreamLeaks", "does not notice that a stream was dropped", |backend, relation| {
            async move {
                let batches: Vec<_> = backend.inner.stream(relation).await?.collect().await;
                let last = batches.len();
                if last > 1 {
                    backend.places.acquire().await.map(SemaphorePermit::forget).ok();
                }
                let give = move |(index, batch)| {
                    // Given back with the last batch only.
                    if index > 0 && index + 1 == last {
                        backend.places.add_permits(1);
                    }
                    batch
                };
                Ok(stream::iter(batches).enumerate().map(give).boxed())
            }
            .boxed()
        }),
    ]
}

fn explanations() -> Vec<Tamper> {
    let explain = |name: &str, breaks, explain: fn(Result<String>) -> Result<String>| Tamper {
        explain: Some(explain),
        ..Tamper::new(name, breaks)
    };
    vec![
        explain("ExplainsNothing", "explains nothing", |text| text.map(|_| String::new())),
        explain("ExplainsUnsound", "explains unsound relations", |text| {
            text.or_else(|_| Ok("anything".into()))
        }),
    ]
}
