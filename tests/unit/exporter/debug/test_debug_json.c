/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "buf.h"
#include "mem.h"
#include "tests/unit/support/debug_answer.h"
#include "tests/unit/support/fault_heap.h"
#include "tests/unit/support/golden.h"
#include "tests/unit/support/snapshot_fixture.h"

static struct fixture node;
static struct buf text;

static int begin(void **state)
{
    (void)state;
    fixture_init(&node);
    buf_init(&text, LIMIT_DEBUG_BODY);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&text);
    return fault_heap_live() == 0 ? 0 : -1;
}

static size_t write_failures(const char *namespace, const char *pod)
{
    struct err err = ERR_INIT;
    size_t n = SIZE_MAX;

    buf_reset(&text);
    assert_int_equal(
        debug_answer_of_pod(&text, &debug_json_failures, &node.snapshot, namespace, pod, &n, &err),
        0);
    return n;
}

/* Parses the text; the caller releases the result. */
static json_t *parsed(void)
{
    json_error_t error;
    json_t *json = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, &error);

    if (!json)
        fail_msg("not JSON: %s in %s", error.text, text.at);
    return json;
}

static const char *first_failure_text(const json_t *json, const char *key)
{
    const json_t *failure = json_array_get(json_object_get(json, "failures"), 0);

    return json_string_value(json_object_get(failure, key));
}

static void golden_failures(void **state)
{
    (void)state;
    fixture_golden(&node);
    assert_int_equal(write_failures(NULL, NULL), 5);
    json_decref(parsed());
    assert_golden(&text, "tests/data/exporter/failures.json");
}

static void golden_sources(void **state)
{
    struct err err = ERR_INIT;
    size_t n;

    (void)state;
    fixture_golden(&node);
    assert_int_equal(debug_answer(&text, &debug_json_sources, &node.snapshot, &n, &err), 0);
    json_decref(parsed());
    assert_golden(&text, "tests/data/exporter/sources.json");
}

static void golden_images(void **state)
{
    struct err err = ERR_INIT;
    size_t n;

    (void)state;
    fixture_golden(&node);
    assert_int_equal(debug_answer(&text, &debug_json_images, &node.snapshot, &n, &err), 0);
    json_decref(parsed());
    assert_golden(&text, "tests/data/exporter/images.json");
}

static void a_stalled_image_is_marked(void **state)
{
    static const struct snapshot_image images[] = {
        { .image = "quay.io/team/big:1", .registry = "", .digest = "", .stalled = true },
        { .image = "quay.io/team/big:2", .registry = "", .digest = "" },
    };
    struct err err = ERR_INIT;
    size_t n;
    bool first, second;
    json_t *json;

    (void)state;
    node.snapshot.images = images;
    node.snapshot.n_images = 2;
    assert_int_equal(debug_answer(&text, &debug_json_images, &node.snapshot, &n, &err), 0);
    json = parsed();
    assert_int_equal(
        json_unpack(json, "{s:[{s:b}, {s:b}]}", "images", "stalled", &first, "stalled", &second),
        0);
    assert_true(first);
    assert_false(second);
    json_decref(json);
}

static void golden_events(void **state)
{
    struct err err = ERR_INIT;
    size_t n;

    (void)state;
    fixture_golden(&node);
    assert_int_equal(debug_answer(&text, &debug_json_events, &node.snapshot, &n, &err), 0);
    json_decref(parsed());
    assert_golden(&text, "tests/data/exporter/events.json");
}

