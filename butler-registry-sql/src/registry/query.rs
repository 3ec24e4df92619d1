//! stub
use butler_core::query::{Explanation, Query, QueryStream};
use butler_core::Result;
use super::Shared;
pub(crate) async fn stream(_: &Shared, _: Query) -> Result<QueryStream> { unimplemented!() }
pub(crate) async fn count(_: &Shared, _: Query) -> Result<u64> { unimplemented!() }
pub(crate) async fn explain(_: &Shared, _: Query) -> Result<Explanation> { unimplemented!() }
