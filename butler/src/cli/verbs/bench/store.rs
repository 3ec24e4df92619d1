//! Datasets with files: put, got, ingested.

use std::path::Path;

use butler::datastore::TransferMode;
use butler::{
    ArcStr, Butler, DatasetExistence, DatasetRef, Draft, Error, ErrorKind, IdIssuer, IngestFile,
    IngestOptions, Lookup, Object, Result, Structured,
};

use super::measure::{measure, measure_rows};
use super::workload::{RUNS_OF_SMALL_CHAIN, SMALL_CHAIN, data_ids, file_content, loose, payload, run_name};
use super::{Site, check, io_error};

const PUTS: usize = 2_000;
const FILES: usize = 5_000;
const WRITERS: usize = 32;

/// Puts small objects one at a time, and gets them back.
pub(super) async fn put(site: &Site<'_>) -> Result<()> {
    let n = PUTS.min(site.scale());
    let butler = site.writer().await?;
    let ids: Vec<_> = (0..n).map(loose).collect();
    let objects: Vec<Object> = (0..n).map(|index| Object::new(payload(index))).collect();
    let runs: Vec<ArcStr> = (0..RUNS_OF_SMALL_CHAIN).map(run_name).collect();
    let stored = measure("put", n, async || {
        let mut stored = Vec::with_capacity(n);
        for (index, (data_id, object)) in ids.iter().zip(&objects).enumerate() {
            let draft = Draft::new("bench_put", data_id.clone()).run(&runs[index % runs.len()]);
            stored.push(butler.put(object.clone(), draft).await?);
        }
        Ok(stored)
    })
    .await?;
    butler.close().await?;

    // Somebody who did not write them.
    let reader = site.reader().await?;
    let lookups: Vec<Lookup> =
        ids.into_iter().map(|data_id| Lookup::new("bench_put", data_id).collections([SMALL_CHAIN])).collect();
    measure("get_data_id", n, async || get_each(&reader, lookups.iter().cloned()).await).await?;
    measure("get_ref", n, async || get_each(&reader, stored.iter().map(Lookup::from)).await).await?;
    look(&reader, n).await
}

/// Puts small objects in one call, and by many writers at once; there is nothing like it in the workload of others.
pub(super) async fn put_together(site: &Site<'_>) -> Result<()> {
    let n = PUTS.min(site.scale());
    let butler = site.writer().await?;
    let object = |index: usize| Object::new(payload(index));
    let draft = |index: usize, first: usize| {
        Draft::new("bench_put", loose(index)).run(run_name(first + index % RUNS_OF_SMALL_CHAIN))
    };
    let puts = (0..n).map(|index| (draft(index, RUNS_OF_SMALL_CHAIN).into(), object(index))).collect();
    measure("put_many", n, async || butler.put_many(puts).await).await?;
    let puts: Vec<_> = (0..n).map(|index| (draft(index, 2 * RUNS_OF_SMALL_CHAIN), object(index))).collect();
    measure("put_32_writers", n, async || {
        let writers = puts.chunks(n.div_ceil(WRITERS)).map(|some| {
            let (butler, some) = (butler.clone(), some.to_vec());
            tokio::spawn(async move {
                for (draft, object) in some {
                    butler.put(object, draft).await?;
                }
                Ok::<_, Error>(())
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))??;
        }
        Ok(())
    })
    .await?;
    butler.close().await
}

/// By the references that a query gives.
async fn look(reader: &Butler, n: usize) -> Result<()> {
    let found =
        reader.query_datasets("bench_put").collections(SMALL_CHAIN).find_first(true).collect().await?;
    check(found.len() == n, "not all that was put is found")?;
    measure("get_queried_ref", n, async || {
        for dataset in &found {
            reader.get(dataset).await?;
        }
        Ok(())
    })
    .await?;
    measure_rows(
        "stored_many",
        n,
        async || reader.exists_many(found.iter().map(Lookup::from).collect(), false).await,
        |known| Some(known.iter().filter(|flags| flags.contains(DatasetExistence::DATASTORE)).count()),
    )
    .await?;
    measure("get_uri", n, async || {
        for dataset in &found {
            reader.uris(dataset).await?;
        }
        Ok(())
    })
    .await
}

async fn get_each(reader: &Butler, lookups: impl ExactSizeIterator<Item = Lookup>) -> Result<()> {
    let last = lookups.len().saturating_sub(1);
    for (index, lookup) in lookups.enumerate() {
        let object = reader.get(lookup).await?;
        if index == last {
            check(object.downcast_ref::<Structured>()? == &payload(last), "what is got is not what was put")?;
        }
    }
    Ok(())
}

/// Ingests files of 4 KiB in one call for each way of transfer.
pub(super) async fn ingest(site: &Site<'_>) -> Result<()> {
    let n = FILES.min(site.scale());
    let names = source_files(&site.path("source"), n)?;
    let butler = site.writer().await?;
    let ty = butler.dataset_type("bench_file").await?;
    let ids = data_ids(&butler, &ty, n).await?;
    let issuer = IdIssuer::new();
    for mode in [TransferMode::Copy, TransferMode::Direct, TransferMode::Hardlink] {
        let run = ArcStr::from(format!("bench/ingest/{mode}"));
        super::registry::register_runs(&butler, std::slice::from_ref(&run)).await?;
        let files = names
            .iter()
            .zip(&ids)
            .map(|(name, data_id)| {
                let dataset = DatasetRef::new(issuer.issue(), ty.clone(), data_id.clone(), run.clone())?;
                Ok(IngestFile::new(name, dataset))
            })
            .collect::<Result<Vec<_>>>()?;
        let options = IngestOptions { mode, ..IngestOptions::default() };
        measure(&format!("ingest_{mode}"), n, async || butler.ingest(files, &options).await).await?;
    }
    butler.close().await
}

/// Writes the files, unless they are there.
fn source_files(directory: &Path, count: usize) -> Result<Vec<ArcStr>> {
    std::fs::create_dir_all(directory).map_err(|error| io_error(directory, error))?;
    let write = |index: usize| {
        let path = directory.join(format!("f{index:05}.json"));
        if !path.exists() {
            std::fs::write(&path, file_content(index)).map_err(|error| io_error(&path, error))?;
        }
        Ok(path.to_string_lossy().into_owned().into())
    };
    let names = (0..count).map(write).collect();
    rustix::fs::sync();
    names
}
