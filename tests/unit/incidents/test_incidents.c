/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void ended_incident_is_kept_for_ten_minutes(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, 9 * MINUTE);
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 1);
    snapshot_done(&snapshot);

    world_advance(w, MINUTE);
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "web-0"), 0);
    snapshot_done(&snapshot);
}

static void failure_in_the_first_list_has_no_exact_start(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    world_advance(w, 10 * SEC);
    observe_list_begin(w);
    observe_waiting(w, "web-0", "ErrImagePull",
                    NOT_FOUND_TEXT); /* created after this process started */
    observe_list_end(w);
    observe_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    world_snapshot(w, &snapshot);
    assert_false(incident_of(&snapshot, "web-0")->first_failure_exact);
    assert_true(incident_of(&snapshot, "web-1")->first_failure_exact);
    snapshot_done(&snapshot);
}

static void first_report_stays_in_the_evidence(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct snapshot snapshot;
    char text[64];

    observe_waiting(w, "web-0", "ErrImagePull", "first words");
    for (unsigned i = 0; i < 2 * LIMIT_EVIDENCE_PER_INCIDENT; i++) {
        snprintf(text, sizeof(text), "words %u", i);
        observe_waiting(w, "web-0", "ErrImagePull", text);
    }
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->n_evidence, LIMIT_EVIDENCE_PER_INCIDENT);
    assert_string_equal(incident->evidence[0].text, "first words");
    assert_string_equal(incident->evidence[LIMIT_EVIDENCE_PER_INCIDENT - 1].text, text);
    snapshot_done(&snapshot);
}

/* Many incidents, each with as much evidence as one incident can have. */
static void evidence_over_the_limit_is_left_out_and_counted(void **state)
{
    static char text[LIMIT_MESSAGE_TEXT];
    struct world *w = *state;
    char name[32];
    struct snapshot snapshot;
    uint64_t hits;

    memset(text, 'x', sizeof(text) - 1);
    for (unsigned pod = 0; pod < 300; pod++) {
        snprintf(name, sizeof(name), "web-%u", pod);
        for (unsigned i = 0; i < LIMIT_EVIDENCE_PER_INCIDENT; i++) {
            snprintf(text, 16, "words %9u", i);
            text[15] = ' ';
            observe_waiting(w, name, "ErrImagePull", text);
        }
    }
    world_snapshot(w, &snapshot);
    hits = snapshot.limit_hits[LIMIT_HIT_EVIDENCE_BYTES];
    assert_true(hits > 0);
    assert_string_equal(incident_of(&snapshot, "web-299")->evidence[0].text, "");
    assert_true(strlen(incident_of(&snapshot, "web-299")->message) > 900); /* the message is kept */
    snapshot_done(&snapshot);

    for (int i = 0; i < 10; i++) /* an event is read again and again */
        observe_event(w, "web-299", APP_PATH, "e", "Failed",
                      "Failed to pull image \"" IMAGE "\": x", 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_EVIDENCE_BYTES], hits + 1);
    snapshot_done(&snapshot);

    for (unsigned pod = 0; pod < 300; pod++) {
        snprintf(name, sizeof(name), "web-%u", pod);
        observe_deleted(w, name);
    }
    world_advance(w, 11 * MINUTE); /* all incidents are forgotten */
    observe_waiting(w, "web-new", "ErrImagePull", text);
    world_snapshot(w, &snapshot);
    assert_true(strlen(incident_of(&snapshot, "web-new")->evidence[0].text) > 900);
    snapshot_done(&snapshot);
}

static void oldest_ended_incident_makes_room(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    char name[16];

    for (unsigned i = 0; i < LIMIT_INCIDENTS + 1; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        observe_waiting(w, name, "ErrImagePull", NOT_FOUND_TEXT);
        if (i == 5)
            observe_running(w, name);
    }
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, LIMIT_INCIDENTS);
    assert_int_equal(incidents_of_pod(&snapshot, "web-5"), 0);
    assert_int_equal(incidents_of_pod(&snapshot, name), 1);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_INCIDENTS], 1);
    snapshot_done(&snapshot);

    observe_waiting(w, "one-more", "ErrImagePull", NOT_FOUND_TEXT); /* all others are open */
    world_snapshot(w, &snapshot);
    assert_int_equal(incidents_of_pod(&snapshot, "one-more"), 0);
    assert_int_equal(snapshot.limit_hits[LIMIT_HIT_INCIDENTS], 2);
    snapshot_done(&snapshot);
}

