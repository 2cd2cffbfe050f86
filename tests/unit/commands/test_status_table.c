/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/commands/status_json.h"
#include "agent/commands/status_table.h"
#include "buf.h"
#include "tests/unit/support/debug_answer.h"
#include "tests/unit/support/golden.h"
#include "tests/unit/support/snapshot_fixture.h"

static struct fixture node;
static struct status_answers answers;
static struct status_options options;
static struct buf text;

static json_t *parsed(void)
{
    json_t *json = json_loadb(text.at, text.len, 0, NULL);

    assert_non_null(json);
    buf_reset(&text);
    return json;
}

/* Gets the answers of an agent on `node`. */
static void ask(void)
{
    struct err err = ERR_INIT;
    size_t n;

    status_answers_done(&answers);
    buf_reset(&text);
    assert_int_equal(debug_answer(&text, &debug_json_failures, &node.snapshot, &n, &err), 0);
    answers.failures = parsed();
    assert_int_equal(debug_answer(&text, &debug_json_images, &node.snapshot, &n, &err), 0);
    answers.images = parsed();
    assert_int_equal(debug_answer(&text, &debug_json_sources, &node.snapshot, &n, &err), 0);
    answers.sources = parsed();
}

static const char *table(void)
{
    buf_reset(&text);
    status_write_table(&text, &answers, &options);
    assert_int_equal(buf_error(&text), 0);
    return text.at;
}

/* What `status --output=json` prints. */
static void write_json(void)
{
    const json_t *const heads[] = { answers.failures, answers.images, answers.sources };

    buf_reset(&text);
    for (enum status_list list = 0; list < STATUS_LIST_MAX; list++) {
        const json_t *member;
        bool some = false;
        size_t i;

        status_json_begin(&text, list, heads[list]);
        json_array_foreach(json_object_get(heads[list], status_list_name(list)), i, member)
        {
            if (list == STATUS_FAILURES && !status_selected(member, &options))
                continue;
            status_json_member(&text, member, !some);
            some = true;
        }
    }
    status_json_end(&text);
    assert_int_equal(buf_error(&text), 0);
}

static int begin(void **state)
{
    (void)state;
    fixture_golden(&node);
    buf_init(&text, LIMIT_DEBUG_BODY);
    options = (struct status_options){ .width = 80, .now_us = FIXTURE_NOW };
    ask();
    return 0;
}

static int end(void **state)
{
    (void)state;
    status_answers_done(&answers);
    buf_done(&text);
    return 0;
}

static unsigned count(const char *part)
{
    unsigned n = 0;

    for (const char *at = text.at; (at = strstr(at, part)); at++)
        n++;
    return n;
}

static void tables_match_the_golden_files(void **state)
{
    (void)state;
    table();
    assert_golden(&text, "tests/data/status/80.txt");
    options.width = 170;
    table();
    assert_golden(&text, "tests/data/status/170.txt");
}

/* Also with very long names, and with names of control characters. */
static void no_line_is_too_wide(void **state)
{
    static char endless[5001];
    struct snapshot_incident *incident;

    (void)state;
    memset(endless, 'x', sizeof(endless) - 1);
    incident = fixture_incident(&node, endless, endless, endless, endless);
    incident->advice = endless;
    incident = fixture_incident(&node, "\x1b]0;owned\a", "\r\n\xe2\x80\xae", "\xff\x01", "\x7f");
    incident->advice = "go\non \x1b[2J";
    node.snapshot.node = endless;
    memset(node.snapshot.sources[SOURCE_CRI].last_error, '\t', 200);
    ask();
    for (options.width = -1; options.width < 220; options.width++) {
        const size_t most =
            options.width > STATUS_WIDTH_LEAST ? (size_t)options.width : STATUS_WIDTH_LEAST;

        table();
        for (const char *line = text.at; *line;) {
            size_t length = strcspn(line, "\n");

            if (length > most)
                fail_msg("width %d: %zu columns in '%.*s'", options.width, length, (int)length,
                         line);
            for (size_t i = 0; i < length; i++)
                assert_in_range(line[i], 0x20, 0x7e);
            assert_true(length == 0 || line[length - 1] != ' ');
            line += length + 1;
        }
    }
}

