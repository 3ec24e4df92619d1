//! What the command can do: one module for each group of verbs.

mod associate;
#[cfg(feature = "bench")]
mod bench;
mod catalog;
mod chain;
mod common;
mod config;
mod create;
mod datasets;
mod demo;
mod export;
mod files;
mod import;
#[cfg(feature = "datastore-fs")]
mod ingest_zip;
mod object;
mod provenance;
mod query;
mod records;
mod recover;
mod register;
mod remove;
mod retrieve;
mod transfer;
mod validity;
mod verify;
mod watch;

use butler::Result;
use clap::Subcommand;

use super::context::Context;

/// Declares the verbs, each with the arguments of a type that runs; some only exist with a feature.
macro_rules! verbs {
    ($($(#[$about:meta])* $verb:ident($arguments:ty) $(if $feature:literal)?),* $(,)?) => {
        /// What is to be done.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Verb {
            $($(#[$about])* $(#[cfg(feature = $feature)])? $verb($arguments),)*
        }

        impl Verb {
            /// Does it.
            pub(crate) async fn run(self, context: &Context) -> Result<()> {
                match self {
                    $($(#[cfg(feature = $feature)])? Self::$verb(arguments) => arguments.run(context).await,)*
                }
            }
        }
    };
}

impl Verb {
    /// Whether it asks a registry and prints the answer: such a command reads no artifacts, and waits for nobody's input.
    pub(crate) fn only_asks(&self) -> bool {
        matches!(
            self,
            Self::FindDataset(_)
                | Self::QueryDatasets(_)
                | Self::QueryDataIds(_)
                | Self::QueryDimensionRecords(_)
                | Self::QueryCollections(_)
                | Self::QueryDatasetTypes(_)
                | Self::Completions(_)
        )
    }
}

verbs! {
    /// Show all this on a small simulated survey
    Demo(demo::Demo),
    /// Create a repository
    Create(create::Create),
    /// Import dimension records, datasets and collections from an export
    Import(import::Import),
    /// Export datasets, with all that belongs to them
    Export(export::Export),
    /// Export calibration collections with their datasets and files
    ExportCalibs(export::ExportCalibs),
    /// Register a dataset type
    RegisterDatasetType(register::RegisterDatasetType),
    /// Remove dataset types, and with --purge all their datasets
    RemoveDatasetType(remove::RemoveDatasetType),
    /// Register a collection
    RegisterCollection(register::RegisterCollection),
    /// Insert dimension records from a file
    InsertDimensionRecords(records::InsertDimensionRecords),
    /// Make files of a table known as datasets
    IngestFiles(files::IngestFiles),
    /// Make the datasets in a zip archive known, which stays one file
    IngestZip(ingest_zip::IngestZip) if "datastore-fs",
    /// Store a dataset from a file or standard input
    Put(object::Put),
    /// Write a dataset to a file or standard output
    Get(object::Get),
    /// Find the dataset of a data ID
    FindDataset(object::FindDataset),
    /// Copy or link artifacts of datasets into a directory
    RetrieveArtifacts(retrieve::RetrieveArtifacts),
    /// Take over datasets of another repository
    TransferDatasets(transfer::TransferDatasets),
    /// List datasets
    QueryDatasets(datasets::QueryDatasets),
    /// List data IDs
    QueryDataIds(query::QueryDataIds),
    /// List records of a dimension element
    QueryDimensionRecords(query::QueryDimensionRecords),
    /// List collections
    QueryCollections(catalog::QueryCollections),
    /// List dataset types
    QueryDatasetTypes(catalog::QueryDatasetTypes),
    /// Define or change a chain of collections
    CollectionChain(chain::CollectionChain),
    /// Add datasets to a tagged collection
    Associate(associate::Associate),
    /// Take datasets out of a tagged collection
    Disassociate(associate::Disassociate),
    /// Make datasets valid for a timespan
    CertifyCalibrations(validity::Certify),
    /// Make datasets invalid for a timespan
    DecertifyCalibrations(validity::Decertify),
    /// Remove datasets, or their artifacts alone
    PruneDatasets(remove::PruneDatasets),
    /// Remove runs with all their datasets
    RemoveRuns(remove::RemoveRuns),
    /// Remove collections that are no runs
    RemoveCollections(remove::RemoveCollections),
    /// Finish or undo what dead processes left
    Recover(recover::Recover),
    /// Compare registry, records and artifacts
    Verify(verify::Verify),
    /// Show what a dataset was made from, or what was made from it
    Provenance(provenance::Provenance),
    /// Show new datasets as they come
    Watch(watch::Watch),
    /// Print the configuration of a repository
    ConfigDump(config::ConfigDump),
    /// Make a SQLite repository readable in a directory that nobody may write
    Freeze(config::Freeze),
    /// Bring the tables of a repository to the version of this program
    Migrate(config::Migrate),
    /// Print a script that completes this command in a shell
    Completions(config::Completions),
    /// Measure everything on a workload
    #[command(hide = true)]
    Bench(bench::Bench) if "bench",
}
