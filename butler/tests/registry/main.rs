//! The Butler and its registry: what is remembered, what genres decide, which datastores have what,
//! what loose data IDs mean, and who may open a repository.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cache;
mod data_ids;
mod fixture;
mod genres;
mod places;
mod repositories;