static void colours_are_optional(void **state)
{
    (void)state;
    table();
    assert_null(strchr(text.at, '\033'));
    options.colour = true;
    table();
    assert_non_null(strstr(text.at, "\033[1;31munauthorized"));
    assert_non_null(strstr(text.at, "\033[1;33mnetwork")); /* stalled */
    assert_string_equal(strrchr(text.at, '\033'), strstr(strrchr(text.at, '\033'), "\033[0m"));
}

static void only_selected_failures_are_shown(void **state)
{
    (void)state;
    assert_int_equal(status_blocked(&answers, &options), 4);
    options.namespace = "team-a";
    assert_int_equal(status_blocked(&answers, &options), 2);
    table();
    assert_non_null(strstr(text.at, "team-a/job-x"));
    assert_null(strstr(text.at, "default/web-0"));
    assert_null(strstr(text.at, "PULLING"));
    options.cause = "network";
    assert_int_equal(status_blocked(&answers, &options), 1);
    table();
    assert_null(strstr(text.at, "team-a/job-x"));
    assert_non_null(strstr(text.at, "team-a/web-6"));
    assert_non_null(strstr(text.at, ": 1 of 4 blocked containers match"));
    options.namespace = "no-such";
    assert_int_equal(status_blocked(&answers, &options), 0);
    table();
    assert_non_null(strstr(text.at, ": 0 of 4 blocked containers match\n"));
    assert_null(strstr(text.at, "nothing is blocked")); /* because 4 containers are */
    assert_null(strstr(text.at, "CAUSE"));
}

static void a_healthy_node_has_a_short_table(void **state)
{
    (void)state;
    fixture_init(&node);
    ask();
    assert_null(status_unknown(&answers));
    assert_string_equal(table(), "node-1 (containerd 2.1.9): nothing is blocked\n\n"
                                 "Sources: pods up, events off, cri up\n");
}

static void before_the_first_pod_list_nothing_is_known(void **state)
{
    (void)state;
    fixture_init(&node);
    node.snapshot.sources[SOURCE_PODS].last_success_us = 0;
    ask();
    assert_non_null(status_unknown(&answers));
    assert_non_null(strstr(table(), "not known yet"));
}

/* No report of failures does not mean that there are none. */
static void nothing_is_known_while_pods_cannot_be_read(void **state)
{
    (void)state;
    fixture_init(&node);
    node.snapshot.sources[SOURCE_PODS].up = false;
    ask();
    assert_non_null(status_unknown(&answers));
    assert_non_null(strstr(table(), "not known, the agent cannot read the pods now"));
    assert_null(strstr(text.at, "nothing is blocked"));
    node.snapshot.sources[SOURCE_PODS].enabled = false; /* --kube.source=none */
    ask();
    assert_non_null(status_unknown(&answers));
    assert_non_null(strstr(table(), "not known, this agent does not read pods"));
}

static void what_limits_leave_out_is_named(void **state)
{
    (void)state;
    fixture_init(&node);
    node.snapshot.left_out[LIMIT_HIT_PODS] = 104;
    node.snapshot.left_out[LIMIT_HIT_INCIDENTS] = 1;
    ask();
    assert_true(status_incomplete(&answers));
    assert_string_equal(
        table(), "node-1 (containerd 2.1.9): not known completely\n"
                 "Limits of the agent leave something out, and failures of it are not shown: pods\n"
                 "(104), failing containers (1)\n\n"
                 "Sources: pods up, events off, cri up\n");
    node.snapshot.sources[SOURCE_PODS].up = false;
    ask();
    assert_non_null(strstr(table(), "not known, the agent cannot read the pods now"));
    assert_null(strstr(text.at, "nothing is blocked"));
}

