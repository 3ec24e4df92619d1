//! Static tables of a repository: what migrations create.
//!
//! A test reads each database's catalogue back and compares it with these.
//! Tables of dimension elements, dataset types and datastores are made at run time.
//!
//! Datasets carry no foreign keys: a million rows would pay for the check, a
//! removal would scan for referrers without an index more, and what they refer
//! to may live in a parent repository. Writers lock the named rows that they
//! refer to, removers lock what they remove.

use std::sync::LazyLock;

use butler_core::backend::{ColumnType, OnDelete, SchemaVersion, TableRef, TableSpec};

use ColumnType::{Bool, Bytes, Int, Text};

/// Version of the static tables that this code reads and writes.
pub(crate) const SCHEMA_VERSION: SchemaVersion = SchemaVersion(1);

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $spec:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: LazyLock<TableRef> = LazyLock::new(|| TableRef::from($spec));
        )*

        /// All static tables, in an order in which they can be created.
        pub(crate) fn static_tables() -> Vec<TableRef> {
            vec![$($name.clone()),*]
        }
    };
}

tables! {
    /// What describes the repository itself.
    REPO_ATTRIBUTE = TableSpec::new("repo_attribute", "Facts about the repository: versions, universe, parents")
        .column("key", Text, "Name of the fact")
        .column("value", Text, "The fact")
        .primary_key(["key"]);

    /// Writing sessions.
    ORIGIN = TableSpec::new("origin", "Writing sessions: who issued the dataset ids of an origin")
        .column("origin", Int, "60 random bits, the first part of dataset ids")
        .column("repository", Text, "Identity of the repository that the session wrote to")
        .column("host", Text, "Host name")
        .column("username", Text, "Name of the account")
        .column("began", Int, "TAI nanoseconds since 1970")
        .primary_key(["origin"]);

    /// Collections of all types.
    COLLECTION = TableSpec::new("collection", "Collections")
        .identity("collection_id", "Surrogate key")
        .column("name", Text, "Name")
        .column("type", Int, "1 RUN, 2 TAGGED, 3 CHAINED, 4 CALIBRATION")
        .column("doc", Text, "Documentation, perhaps empty")
        .unique(["name"]);

    /// Children of chains.
    COLLECTION_CHAIN = TableSpec::new("collection_chain", "Children of CHAINED collections")
        .column("parent_id", Int, "The chain")
        .column("position", Int, "Place in the search order, ascending from 0")
        .column("child_id", Int, "The collection at that place")
        .primary_key(["parent_id", "position"])
        .unique(["parent_id", "child_id"])
        .references(["parent_id"], "collection", &["collection_id"], OnDelete::Cascade)
        .references(["child_id"], "collection", &["collection_id"], OnDelete::Restrict)
        .index(["child_id"]);

    /// Dataset types.
    DATASET_TYPE = TableSpec::new("dataset_type", "Dataset types")
        .identity("dataset_type_id", "Surrogate key")
        .column("name", Text, "Name")
        .column("kind", Text, "standard, global or nonsingular")
        .column("dimensions", Text, "Names of the required dimensions, separated by commas")
        .column("storage_class", Text, "Name of the storage class")
        .column("is_calibration", Bool, "Whether its datasets may be certified")
        .nullable("genre", Text, "Name of the genre whose policies its datasets follow")
        .column("data_table", Text, "Table of its datasets")
        .nullable("calib_table", Text, "Table of its validity ranges")
        .unique(["name"]);

    /// What may be in a collection.
    COLLECTION_SUMMARY = TableSpec::new("collection_summary", "Dataset types that may have datasets in a collection")
        .column("collection_id", Int, "The collection")
        .column("dataset_type_id", Int, "The dataset type")
        .primary_key(["collection_id", "dataset_type_id"])
        .references(["collection_id"], "collection", &["collection_id"], OnDelete::Cascade)
        .references(["dataset_type_id"], "dataset_type", &["dataset_type_id"], OnDelete::Cascade)
        .index(["dataset_type_id"]);

    /// Governor values of what may be in a collection.
    COLLECTION_GOVERNOR = TableSpec::new("collection_governor", "Values of governor dimensions that datasets of a collection may have")
        .column("collection_id", Int, "The collection")
        .column("governor", Text, "Name of the dimension")
        .column("value", Text, "Its value")
        .primary_key(["collection_id", "governor", "value"])
        .references(["collection_id"], "collection", &["collection_id"], OnDelete::Cascade);

    /// One row a dataset.
    DATASET = TableSpec::new("dataset", "Datasets of all types")
        .column("origin", Int, "First part of the dataset id")
        .column("id", Int, "Second part of the dataset id")
        .column("dataset_type_id", Int, "Its type")
        .column("run_id", Int, "The RUN collection that it lives in")
        .nullable("quantum_origin", Int, "First part of the id of the quantum that made it")
        .nullable("quantum_id", Int, "Second part of the id of the quantum that made it")
        .column("ingested_at", Int, "TAI nanoseconds since 1970")
        .primary_key(["origin", "id"]);

    /// Members of tagged collections.
    DATASET_TAG = TableSpec::new("dataset_tag", "Members of TAGGED collections")
        .column("collection_id", Int, "The collection")
        .column("dataset_type_id", Int, "Type of the dataset")
        .column("data_id_hash", Bytes, "Digest of the data ID")
        .column("origin", Int, "First part of the dataset id")
        .column("id", Int, "Second part of the dataset id")
        .primary_key(["collection_id", "dataset_type_id", "data_id_hash"])
        .index(["origin", "id"]);

    /// Datastores by name.
    DATASTORE = TableSpec::new("datastore", "Datastores")
        .identity("datastore_id", "Surrogate key")
        .column("name", Text, "Name")
        .unique(["name"]);

    /// Which datastore has what.
    DATASET_LOCATION = TableSpec::new("dataset_location", "Datasets that a datastore has artifacts of")
        .column("origin", Int, "First part of the dataset id")
        .column("id", Int, "Second part of the dataset id")
        .column("datastore_id", Int, "The datastore")
        .primary_key(["origin", "id", "datastore_id"]);

    /// Units of processing.
    QUANTUM = TableSpec::new("quantum", "Units of processing: provenance")
        .column("origin", Int, "First part of the quantum's id")
        .column("id", Int, "Second part of the quantum's id")
        .column("label", Text, "Label of the task in its pipeline")
        .column("task", Text, "Name of the task")
        .column("run_id", Int, "RUN collection of the outputs")
        .column("data_id", Text, "Data ID, as a JSON object")
        .nullable("host", Text, "Host that it ran on")
        .nullable("began", Int, "Start, in TAI nanoseconds since 1970")
        .nullable("ended", Int, "End, in TAI nanoseconds since 1970")
        .column("status", Text, "defined, running, succeeded or failed")
        .primary_key(["origin", "id"])
        .index(["run_id"]);

    /// What quanta read.
    QUANTUM_INPUT = TableSpec::new("quantum_input", "Datasets that quanta read")
        .column("quantum_origin", Int, "First part of the quantum's id")
        .column("quantum_id", Int, "Second part of the quantum's id")
        .column("origin", Int, "First part of the dataset id")
        .column("id", Int, "Second part of the dataset id")
        .column("actual", Bool, "Whether it was read, not only predicted")
        .primary_key(["quantum_origin", "quantum_id", "origin", "id"])
        .index(["origin", "id"]);

    /// What quanta wrote.
    QUANTUM_OUTPUT = TableSpec::new("quantum_output", "Datasets that quanta wrote")
        .column("quantum_origin", Int, "First part of the quantum's id")
        .column("quantum_id", Int, "Second part of the quantum's id")
        .column("origin", Int, "First part of the dataset id")
        .column("id", Int, "Second part of the dataset id")
        .primary_key(["quantum_origin", "quantum_id", "origin", "id"])
        .index(["origin", "id"]);

    /// Outcomes of journal entries.
    JOURNAL_OUTCOME = TableSpec::new("journal_outcome", "Who won an entry of a datastore's journal: its writer or a recovery")
        .column("entry", Text, "Name of the entry")
        .column("outcome", Text, "committed or aborted")
        .column("at", Int, "TAI nanoseconds since 1970")
        .primary_key(["entry"]);

    /// Tables of datastores.
    OPAQUE_TABLE = TableSpec::new("opaque_table", "Tables that datastores declared")
        .column("name", Text, "Name of the table")
        .column("version", Int, "Version of the table's layout")
        .column("spec", Text, "Its specification, as JSON")
        .primary_key(["name"]);
}
