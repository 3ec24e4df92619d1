//! Object stores pass the suite of datastores.

/// In the memory of this process.
#[cfg(feature = "memory")]
mod in_memory {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use butler_core::datastore::{Datastore, JournalEntry};
    use butler_core::{Error, ErrorKind, Instant, Result};
    use butler_testkit::Harness;
    use butler_testkit::datastore::{Backstage, DatastoreHarness, Opening, Storage};
    use opendal::Operator;

    use super::super::build::memory;
    use crate::FileDatastoreFactory;

    struct MemoryHarness;

    impl Harness for MemoryHarness {
        fn name(&self) -> &str {
            "memory objects"
        }
    }

    #[async_trait]
    impl DatastoreHarness for MemoryHarness {
        async fn storage(&self) -> Result<Box<dyn Storage>> {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let place = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
            Ok(Box::new(MemoryStorage { objects: memory::operator(&place, ""), place }))
        }
    }

    struct MemoryStorage {
        place: String,
        objects: Operator,
    }

    #[async_trait]
    impl Storage for MemoryStorage {
        async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
            opening.build(&FileDatastoreFactory, &format!("root = 'memory://{}'", self.place))
        }

        fn backstage(&self) -> Option<&dyn Backstage> {
            Some(self)
        }
    }

    fn failed(error: opendal::Error) -> Error {
        Error::new(ErrorKind::Unexpected, error.to_string())
    }

    #[async_trait]
    impl Backstage for MemoryStorage {
        async fn list(&self) -> Result<Vec<String>> {
            let items = self.objects.list_with("").recursive(true).await.map_err(failed)?;
            let files = items.into_iter().filter(|item| item.metadata().is_file());
            let mut paths: Vec<String> = files.map(|item| item.path().to_owned()).collect();
            paths.sort_unstable();
            Ok(paths)
        }

        async fn read(&self, path: &str) -> Result<Vec<u8>> {
            Ok(self.objects.read(path).await.map_err(failed)?.to_vec())
        }

        async fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
            self.objects.write(path, bytes.to_vec()).await.map(drop).map_err(failed)
        }

        async fn delete(&self, path: &str) -> Result<()> {
            self.objects.delete(path).await.map_err(failed)
        }

        /// There are no times but those in the entries.
        async fn age(&self, path: &str, by: Duration) -> Result<()> {
            let bytes = self.read(path).await?;
            let Ok(mut entry) = JournalEntry::from_bytes(&bytes) else { return Ok(()) };
            let complete = entry.is_complete();
            entry.header.at =
                Instant::from_nanoseconds(Instant::now()?.nanoseconds() - by.as_nanos() as i64)?;
            match complete {
                true => self.write(path, &entry.to_bytes()?).await,
                // It stays cut short, and without a time that could be renewed.
                false => self.write(path, b"{").await,
            }
        }

        fn root(&self) -> Option<&Path> {
            None
        }

        fn uri(&self) -> Option<String> {
            Some(format!("memory://{}", self.place))
        }
    }

    butler_testkit::datastore_suite!(|| Some(MemoryHarness));
}