/* Who waits for whom: the JSON keys of a stall and of an image. */
static void queues_name_who_is_ahead(void **state)
{
    static const char *const ahead[] = { "quay.io/team/big:1" };
    static const struct snapshot_image image = { .image = "docker.io/library/nginx:1",
                                                 .registry = "docker.io",
                                                 .digest = "",
                                                 .phase = PULL_PHASE_KUBELET_QUEUE,
                                                 .waiting_behind = ahead,
                                                 .n_waiting_behind = 1 };
    static const struct snapshot_waiter holder = { "shop", "cart-0", "app", "r.io/a:1" };
    static const struct snapshot_stall stall = { .waits_for = STALL_SLOT,
                                                 .held_by = &holder,
                                                 .n_held_by = 1,
                                                 .ambiguous_with = ahead,
                                                 .n_ambiguous_with = 1 };
    const char *phase, *behind, *waits_for, *pod, *held_image, *ambiguous_with;
    struct err err = ERR_INIT;
    size_t n;
    json_t *layer;
    json_t *json;

    (void)state;
    node.snapshot.images = &image;
    node.snapshot.n_images = 1;
    assert_int_equal(debug_answer(&text, &debug_json_images, &node.snapshot, &n, &err), 0);
    json = parsed();
    assert_int_equal(json_unpack(json, "{s:[{s:s,s:[s]}]}", "images", "phase", &phase,
                                 "waiting_behind", &behind),
                     0);
    assert_string_equal(phase, "kubelet_queue");
    assert_string_equal(behind, "quay.io/team/big:1");
    json_decref(json);

    fixture_golden(&node);
    node.incidents[0].stall = &stall;
    write_failures(NULL, NULL);
    json = parsed();
    assert_int_equal(json_unpack(json, "{s:[{s:{s:s,s:o,s:[{s:s,s:s}],s:[s]}}]}", "failures",
                                 "stall", "waits_for", &waits_for, "layer", &layer, "held_by",
                                 "pod", &pod, "image", &held_image, "ambiguous_with",
                                 &ambiguous_with),
                     0);
    assert_string_equal(waits_for, "download_slot");
    assert_true(json_is_null(layer));
    assert_string_equal(pod, "cart-0");
    assert_string_equal(held_image, "r.io/a:1");
    assert_string_equal(ambiguous_with, "quay.io/team/big:1");
    json_decref(json);
}

static void a_healthy_node_has_an_empty_list(void **state)
{
    (void)state;
    node.snapshot.runtime_name = NULL;
    node.snapshot.runtime_version = NULL;
    assert_int_equal(write_failures(NULL, NULL), 0);
    assert_string_equal(text.at,
                        "{\"node\":\"node-1\",\"runtime\":{\"name\":null,\"version\":null},"
                        "\"left_out\":{},\"failures\":[\n]}\n");
    json_decref(parsed());
}

/* Limits that merge or cut are not named: they hide no failure. */
static void what_limits_leave_out_is_named(void **state)
{
    const json_t *left_out;
    json_t *json;

    (void)state;
    for (size_t i = 0; i < LIMIT_HIT_MAX; i++)
        node.snapshot.left_out[i] = i + 1;
    assert_int_equal(write_failures(NULL, NULL), 0);
    json = parsed();
    left_out = json_object_get(json, "left_out");
    assert_int_equal(json_integer_value(json_object_get(left_out, "pods")), LIMIT_HIT_PODS + 1);
    assert_int_equal(json_integer_value(json_object_get(left_out, "incidents")),
                     LIMIT_HIT_INCIDENTS + 1);
    assert_null(json_object_get(left_out, "registries"));
    assert_int_equal(json_object_size(left_out), 7);
    json_decref(json);
}

static void one_pod_can_be_selected(void **state)
{
    (void)state;
    fixture_incident(&node, "a", "web-0", "app", "i");
    fixture_incident(&node, "b", "web-0", "app", "i");
    fixture_incident(&node, "b", "web-0", "init", "i");
    fixture_incident(&node, "b", "web-01", "app", "i");
    assert_int_equal(write_failures("b", "web-0"), 2);
    json_decref(parsed());
    assert_int_equal(write_failures("b", "web"), 0);
    assert_int_equal(write_failures("", ""), 0);
}

