/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods with pull Secrets that are missing, wrong, malformed or of the wrong type, and images that
 * are on the node but need a login, as a real kubelet 1.36 reported them. An agent that starts 565
 * s after the pods reads the lists; each line of expected.json must hold. Later a Secret is
 * repaired with a wrong password, and then becomes malformed again.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/incidents/correlate.h"
#include "agent/kube/intake.h"
#include "agent/kube/watch.h"
#include "buf.h"
#include "tests/read_list.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

#define NODE "lab-node"

struct node {
    struct correlate *correlate;
    struct instant now;
    struct sink sink;
    struct intake pods, events;
};

static void observe(void *self, const struct observation *observation)
{
    struct node *node = self;

    assert_int_equal(correlate_observe(node->correlate, observation, node->now), 0);
}

static void no_limit_is_hit(void *self, enum limit limit)
{
    (void)self;
    fail_msg("limit %s was hit", limit_name(limit));
}

static void take_list(struct intake *intake, const char *folder, const char *file)
{
    struct err err = ERR_INIT;
    struct buf body;
    struct str rest;
    char path[128];

    snprintf(path, sizeof(path), "%s%s", folder, file);
    recording_read(path, &body);
    assert_int_equal(list_take(intake, buf_str(&body), true, &rest, &err), 0);
    buf_done(&body);
}

/* The agent starts when the lists were made. */
static void node_open(struct node *node, const char *folder)
{
    *node = (struct node){
        .now = { .mono_us = HOUR, .wall_us = recording_fact(folder, "listed") * SEC },
    };
    node->correlate =
        correlate_new(&(struct correlate_config){ .max_registries = LIMIT_REGISTRIES_DEFAULT,
                                                  .stall_after_us = 2 * MINUTE },
                      node->now);
    node->sink = (struct sink){ .self = node, .observe = observe, .limit_hit = no_limit_is_hit };
    intake_init(&node->pods, KUBE_PODS, &node->sink, NODE);
    intake_init(&node->events, KUBE_EVENTS, &node->sink, NODE);
}

static void node_close(struct node *node)
{
    intake_done(&node->pods);
    intake_done(&node->events);
    correlate_free(node->correlate);
}

static void take_snapshot(struct node *node, struct snapshot *ret)
{
    *ret = (struct snapshot){ .taken = node->now, .node = NODE };
    arena_init(&ret->arena, LIMIT_SNAPSHOT);
    correlate_tick(node->correlate, node->now);
    assert_int_equal(correlate_snapshot(node->correlate, SNAPSHOT_DETAIL, ret), 0);
    assert_int_equal(correlate_complete(SNAPSHOT_DETAIL, ret), 0);
}

/* The open incident of a pod's container, or NULL. */
static const struct snapshot_incident *find(const struct snapshot *snapshot, const char *pod,
                                            const char *container)
{
    for (size_t i = 0; i < snapshot->n_incidents; i++) {
        const struct snapshot_incident *incident = &snapshot->incidents[i];

        if (incident_state_open(incident->state) && strcmp(incident->pod, pod) == 0 &&
            strcmp(incident->container, container) == 0)
            return incident;
    }
    return NULL;
}

static const char *word(const json_t *line, const char *key)
{
    return json_string_value(json_object_get(line, key));
}

static void expect_line(const struct snapshot *snapshot, const json_t *line)
{
    const char *pod = word(line, "pod");
    const struct snapshot_incident *incident = find(snapshot, pod, word(line, "container"));

    if (!word(line, "cause")) {
        if (incident)
            fail_msg("%s: nothing is blocked, got %s", pod, reason_name(incident->verdict.reason));
        return;
    }
    if (!incident)
        fail_msg("%s: no incident", pod);
    if (strcmp(reason_name(incident->verdict.reason), word(line, "reason")) != 0)
        fail_msg("%s: %s is expected, got %s: %s", pod, word(line, "reason"),
                 reason_name(incident->verdict.reason), incident->message);
    assert_string_equal(cause_name(incident->verdict.cause), word(line, "cause"));
    assert_string_equal(container_kind_name(incident->kind),
                        word(line, "kind") ? word(line, "kind") : "container");
}

static void expect_all_lines(const struct snapshot *snapshot, const char *folder, size_t blocked)
{
    struct buf text;
    char path[128];
    json_t *expected;
    size_t open = 0;

    snprintf(path, sizeof(path), "%sexpected.json", folder);
    recording_read(path, &text);
    expected = json_loadb(text.at, text.len, 0, NULL);
    for (size_t i = 0; i < json_array_size(expected); i++)
        expect_line(snapshot, json_array_get(expected, i));
    for (size_t i = 0; i < snapshot->n_incidents; i++)
        open += incident_state_open(snapshot->incidents[i].state);
    assert_int_equal(open, blocked); /* and no other pod has an incident */
    json_decref(expected);
    buf_done(&text);
}

