/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/intake.h"
#include "proto/kube.pb-c.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

struct world {
    struct story story;
    struct intake intake;
};

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));

    story_init(&w->story);
    intake_init(&w->intake, KUBE_PODS, &w->story.sink, "lab-node");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    intake_done(&w->intake);
    story_done(&w->story);
    test_free(w);
    return 0;
}

static ProtobufCBinaryData bytes(const char *text)
{
    return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)(uintptr_t)text };
}

/* Takes a pod of this phase with this many pull Secrets and image volumes. */
static void take_in_phase(struct world *w, const char *phase, const char *uid, const char *version,
                          unsigned how, size_t n_secrets, size_t n_volumes)
{
    K8s__Pod pod = K8S__POD__INIT;
    K8s__PodStatus status = K8S__POD_STATUS__INIT;
    K8s__PodSpec spec = K8S__POD_SPEC__INIT;
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    K8s__LocalObjectReference secret = K8S__LOCAL_OBJECT_REFERENCE__INIT, *secrets[200];
    K8s__ImageVolumeSource image = K8S__IMAGE_VOLUME_SOURCE__INIT;
    K8s__VolumeSource source = K8S__VOLUME_SOURCE__INIT;
    K8s__Volume volume = K8S__VOLUME__INIT, *volumes[200];
    static uint8_t raw[64 << 10];
    struct err err = ERR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
        secrets[i] = &secret;
        volumes[i] = &volume;
    }
    source.image = &image;
    volume.volumesource = &source;
    meta.has_uid = meta.has_resourceversion = true;
    meta.uid = bytes(uid);
    meta.resourceversion = bytes(version);
    spec.imagepullsecrets = secrets;
    spec.n_imagepullsecrets = n_secrets;
    spec.volumes = volumes;
    spec.n_volumes = n_volumes;
    status.has_phase = true;
    status.phase = bytes(phase);
    pod.metadata = &meta;
    pod.spec = &spec;
    pod.status = &status;
    assert_true(protobuf_c_message_get_packed_size(&pod.base) <= sizeof(raw));
    assert_int_equal(intake_object(&w->intake,
                                   (struct str){ .at = (char *)raw,
                                                 .len = protobuf_c_message_pack(&pod.base, raw) },
                                   how, &err),
                     0);
}

static void take(struct world *w, const char *uid, const char *version, unsigned how,
                 size_t n_secrets, size_t n_volumes)
{
    take_in_phase(w, "Pending", uid, version, how, n_secrets, n_volumes);
}

static void take_pod(struct world *w, const char *uid)
{
    take(w, uid, "not a number", 0, 0, 0);
}

/* --- the first list --------------------------------------------------------------------------- */

static void empty_first_list_is_reported_once(void **state)
{
    struct world *w = *state;

    intake_list_begin(&w->intake);
    assert_false(intake_take_empty_first_list(&w->intake));
    intake_list_end(&w->intake);
    assert_string_equal(w->story.text.at, "PODS_BEGIN\nPODS_END\n");
    assert_true(intake_take_empty_first_list(&w->intake));
    assert_false(intake_take_empty_first_list(&w->intake));
}

static void list_with_a_pod_is_not_empty(void **state)
{
    struct world *w = *state;

    intake_list_begin(&w->intake);
    take_pod(w, "a");
    intake_list_end(&w->intake);
    assert_false(intake_take_empty_first_list(&w->intake));
}

static void later_empty_list_is_not_reported(void **state)
{
    struct world *w = *state;

    intake_list_begin(&w->intake); /* its connection breaks */
    intake_list_begin(&w->intake);
    take_pod(w, "a");
    intake_list_end(&w->intake);
    intake_list_begin(&w->intake); /* the last pod is gone */
    intake_list_end(&w->intake);
    assert_false(intake_take_empty_first_list(&w->intake));
    assert_int_equal(story_count(&w->story, "PODS_BEGIN"), 3);
    assert_int_equal(story_count(&w->story, "PODS_END"), 2);
}

static void pods_of_an_incomplete_list_do_not_count(void **state)
{
    struct world *w = *state;

    intake_list_begin(&w->intake);
    take_pod(w, "a");
    intake_list_begin(&w->intake);
    intake_list_end(&w->intake);
    assert_true(intake_take_empty_first_list(&w->intake));
}

/* --- pods that have ended --------------------------------------------------------------------- */

static void ended_pods_of_a_list_reach_nobody_and_take_no_place(void **state)
{
    struct world *w = *state;
    char uid[32], version[32];

    intake_list_begin(&w->intake);
    for (unsigned i = 1; i <= 2 * LIMIT_POD_VERSIONS; i++) {
        snprintf(uid, sizeof(uid), "uid-%u", i);
        snprintf(version, sizeof(version), "%u", i);
        take_in_phase(w, i % 2 ? "Failed" : "Succeeded", uid, version, 0, 0, 0);
    }
    take(w, "alive", "9000", 0, 0, 0);
    intake_list_end(&w->intake);
    assert_int_equal(story_count(&w->story, "POD "), 1);
    assert_int_equal(story_count(&w->story, "DELETED "), 0);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_POD_VERSIONS], 0);
}