/* A newer agent can have limits that this command does not know; an older one names none. */
static void limits_of_other_versions_are_shown_as_they_are(void **state)
{
    (void)state;
    fixture_init(&node);
    ask();
    json_object_set_new(json_object_get(answers.failures, "left_out"), "moons\x07",
                        json_integer(3));
    assert_non_null(strstr(table(), "moons? (3)"));
    json_object_del(answers.failures, "left_out");
    assert_false(status_incomplete(&answers));
    assert_non_null(strstr(table(), "nothing is blocked"));
}

static void what_is_blocked_may_be_over_while_pods_cannot_be_read(void **state)
{
    (void)state;
    node.snapshot.sources[SOURCE_PODS].up = false;
    ask();
    table();
    assert_non_null(strstr(text.at, ": when last read, 4 containers blocked"));
}

static void a_stalled_pull_is_marked(void **state)
{
    (void)state;
    assert_non_null(strstr(table(), "for 3m, 2 containers waiting, stalled\n"));
}

static void pulls_that_wait_for_their_turn_name_who_is_ahead(void **state)
{
    static const char *const ahead[] = { "quay.io/team/big:1" };
    static const struct snapshot_image images[] = {
        { .image = "quay.io/team/big:1",
          .registry = "quay.io",
          .digest = "",
          .waiting = 1,
          .pulling = 1,
          .phase = PULL_PHASE_DOWNLOADING },
        { .image = "docker.io/library/nginx:1",
          .registry = "docker.io",
          .digest = "",
          .waiting = 2,
          .phase = PULL_PHASE_KUBELET_QUEUE,
          .waiting_behind = ahead,
          .n_waiting_behind = 1 },
        { .image = "docker.io/library/redis:1",
          .registry = "docker.io",
          .digest = "",
          .waiting = 1,
          .pulling = 1,
          .phase = PULL_PHASE_SLOT_QUEUE,
          .waiting_behind = ahead,
          .n_waiting_behind = 1 },
    };

    (void)state;
    node.snapshot.images = images;
    node.snapshot.n_images = ARRAY_SIZE(images);
    options.width = 170;
    ask();
    table();
    assert_non_null(strstr(text.at, ", 2 images being pulled, 1 waiting for their turn\n"));
    assert_non_null(strstr(text.at, "  docker.io/library/nginx:1\n"
                                    "    2 containers waiting\n"
                                    "    in the kubelet's queue behind quay.io/team/big:1\n"));
    assert_non_null(strstr(text.at, "  docker.io/library/redis:1\n"
                                    "    1 container waiting\n"
                                    "    waits for a download slot behind quay.io/team/big:1\n"));
    assert_int_equal(count(" behind quay.io"), 2);
}

static void who_holds_the_download_slots_is_named(void **state)
{
    static const struct snapshot_waiter holders[] = { { "shop", "cart-0", "app", "r.io/a:1" },
                                                      { "shop", "cart-1", "app", "r.io/b:1" } };
    static const struct snapshot_stall stall = { .waits_for = STALL_SLOT,
                                                 .held_by = holders,
                                                 .n_held_by = ARRAY_SIZE(holders) };

    (void)state;
    node.incidents[0].state = INCIDENT_STALLED;
    node.incidents[0].stall = &stall;
    ask();
    assert_non_null(strstr(table(), "  Download slots held by: shop/cart-0, shop/cart-1\n"));
}

