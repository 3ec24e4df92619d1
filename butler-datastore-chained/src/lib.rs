//! Datastores of the Data Butler that route to other datastores or publish to subscribers.
