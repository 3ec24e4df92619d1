//! Reading of files beside the import: on a thread of its own.

use std::sync::Arc;
use std::thread;

use butler_core::{Error, ErrorKind, Result};
use futures::channel::{mpsc, oneshot};
use futures::{SinkExt, StreamExt, executor};

use super::files::Directory;
use super::{Observer, Progress, Stage};
use crate::exchange::file::{Contents, ExportFile, Known};
use crate::exchange::item::Item;

/// What a check needs.
pub(super) struct Check {
    pub(super) known: Arc<Known>,
    /// Where files must be, if they are wanted.
    pub(super) files: Option<Directory>,
    pub(super) observer: Option<Observer>,
}

/// Checks a file and the files of its datasets.
pub(super) async fn check(mut file: ExportFile, check: Check) -> Result<(ExportFile, Contents)> {
    let (done, answer) = oneshot::channel();
    spawn(move || {
        let size = file.size();
        let checked = file.inspect(&check.known, &mut |item, bytes| {
            observe(check.observer.as_ref(), Stage::Check, bytes, size)?;
            check.files.as_ref().map_or(Ok(()), |directory| directory.check(item))
        });
        // Nobody is there to be told if the import was given up.
        drop(done.send(checked.map(|contents| (file, contents))));
    })?;
    answer.await.map_err(|_| ended())?
}

/// Items of a file, in an order in which what is referred to comes first.
pub(super) struct Items {
    items: mpsc::Receiver<Result<Item>>,
}

impl Items {
    /// Begins to read.
    pub(super) fn start(
        mut file: ExportFile,
        contents: Arc<Contents>,
        known: Arc<Known>,
        observer: Option<Observer>,
    ) -> Result<Self> {
        let (mut sender, items) = mpsc::channel(1);
        spawn(move || {
            let size = file.size();
            for part in contents.parts(known.universe()) {
                let read = file.stream(&contents, &known, part, &mut |item, bytes| {
                    observe(observer.as_ref(), Stage::Import, bytes, size)?;
                    executor::block_on(sender.send(Ok(item))).map_err(|_| ended())
                });
                if let Err(error) = read {
                    drop(executor::block_on(sender.send(Err(error))));
                    return;
                }
            }
        })?;
        Ok(Self { items })
    }

    /// The next item; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Item>> {
        self.items.next().await.transpose()
    }
}

fn observe(observer: Option<&Observer>, stage: Stage, bytes: u64, size: u64) -> Result<()> {
    observer.map_or(Ok(()), |observer| observer(Progress { stage, bytes, size }))
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name("butler-import".to_owned()).spawn(work);
    thread.map(drop).map_err(|error| {
        Error::new(ErrorKind::Exhausted, "no thread can be started to read the file").with_source(error)
    })
}

fn ended() -> Error {
    Error::new(ErrorKind::Interrupted, "the import was given up")
}