/* Ten pods of one Deployment are one fact. */
static void pods_of_one_owner_that_fail_alike_are_one_row(void **state)
{
    static char pods[10][32];

    (void)state;
    fixture_init(&node);
    for (unsigned i = 0; i < ARRAY_SIZE(pods); i++) {
        struct snapshot_incident *incident;

        snprintf(pods[i], sizeof(pods[i]), "web-5d8f9-%u", i);
        incident = fixture_incident(&node, "shop", pods[i], "app", "r.example.com/app:v1");
        incident->owner_kind = "Deployment";
        incident->owner_name = "web";
        incident->attempts = i + 1;
        incident->first_failure_us = FIXTURE_NOW - (int64_t)(i + 1) * MINUTE;
        incident->first_failure_exact = i != 9;
        incident->next_retry_us = FIXTURE_NOW + (i == 4 ? 7 : 100) * SEC;
        incident->advice = "Push the tag.";
    }
    options.width = 170;
    ask();
    assert_int_equal(status_blocked(&answers, &options), 10);
    assert_string_equal(
        table(), "node-1 (containerd 2.1.9): 10 containers blocked\n\n"
                 "POD                            CONTAINER  CAUSE      REASON            AGE   "
                 "ATTEMPTS  NEXT  IMAGE\n"
                 "shop/deployment/web (10 pods)  app        not_found  manifest_unknown  10m+  55 "
                 "       7s    r.example.com/app:v1\n"
                 "  Push the tag.\n\n"
                 "Sources: pods up, events off, cri up\n");
}

static void row_stands_for_pods_that_have_all_in_common(void **state)
{
    struct snapshot_incident *incident;

    (void)state;
    fixture_init(&node);
    for (unsigned i = 0; i < 8; i++) {
        incident = fixture_incident(&node, "shop", "web-x", "app", "r.example.com/app:v1");
        incident->owner_kind = "Deployment";
        incident->owner_name = "web";
        incident->state = i == 1 ? INCIDENT_FAILING : INCIDENT_BACKING_OFF;
    }
    node.incidents[2].namespace = "other";
    node.incidents[3].owner_name = "api";
    node.incidents[4].verdict.reason = REASON_REPOSITORY_UNKNOWN;
    node.incidents[5].image = "r.example.com/app:v2";
    node.incidents[6].container = "side";
    node.incidents[7].state = INCIDENT_RECOVERED;
    for (unsigned i = 0; i < 2; i++) /* without an owner */
        fixture_incident(&node, "shop", "alone", "app", "r.example.com/app:v1");
    ask();
    table();
    assert_non_null(strstr(text.at, "shop/deployment/web (2 pods)"));
    assert_int_equal(count(" pods)"), 1);
    assert_int_equal(count("/web-x "), 5);
    assert_int_equal(count("shop/alone "), 2);
}

/* A name that is cut cannot be copied. */
static void names_are_whole_in_a_narrow_terminal(void **state)
{
    struct snapshot_incident *incident;

    (void)state;
    fixture_init(&node);
    node.snapshot.node = "ip-10-22-133-7.eu-central-1.compute.internal";
    node.snapshot.runtime_version = "2.1.9+unknown";
    incident = fixture_incident(&node, "customer-payments", "checkout-backend-7d9f8b6c5d-x2k4q",
                                "application-server",
                                "123456789012.dkr.ecr.eu-central-1.amazonaws.com/payments/checkout/"
                                "backend:2026.11.21-3f5e9a1");
    incident->advice = "Push the tag.";
    ask();
    assert_string_equal(
        table(),
        "ip-10-22-133-7.eu-central-1.compute.internal: 1 container blocked\n\n"
        "POD                           CONTAINER           CAUSE      AGE  ATTEMPTS  NEXT\n"
        "customer-payments/checkout-backend-7d9f8b6c5d-x2k4q\n"
        "                              application-server  not_found  2m   4         -\n"
        "  manifest_unknown\n"
        "  123456789012.dkr.ecr.eu-central-1.amazonaws.com/payments/checkout/backend:2026\n"
        "  .11.21-3f5e9a1\n"
        "  Push the tag.\n\n"
        "Sources: pods up, events off, cri up\n");
    options.width = 64;
    assert_non_null(strstr(table(), "compute.internal: 1 container\nblocked\n"));
}