static void container_without_room_gets_its_incident_later(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    char name[16];

    for (unsigned i = 0; i < LIMIT_INCIDENTS; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        observe_waiting(w, name, "ErrImagePull", NOT_FOUND_TEXT);
    }
    observe_waiting(w, "late", "InvalidImageName", "invalid reference format");
    observe_running(w, "web-7");
    observe_waiting(w, "late", "InvalidImageName", "invalid reference format");

    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "late")->verdict.cause, CAUSE_CONFIG);
    assert_int_equal(failures_of(&snapshot, CAUSE_CONFIG), 1);
    snapshot_done(&snapshot);
}

static void recovery_time_includes_the_time_before_the_first_report(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_failing_at_start(w, "ErrImagePull", NOT_FOUND_TEXT);
    observe_failed_at(w, "e1", 2, w->now.wall_us - 10 * MINUTE, w->now.wall_us);
    world_advance(w, MINUTE);
    observe_running(w, "web-0");
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.recoveries[CAUSE_NOT_FOUND].sum_us, 11 * MINUTE);
    snapshot_done(&snapshot);
}

static void first_failure_that_was_watched_stays_exact(void **state)
{
    struct world *w = *state;
    int64_t began_us;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, MINUTE);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    began_us = w->now.wall_us;
    observe_failed_at(w, "e1", 2, began_us - 27 * SEC - 1,
                      began_us); /* belongs to the earlier incident */
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.incidents[0].first_failure_us, began_us);
    snapshot_done(&snapshot);

    observe_failed_at(w, "e2", 2, began_us - 27 * SEC, began_us); /* the status came late */
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.incidents[0].first_failure_us, began_us - 27 * SEC);
    snapshot_done(&snapshot);
}

static void message_without_a_cause_is_kept_if_there_is_no_other(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_snapshot(w, &snapshot);
    assert_string_equal(incident_of(&snapshot, "web-0")->message, BACK_OFF_TEXT);
    snapshot_done(&snapshot);
}

static void repeated_evidence_has_its_newest_time(void **state)
{
    struct world *w = *state;
    int64_t later_us;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    world_advance(w, 20 * SEC);
    later_us = w->now.wall_us;
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->n_evidence, 2);
    assert_int_equal(incident_of(&snapshot, "web-0")->evidence[1].at_us, later_us);
    snapshot_done(&snapshot);
}

static void ended_incident_is_kept_for_exactly_ten_minutes(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_running(w, "web-0");
    world_advance(w, 10 * MINUTE - 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 1);
    snapshot_done(&snapshot);
    world_advance(w, 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(snapshot.n_incidents, 0);
    snapshot_done(&snapshot);
}

static void failure_in_a_later_list_of_a_watched_pod_is_not_exact(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ContainerCreating", "");
    observe_list_begin(w);
    observe_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    observe_list_end(w);
    world_snapshot(w, &snapshot);
    assert_false(incident_of(&snapshot, "web-0")->first_failure_exact);
    snapshot_done(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(ended_incident_is_kept_for_ten_minutes),
        WORLD_TEST(failure_in_the_first_list_has_no_exact_start),
        WORLD_TEST(first_report_stays_in_the_evidence),
        WORLD_TEST(evidence_over_the_limit_is_left_out_and_counted),
        WORLD_TEST(oldest_ended_incident_makes_room),
        WORLD_TEST(container_without_room_gets_its_incident_later),
        WORLD_TEST(recovery_time_includes_the_time_before_the_first_report),
        WORLD_TEST(first_failure_that_was_watched_stays_exact),
        WORLD_TEST(message_without_a_cause_is_kept_if_there_is_no_other),
        WORLD_TEST(repeated_evidence_has_its_newest_time),
        WORLD_TEST(ended_incident_is_kept_for_exactly_ten_minutes),
        WORLD_TEST(failure_in_a_later_list_of_a_watched_pod_is_not_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
