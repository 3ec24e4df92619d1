//! The conformance suite of [`Backend`].

mod arithmetic;
mod capabilities;
mod closure;
mod concurrency;
mod delete;
mod exclusion;
pub(crate) mod fixture;
mod foreign_keys;
mod grouping;
mod identity;
mod insert;
mod joins;
mod large;
mod ordering;
mod random;
mod random_writes;
mod scalars;
mod shapes;
mod streams;
mod sync;
mod tables;
mod transactions;
mod update;

use std::sync::Arc;

use async_trait::async_trait;
use butler_core::Result;
use butler_core::backend::{Backend, Capabilities};

use crate::case::{Case, Harness};

/// What a [`Backend`] is tested with.
#[async_trait]
pub trait BackendHarness: Harness {
    /// What the backends can do here. The suite finds out whether they say the same.
    fn capabilities(&self) -> Capabilities;

    /// Makes an empty namespace, which nothing else uses.
    ///
    /// # Errors
    /// Those of the backend.
    async fn namespace(&self) -> Result<Box<dyn Namespace>>;

    /// Number of rows that are many.
    fn large(&self) -> usize {
        100_000
    }

    /// Number of random relations that are compared with the reference.
    fn relations(&self) -> usize {
        crate::random::from_environment("BUTLER_TEST_RELATIONS").unwrap_or(300)
    }
}

/// A namespace for the time of one case; what it occupies goes when it is dropped.
#[async_trait]
pub trait Namespace: Send + Sync {
    /// Opens it, as another process would.
    ///
    /// # Errors
    /// Those of the backend.
    async fn open(&self) -> Result<Arc<dyn Backend>>;

    /// Opens it for reading only; none if the backend cannot.
    ///
    /// # Errors
    /// Those of the backend.
    async fn open_read_only(&self) -> Result<Option<Arc<dyn Backend>>> {
        Ok(None)
    }
}

