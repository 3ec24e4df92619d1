//! Datastores of the Data Butler on local files and object stores, and the formatters.
