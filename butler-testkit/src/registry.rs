//! The conformance suite of [`Registry`].

mod batches;
mod bridges;
mod calibrations;
mod chains;
mod collections;
mod conditions;
mod data;
mod data_ids;
mod datasets;
mod expansion;
mod explanations;
mod find;
pub(crate) mod fixture;
mod imports;
mod journals;
mod lookups;
pub mod mutants;
mod opaque;
mod orders;
mod provenance;
mod races;
mod records;
mod removals;
mod repository;
mod searches;
mod sky;
mod tags;
mod types;

use std::sync::Arc;

use async_trait::async_trait;
use butler_core::registry::Registry;
use butler_core::{DimensionUniverse, Result};

use crate::case::{Case, Harness};
use crate::random::from_environment;

/// What a [`Registry`] is tested with.
#[async_trait]
pub trait RegistryHarness: Harness {
    /// Makes an empty place for a registry, which nothing else uses.
    ///
    /// # Errors
    /// Those of the registry.
    async fn place(&self) -> Result<Box<dyn Place>>;

    /// Number of datasets that are many.
    fn large(&self) -> usize {
        2_000
    }

    /// Number of dataset types that are many: `BUTLER_TEST_TYPES`, if it is set.
    fn many_types(&self) -> usize {
        from_environment("BUTLER_TEST_TYPES").unwrap_or(220)
    }
}

/// A place for one registry for the time of one case; what it occupies goes when it is dropped.
#[async_trait]
pub trait Place: Send + Sync {
    /// Creates a registry of a universe there, and opens it for writing.
    ///
    /// # Errors
    /// Those of the registry; one if there is a registry already.
    async fn create(&self, universe: DimensionUniverse) -> Result<Arc<dyn Registry>>;

    /// Opens the registry that is there, as another process would.
    ///
    /// # Errors
    /// Those of the registry; one if there is none.
    async fn open(&self, read_only: bool) -> Result<Arc<dyn Registry>>;
}

