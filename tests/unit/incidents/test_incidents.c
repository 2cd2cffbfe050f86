/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void an_ended_incident_is_kept_for_ten_minutes(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    tell_running(w, "web-0");
    world_advance(w, 9 * MINUTE);
    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 1);
    world_look_done(&look);

    world_advance(w, MINUTE);
    world_look(w, &look);
    assert_int_equal(look_count(&look, "web-0"), 0);
    world_look_done(&look);
}

static void a_failure_found_in_the_first_list_has_no_exact_beginning(void **state)
{
    struct world *w = *state;
    struct look look;

    world_advance(w, 10 * SEC);
    tell_list_begin(w);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT); /* made after we began to look */
    tell_list_end(w);
    tell_waiting(w, "web-1", "ErrImagePull", NOT_FOUND_TEXT);
    world_look(w, &look);
    assert_false(look_one(&look, "web-0")->first_failure_exact);
    assert_true(look_one(&look, "web-1")->first_failure_exact);
    world_look_done(&look);
}

static void how_it_began_stays_in_the_evidence(void **state)
{
    struct world *w = *state;
    const struct snapshot_incident *incident;
    struct look look;
    char text[64];

    tell_waiting(w, "web-0", "ErrImagePull", "first words");
    for (unsigned i = 0; i < 2 * LIMIT_EVIDENCE_PER_INCIDENT; i++) {
        snprintf(text, sizeof(text), "words %u", i);
        tell_waiting(w, "web-0", "ErrImagePull", text);
    }
    world_look(w, &look);
    incident = look_one(&look, "web-0");
    assert_int_equal(incident->n_evidence, LIMIT_EVIDENCE_PER_INCIDENT);
    assert_string_equal(incident->evidence[0].text, "first words");
    assert_string_equal(incident->evidence[LIMIT_EVIDENCE_PER_INCIDENT - 1].text, text);
    world_look_done(&look);
}

/* As many incidents as it takes, each with a full set of evidence. */
static void evidence_over_its_room_is_left_out_and_counted(void **state)
{
    static char text[LIMIT_MESSAGE_TEXT];
    struct world *w = *state;
    char name[32];
    struct look look;
    uint64_t hits;

    memset(text, 'x', sizeof(text) - 1);
    for (unsigned pod = 0; pod < 300; pod++) {
        snprintf(name, sizeof(name), "web-%u", pod);
        for (unsigned i = 0; i < LIMIT_EVIDENCE_PER_INCIDENT; i++) {
            snprintf(text, 16, "words %9u", i);
            text[15] = ' ';
            tell_waiting(w, name, "ErrImagePull", text);
        }
    }
    world_look(w, &look);
    hits = look.snapshot.limit_hits[LIMIT_HIT_EVIDENCE_BYTES];
    assert_true(hits > 0);
    assert_string_equal(look_one(&look, "web-299")->evidence[0].text, "");
    assert_true(strlen(look_one(&look, "web-299")->message) > 900); /* that one is kept */
    world_look_done(&look);

    for (int i = 0; i < 10; i++) /* an event is read again and again */
        tell_event(w, "web-299", APP_PATH, "e", "Failed", "Failed to pull image \"" IMAGE "\": x",
                   1);
    world_look(w, &look);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_EVIDENCE_BYTES], hits + 1);
    world_look_done(&look);

    for (unsigned pod = 0; pod < 300; pod++) {
        snprintf(name, sizeof(name), "web-%u", pod);
        tell_deleted(w, name);
    }
    world_advance(w, 11 * MINUTE); /* all are forgotten */
    tell_waiting(w, "web-new", "ErrImagePull", text);
    world_look(w, &look);
    assert_true(strlen(look_one(&look, "web-new")->evidence[0].text) > 900);
    world_look_done(&look);
}

static void the_oldest_ended_incident_makes_room(void **state)
{
    struct world *w = *state;
    struct look look;
    char name[16];

    for (unsigned i = 0; i < LIMIT_INCIDENTS + 1; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        tell_waiting(w, name, "ErrImagePull", NOT_FOUND_TEXT);
        if (i == 5)
            tell_running(w, name);
    }
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_incidents, LIMIT_INCIDENTS);
    assert_int_equal(look_count(&look, "web-5"), 0);
    assert_int_equal(look_count(&look, name), 1);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_INCIDENTS], 1);
    world_look_done(&look);

    tell_waiting(w, "one-more", "ErrImagePull", NOT_FOUND_TEXT); /* all of them are open */
    world_look(w, &look);
    assert_int_equal(look_count(&look, "one-more"), 0);
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_INCIDENTS], 2);
    world_look_done(&look);
}

static void a_refused_container_gets_its_incident_when_there_is_room_again(void **state)
{
    struct world *w = *state;
    struct look look;
    char name[16];

    for (unsigned i = 0; i < LIMIT_INCIDENTS; i++) {
        snprintf(name, sizeof(name), "web-%u", i);
        tell_waiting(w, name, "ErrImagePull", NOT_FOUND_TEXT);
    }
    tell_waiting(w, "late", "InvalidImageName", "invalid reference format");
    tell_running(w, "web-7");
    tell_waiting(w, "late", "InvalidImageName", "invalid reference format");

    world_look(w, &look);
    assert_int_equal(look_one(&look, "late")->verdict.cause, CAUSE_CONFIG);
    assert_int_equal(look_failures(&look, CAUSE_CONFIG), 1);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(an_ended_incident_is_kept_for_ten_minutes),
        WORLD_TEST(a_failure_found_in_the_first_list_has_no_exact_beginning),
        WORLD_TEST(how_it_began_stays_in_the_evidence),
        WORLD_TEST(evidence_over_its_room_is_left_out_and_counted),
        WORLD_TEST(the_oldest_ended_incident_makes_room),
        WORLD_TEST(a_refused_container_gets_its_incident_when_there_is_room_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
