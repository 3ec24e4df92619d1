//! The conformance suite of [`Datastore`].

mod archives;
mod books;
mod capabilities;
mod components;
mod concurrency;
mod constraints;
mod context;
mod copies;
mod existence;
mod faults;
mod faulty;
mod fixture;
mod get;
mod ingest;
pub mod mutants;
mod names;
mod put;
mod recovery;
mod removal;
#[cfg(feature = "s3")]
pub mod s3;
mod storage;
mod transactions;
mod uris;
mod verification;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use butler_core::Result;
use butler_core::datastore::Datastore;

use crate::case::{Case, Harness};

pub use books::Books;
pub use context::Opening;
pub(crate) use context::plain_formatter;
pub use faulty::{Call, CallFaults, Fault, FaultyDatastore, FaultyFactory};
pub use storage::{FactoryHarness, LocalDirectory};

/// What a [`Datastore`] is tested with.
#[async_trait]
pub trait DatastoreHarness: Harness {
    /// Makes an empty storage, which nothing else uses.
    ///
    /// # Errors
    /// Those of the datastore.
    async fn storage(&self) -> Result<Box<dyn Storage>>;

    /// Whether what lies below can take paths of a thousand bytes.
    fn long_names(&self) -> bool {
        true
    }

    /// Number of bytes that are many; `BUTLER_TEST_LARGE` sets it.
    fn large(&self) -> usize {
        crate::random::from_environment("BUTLER_TEST_LARGE").unwrap_or(8 << 20)
    }
}

/// A storage for the time of one case; what it occupies goes when it is dropped.
#[async_trait]
pub trait Storage: Send + Sync {
    /// Opens a datastore on it, as another process would.
    ///
    /// # Errors
    /// Those of the datastore.
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>>;

    /// What lies in it behind the datastore's back; none if nobody can look there.
    fn backstage(&self) -> Option<&dyn Backstage> {
        None
    }

    /// What makes parts of its datastores fail, such as children of chained ones. If there is
    /// none, only the whole is made to fail.
    fn faults(&self) -> Option<&CallFaults> {
        None
    }
}

/// Access to a storage behind the back of its datastore; paths are relative to its root.
#[async_trait]
pub trait Backstage: Send + Sync {
    /// Paths of everything that lies there, sorted: artifacts, entries of the journal, temporary files.
    ///
    /// # Errors
    /// Those of the storage.
    async fn list(&self) -> Result<Vec<String>>;

    /// Reads what lies somewhere.
    ///
    /// # Errors
    /// Those of the storage.
    async fn read(&self, path: &str) -> Result<Vec<u8>>;

    /// Writes something, over what lies there.
    ///
    /// # Errors
    /// Those of the storage.
    async fn write(&self, path: &str, bytes: &[u8]) -> Result<()>;

    /// Deletes what lies somewhere.
    ///
    /// # Errors
    /// Those of the storage.
    async fn delete(&self, path: &str) -> Result<()>;

    /// Makes what lies somewhere older.
    ///
    /// # Errors
    /// Those of the storage.
    async fn age(&self, path: &str, by: Duration) -> Result<()>;

    /// The root, if it is a local directory.
    fn root(&self) -> Option<&Path>;

    /// What URIs of artifacts begin with, decoded and without a slash at the end, if they are not of local files.
    fn uri(&self) -> Option<String> {
        None
    }
}

