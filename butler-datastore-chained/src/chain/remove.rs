//! Datasets on their way out of the children.

use std::sync::Arc;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{Bookkeeper, RemoveTransaction};
use butler_core::{DatasetRef, Result};

use super::Chain;

/// What all children do, each by its position.
struct ChainedRemove {
    chain: Arc<Chain>,
    parts: Vec<(usize, Box<dyn RemoveTransaction>)>,
}

/// All children that can be written must announce it: what one forgets would never go.
pub(super) async fn prepare(
    chain: Arc<Chain>,
    datasets: Vec<DatasetRef>,
) -> Result<Box<dyn RemoveTransaction>> {
    chain.refuse_read_only()?;
    let mut remove = ChainedRemove { chain: Arc::clone(&chain), parts: Vec::new() };
    for (position, child) in chain.writable() {
        match child.datastore.prepare_remove(datasets.clone()).await {
            Ok(transaction) => remove.parts.push((position, transaction)),
            Err(error) => {
                let error = chain.told(child, "could not begin to remove datasets", error);
                if let Err(leftover) = Box::new(remove).roll_back().await {
                    tracing::warn!(error = %leftover, "something is left over that `recover` removes");
                }
                return Err(error);
            }
        }
    }
    Ok(Box::new(remove))
}

#[async_trait]
impl RemoveTransaction for ChainedRemove {
    fn entries(&self) -> Vec<ArcStr> {
        self.parts.iter().flat_map(|(_, transaction)| transaction.entries()).collect()
    }

    async fn commit(self: Box<Self>, books: &dyn Bookkeeper) -> Result<()> {
        let mut result = Ok(());
        for (position, transaction) in self.parts {
            let committed = transaction.commit(books).await;
            let child = &self.chain.children[position];
            result = result.and(
                committed.map_err(|error| self.chain.told(child, "could not remove all datasets", error)),
            );
        }
        result
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        let mut result = Ok(());
        for (position, transaction) in self.parts {
            let rolled_back = transaction.roll_back().await;
            let child = &self.chain.children[position];
            result = result
                .and(rolled_back.map_err(|error| self.chain.told(child, "could not undo a removal", error)));
        }
        result
    }
}
