/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void a_container_made_after_the_failure_has_recovered(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_advance(w, 10 * SEC);
    tell_created(w, "web-0", "app");

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_RECOVERED);
    world_look_done(&look);
}

static void a_container_made_before_the_failure_proves_nothing(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_created(w, "web-0", "app"); /* of a pod nobody has heard of */
    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_created(w, "web-0", "app");
    world_advance(w, MINUTE);
    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    w->now.wall_us -= MINUTE;
    tell_created(w, "web-0", "app"); /* the runtime still lists the one that crashed */
    w->now.wall_us += MINUTE;
    tell_created(w, "web-0", "another");

    world_look(w, &look);
    assert_int_equal(look_one(&look, "web-0")->state, INCIDENT_FAILING);
    world_look_done(&look);
}

static void an_image_that_appears_was_pulled_once(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, false);
    tell_image(w, IMAGE, false);
    tell_image(w, IMAGE, true);
    tell_image(w, IMAGE, true);

    world_look(w, &look);
    assert_int_equal(look_attempts(&look, REGISTRY), 1);
    world_look_done(&look);
}

static void an_image_that_was_always_there_was_not_pulled(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ContainerCreating", "");
    tell_image(w, IMAGE, true);

    world_look(w, &look);
    assert_int_equal(look_attempts(&look, REGISTRY), 0);
    world_look_done(&look);
}

static void an_incident_tells_whether_its_image_is_there(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_waiting(w, "web-0", "ErrImagePull", NOT_FOUND_TEXT);
    world_look(w, &look);
    assert_false(look_one(&look, "web-0")->image_present_known);
    world_look_done(&look);

    tell_image(w, IMAGE, false);
    world_look(w, &look);
    assert_true(look_one(&look, "web-0")->image_present_known);
    assert_false(look_one(&look, "web-0")->image_present);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_container_made_after_the_failure_has_recovered),
        WORLD_TEST(a_container_made_before_the_failure_proves_nothing),
        WORLD_TEST(an_image_that_appears_was_pulled_once),
        WORLD_TEST(an_image_that_was_always_there_was_not_pulled),
        WORLD_TEST(an_incident_tells_whether_its_image_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