/* The last line of the window counts the lines that do not fit. */
static void the_table_fits_into_the_window(void **state)
{
    unsigned all;

    (void)state;
    table();
    all = count("\n");
    options.height = 10;
    table();
    assert_int_equal(count("\n"), 10);
    assert_non_null(strstr(text.at, "\n... and "));
    options.height = (int)all;
    table();
    assert_int_equal(count("\n"), all);
    assert_null(strstr(text.at, "... and "));
}

static void json_has_only_selected_failures(void **state)
{
    json_t *json;

    (void)state;
    options.cause = "unauthorized";
    write_json();
    assert_int_equal(count("\n"), 1);
    json = parsed();
    assert_int_equal(json_object_size(json), 6);
    assert_int_equal(json_array_size(json_object_get(json, "failures")), 2);
    assert_int_equal(json_array_size(json_object_get(json, "images")), 2);
    assert_int_equal(json_array_size(json_object_get(json, "sources")), SOURCE_MAX);
    assert_true(
        json_equal(json_object_get(json, "runtime"), json_object_get(answers.failures, "runtime")));
    json_decref(json);
}

/* A terminal also interprets some control characters that are not ASCII. */
static void json_is_ascii(void **state)
{
    (void)state;
    fixture_incident(&node,
                     "\xc2\x9b"
                     "31m",
                     "\xe2\x80\xae", "\x1b[2J", "\xff");
    ask();
    write_json();
    for (size_t i = 0; i + 1 < text.len; i++)
        assert_in_range(text.at[i], 0x20, 0x7e);
    assert_non_null(strstr(text.at, "\\u009B31m"));
}

/* Another program may listen at the address. */
static void unexpected_json_is_tolerated(void **state)
{
    static const char *const lists[] = {
        "[]",
        "[null, 1, \"x\", [], {}]",
        "[{\"namespace\": 1, \"state\": [], \"cause\": {}, \"attempts\": \"many\"}]",
        "[{\"cause\": \"network\", \"first_failure\": \"soon\", \"attempts\": -4}]",
        "[{\"containers_pulling\": 9, \"total\": 1, \"bytes\": 9223372036854775807}]",
        "[{\"state\": \"down\", \"since\": 5}]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        status_answers_done(&answers);
        answers.failures = json_pack("{s:o}", "failures", json_loads(lists[i], 0, NULL));
        answers.images = json_pack("{s:o}", "images", json_loads(lists[i], 0, NULL));
        answers.sources = json_pack("{s:o}", "sources", json_loads(lists[i], 0, NULL));
        table();
        assert_int_equal(count("blocked"), 1);
        write_json();
        json_decref(parsed());
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tables_match_the_golden_files),
        TEST(no_line_is_too_wide),
        TEST(colours_are_optional),
        TEST(only_selected_failures_are_shown),
        TEST(a_healthy_node_has_a_short_table),
        TEST(before_the_first_pod_list_nothing_is_known),
        TEST(nothing_is_known_while_pods_cannot_be_read),
        TEST(what_limits_leave_out_is_named),
        TEST(limits_of_other_versions_are_shown_as_they_are),
        TEST(what_is_blocked_may_be_over_while_pods_cannot_be_read),
        TEST(a_stalled_pull_is_marked),
        TEST(pulls_that_wait_for_their_turn_name_who_is_ahead),
        TEST(who_holds_the_download_slots_is_named),
        TEST(pods_of_one_owner_that_fail_alike_are_one_row),
        TEST(row_stands_for_pods_that_have_all_in_common),
        TEST(names_are_whole_in_a_narrow_terminal),
        TEST(the_table_fits_into_the_window),
        TEST(json_has_only_selected_failures),
        TEST(json_is_ascii),
        TEST(unexpected_json_is_tolerated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