/* In each state and kind, so a reader need not check whether a key exists. */
static void all_keys_are_always_present(void **state)
{
    static const char *const keys[] = {
        "namespace",
        "pod",
        "pod_uid",
        "owner",
        "container",
        "kind",
        "image",
        "registry",
        "state",
        "cause",
        "reason",
        "stage",
        "http_status",
        "ambiguous_with",
        "message",
        "attempts",
        "first_failure",
        "last_failure",
        "next_retry",
        "overdue_since",
        "pull_secrets",
        "missing_pull_secrets",
        "image_present",
        "stall",
        "evidence",
        "advice",
        "first_failure_exact",
        "ended",
        "failed_host",
        "failed_role",
    };
    const json_t *failures, *failure;
    json_t *json;
    size_t i;

    (void)state;
    fixture_golden(&node);
    for (unsigned n = 0; n < INCIDENT_STATE_MAX * CONTAINER_KIND_MAX; n++) {
        struct snapshot_incident *incident = fixture_incident(&node, "ns", "pod", "", "");

        incident->state = (enum incident_state)(n % INCIDENT_STATE_MAX);
        incident->kind = (enum container_kind)(n / INCIDENT_STATE_MAX);
        incident->ended_us = incident_state_open(incident->state) ? 0 : FIXTURE_NOW;
    }
    write_failures(NULL, NULL);
    json = parsed();
    failures = json_object_get(json, "failures");
    json_array_foreach(failures, i, failure)
    {
        const json_t *ended = json_object_get(failure, "ended");

        for (size_t key = 0; key < ARRAY_SIZE(keys); key++)
            if (!json_object_get(failure, keys[key]))
                fail_msg("failure %zu has no '%s'", i, keys[key]);
        assert_int_equal(json_object_size(failure), ARRAY_SIZE(keys));
        assert_true(node.incidents[i].ended_us ? json_is_string(ended) : json_is_null(ended));
        assert_true(json_is_string(json_object_get(failure, "container")));
    }
    json_decref(json);
}

static void hostile_texts_survive(void **state)
{
    static const char *const hostile[] = {
        "say \"no\"\\",
        "two\nlines\r\n\ttab",
        "</script><script>alert(1)</script>",
        "\x01\x02\x7f",
        "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb3",
    };

    /* Messages have no character that is not visible. The snapshot sees to the names. */
#define ODD "\xef\xbf\xbd"
    static const char *const messages[ARRAY_SIZE(hostile)] = {
        "say \"no\"\\", "two" ODD "lines" ODD ODD ODD "tab",   "</script><script>alert(1)</script>",
        ODD ODD ODD,    "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb3",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        json_t *json;

        node.snapshot.n_incidents = 0;
        fixture_incident(&node, hostile[i], hostile[i], hostile[i], hostile[i])->message =
            hostile[i];
        assert_int_equal(write_failures(hostile[i], hostile[i]), 1);
        json = parsed();
        assert_string_equal(first_failure_text(json, "namespace"), hostile[i]);
        assert_string_equal(first_failure_text(json, "image"), hostile[i]);
        assert_string_equal(first_failure_text(json, "message"), messages[i]);
        json_decref(json);
    }
}

static void invalid_utf8_is_replaced(void **state)
{
    json_t *json;

    (void)state;
    fixture_incident(&node, "ns", "p", "c", "a\xff/b")->message = "\xc3";
    node.snapshot.node = "n\xff";
    write_failures(NULL, NULL);
    json = parsed();
    assert_string_equal(first_failure_text(json, "image"), "a\xef\xbf\xbd/b");
    assert_string_equal(first_failure_text(json, "message"), "\xef\xbf\xbd");
    json_decref(json);
}

static void a_text_of_100_kb_is_not_cut(void **state)
{
    static char endless[100001];
    json_t *json;

    (void)state;
    memset(endless, '"', sizeof(endless) - 1);
    fixture_incident(&node, "ns", "p", "c", "i")->message = endless;
    write_failures(NULL, NULL);
    json = parsed();
    assert_string_equal(first_failure_text(json, "message"), endless);
    json_decref(json);
}

