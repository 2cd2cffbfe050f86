/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "limit.h"
#include "tests/unit/incidents/world.h"

/* web-0 fails. */
static void fail_as(struct world *w, const char *kind, const char *name, const char *hash)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NOT_FOUND_TEXT);
    facts.fact.owner_kind = str_from(kind);
    facts.fact.owner_name = str_from(name);
    facts.fact.template_hash = str_from(hash);
    observe_pod(w, &facts);
}

static void assert_owner(struct world *w, const char *kind, const char *name)
{
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    if (!kind) {
        assert_null(incident->owner_kind);
        assert_null(incident->owner_name);
    } else {
        assert_string_equal(incident->owner_kind, kind);
        assert_string_equal(incident->owner_name, name);
    }
    snapshot_done(&snapshot);
}

static void replica_set_with_the_hash_of_the_pod_is_shown_as_its_deployment(void **state)
{
    static const struct {
        const char *kind, *name, *hash, *shown_kind, *shown_name;
    } rows[] = {
        { "ReplicaSet", "web-5d8f9c7b6", "5d8f9c7b6", "Deployment", "web" },
        { "ReplicaSet", "web-api-v2-5d8f9", "5d8f9", "Deployment", "web-api-v2" },
        { "ReplicaSet", "web-5d8f9", "", "ReplicaSet", "web-5d8f9" },     /* made by hand */
        { "ReplicaSet", "web-5d8f9", "5d8f", "ReplicaSet", "web-5d8f9" }, /* another hash */
        { "ReplicaSet", "web-5d8f9", "8f9", "ReplicaSet", "web-5d8f9" },
        { "ReplicaSet", "-5d8f9", "5d8f9", "ReplicaSet", "-5d8f9" },
        { "ReplicaSet", "5d8f9", "5d8f9", "ReplicaSet", "5d8f9" },
        { "ReplicaSet", "9", "5d8f9", "ReplicaSet", "9" },
        { "DaemonSet", "web-5d8f9", "5d8f9", "DaemonSet", "web-5d8f9" },
        { "Job", "backup-29411520", "", "Job", "backup-29411520" }, /* perhaps of a CronJob */
        { "Node", "node-1", "", "Node", "node-1" },
        { "", "", "5d8f9", NULL, NULL },
        { "Job", "", "", NULL, NULL },
        { "Job", "Backup", "", NULL, NULL }, /* no object can have this name */
        { "Job", "backup\n", "", NULL, NULL },
        { "Job\x1b[2J", "backup", "", NULL, NULL },
        { "", "backup", "", NULL, NULL },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fail_as(w, rows[i].kind, rows[i].name, rows[i].hash);
        assert_owner(w, rows[i].shown_kind, rows[i].shown_name);
    }
}

static void ended_incident_keeps_the_owner_of_its_end(void **state)
{
    struct world *w = *state;

    fail_as(w, "ReplicaSet", "web-1", "");
    fail_as(w, "ReplicaSet", "web-2", ""); /* has adopted the pod */
    assert_owner(w, "ReplicaSet", "web-2");
    observe_deleted(w, "web-0");
    assert_owner(w, "ReplicaSet", "web-2");
}

static void long_names_are_cut(void **state)
{
    char kind[3 * LIMIT_KIND_TEXT] = "", name[3 * LIMIT_NAME_TEXT] = "";
    char shown_kind[LIMIT_KIND_TEXT + 1] = "", shown_name[LIMIT_NAME_TEXT + 1] = "";
    struct world *w = *state;

    memset(kind, 'K', sizeof(kind) - 1);
    memset(name, 'n', sizeof(name) - 1);
    memset(shown_kind, 'K', LIMIT_KIND_TEXT);
    memset(shown_name, 'n', LIMIT_NAME_TEXT);
    fail_as(w, kind, name, "");
    assert_owner(w, shown_kind, shown_name);
    fail_as(w, kind, name, ""); /* the same again */
    assert_owner(w, shown_kind, shown_name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(replica_set_with_the_hash_of_the_pod_is_shown_as_its_deployment),
        WORLD_TEST(ended_incident_keeps_the_owner_of_its_end),
        WORLD_TEST(long_names_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
