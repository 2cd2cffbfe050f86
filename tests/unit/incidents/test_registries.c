/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

static void tell_pod_of_image(struct world *w, const char *name, const char *image)
{
    struct pod_told told;

    pod_of(w, &told, name);
    told.containers[0].image = str_from(image);
    tell_pod(w, &told);
}

static void a_registry_has_its_row_as_soon_as_a_pod_names_it(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_running(w, "web-0");
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_registries, 1);
    assert_string_equal(look.snapshot.registries[0].registry, REGISTRY);
    assert_int_equal(look_attempts(&look, REGISTRY), 0);
    world_look_done(&look);
}

static void one_registry_however_it_is_spelled(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_pod_of_image(w, "a", "busybox");
    tell_pod_of_image(w, "b", "docker.io/library/busybox:1.36");
    tell_pod_of_image(w, "c", "index.docker.io/team/app");
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_registries, 1);
    assert_string_equal(look.snapshot.registries[0].registry, "docker.io");
    world_look_done(&look);
}

static void registries_over_the_cap_are_counted_as_other(void **state)
{
    struct world *w = *state; /* room for 4 */
    struct look look;
    char image[64];
    char name[16];

    for (unsigned i = 0; i < 30; i++) { /* a status comes again and again */
        snprintf(name, sizeof(name), "web-%u", i % 10);
        snprintf(image, sizeof(image), "r%u.example.com/app:v1", i % 10);
        tell_pod_of_image(w, name, image);
        tell_image(w, image, i % 2 == 0);
    }
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_registries, 5);
    assert_string_equal(look.snapshot.registries[4].registry, "other");
    assert_int_equal(look.snapshot.limit_hits[LIMIT_HIT_REGISTRIES], 6);
    world_look_done(&look);
}

static void a_place_is_free_an_hour_after_the_last_pod(void **state)
{
    struct world *w = *state;
    struct look look;

    tell_running(w, "web-0");
    world_advance(w, 2 * HOUR); /* it runs on, and no status changes */
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_registries, 1);
    world_look_done(&look);

    tell_deleted(w, "web-0");
    world_advance(w, 50 * MINUTE);
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_registries, 1);
    world_look_done(&look);

    world_advance(w, 11 * MINUTE);
    world_look(w, &look);
    assert_int_equal(look.snapshot.n_registries, 0);
    world_look_done(&look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_registry_has_its_row_as_soon_as_a_pod_names_it),
        WORLD_TEST(one_registry_however_it_is_spelled),
        WORLD_TEST(registries_over_the_cap_are_counted_as_other),
        WORLD_TEST(a_place_is_free_an_hour_after_the_last_pod),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