static void an_error_is_an_object(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(debug_json_error(&text, "no \"such\" pod\xff", &err), 0);
    assert_string_equal(text.at, "{\"error\":\"no \\\"such\\\" pod\\uFFFD\"}\n");
}

static void a_document_over_its_limit_is_an_error(void **state)
{
    struct err err = ERR_INIT;
    size_t n = 99;

    (void)state;
    fixture_golden(&node);
    for (size_t max = 0; max < 2000; max += 7) {
        err_clear(&err);
        buf_done(&text);
        buf_init(&text, max);
        assert_int_equal(debug_answer(&text, &debug_json_failures, &node.snapshot, &n, &err),
                         -E2BIG);
        assert_non_null(strstr(err.text, "bytes"));
        assert_int_equal(n, 99);
    }
}

/* Each part alone is small, whatever the number of members is. */
static void parts_make_the_whole(void **state)
{
    struct debug_json json = { .list = &debug_json_failures, .snapshot = &node.snapshot };
    struct err err = ERR_INIT;
    struct buf part;
    size_t n = 0, parts = 0;

    (void)state;
    fixture_golden(&node);
    buf_reset(&text);
    assert_int_equal(debug_answer(&text, &debug_json_failures, &node.snapshot, &n, &err), 0);
    buf_init(&part, LIMIT_DEBUG_MEMBER);
    for (const char *at = text.at;; at += part.len, parts++) {
        buf_reset(&part);
        assert_int_equal(debug_json_next(&json, &part, &err), 0);
        if (part.len == 0) {
            assert_int_equal(*at, '\0');
            break;
        }
        assert_memory_equal(part.at, at, part.len);
    }
    assert_int_equal(json.written, n);
    assert_int_equal(parts, n + 2); /* what is before and after the members */
    buf_done(&part);
}

static int write_all_failures(struct err *err)
{
    size_t n = 99;
    int r = debug_answer(&text, &debug_json_failures, &node.snapshot, &n, err);

    assert_int_equal(n, r == 0 ? 5 : 99);
    return r;
}

static int write_events(struct err *err)
{
    size_t n;

    return debug_answer(&text, &debug_json_events, &node.snapshot, &n, err);
}

/* jansson uses mem_alloc() here, so its allocations fail too. */
static void fails_wherever_memory_ends(int (*write)(struct err *err), size_t least)
{
    for (size_t n = 0;; n++) {
        struct err err = ERR_INIT;
        int r;

        buf_done(&text);
        buf_init(&text, LIMIT_DEBUG_BODY);
        fault_heap_fail_at(n);
        r = write(&err);
        if (!fault_heap_fired()) {
            assert_int_equal(r, 0);
            assert_true(n > least);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        buf_done(&text);
        assert_int_equal(fault_heap_live(), 0);
    }
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    fixture_golden(&node);
    node.incidents[0].message = "broken \xff";
    json_set_alloc_funcs(mem_alloc, mem_free);
    fails_wherever_memory_ends(write_all_failures, 100);
    fails_wherever_memory_ends(write_events, 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(golden_failures),
        TEST(golden_sources),
        TEST(golden_images),
        TEST(golden_events),
        TEST(a_stalled_image_is_marked),
        TEST(queues_name_who_is_ahead),
        TEST(a_healthy_node_has_an_empty_list),
        TEST(what_limits_leave_out_is_named),
        TEST(one_pod_can_be_selected),
        TEST(all_keys_are_always_present),
        TEST(hostile_texts_survive),
        TEST(invalid_utf8_is_replaced),
        TEST(a_text_of_100_kb_is_not_cut),
        TEST(an_error_is_an_object),
        TEST(a_document_over_its_limit_is_an_error),
        TEST(parts_make_the_whole),
        TEST(running_out_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
