//! Storages of chained datastores.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use butler_core::datastore::{Datastore, MemoryDatastoreFactory};
use butler_core::{Config, DatastoreFactory, Factories, Result};
use butler_datastore_chained::{ChainedDatastoreFactory, StreamDatastoreFactory};
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::Harness;
use butler_testkit::datastore::{
    Backstage, CallFaults, DatastoreHarness, FaultyFactory, LocalDirectory, Opening, Storage,
};

/// Harness of chained datastores with children of some kinds.
#[derive(Clone, Debug)]
pub(crate) struct ChainHarness {
    policy: &'static str,
    kinds: &'static [&'static str],
    /// Whether its children can be made to fail.
    faulty: bool,
}

impl ChainHarness {
    pub(crate) fn new(policy: &'static str, kinds: &'static [&'static str]) -> Self {
        Self { policy, kinds, faulty: false }
    }

    /// Its children can be made to fail.
    pub(crate) fn faulty(self) -> Self {
        Self { faulty: true, ..self }
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
        let faults = self.faulty.then(CallFaults::default);
        Ok(Box::new(ChainStorage { harness: self.clone(), directories, faults, kept: Mutex::default() }))
    }
}

struct ChainStorage {
    harness: ChainHarness,
    directories: Vec<LocalDirectory>,
    faults: Option<CallFaults>,
    /// What is in memory is gone with the handle that was opened last.
    kept: Mutex<Option<Arc<dyn Datastore>>>,
}

/// The factories of all kinds, of which those that keep something can fail.
fn factories(faults: Option<&CallFaults>) -> Factories {
    let mut factories = Factories::default();
    let kinds: [(&str, Arc<dyn DatastoreFactory>); 2] =
        [("file", Arc::new(FileDatastoreFactory)), ("memory", Arc::new(MemoryDatastoreFactory))];
    for (kind, factory) in kinds {
        factories.add_datastore(
            kind,
            match faults {
                Some(faults) => Arc::new(FaultyFactory::new(factory, faults.clone())),
                None => factory,
            },
        );
    }
    factories.add_datastore("chained", Arc::new(ChainedDatastoreFactory));
    factories.add_datastore("stream", Arc::new(StreamDatastoreFactory::default()));
    factories
}

/// Builds a chained datastore of the text of its table.
pub(crate) fn build(text: &str, opening: &Opening) -> Result<Arc<dyn Datastore>> {
    build_faulty(text, opening, None)
}

fn build_faulty(text: &str, opening: &Opening, faults: Option<&CallFaults>) -> Result<Arc<dyn Datastore>> {
    let mut config = Config::default();
    config.merge_text(&format!("[datastore]\n{text}"), "test")?;
    let mut context = opening.context()?;
    context.factories = Arc::new(factories(faults));
    ChainedDatastoreFactory.build(&config.section("datastore")?, &context)
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
        let opened = build_faulty(&self.text(opening), opening, self.faults.as_ref())?;
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Arc::clone(kept.insert(opened)))
    }

    /// Where all is in one place, that place.
    fn backstage(&self) -> Option<&dyn Backstage> {
        let first = self.directories.first().filter(|_| self.harness.policy == "first");
        first.map(|directory| directory as &dyn Backstage)
    }

    fn faults(&self) -> Option<&CallFaults> {
        self.faults.as_ref()
    }
}