static void node_with_ended_pods_only_is_not_empty(void **state)
{
    struct world *w = *state;

    intake_list_begin(&w->intake);
    take_in_phase(w, "Succeeded", "a", "1", 0, 0, 0);
    intake_list_end(&w->intake);
    assert_false(intake_take_empty_first_list(&w->intake));
}

/* A server that ignores the field selector. */
static void pod_that_ends_during_a_watch_is_gone(void **state)
{
    struct world *w = *state;

    take(w, "a", "1", INTAKE_ADVANCE, 0, 0);
    take_in_phase(w, "Failed", "a", "2", INTAKE_ADVANCE, 0, 0);
    assert_int_equal(story_count(&w->story, "POD "), 1);
    assert_int_equal(story_count(&w->story, "DELETED "), 1);
    assert_string_equal(w->intake.resource_version, "2");
}

/* --- limits ----------------------------------------------------------------------------------- */

static void each_limit_of_a_pod_is_counted_by_its_own_name(void **state)
{
    struct world *w = *state;

    take(w, "a", "1", 0, LIMIT_PULL_SECRETS_PER_POD, LIMIT_IMAGE_VOLUMES_PER_POD);
    for (size_t i = 0; i < LIMIT_HIT_MAX; i++)
        assert_int_equal(w->story.limit_hits[i], 0);

    take(w, "a", "2", 0, LIMIT_PULL_SECRETS_PER_POD + 1, 0);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_PULL_SECRETS], 1);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_CONTAINERS], 0);
    assert_string_equal(limit_name(LIMIT_HIT_PULL_SECRETS), "pull_secrets_per_pod");

    take(w, "a", "3", 0, 0, LIMIT_IMAGE_VOLUMES_PER_POD + 1);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_IMAGE_VOLUMES], 1);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_PULL_SECRETS], 1);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_CONTAINERS], 0);
    assert_string_equal(limit_name(LIMIT_HIT_IMAGE_VOLUMES), "image_volumes_per_pod");
}

/* A few bytes can decode to many: each empty field of a list costs an object. */
static void object_that_decodes_to_too_much_is_counted(void **state)
{
    struct world *w = *state;
    const struct str raw = STR("\x0a\x03\x0a\x01p");
    struct err err = ERR_INIT;

    w->intake.arena.limit = 16;
    assert_int_equal(intake_object(&w->intake, raw, 0, &err), -ENOMEM);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_LIST_BODY], 1);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_WATCH_FRAME], 0);
    assert_int_equal(intake_object(&w->intake, raw, INTAKE_ADVANCE, &err), -ENOMEM);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_LIST_BODY], 1);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_WATCH_FRAME], 1);

    w->intake.arena.limit = LIMIT_DECODE_ARENA;
    take(w, "a", "1", 0, 0, 0);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_LIST_BODY], 1);
}

static void dropped_version_of_an_existing_pod_is_counted(void **state)
{
    struct world *w = *state;
    char uid[32], version[32];

    for (unsigned i = 1; i <= LIMIT_POD_VERSIONS; i++) {
        snprintf(uid, sizeof(uid), "uid-%u", i);
        snprintf(version, sizeof(version), "%u", i);
        take(w, uid, version, 0, 0, 0);
    }
    take(w, "uid-500", "2000", INTAKE_GONE, 0, 0);
    take(w, "in its place", "2001", 0, 0, 0);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_POD_VERSIONS], 0);
    take(w, "one too many", "2002", 0, 0, 0);
    assert_int_equal(w->story.limit_hits[LIMIT_HIT_POD_VERSIONS], 1);
}

#define INTAKE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INTAKE_TEST(empty_first_list_is_reported_once),
        INTAKE_TEST(list_with_a_pod_is_not_empty),
        INTAKE_TEST(later_empty_list_is_not_reported),
        INTAKE_TEST(pods_of_an_incomplete_list_do_not_count),
        INTAKE_TEST(ended_pods_of_a_list_reach_nobody_and_take_no_place),
        INTAKE_TEST(node_with_ended_pods_only_is_not_empty),
        INTAKE_TEST(pod_that_ends_during_a_watch_is_gone),
        INTAKE_TEST(each_limit_of_a_pod_is_counted_by_its_own_name),
        INTAKE_TEST(object_that_decodes_to_too_much_is_counted),
        INTAKE_TEST(dropped_version_of_an_existing_pod_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
