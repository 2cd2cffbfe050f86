/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/incidents/shown.h"
#include "limit.h"
#include "tests/unit/incidents/world.h"

#define ODD "\xef\xbf\xbd" /* U+FFFD */
#define LOGIN_IMAGE "https://bob:hunter2hunter2@r.example.com/x:1"
#define SHOWN_IMAGE "https://REDACTED@r.example.com/x:1"

static void assert_shown(const char *text, const char *want)
{
    struct arena arena;

    arena_init(&arena, LIMIT_SNAPSHOT);
    assert_string_equal(shown_text(&arena, text), want);
    arena_done(&arena);
}

static void names_are_shown_as_they_are(void **state)
{
    static const char name[] = "web-7d9c5b8f6d-x2k4q";
    static const char image[] = "registry.example.com:5000/team/app_x:v1@sha256:0123";
    struct arena arena;

    (void)state;
    arena_init(&arena, LIMIT_SNAPSHOT);
    assert_ptr_equal(shown_text(&arena, name), name);
    assert_ptr_equal(shown_text(&arena, image), image);
    assert_null(shown_text(&arena, NULL));
    arena_done(&arena);
    assert_shown("", "");
    assert_shown("b\xc3\xbc"
                 "cher",
                 "b\xc3\xbc"
                 "cher");
}

static void what_a_terminal_obeys_is_replaced(void **state)
{
    (void)state;
    assert_shown("a\x1b[31mb", "a" ODD "[31mb");
    assert_shown("a\nb\rc\td\x7f", "a" ODD "b" ODD "c" ODD "d" ODD);
    assert_shown("a\xc2\x9b"
                 "2Jb",
                 "a" ODD "2Jb"); /* U+009B, the same as ESC [ */
    assert_shown("a\xe2\x80\xae"
                 "gnp.b",
                 "a" ODD "gnp.b"); /* U+202E reverses the text */
    assert_shown("a\xe2\x81\xa6"
                 "b",
                 "a" ODD "b"); /* U+2066, an isolate */
    assert_shown("a\xe2\x80\x8b"
                 "b",
                 "a" ODD "b"); /* U+200B has no width */
    assert_shown("a\xff"
                 "b\xc3",
                 "a" ODD "b" ODD);              /* not UTF-8 */
    assert_shown("a\xf3\xa0\x81\x81", "a" ODD); /* U+E0041, a tag */
}

static void secrets_are_removed_from_names(void **state)
{
    (void)state;
    assert_shown(LOGIN_IMAGE, SHOWN_IMAGE);
    assert_shown("bob:hunter2hunter2@r.example.com/x", "REDACTED@r.example.com/x");
    assert_shown("r.example.com/x?token=hunter2hunter2", "r.example.com/x?token=REDACTED");
    assert_shown("https://bob:hun\x1bter2hunter2@r.example.com/x",
                 "https://REDACTED@r.example.com/x");
}

/* A pod whose kubelet refuses the image, with a hostile name and hostile Secrets. */
static void observe_hostile_pod(struct world *w)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.fact.namespace = STR("ns\x1b[2J");
    facts.containers[0].name = STR("app\xc2\x9b");
    facts.containers[0].image = STR(LOGIN_IMAGE);
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR("Failed to pull image \"" LOGIN_IMAGE "\": EOF");
    facts.secrets[0] = STR("regcred\xe2\x80\xae");
    facts.fact.owner_kind = STR("Job\x1b[2J");
    facts.fact.owner_name = STR("owner\xc2\x9b");
    facts.fact.pull_secrets = facts.secrets;
    facts.fact.n_pull_secrets = 1;
    observe_pod(w, &facts);
}

static void a_snapshot_has_no_hostile_text(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;
    const struct snapshot_incident *incident;

    observe_list_begin(w);
    observe_list_end(w);
    observe_hostile_pod(w);
    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_string_equal(incident->namespace, "ns" ODD "[2J");
    assert_string_equal(incident->container, "app" ODD);
    assert_string_equal(incident->image, SHOWN_IMAGE);
    assert_string_equal(incident->pull_secrets[0], "regcred" ODD);
    assert_null(incident->owner_kind); /* no object has such a name */
    assert_null(incident->owner_name);
    assert_null(strstr(incident->message, "hunter2"));
    for (size_t i = 0; i < snapshot.n_images; i++)
        assert_null(strstr(snapshot.images[i].image, "hunter2"));
    for (size_t i = 0; i < snapshot.n_recent; i++) {
        assert_null(strchr(snapshot.recent[i].namespace, '\x1b'));
        assert_null(strstr(snapshot.recent[i].text, "hunter2"));
    }
    snapshot_done(&snapshot);
}

static void the_runtime_is_asked_for_the_true_name(void **state)
{
    struct world *w = *state;
    struct wanted wanted;
    bool asked = false;

    observe_list_begin(w);
    observe_list_end(w);
    observe_hostile_pod(w);
    correlate_wanted(w->correlate, w->now, &wanted);
    for (size_t i = 0; i < wanted.n_images; i++)
        asked |= str_eq(wanted.images[i], STR(LOGIN_IMAGE));
    wanted_done(&wanted);
    assert_true(asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_shown_as_they_are),
        cmocka_unit_test(what_a_terminal_obeys_is_replaced),
        cmocka_unit_test(secrets_are_removed_from_names),
        WORLD_TEST(a_snapshot_has_no_hostile_text),
        WORLD_TEST(the_runtime_is_asked_for_the_true_name),
    };

    return cmocka_run_group_tests_name("shown", tests, NULL, NULL);
}
