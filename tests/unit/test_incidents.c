/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world.h"

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

static void how_it_began_stays_in_the_evidence(void **state)
{
    struct world *w = *state;
    const struct incident_view *incident;
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
        WORLD_TEST(how_it_began_stays_in_the_evidence),
        WORLD_TEST(the_oldest_ended_incident_makes_room),
        WORLD_TEST(a_refused_container_gets_its_incident_when_there_is_room_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