/// Hands the names of all cases to a macro of this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __datastore_cases {
    ($then:ident [$($arguments:tt)*]) => { $crate::$then! { [$($arguments)*]
        archives {
            members_are_read_as_artifacts,
            parts_and_shared_members_are_read,
            an_archive_goes_with_its_last_dataset,
            unsound_archives_are_refused,
            what_an_archive_does_not_hold_is_refused,
            archives_come_in_like_files,
            a_lost_archive_is_told,
        }
        capabilities {
            the_name_is_the_configured_one,
            unknown_keys_are_refused,
            tables_begin_with_the_id_of_a_dataset,
            only_what_is_not_ephemeral_outlives_its_handle,
            what_is_read_only_refuses_to_write,
            ways_of_transfer_that_are_not_declared_are_unsupported,
            only_artifacts_can_be_opened_and_copied,
            places_tell_storages_apart,
        }
        components {
            a_component_is_taken_out_of_the_whole,
            a_derived_component_is_computed,
            unknown_components_are_told,
            composites_are_stored_part_by_part_where_that_is_configured,
            parts_are_read_alone,
            a_derived_component_is_computed_from_the_responsible_part,
            a_part_that_is_missing_is_told,
        }
        concurrency {
            of_several_writers_of_a_dataset_one_wins,
            writers_of_different_datasets_do_not_disturb_each_other,
            writers_and_removers_do_not_disturb_each_other,
        }
        constraints {
            refused_datasets_are_not_stored,
            files_are_refused_like_objects,
            acceptance_says_what_is_refused,
        }
        copies {
            artifacts_of_another_datastore_come_in,
            streams_come_in,
            what_is_not_what_it_should_be_is_refused,
            a_stream_that_fails_leaves_nothing,
            parts_come_in_as_parts,
        }
        existence {
            what_is_stored_exists,
            without_records_nothing_exists,
            what_is_lost_does_not_exist,
            answers_come_in_the_order_of_questions,
            a_composite_exists_if_all_its_parts_do,
            what_is_stored_is_known,
        }
        faults {
            a_write_that_fails_has_happened_or_not,
            a_move_that_fails_loses_no_file,
            a_removal_that_fails_has_happened_or_not,
            a_read_that_fails_harms_no_other,
            a_recovery_that_fails_is_done_by_the_next,
            faults_at_random_lose_nothing_and_leave_nothing,
        }
        get {
            objects_come_in_the_order_asked_for,
            nothing_is_asked_for_and_nothing_comes,
            a_dataset_that_is_not_stored_is_not_found,
            an_artifact_that_is_lost_is_not_found,
            a_failure_is_none_of_the_others,
            another_size_is_told,
            another_checksum_is_told_where_that_is_configured,
            what_cannot_be_parsed_is_told,
            parameters_are_applied,
            unknown_parameters_are_refused,
            another_storage_class_is_converted_to,
            what_cannot_be_converted_is_told,
            what_is_of_an_unknown_class_is_bytes,
            what_was_read_and_removed_is_not_found,
            what_is_stored_anew_is_read_anew,
            what_others_store_anew_is_read_anew,
        }
        ingest {
            what_is_copied_is_independent,
            what_is_moved_goes_after_the_commit,
            what_was_to_be_moved_stays_if_nothing_comes_of_it,
            a_link_that_is_moved_leaves_its_target,
            what_is_hard_linked_is_the_same_file,
            what_is_linked_stays,
            symbolic_links_lead_to_the_final_target,
            relative_links_lead_to_the_file,
            direct_files_stay_where_they_are,
            files_are_taken_over_in_place,
            what_is_outside_is_not_in_place,
            a_split_takes_over_and_refers,
            files_inside_are_automatically_in_place,
            files_outside_are_automatically_linked,
            mixed_files_are_automatically_split,
            a_file_may_hold_several_datasets,
            one_missing_file_stops_all,
            what_is_no_file_is_refused,
            urls_of_files_are_files,
            a_file_that_is_where_it_would_go_is_refused,
            untracked_files_are_not_measured,
            the_formatter_that_is_given_reads_it,
            a_file_of_no_dataset_is_refused,
        }
        names {
            hostile_names_stay_inside,
            names_that_look_like_paths_are_in_none,
            long_names_are_told_apart,
            odd_names_of_files_are_taken,
        }
        put {
            objects_of_all_types_come_back,
            many_objects_come_back,
            large_objects_come_back,
            nothing_is_no_error,
            records_come_in_the_order_of_the_requests,
            a_dataset_given_twice_is_refused,
            equal_paths_are_refused,
            an_object_of_another_type_is_refused,
            a_component_is_refused,
            what_is_stored_is_not_stored_again,
            what_is_there_is_never_replaced,
            a_formatter_that_fails_leaves_nothing,
            a_formatter_that_panics_leaves_nothing,
            checksums_and_sizes_are_recorded,
        }
        recovery {
            live_writers_are_left_alone,
            what_a_dead_writer_left_goes,
            what_was_there_before_a_dead_writer_stays,
            what_a_slow_writer_adds_goes_too,
            what_was_committed_stays,
            what_was_moved_goes_after_the_commit,
            what_was_taken_over_in_place_stays,
            a_removal_that_was_committed_is_finished,
            a_removal_that_was_not_committed_is_forgotten,
            a_dry_run_changes_nothing,
            damaged_entries_go,
            several_recoveries_do_no_harm,
        }
        removal {
            what_is_removed_is_gone,
            what_others_use_stays,
            direct_files_are_never_deleted,
            what_is_gone_already_is_no_error,
            datasets_without_records_are_passed_over,
            nothing_goes_before_the_registry_has_committed,
            roll_back_keeps_everything,
            empty_directories_go,
            a_dropped_one_leaves_its_entry,
            a_path_that_is_being_removed_is_not_written,
            what_is_being_removed_is_not_taken_over,
            what_is_being_taken_over_is_not_removed,
            an_ended_lease_deletes_nothing,
        }
        transactions {
            nothing_is_written_by_preparing,
            the_entry_names_what_is_written,
            a_write_is_both_steps_in_one,
            a_write_that_fails_is_undone,
            entries_have_names_of_their_own,
            nothing_but_artifacts_is_left_by_a_commit,
            nothing_is_left_by_a_roll_back,
            a_roll_back_may_come_before_the_execution,
            a_roll_back_leaves_what_was_there,
            a_failure_is_rolled_back,
            an_execution_that_was_given_up_is_rolled_back,
            a_dropped_one_is_left_to_a_recovery_or_undone,
            an_ended_lease_places_nothing,
        }
        uris {
            what_is_stored_has_a_uri,
            what_is_not_stored_has_none,
            uris_are_predicted,
            parts_have_uris_of_their_own,
            uris_are_encoded,
            addresses_are_signed_or_that_is_unsupported,
        }
        verification {
            what_is_sound_is_not_found,
            what_is_lost_is_found,
            another_size_is_found,
            other_bytes_are_found_where_that_is_asked_for,
            what_nothing_names_is_found_where_that_is_asked_for,
            what_is_under_way_is_not_found,
            what_several_datasets_share_is_found_once,
            open_entries_are_asked_about,
        }
    }};
}

/// All cases of the suite.
pub const CASES: &[Case<dyn DatastoreHarness>] =
    __datastore_cases!(__case_list [dyn DatastoreHarness + 'static]);

/// Runs one case: what [`datastore_suite!`](crate::datastore_suite) expands to.
///
/// # Panics
/// If the case fails.
#[doc(hidden)]
pub fn check<H: DatastoreHarness + 'static>(path: &str, harness: Option<H>) {
    crate::case::check(CASES, path, harness.as_ref().map(|harness| harness as &dyn DatastoreHarness));
}

/// Makes a test of each case of the suite of datastores.
///
/// Takes a function without arguments that returns a
/// [`DatastoreHarness`](crate::datastore::DatastoreHarness), or none if the datastore
/// cannot be tested here. It is called for each test.
#[macro_export]
macro_rules! datastore_suite {
    ($harness:expr) => {
        $crate::__datastore_cases!(__case_tests [datastore $harness]);
    };
}