static void lists_hold(struct node *node, const char *folder, size_t blocked, struct snapshot *ret)
{
    node_open(node, folder);
    take_list(&node->pods, folder, "pods.list.pb");
    take_list(&node->events, folder, "events.list.pb");
    take_snapshot(node, ret);
    expect_all_lines(ret, folder, blocked);
}

static void malformed_secrets_block_their_pods(void **state)
{
    struct snapshot snapshot;
    struct node node;

    (void)state;
    lists_hold(&node, "malformed-secret/", 22, &snapshot);
    for (size_t i = 0; i < snapshot.n_incidents; i++) {
        const struct snapshot_incident *incident = &snapshot.incidents[i];

        if (incident->verdict.reason != REASON_PULL_SECRET_MALFORMED)
            continue;
        assert_int_equal(incident->next_retry_us, 0);
        assert_true(incident->n_pull_secrets > 0);
        assert_non_null(strstr(incident->advice, incident->pull_secrets[0]));
    }
    snapshot_done(&snapshot);
    node_close(&node);
}

static void missing_and_wrong_secrets_are_told_apart(void **state)
{
    static const char *const missing_beside_wrong[] = { "missing-wrong", "wrong-missing" };
    struct snapshot snapshot;
    struct node node;

    (void)state;
    lists_hold(&node, "multi-secret/", 13, &snapshot);
    for (size_t i = 0; i < ARRAY_SIZE(missing_beside_wrong); i++) {
        const struct snapshot_incident *incident = find(&snapshot, missing_beside_wrong[i], "app");

        assert_int_equal(incident->n_missing_pull_secrets, 1);
        assert_non_null(strstr(incident->advice, "\"does-not-exist\""));
    }
    snapshot_done(&snapshot);
    node_close(&node);
}

static void observe_image(struct node *node, const char *image, bool present)
{
    observe(node,
            &(struct observation){ .kind = OBSERVE_IMAGE,
                                   .image = { .image = str_from(image), .present = present } });
}

static void image_that_is_there_is_not_called_absent(void **state)
{
    static const char *const withheld[] = { "never-no-secret", "never-wrong-secret",
                                            "never-missing-secret", "ifnotpresent-no-secret",
                                            "ifnotpresent-missing-secret" };
    struct snapshot snapshot;
    struct node node;

    (void)state;
    lists_hold(&node, "ensure-secret/", 8, &snapshot);
    snapshot_done(&snapshot);
    observe_image(&node, "127.0.0.1:5001/lab/ens:1", true);
    observe_image(&node, "127.0.0.1:5001/lab/absent:1", false);
    take_snapshot(&node, &snapshot);
    for (size_t i = 0; i < ARRAY_SIZE(withheld); i++) {
        const char *advice = find(&snapshot, withheld[i], "app")->advice;

        assert_non_null(strstr(advice, "The image is on the node"));
        assert_null(strstr(advice, "not on the node"));
        if (strstr(withheld[i], "missing"))
            assert_non_null(strstr(advice, "\"does-not-exist\""));
    }
    assert_non_null(strstr(find(&snapshot, "init-never", "setup")->advice, "is on the node"));
    assert_non_null(strstr(find(&snapshot, "never-absent", "app")->advice, "not on the node"));
    snapshot_done(&snapshot);
    node_close(&node);
}

/* The kubelet reads the Secret again, waits as before, tries, is refused; then it cannot read it.
 */
static void secret_that_is_repaired_badly_is_followed(void **state)
{
    static const char *const pods[] = { "two-wrong", "three-wrong" };
    const struct snapshot_incident *incident;
    struct err err = ERR_INIT;
    struct snapshot snapshot;
    struct watch watch;
    struct node node;
    struct buf bytes;

    (void)state;
    node_open(&node, "multi-secret/");
    take_list(&node.pods, "multi-secret/", "repair.pods.list.pb");
    take_snapshot(&node, &snapshot);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        incident = find(&snapshot, pods[i], "app");
        assert_int_equal(incident->verdict.reason, REASON_PULL_SECRET_MALFORMED);
    }
    snapshot_done(&snapshot);

    node.now.mono_us += MINUTE;
    node.now.wall_us += MINUTE;
    watch_init(&watch, &node.pods);
    watch_begin(&watch, false);
    recording_read("multi-secret/repair.pods.watch.pb", &bytes);
    assert_int_equal(watch_feed(&watch, buf_str(&bytes), &err), 0);
    take_snapshot(&node, &snapshot);
    incident = find(&snapshot, "three-wrong", "app");
    assert_int_equal(incident->verdict.reason, REASON_PULL_SECRET_MALFORMED);
    assert_int_equal(incident->next_retry_us, 0);
    assert_int_equal(incident->attempts, 2); /* one before the agent started, and one after */
    assert_null(find(&snapshot, "two-wrong", "app")); /* was deleted at the end */
    snapshot_done(&snapshot);
    watch_done(&watch);
    buf_done(&bytes);
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_secrets_block_their_pods),
        cmocka_unit_test(missing_and_wrong_secrets_are_told_apart),
        cmocka_unit_test(image_that_is_there_is_not_called_absent),
        cmocka_unit_test(secret_that_is_repaired_badly_is_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
