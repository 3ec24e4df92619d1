//! The reference backend passes the suite of backends.

use std::sync::Arc;

use async_trait::async_trait;
use butler_core::Result;
use butler_core::backend::{Backend, Capabilities};
use butler_testkit::Harness;
use butler_testkit::backend::{BackendHarness, Namespace};
use butler_testkit::reference::ReferenceBackend;

struct Reference;

impl Harness for Reference {
    fn name(&self) -> &str {
        "reference"
    }
}

#[async_trait]
impl BackendHarness for Reference {
    fn capabilities(&self) -> Capabilities {
        ReferenceBackend::new().capabilities()
    }

    async fn namespace(&self) -> Result<Box<dyn Namespace>> {
        Ok(Box::new(InMemory(ReferenceBackend::new())))
    }

    fn large(&self) -> usize {
        20_000
    }
}

struct InMemory(ReferenceBackend);

#[async_trait]
impl Namespace for InMemory {
    async fn open(&self) -> Result<Arc<dyn Backend>> {
        Ok(Arc::new(self.0.clone()))
    }

    async fn open_read_only(&self) -> Result<Option<Arc<dyn Backend>>> {
        Ok(Some(Arc::new(self.0.read_only())))
    }
}

butler_testkit::backend_suite!(|| Some(Reference));
