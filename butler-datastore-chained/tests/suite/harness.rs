//! Storages of chained datastores.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use butler_core::datastore::{Datastore, MemoryDatastoreFactory};
use butler_core::{Config, DatastoreContext, DatastoreFactory, Factories, Result};
use butler_datastore_chained::{ChainedDatastoreFactory, StreamDatastoreFactory};
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::Harness;
use butler_testkit::datastore::{Backstage, DatastoreHarness, LocalDirectory, Opening, Storage};

/// Harness of chained datastores with children of some kinds.
#[derive(Clone, Debug)]
pub(crate) struct ChainHarness {
    policy: &'static str,
    kinds: &'static [&'static str],
}

impl ChainHarness {
    pub(crate) fn new(policy: &'static str, kinds: &'static [&'static str]) -> Self {
        Self { policy, kinds }
    }
}

impl Harness for ChainHarness {
    fn name(&self) -> &str {
        "chained"
    }
}

#[async_trait]
impl DatastoreHarness for ChainHarness {
    async fn storage(&self) -> Result<Box<dyn Storage>> {
        let directories = self.kinds.iter().map(|_| LocalDirectory::new()).collect::<Result<_>>()?;
        Ok(Box::new(ChainStorage { harness: self.clone(), directories, kept: Mutex::default() }))
    }
}

struct ChainStorage {
    harness: ChainHarness,
    directories: Vec<LocalDirectory>,
    /// What is in memory is gone with the handle that was opened last.
    kept: Mutex<Option<Arc<dyn Datastore>>>,
}

/// The factories of all kinds.
pub(crate) fn factories() -> Factories {
    let mut factories = Factories::default();
    factories.add_datastore("file", Arc::new(FileDatastoreFactory));
    factories.add_datastore("memory", Arc::new(MemoryDatastoreFactory));
    factories.add_datastore("chained", Arc::new(ChainedDatastoreFactory));
    factories.add_datastore("stream", Arc::new(StreamDatastoreFactory::default()));
    factories
}

/// What datastores of the tests know.
pub(crate) fn context(opening: &Opening) -> Result<DatastoreContext> {
    let mut context = opening.context()?;
    context.factories = Arc::new(factories());
    Ok(context)
}

/// Builds a chained datastore of the text of its table.
pub(crate) fn build(text: &str, opening: &Opening) -> Result<Arc<dyn Datastore>> {
    let mut config = Config::default();
    config.merge_text(&format!("[datastore]\n{text}"), "test")?;
    ChainedDatastoreFactory.build(&config.section("datastore")?, &context(opening)?)
}

impl ChainStorage {
    /// Settings of the suite are those of the chain, or of the files in it.
    fn text(&self, opening: &Opening) -> String {
        let of_the_chain =
            |line: &&str| ["name", "accept", "acept", "reject"].iter().any(|key| line.starts_with(key));
        let (chain, files): (Vec<&str>, Vec<&str>) = opening.settings.lines().partition(of_the_chain);
        let name = chain
            .iter()
            .find_map(|line| line.strip_prefix("name = "))
            .unwrap_or("'chain'")
            .trim_matches('\'');
        let mut text = format!("kind = 'chained'\nwrite = '{}'\n{}\n", self.harness.policy, chain.join("\n"));
        for (at, (kind, directory)) in self.harness.kinds.iter().zip(&self.directories).enumerate() {
            let root = directory.root().unwrap_or(std::path::Path::new("")).display();
            text += &format!("[[datastore.children]]\nkind = '{kind}'\nname = '{name} {at}'\n");
            match *kind {
                "file" => text += &format!("root = '{root}'\n{}\n", files.join("\n")),
                "chained" => {
                    text += &format!(
                        "[[datastore.children.children]]\nkind = 'file'\nname = '{name} {at}a'\nroot = '{root}'\n{}\n",
                        files.join("\n")
                    );
                }
                _ => {}
            }
        }
        text
    }
}

#[async_trait]
impl Storage for ChainStorage {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
        let opened = build(&self.text(opening), opening)?;
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Arc::clone(kept.insert(opened)))
    }

    /// Where all is in one place, that place.
    fn backstage(&self) -> Option<&dyn Backstage> {
        let first = self.directories.first().filter(|_| self.harness.policy == "first");
        first.map(|directory| directory as &dyn Backstage)
    }
}
