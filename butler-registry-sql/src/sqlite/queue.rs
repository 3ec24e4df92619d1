//! The queue of processes that want to write one database.
//!
//! SQLite's own waiting is a race in which one process can win thousands of
//! times before another does. Here a process waits at a door until it is the
//! next, and behind it for its turn; whoever has just had a turn is outside
//! again, behind those that already wait. The kernel ends the turn of a process that dies.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use butler_core::Result;

use super::place::{Place, failure};

/// The queue of a database.
pub(crate) struct Queue {
    door: (PathBuf, File),
    turn: (PathBuf, File),
}

/// A turn, which ends when it is dropped.
pub(crate) struct Turn<'a> {
    queue: &'a Queue,
}

impl Queue {
    /// The queue of a database, in two files beside it.
    ///
    /// # Errors
    /// As the file system says.
    pub(crate) fn open(place: &Place) -> Result<Self> {
        let file = |suffix: &str| -> Result<_> {
            let path = place.beside(suffix);
            let file = open(&path).map_err(|error| failure("opened", &path, error))?;
            Ok((path, file))
        };
        Ok(Self { door: file("-door")?, turn: file("-turn")? })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// As the file system says, for one that has no locks.
    pub(crate) fn enter(&self) -> Result<Turn<'_>> {
        lock(&self.door)?;
        let entered = lock(&self.turn);
        // Only fails if the file is not locked.
        let _ = self.door.1.unlock();
        entered.map(|()| Turn { queue: self })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let _ = self.queue.turn.1.unlock();
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    match OpenOptions::new().create(true).truncate(false).write(true).open(path) {
        // Somebody else's file can be locked all the same.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => File::open(path),
        other => other,
    }
}

fn lock((path, file): &(PathBuf, File)) -> Result<()> {
    loop {
        match file.lock() {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failure("locked", path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteConfig;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    #[test]
    fn turns_are_fair_and_exclusive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let place = Place::find(&SqliteConfig::file(&path).create(true)).unwrap();
        let end = Instant::now() + Duration::from_millis(300);
        let inside = AtomicUsize::new(0);
        let counts: Vec<usize> = std::thread::scope(|scope| {
            let one = || {
                // Each its own files, as another process would have.
                let queue = Queue::open(&place).unwrap();
                let mut count = 0;
                while Instant::now() < end {
                    let turn = queue.enter().unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_micros(200));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(turn);
                    count += 1;
                }
                count
            };
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least * 2 >= *most, "{counts:?}");
    }
}