/// Hands the names of all cases to a macro of this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __backend_cases {
    ($then:ident [$($arguments:tt)*]) => { $crate::$then! { [$($arguments)*]
        arithmetic {
            integers_are_added_and_multiplied,
            overflow_of_integers_is_an_error,
            floats_are_calculated,
            overflow_of_floats_is_an_error,
            underflow_of_floats_is_an_error,
            an_integer_becomes_a_float_beside_one,
            division_is_true_division,
            division_by_zero_is_null,
            quotients_go_towards_zero,
            remainders_have_the_sign_of_the_dividend,
            a_number_is_negated,
            null_makes_null,
            operands_have_types,
            operators_bind_as_they_are_nested,
            an_error_in_any_row_surfaces,
        }
        capabilities {
            they_are_those_that_are_expected,
            what_is_persistent_outlives_its_handles,
            without_migrations_nothing_is_migrated,
            migrations_are_idempotent,
            unknown_versions_are_refused,
        }
        closure {
            seeds_and_what_they_lead_to_come_once,
            cycles_do_no_harm,
            paths_may_be_limited,
            nodes_may_have_several_columns,
            null_is_a_node_that_leads_nowhere,
            the_same_edges_can_be_walked_backwards,
            seeds_edges_and_results_are_relations,
            nodes_need_equal_types,
        }
        concurrency {
            increments_are_not_lost,
            of_equal_inserts_one_succeeds,
            equal_rows_are_ignored_by_all_but_one,
            all_who_sync_a_key_get_one_row,
            all_who_create_a_table_succeed,
            of_overlapping_ranges_one_succeeds,
            no_row_refers_to_one_that_went,
            locks_of_a_row_keep_it_for_who_refers_to_it,
            locks_of_who_refers_are_shared,
        }
        delete {
            it_deletes_the_rows_of_the_relation,
            keys_that_are_not_there_are_no_error,
            repeated_keys_count_once,
            null_matches_no_key,
            keys_match_as_a_whole,
            the_relation_may_have_more_columns,
            the_relation_needs_the_key,
            the_relation_may_read_the_table_itself,
            the_relation_may_be_any,
            all_rows_can_go,
        }
        exclusion {
            without_the_capability_rows_are_not_compared,
            overlapping_ranges_conflict,
            touching_ranges_do_not,
            rows_that_do_not_agree_may_overlap,
            null_does_not_agree_with_null,
            without_equal_columns_all_rows_agree,
            empty_ranges_are_refused,
            ranges_of_one_batch_conflict,
            changed_ranges_are_checked,
            a_row_does_not_conflict_with_what_it_was,
        }
        foreign_keys {
            what_a_row_refers_to_must_be_there,
            null_refers_to_nothing,
            columns_are_paired_as_said,
            restrict_keeps_what_is_referred_to,
            cascade_deletes_what_refers,
            cascades_go_on,
            a_cascade_stops_at_a_restriction,
            rows_that_go_too_do_not_restrict,
            a_table_may_refer_to_itself,
            a_row_may_refer_to_new_ones,
        }
        grouping {
            rows_are_counted,
            the_least_and_the_greatest_are_found,
            without_groups_there_is_one_row,
            of_no_rows_there_are_no_groups,
            groups_may_be_of_several_columns,
            some_types_have_no_least,
            results_of_groups_are_used,
            the_first_of_each_group_is_found,
            null_comes_first_in_a_group,
            orders_in_groups_have_several_keys,
            without_a_partition_there_is_one_first,
            of_equal_rows_one_is_first,
        }
        identity {
            they_ascend_in_the_order_of_rows,
            they_are_not_issued_again_after_a_deletion,
            given_ones_are_kept_and_count_as_issued,
            one_that_is_given_is_a_key_like_others,
            null_is_none,
            they_go_on_after_a_transaction_is_undone,
            rows_that_are_there_find_theirs,
        }
        insert {
            it_returns_the_number_of_rows,
            no_rows_are_no_error,
            every_value_comes_back,
            negative_zero_becomes_zero,
            columns_may_come_in_any_order,
            columns_that_are_not_given_are_null,
            null_is_refused_where_it_is_not_allowed,
            unknown_columns_are_refused,
            columns_given_twice_are_refused,
            columns_of_other_types_are_refused,
            text_with_nul_is_refused,
            floats_that_are_not_finite_are_refused,
            a_repeated_key_fails,
            keys_of_text_are_compared_by_bytes,
            keys_of_all_types_work,
            ignore_leaves_out_rows_that_are_there,
            ignore_keeps_the_first_of_a_batch,
            ignore_does_not_forgive_other_rules,
            ignore_does_not_check_rows_left_out,
            replace_changes_rows_that_are_there,
            replace_clears_columns_that_are_not_given,
            replace_keeps_the_last_of_a_batch,
            replace_works_on_keys_alone,
            replace_leaves_rows_that_refer_to_it,
            replace_does_not_forgive_other_rules,
            unique_values_occur_once,
            nulls_are_unique,
            it_is_all_or_nothing,
        }
        joins {
            a_join_gives_all_pairs_that_satisfy_it,
            null_joins_nothing,
            a_join_on_true_gives_all_pairs,
            a_join_keeps_duplicates,
            a_join_may_be_on_any_condition,
            a_semi_join_gives_rows_once,
            an_anti_join_gives_the_others,
            null_is_no_partner,
            conditions_see_both_sides,
            a_table_can_meet_itself,
            results_meet_results,
        }
        large {
            many_rows_are_inserted_and_ignored_and_replaced,
            many_rows_of_the_caller_meet_a_table,
            many_rows_are_changed_and_deleted,
            keys_of_one_large_batch_may_repeat,
            lists_may_be_long,
            conditions_may_have_many_operands,
            unions_may_have_many_inputs,
            many_tables_may_meet,
            paths_may_be_long,
        }
        ordering {
            integers_are_sorted,
            floats_are_sorted,
            text_is_sorted_by_bytes,
            bytes_and_booleans_are_sorted,
            null_sorts_before_everything,
            several_keys_sort_one_after_the_other,
            sorting_keeps_duplicates,
            a_slice_has_an_offset_and_a_limit,
            equal_rows_may_be_sliced,
            slices_within_relations_count,
            unknown_keys_are_refused,
        }
        random {
            relations_have_the_rows_of_the_reference,
            overflows_surface_as_in_the_reference,
            hidden_overflows_make_no_wrong_rows,
        }
        random_writes {
            they_do_as_in_the_reference,
        }
        scalars {
            integers_are_compared,
            floats_are_compared,
            text_is_compared_by_bytes,
            bytes_are_compared,
            false_is_before_true,
            integers_are_compared_exactly_with_floats,
            comparison_with_null_is_null,
            logic_is_three_valued,
            the_first_value_is_chosen,
            connectives_may_have_no_operands,
            null_is_found,
            lists_are_searched,
            null_in_a_list_is_null,
            nothing_is_in_an_empty_list,
            lists_have_values_of_one_type,
            patterns_fit_whole_texts,
            a_pattern_on_null_is_null,
            literals_of_all_types_are_values,
        }
        shapes {
            the_rows_of_the_caller_come_back,
            columns_of_null_have_types,
            a_filter_keeps_what_is_true,
            a_projection_makes_columns,
            a_projection_keeps_duplicates,
            names_of_columns_are_any_text,
            a_union_has_all_rows,
            a_union_takes_parts_of_all_kinds,
            unions_need_equal_columns,
            distinct_rows_come_once,
            zeros_are_alike,
            relations_without_columns_have_rows,
            operators_nest,
        }
        streams {
            all_rows_come,
            of_no_rows_there_is_an_end,
            a_stream_is_a_snapshot,
            many_may_be_open_at_once,
            idle_ones_do_not_hinder_writers,
            ones_that_are_dropped_leave_nothing_behind,
            errors_are_not_swallowed,
            unsound_relations_are_refused,
            a_transaction_reads_beside_them,
            a_relation_is_explained,
        }
        sync {
            a_new_row_is_inserted_and_returned,
            a_row_that_is_there_is_returned_as_it_is,
            the_whole_natural_key_counts,
            without_an_identity_the_primary_key_counts,
            other_rules_still_count,
            it_takes_exactly_one_row,
            it_needs_the_whole_natural_key,
            columns_are_checked_as_for_insertion,
            it_sees_its_own_transaction,
        }
        tables {
            a_fresh_namespace_has_none,
            specifications_are_read_back,
            unique_rules_keep_their_order,
            they_are_listed_in_order_of_names,
            creating_an_identical_one_changes_nothing,
            comments_make_no_difference,
            the_order_of_indexes_and_references_makes_none,
            another_one_of_a_name_is_a_conflict,
            unsound_specifications_are_refused,
            references_to_missing_tables_are_refused,
            references_to_what_is_no_key_are_refused,
            references_of_other_types_are_refused,
            a_dropped_one_is_gone_with_its_rows,
            dropping_a_missing_one_is_no_error,
            one_that_is_referred_to_cannot_be_dropped,
            creating_and_dropping_are_undone_with_the_transaction,
            one_can_be_used_where_it_is_created,
            one_can_be_made_anew_with_other_columns,
            names_may_be_keywords,
            long_names_do_not_collide,
            one_may_have_a_hundred_columns,
            a_missing_one_is_not_found,
            namespaces_do_not_see_each_other,
            every_handle_sees_them,
        }
        transactions {
            a_failed_one_changes_nothing,
            the_error_of_the_body_comes_back,
            calls_see_those_before_them,
            others_see_nothing_before_the_end,
            a_savepoint_is_undone_alone,
            a_savepoint_that_succeeds_stays,
            savepoints_nest,
            a_savepoint_goes_with_its_transaction,
            it_goes_on_after_a_failed_savepoint,
            a_failed_call_ends_it,
            a_failed_call_ends_its_savepoint,
            temporary_failures_are_repeated,
            temporary_failures_are_given_up,
            permanent_failures_are_not_repeated,
            a_panic_undoes_it,
            a_dropped_one_is_whole_or_nothing,
            reading_stops_when_told,
            rows_can_be_locked,
            one_opened_for_reading_only_reads,
            one_opened_for_reading_only_refuses_to_write,
        }
        update {
            it_changes_the_given_columns_of_the_given_rows,
            it_can_set_null,
            it_returns_the_number_of_rows_found,
            the_key_alone_changes_nothing,
            no_rows_are_no_error,
            the_last_of_a_batch_counts,
            it_needs_the_whole_key,
            columns_are_checked_as_for_insertion,
            rules_still_count,
        }
    }};
}

/// All cases of the suite.
pub const CASES: &[Case<dyn BackendHarness>] = __backend_cases!(__case_list [dyn BackendHarness + 'static]);

/// Runs one case: what [`backend_suite!`](crate::backend_suite) expands to.
///
/// # Panics
/// If the case fails.
#[doc(hidden)]
pub fn check<H: BackendHarness + 'static>(path: &str, harness: Option<H>) {
    crate::case::check(CASES, path, harness.as_ref().map(|harness| harness as &dyn BackendHarness));
}

/// Makes a test of each case of the suite of backends.
///
/// Takes a function without arguments that returns a
/// [`BackendHarness`](crate::backend::BackendHarness), or none if the backend
/// cannot be tested here. It is called for each test.
#[macro_export]
macro_rules! backend_suite {
    ($harness:expr) => {
        $crate::__backend_cases!(__case_tests [backend $harness]);
    };
}
