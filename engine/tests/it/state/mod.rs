//! State stores: what every one of them promises, and what is particular to each.

mod backend;
mod history;
#[cfg(feature = "failpoints")]
mod kills;
mod leases;
mod moving;
mod objects;
mod postgres;
mod progress;
mod requests;
mod sqlite;

use backend::Backend;

/// What every state store promises. `backend` is a place where nothing is yet.
pub(crate) async fn contract(backend: &Backend) {
    leases::one_of_many_gets_it(backend).await;
    leases::a_lease_is_held_until_it_ends_or_is_given_back(backend).await;
    leases::who_lost_the_lease_can_write_nothing(backend).await;
    leases::those_that_are_held_are_listed(backend).await;
    progress::an_epoch_is_recorded_then_committed(backend).await;
    progress::a_pending_epoch_is_dropped_in_whole_or_in_part(backend).await;
    progress::what_is_forgotten_is_gone_and_a_new_incarnation_begins(backend).await;
    progress::dates_are_done_when_their_epochs_are_committed(backend).await;
    requests::a_request_waits_once(backend).await;
    requests::a_run_takes_requests_and_puts_them_away(backend).await;
    requests::what_a_killed_run_had_taken_is_taken_again(backend).await;
    requests::a_request_that_waits_again_and_a_new_one_of_its_key_are_one(backend).await;
    requests::of_many_that_take_at_once_each_request_is_taken_once(backend).await;
    requests::a_cursor_moves_with_its_requests_or_not_at_all(backend).await;
    requests::of_many_that_move_a_cursor_one_does(backend).await;
    requests::pauses_are_kept(backend).await;
    history::runs_are_remembered_with_what_they_were_for(backend).await;
    history::runs_are_found_by_status_and_time_page_by_page(backend).await;
    history::loads_are_found_by_table_and_time(backend).await;
    history::files_that_landed_are_in_the_load_log_those_refused_too(backend).await;
    history::old_runs_are_forgotten_but_not_what_is_asked_of_them(backend).await;
}
