//! A chain of local files and S3 passes the suite of datastores.

#![cfg(feature = "s3")]

use std::sync::Arc;

use async_trait::async_trait;
use butler_core::datastore::Datastore;
use butler_core::{Config, DatastoreFactory, Factories, Result};
use butler_datastore_chained::ChainedDatastoreFactory;
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::Harness;
use butler_testkit::datastore::s3::S3Server;
use butler_testkit::datastore::{DatastoreHarness, LocalDirectory, Opening, Storage};

struct ChainHarness;

impl Harness for ChainHarness {
    fn name(&self) -> &str {
        "files and S3"
    }
}

#[async_trait]
impl DatastoreHarness for ChainHarness {
    async fn storage(&self) -> Result<Box<dyn Storage>> {
        Ok(Box::new(ChainStorage { server: S3Server::start().await?, directory: LocalDirectory::new()? }))
    }

    fn long_names(&self) -> bool {
        false
    }

    /// Enough for several parts.
    fn large(&self) -> usize {
        20 << 20
    }
}

struct ChainStorage {
    server: S3Server,
    directory: LocalDirectory,
}

#[async_trait]
impl Storage for ChainStorage {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
        let of_the_chain =
            |line: &&str| ["name", "accept", "acept", "reject"].iter().any(|key| line.starts_with(key));
        let (chain, files): (Vec<&str>, Vec<&str>) = opening.settings.lines().partition(of_the_chain);
        let name = chain.iter().find_map(|line| line.strip_prefix("name = ")).unwrap_or("'chain'");
        let (name, chain, files) = (name.trim_matches('\''), chain.join("\n"), files.join("\n"));
        let child = |name: &str, place: &str| {
            format!("[[datastore.children]]\nkind = 'file'\nname = '{name}'\n{place}\n{files}\n")
        };
        let near = child(&format!("{name} near"), &format!("root = '{}'", self.directory.path().display()));
        let far = child(&format!("{name} far"), &format!("timeout = '20s'\n{}", self.server.place()));
        let mut config = Config::default();
        config.merge_text(&format!("[datastore]\n{chain}\n{near}{far}"), "test")?;
        let mut context = opening.context()?;
        let mut factories = Factories::default();
        factories.add_datastore("file", Arc::new(FileDatastoreFactory));
        context.factories = Arc::new(factories);
        ChainedDatastoreFactory.build(&config.section("datastore")?, &context)
    }
}

butler_testkit::datastore_suite!(|| Some(ChainHarness));