/// Hands the names of all cases to a macro of this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __registry_cases {
    ($then:ident [$($arguments:tt)*]) => { $crate::$then! { [$($arguments)*]
        batches {
            operations_refer_to_what_others_make,
            their_order_does_not_matter_across_phases,
            what_goes_makes_room_for_what_is_new,
            reports_come_in_the_order_of_the_batch,
            an_error_leaves_nothing,
            what_failed_may_be_done_again,
            a_batch_survives_json,
            a_batch_may_be_empty,
            removals_come_last,
            batches_of_two_writers_are_both_applied,
            of_two_equal_insertions_one_succeeds,
            what_is_read_only_is_not_written,
        }
        bridges {
            a_datastore_that_has_artifacts_is_found,
            several_have_artifacts_of_one_dataset,
            one_that_has_none_any_more_is_not_found,
            answers_come_in_the_order_of_questions,
            what_is_ephemeral_is_known_to_its_manager_alone,
            a_name_is_registered_in_one_way,
            another_version_is_refused,
            a_clone_stands_on_another_registry,
        }
        calibrations {
            what_is_certified_is_valid,
            ranges_that_touch_do_not_overlap,
            ranges_that_overlap_are_a_conflict,
            a_dataset_conflicts_with_itself,
            two_datasets_of_a_data_id_given_at_once_conflict,
            collections_do_not_conflict,
            an_empty_timespan_is_refused,
            only_calibrations_are_certified,
            only_calibration_collections_have_ranges,
            only_datasets_that_are_there_are_certified,
            ranges_of_removed_datasets_are_gone,
            to_decertify_ends_the_validity,
            a_range_is_cut_at_either_end,
            a_range_is_split,
            what_only_touches_stays,
            some_data_ids_are_decertified_alone,
            no_data_ids_are_not_all,
            other_types_and_collections_stay_valid,
            ranges_are_replaced_in_one_batch,
        }
        chains {
            a_new_chain_has_no_children,
            to_redefine_is_to_replace_all,
            a_chain_may_lose_all_children,
            of_repeated_children_the_first_counts,
            to_extend_is_to_move_to_the_end,
            to_prepend_is_to_move_to_the_front,
            others_than_children_are_removed_in_vain,
            children_are_popped_by_place,
            an_edit_that_changes_nothing_is_none,
            children_must_be_there,
            only_chains_have_children,
            a_chain_cannot_contain_itself,
            a_batch_makes_no_cycle_either,
            chains_are_searched_depth_first,
            edits_of_two_writers_are_both_done,
        }
        collections {
            all_types_come_back_in_the_order_of_registration,
            they_are_found_by_name,
            registering_again_changes_nothing,
            another_type_is_a_conflict,
            documentation_may_change,
            one_that_is_not_there_is_not_documented,
            names_are_any_text,
            names_that_mean_something_else_are_refused,
            descendants_come_with_their_chains,
            summaries_tell_what_may_be_there,
            summaries_do_not_shrink,
        }
        conditions {
            numbers_are_compared,
            texts_are_compared,
            conditions_are_combined,
            nothing_is_equal_to_null,
            lists_and_ranges_have_members,
            patterns_match_whole_texts,
            numbers_are_calculated,
            booleans_are_conditions,
            implied_records_are_looked_at,
            timespans_and_instants_are_compared,
            what_has_no_time_overlaps_nothing,
        }
        data_ids {
            unrelated_values_are_combined,
            values_belong_together_as_records_say,
            values_of_two_instruments_are_not_mixed,
            they_are_full,
            they_are_expanded_if_that_is_asked_for,
            each_comes_once,
            without_dimensions_there_is_one,
            an_empty_registry_has_none,
            uploads_restrict_them,
            an_empty_upload_leaves_none,
            many_may_be_uploaded,
            those_without_datasets_are_left_out,
            pixels_alone_cannot_be_listed,
            those_of_another_universe_cannot_be_asked_for,
            what_is_joined_must_fit,
            tracts_and_patches_are_nested,
            uploads_need_records,
        }
        datasets {
            what_is_inserted_comes_back,
            ids_are_answered_in_the_order_of_questions,
            ids_of_all_sorts_come_back,
            one_data_id_in_two_runs_is_two_datasets,
            a_data_id_that_the_run_has_is_a_conflict,
            a_data_id_given_twice_is_a_conflict,
            an_id_that_is_there_is_a_conflict,
            the_run_must_be_there_and_a_run,
            the_type_must_be_registered_as_it_is,
            another_storage_class_does_no_harm,
            values_of_the_data_id_must_have_records,
            pixels_must_be_on_the_sky,
            the_data_id_must_be_of_the_types_dimensions,
            there_is_a_data_id_for_each_id,
            nothing_is_inserted_and_nothing_comes,
            the_time_of_ingestion_is_kept,
            many_datasets_come_back,
            names_with_many_dimensions_are_kept_apart,
        }
        expansion {
            implied_values_and_records_are_added,
            answers_come_in_the_order_of_questions,
            records_of_one_value_are_shared,
            a_value_without_a_record_is_an_error,
            implied_values_that_disagree_are_an_error,
            values_that_do_not_belong_together_are_an_error,
            a_record_that_only_adds_may_be_missing,
            pixels_need_no_records,
            many_data_ids_are_expanded,
            values_of_one_number_in_two_instruments_are_two,
        }
        explanations {
            they_tell_how_a_query_is_evaluated,
            they_tell_why_there_is_nothing,
            what_cannot_be_asked_is_not_explained,
        }
        find {
            the_first_collection_wins,
            what_is_nowhere_is_not_found,
            chains_are_searched_in_their_order,
            members_of_tagged_collections_are_found,
            calibrations_are_found_by_time_only,
            several_valid_calibrations_are_an_error,
            the_only_calibration_is_found_for_all_times,
            types_without_validity_skip_calibration_collections,
            answers_come_in_the_order_of_questions,
            data_ids_stay_at_the_level_of_the_question,
            components_are_found_with_the_whole,
            the_storage_class_is_that_of_the_question,
            the_type_must_be_registered,
            the_data_id_must_be_of_the_types_dimensions,
            there_may_be_many_runs_with_one_data_id,
            what_another_writer_does_is_seen,
        }
        imports {
            to_import_again_changes_nothing,
            what_is_there_is_passed_over,
            one_given_twice_is_imported_once,
            an_id_of_another_run_is_a_conflict,
            an_id_of_another_type_is_a_conflict,
            an_id_of_another_data_id_is_a_conflict,
            a_data_id_of_another_id_is_a_conflict,
            conflicts_within_an_import_are_found,
            one_data_id_in_another_run_is_no_conflict,
        }
        journals {
            who_claims_first_has_won,
            to_claim_again_changes_nothing,
            who_has_lost_changes_nothing,
            what_is_forgotten_may_be_claimed_again,
            of_two_claims_at_once_one_has_won,
        }
        lookups {
            calibrations_are_those_of_the_time,
            other_collections_are_valid_at_all_times,
            one_exposure_has_one_calibration,
            a_calibration_of_several_exposures_comes_once,
            a_lookup_in_doubt_is_an_error,
            all_calibrations_are_found_without_a_time,
            the_validity_restricts_calibrations,
            exposures_without_a_calibration_are_left_out,
            raws_find_their_calibrations,
            a_place_does_not_repeat_a_calibration,
        }
        opaque {
            all_rows_are_fetched,
            rows_are_fetched_by_any_columns,
            a_key_given_twice_gives_rows_once,
            many_rows_are_fetched_at_once,
            fetches_are_answered_in_their_order,
            a_table_or_column_that_is_not_there_is_told,
            a_table_is_registered_once,
            another_version_is_refused,
            the_key_begins_with_the_id_of_a_dataset,
            rows_go_with_the_artifacts,
            artifacts_are_told_once,
            artifacts_are_of_datasets_that_are_there,
            a_table_of_the_registry_is_not_given_away,
        }
        orders {
            rows_come_in_the_order_asked_for,
            later_terms_order_what_earlier_ones_leave,
            null_is_smaller_than_every_value,
            texts_are_ordered_by_their_bytes,
            rows_are_limited_and_left_out,
            a_limit_needs_no_order,
            records_are_ordered_and_limited,
            records_come_once,
            records_of_relations_are_found,
        }
        provenance {
            what_a_dataset_was_made_from_is_found,
            what_was_made_from_a_dataset_is_found,
            depth_is_a_number_of_quanta,
            what_nobody_made_stands_alone,
            a_walk_of_a_cycle_ends,
            quanta_come_back_as_they_are,
            what_becomes_known_is_added,
            an_update_without_news_changes_nothing,
            a_quantum_that_is_not_there_is_not_updated,
            a_quantum_is_inserted_once,
            its_run_is_a_run,
            a_run_that_is_removed_is_forgotten,
            datasets_that_are_gone_are_remembered,
            several_beginnings_are_followed_at_once,
        }
        races {
            a_run_is_removed_while_it_is_filled,
            a_type_is_removed_while_it_is_used,
            a_dataset_is_removed_while_it_is_referred_to,
            a_dataset_is_removed_while_it_is_stored,
            of_two_that_overlap_one_is_certified,
            of_two_that_differ_one_is_associated,
            equal_definitions_are_registered_by_all,
            of_definitions_that_differ_one_is_registered,
            many_writers_wait_for_each_other,
            many_streams_are_open_at_once,
        }
        records {
            what_is_inserted_comes_back,
            insertions_are_counted,
            values_of_all_types_come_back,
            timespans_may_have_no_bounds_and_no_length,
            a_key_that_is_there_is_a_conflict,
            a_key_given_twice_is_a_conflict,
            an_alternate_key_that_is_there_is_a_conflict,
            alternate_keys_that_are_not_given_do_not_conflict,
            what_is_skipped_stays_as_it_is,
            what_is_replaced_is_as_given,
            a_sync_inserts_what_is_new,
            a_sync_compares_the_fields_that_are_given,
            a_sync_refuses_what_differs,
            a_sync_that_updates_reports_what_was_there,
            what_a_record_requires_must_be_there,
            what_a_record_implies_must_be_there,
            records_of_a_batch_may_refer_to_each_other,
            bands_are_those_that_filters_imply,
            a_region_that_is_changed_is_found_where_it_is,
            records_of_another_universe_are_refused,
            many_records_come_back,
        }
        removals {
            datasets_are_gone_from_everywhere,
            datasets_that_are_not_there_are_passed_over,
            a_data_id_may_be_used_again,
            what_is_stored_is_not_removed,
            a_run_goes_with_its_datasets,
            other_collections_go_without_datasets,
            a_name_that_is_free_again_stands_for_something_new,
            children_of_chains_are_not_removed,
            chains_may_be_told_to_forget,
            a_chain_may_go_with_its_children,
            a_collection_that_is_not_there_is_told,
            a_dataset_is_unstored_by_all_who_have_it,
            a_plan_tells_what_refers_to_datasets,
            a_plan_tells_what_goes_with_collections,
            a_plan_counts_everything_once,
            a_plan_tells_what_has_a_dataset_type,
            a_plan_needs_names_that_are_there,
        }
        repository {
            facts_are_kept_and_replaced,
            all_facts_are_those_of_any_name,
            it_keeps_its_universe,
            it_is_created_once,
            places_are_apart,
            a_session_begins_once,
            what_others_did_is_seen_after_a_refresh,
            names_that_nothing_can_have_are_not_there,
        }
        searches {
            all_datasets_are_found,
            the_first_of_each_data_id_is_found,
            a_dataset_comes_once,
            they_come_back_whole,
            nowhere_is_nothing,
            the_type_must_be_registered,
            what_is_wanted_must_be_searched_for,
            records_restrict_datasets,
            fields_of_datasets_restrict_them,
            a_condition_comes_before_the_first_is_chosen,
            they_are_ordered_and_limited,
            further_dimensions_do_not_repeat_them,
            a_second_search_restricts_the_first,
            memberships_are_listed,
            memberships_are_restricted_and_ordered,
            rows_of_any_fields_are_given,
            fields_of_all_types_are_given,
            rows_that_agree_in_all_come_once,
            global_datasets_are_queried_by_collection,
            many_datasets_are_streamed,
            rows_of_fewer_dimensions_are_chosen_first,
        }
        sky {
            what_is_in_one_place_is_joined,
            a_join_may_be_asked_for,
            a_dataset_says_what_belongs_together,
            regions_restrict_rows,
            overlaps_are_conditions_like_others,
            what_has_no_region_overlaps_nothing,
            rows_in_one_place_are_ordered_and_limited,
            what_is_in_several_pixels_comes_once,
            pixels_of_the_common_system_are_joined,
            pixels_of_other_systems_are_joined,
            datasets_of_pixels_are_found_by_place,
            the_first_dataset_in_a_place_is_found,
            doubt_about_a_join_is_an_error,
            without_dimensions_there_is_one,
            the_first_in_a_place_come_in_their_own_order,
        }
        tags {
            what_is_associated_is_a_member,
            to_associate_again_changes_nothing,
            another_dataset_of_the_data_id_is_a_conflict,
            two_datasets_of_a_data_id_given_at_once_conflict,
            datasets_of_several_types_are_associated_at_once,
            what_is_disassociated_is_no_member,
            another_dataset_of_the_data_id_stays_a_member,
            members_are_replaced_in_one_batch,
            only_tagged_collections_have_members,
            only_datasets_that_are_there_are_associated,
            components_are_not_associated,
            members_that_are_removed_are_gone,
        }
        types {
            they_come_back_in_the_order_of_registration,
            they_are_found_by_name,
            registering_again_changes_nothing,
            another_definition_is_a_conflict,
            a_genre_is_kept_and_is_no_part_of_the_definition,
            components_are_not_registered,
            those_of_another_universe_are_refused,
            what_is_removed_may_be_registered_otherwise,
            one_with_datasets_is_not_removed,
            one_that_is_not_there_is_not_removed,
            names_that_differ_in_case_are_different,
            names_may_be_long_or_words_of_a_database,
            there_may_be_many,
            one_without_dimensions_has_one_dataset_in_a_run,
            a_global_one_has_one_dataset_in_the_world,
            the_id_of_a_global_one_follows_from_its_data_id,
            a_global_one_is_found_in_any_collection,
            a_nonsingular_one_has_many_of_one_data_id,
            a_nonsingular_one_is_not_found_by_data_id,
            many_nonsingular_ones_are_tagged_and_certified,
        }
    }};
}

/// All cases of the suite.
pub const CASES: &[Case<dyn RegistryHarness>] =
    __registry_cases!(__case_list [dyn RegistryHarness + 'static]);

/// Runs one case: what [`registry_suite!`](crate::registry_suite) expands to.
///
/// # Panics
/// If the case fails.
#[doc(hidden)]
pub fn check<H: RegistryHarness + 'static>(path: &str, harness: Option<H>) {
    crate::case::check(CASES, path, harness.as_ref().map(|harness| harness as &dyn RegistryHarness));
}

/// Makes a test of each case of the suite of registries.
///
/// Takes a function without arguments that returns a
/// [`RegistryHarness`](crate::registry::RegistryHarness), or none if the registry
/// cannot be tested here. It is called for each test.
#[macro_export]
macro_rules! registry_suite {
    ($harness:expr) => {
        $crate::__registry_cases!(__case_tests [registry $harness]);
    };
}
