/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/wire/decode.h"
#include "limit.h"
#include "proto/kube.pb-c.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

/* Objects that are not in the recordings, encoded by protobuf-c. */

#define SOME 200

struct pod_kit {
    K8s__Pod pod;
    K8s__ObjectMeta meta;
    K8s__PodSpec spec;
    K8s__PodStatus status;
    K8s__Container containers[3 * SOME];
    K8s__Container *container_list[3 * SOME];
    K8s__ContainerStatus statuses[4];
    K8s__ContainerStatus *status_list[4];
    uint8_t bytes[64 << 10];
    struct arena arena;
};

static ProtobufCBinaryData text(const char *s)
{
    return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)s, .len = strlen(s) };
}

#define SET(message, field, value)                                                                 \
    do {                                                                                           \
        (message)->has_##field = 1;                                                                \
        (message)->field = (value);                                                                \
    } while (0)

static int kit_setup(void **state)
{
    struct pod_kit *kit = test_calloc(1, sizeof(*kit));

    k8s__pod__init(&kit->pod);
    k8s__object_meta__init(&kit->meta);
    k8s__pod_spec__init(&kit->spec);
    k8s__pod_status__init(&kit->status);
    SET(&kit->meta, uid, text("u1"));
    kit->pod.metadata = &kit->meta;
    kit->pod.spec = &kit->spec;
    kit->pod.status = &kit->status;
    for (size_t i = 0; i < ARRAY_SIZE(kit->containers); i++) {
        k8s__container__init(&kit->containers[i]);
        kit->container_list[i] = &kit->containers[i];
    }
    for (size_t i = 0; i < ARRAY_SIZE(kit->statuses); i++) {
        k8s__container_status__init(&kit->statuses[i]);
        kit->status_list[i] = &kit->statuses[i];
    }
    arena_init(&kit->arena, LIMIT_DECODE_ARENA);
    *state = kit;
    return 0;
}

static int kit_teardown(void **state)
{
    struct pod_kit *kit = *state;

    arena_done(&kit->arena);
    test_free(kit);
    return 0;
}

static struct kube_pod kit_decode(struct pod_kit *kit)
{
    struct kube_pod pod;
    struct err err = ERR_INIT;
    size_t n = k8s__pod__get_packed_size(&kit->pod);

    assert_true(n <= sizeof(kit->bytes));
    k8s__pod__pack(&kit->pod, kit->bytes);
    if (kube_decode_pod(&kit->arena, (struct str){ .at = (char *)kit->bytes, .len = n }, &pod,
                        &err) < 0)
        fail_msg("%s", err.text);
    return pod;
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_eq(s, str_from(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), expected);
}

static void containers_are_in_the_order_in_which_they_start(void **state)
{
    static const struct {
        const char *name;
        enum container_kind kind;
    } expected[] = {
        { "setup", CONTAINER_INIT },
        { "proxy", CONTAINER_SIDECAR },
        { "app", CONTAINER_APP },
        { "debugger", CONTAINER_EPHEMERAL },
    };
    K8s__EphemeralContainer ephemeral = K8S__EPHEMERAL_CONTAINER__INIT,
                            empty = K8S__EPHEMERAL_CONTAINER__INIT;
    K8s__EphemeralContainer *ephemerals[] = { &empty, &ephemeral };
    struct pod_kit *kit = *state;
    struct kube_pod pod;

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        SET(&kit->containers[i], name, text(expected[i].name));
    SET(&kit->containers[1], restartpolicy, text("Always"));
    ephemeral.ephemeralcontainercommon = &kit->containers[3];
    kit->spec.initcontainers = &kit->container_list[0];
    kit->spec.n_initcontainers = 2;
    kit->spec.containers = &kit->container_list[2];
    kit->spec.n_containers = 1;
    kit->spec.ephemeralcontainers = ephemerals;
    kit->spec.n_ephemeralcontainers = 2;

    pod = kit_decode(kit);
    assert_int_equal(pod.fact.n_containers, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_str(pod.fact.containers[i].name, expected[i].name);
        assert_int_equal(pod.fact.containers[i].kind, expected[i].kind);
        assert_int_equal(pod.fact.containers[i].phase, PHASE_UNKNOWN);
    }
    assert_false(pod.containers_cut);
}

static void status_belongs_to_the_group_of_its_container(void **state)
{
    K8s__ContainerState waiting = K8S__CONTAINER_STATE__INIT, running = waiting, ended = waiting;
    K8s__ContainerStateWaiting why = K8S__CONTAINER_STATE_WAITING__INIT;
    K8s__ContainerStateTerminated how = K8S__CONTAINER_STATE_TERMINATED__INIT;
    struct pod_kit *kit = *state;
    struct kube_pod pod;

    SET(&why, reason, text("ErrImagePull"));
    SET(&why, message, text("no such host"));
    waiting.waiting = &why;
    SET(&running, running, text(""));
    SET(&how, exitcode, 137);
    SET(&how, reason, text("StartError"));
    SET(&how, message, text("no image in the guest"));
    ended.terminated = &how;
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = { "a", "b", "c", "d" };

        SET(&kit->containers[i], name, text(names[i]));
        SET(&kit->statuses[i], name, text(names[i]));
    }
    kit->statuses[0].state = &waiting;
    kit->statuses[1].state = &running;
    kit->statuses[0].laststate = &ended;
    kit->statuses[1].laststate = &waiting;
    kit->statuses[2].state = &ended; /* "d" has a status without a state */
    SET(&kit->statuses[2], containerid, text("containerd://0123"));
    kit->spec.containers = kit->container_list;
    kit->spec.n_containers = 4;
    kit->status.containerstatuses = kit->status_list;
    kit->status.n_containerstatuses = 4;

    pod = kit_decode(kit);
    assert_int_equal(pod.fact.containers[0].phase, PHASE_WAITING);
    assert_str(pod.fact.containers[0].waiting_reason, "ErrImagePull");
    assert_str(pod.fact.containers[0].waiting_message, "no such host");
    assert_int_equal(pod.fact.containers[1].phase, PHASE_RUNNING);
    assert_int_equal(pod.fact.containers[2].phase, PHASE_TERMINATED);
    assert_int_equal(pod.fact.containers[2].exit_code, 137);
    assert_true(pod.fact.containers[2].created);
    assert_str(pod.fact.containers[0].start_error, "no image in the guest"); /* the last time */
    assert_str(pod.fact.containers[1].start_error, "");
    assert_str(pod.fact.containers[2].start_error, "no image in the guest");
    SET(&how, reason, text("Error"));
    assert_str(kit_decode(kit).fact.containers[2].start_error, "");
    assert_false(pod.fact.containers[0].created);
    assert_int_equal(pod.fact.containers[3].phase, PHASE_WAITING);
    assert_str(pod.fact.containers[3].waiting_reason, "");

    /* Statuses of init containers do not apply to "a". */
    kit->status.n_containerstatuses = 0;
    kit->status.initcontainerstatuses = kit->status_list;
    kit->status.n_initcontainerstatuses = 4;
    pod = kit_decode(kit);
    assert_int_equal(pod.fact.containers[0].phase, PHASE_UNKNOWN);
}

static void hash_is_used_for_mirror_pods_only(void **state)
{
    K8s__Pair hash = K8S__PAIR__INIT, mirror = K8S__PAIR__INIT;
    K8s__Pair *notes[] = { &hash, &mirror };
    struct pod_kit *kit = *state;

    SET(&hash, key, text("kubernetes.io/config.hash"));
    SET(&hash, value, text("cafe"));
    SET(&mirror, key, text("kubernetes.io/config.mirror"));
    kit->meta.annotations = notes;
    kit->meta.n_annotations = 1;
    assert_str(kit_decode(kit).fact.mirror_uid, "");
    kit->meta.n_annotations = 2;
    assert_str(kit_decode(kit).fact.mirror_uid, "cafe");
}

static void owner_is_the_controller(void **state)
{
    K8s__OwnerReference owners[] = { K8S__OWNER_REFERENCE__INIT, K8S__OWNER_REFERENCE__INIT,
                                     K8S__OWNER_REFERENCE__INIT };
    K8s__OwnerReference *list[] = { &owners[0], &owners[1], &owners[2] };
    K8s__Pair labels[] = { K8S__PAIR__INIT, K8S__PAIR__INIT };
    K8s__Pair *label_list[] = { &labels[0], &labels[1] };
    struct pod_kit *kit = *state;
    struct kube_pod pod = kit_decode(kit);

    assert_str(pod.fact.owner_kind, "");
    assert_str(pod.fact.owner_name, "");
    assert_str(pod.fact.template_hash, "");

    SET(&owners[0], kind, text("ConfigMap"));
    SET(&owners[0], name, text("settings"));
    SET(&owners[0], controller, false);
    SET(&owners[1], kind, text("ReplicaSet"));
    SET(&owners[1], name, text("web-5d8f9"));
    SET(&owners[1], controller, true);
    SET(&owners[2], kind, text("Job")); /* does not say whether it is one */
    SET(&labels[0], key, text("app"));
    SET(&labels[0], value, text("web"));
    SET(&labels[1], key, text("pod-template-hash"));
    SET(&labels[1], value, text("5d8f9"));
    kit->meta.ownerreferences = list;
    kit->meta.n_ownerreferences = ARRAY_SIZE(list);
    kit->meta.labels = label_list;
    kit->meta.n_labels = ARRAY_SIZE(label_list);
    pod = kit_decode(kit);
    assert_str(pod.fact.owner_kind, "ReplicaSet");
    assert_str(pod.fact.owner_name, "web-5d8f9");
    assert_str(pod.fact.template_hash, "5d8f9");
}

static void image_volumes_secrets_and_times_are_read(void **state)
{
    K8s__Volume volumes[2] = { K8S__VOLUME__INIT, K8S__VOLUME__INIT };
    K8s__VolumeSource source = K8S__VOLUME_SOURCE__INIT;
    K8s__ImageVolumeSource image = K8S__IMAGE_VOLUME_SOURCE__INIT;
    K8s__LocalObjectReference secret = K8S__LOCAL_OBJECT_REFERENCE__INIT, *secrets[] = { &secret };
    K8s__Volume *volume_list[] = { &volumes[0], &volumes[1] };
    K8s__Time created = K8S__TIME__INIT, deleted = K8S__TIME__INIT;
    struct pod_kit *kit = *state;
    struct kube_pod pod;

    SET(&image, reference, text("r/model:1"));
    source.image = &image;
    volumes[1].volumesource = &source;
    SET(&secret, name, text("regcred"));
    SET(&created, seconds, 1795297282);
    SET(&created, nanos, 5000);
    kit->spec.volumes = volume_list;
    kit->spec.n_volumes = 2;
    kit->spec.imagepullsecrets = secrets;
    kit->spec.n_imagepullsecrets = 1;
    kit->meta.creationtimestamp = &created;
    kit->meta.deletiontimestamp = &deleted;

    pod = kit_decode(kit);
    assert_int_equal(pod.fact.n_image_volumes, 1);
    assert_str(pod.fact.image_volumes[0].reference, "r/model:1");
    assert_int_equal(pod.fact.n_pull_secrets, 1);
    assert_str(pod.fact.pull_secrets[0], "regcred");
    assert_true(pod.fact.created_us == 1795297282 * SEC + 5);
    assert_true(pod.fact.deleting);
}

/* Other managers write other fields, and other subresources of the pod. */
static void time_of_the_status_is_that_of_the_kubelets_last_write(void **state)
{
    static const struct {
        const char *manager, *subresource;
        int64_t seconds;
    } rows[] = { { "kubectl", "", 400 },
                 { "kubelet", "status", 200 },
                 { "kubelet", "status", 300 },
                 { "kubelet", "", 500 },
                 { "scheduler", "status", 600 } };
    K8s__ManagedFieldsEntry entries[ARRAY_SIZE(rows)], *list[ARRAY_SIZE(rows)];
    K8s__Time times[ARRAY_SIZE(rows)];
    struct pod_kit *kit = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        times[i] = (K8s__Time)K8S__TIME__INIT;
        SET(&times[i], seconds, rows[i].seconds);
        entries[i] = (K8s__ManagedFieldsEntry)K8S__MANAGED_FIELDS_ENTRY__INIT;
        SET(&entries[i], manager, text(rows[i].manager));
        SET(&entries[i], subresource, text(rows[i].subresource));
        entries[i].time = &times[i];
        list[i] = &entries[i];
    }
    assert_true(kit_decode(kit).fact.status_us == 0);
    kit->meta.managedfields = list;
    kit->meta.n_managedfields = ARRAY_SIZE(rows);
    assert_true(kit_decode(kit).fact.status_us == 300 * SEC);
}

static void times_out_of_range_are_unknown(void **state)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
    } invalid[] = { { INT64_MAX, 0 }, { INT64_MIN, 0 }, { -1, 0 }, { 1, -1 }, { 1, 1000000000 } };
    struct pod_kit *kit = *state;

    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
        K8s__Time created = K8S__TIME__INIT;

        SET(&created, seconds, invalid[i].seconds);
        SET(&created, nanos, invalid[i].nanos);
        kit->meta.creationtimestamp = &created;
        assert_true(kit_decode(kit).fact.created_us == 0);
    }
}

static void containers_and_secrets_over_the_limit_are_left_out(void **state)
{
    K8s__LocalObjectReference secret = K8S__LOCAL_OBJECT_REFERENCE__INIT, *secrets[SOME];
    struct pod_kit *kit = *state;
    struct kube_pod pod;

    for (size_t i = 0; i < SOME; i++)
        secrets[i] = &secret;
    kit->spec.containers = kit->container_list;
    kit->spec.n_containers = LIMIT_CONTAINERS_PER_POD;
    kit->spec.imagepullsecrets = secrets;
    kit->spec.n_imagepullsecrets = LIMIT_PULL_SECRETS_PER_POD;
    pod = kit_decode(kit);
    assert_false(pod.containers_cut || pod.pull_secrets_cut);

    kit->spec.n_imagepullsecrets = SOME;
    pod = kit_decode(kit);
    assert_int_equal(pod.fact.n_pull_secrets, LIMIT_PULL_SECRETS_PER_POD);
    assert_true(pod.pull_secrets_cut);
    assert_false(pod.containers_cut);

    kit->spec.n_imagepullsecrets = 0;
    kit->spec.n_containers = kit->spec.n_initcontainers = SOME;
    kit->spec.initcontainers = kit->container_list + SOME;
    pod = kit_decode(kit);
    assert_int_equal(pod.fact.n_containers, LIMIT_CONTAINERS_PER_POD);
    assert_int_equal(pod.fact.containers[LIMIT_CONTAINERS_PER_POD - 1].kind, CONTAINER_INIT);
    assert_true(pod.containers_cut);
    assert_false(pod.pull_secrets_cut);
}

/* Memory for a frame of up to 8 MiB is limited by the arena. */
static void object_that_needs_too_much_memory_is_refused(void **state)
{
    const size_t size = 80000;
    char *bytes = test_malloc(size);
    struct kube_pod pod;
    struct arena arena;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < size; i += 2) { /* unknown fields that are empty */
        bytes[i] = 0x72;
        bytes[i + 1] = 0;
    }
    arena_init(&arena, 1u << 20);
    assert_int_equal(kube_decode_pod(&arena, (struct str){ .at = bytes, .len = size }, &pod, &err),
                     -ENOMEM);
    assert_string_equal(err.text, "no memory to decode a Pod of 80000 bytes");
    arena_done(&arena);
    test_free(bytes);
}

static void event_times_and_count_of_both_kinds_are_read(void **state)
{
    K8s__Event event = K8S__EVENT__INIT;
    K8s__EventSeries series = K8S__EVENT_SERIES__INIT;
    K8s__MicroTime at = K8S__MICRO_TIME__INIT, last = K8S__MICRO_TIME__INIT;
    struct pod_kit *kit = *state;
    struct kube_event decoded;
    struct str raw = { .at = (char *)kit->bytes };

    event.metadata = &kit->meta;
    SET(&at, seconds, 100);
    SET(&last, seconds, 200);
    SET(&last, nanos, 1000);
    SET(&series, count, 7);
    series.lastobservedtime = &last;

    event.eventtime = &at;
    raw.len = k8s__event__pack(&event, kit->bytes);
    assert_int_equal(kube_decode_event(&kit->arena, raw, &decoded, NULL), 0);
    assert_int_equal(decoded.fact.count, 1);
    assert_true(decoded.fact.first_us == 100 * SEC && decoded.fact.last_us == 100 * SEC);

    event.series = &series;
    raw.len = k8s__event__pack(&event, kit->bytes);
    assert_int_equal(kube_decode_event(&kit->arena, raw, &decoded, NULL), 0);
    assert_int_equal(decoded.fact.count, 7);
    assert_true(decoded.fact.last_us == 200 * SEC + 1);

    SET(&event, count, -3);
    kit->meta.has_uid = 0;
    raw.len = k8s__event__pack(&event, kit->bytes);
    assert_int_equal(kube_decode_event(&kit->arena, raw, &decoded, NULL), -EPROTO);
}

static void message_keeps_nul_and_invalid_utf8(void **state)
{
    K8s__Event event = K8S__EVENT__INIT;
    struct pod_kit *kit = *state;
    struct kube_event decoded;
    struct str raw = { .at = (char *)kit->bytes };

    event.metadata = &kit->meta;
    SET(&event, message,
        ((ProtobufCBinaryData){ .data = (uint8_t *)"a\0\xff"
                                                   "b",
                                .len = 4 }));
    raw.len = k8s__event__pack(&event, kit->bytes);
    assert_int_equal(kube_decode_event(&kit->arena, raw, &decoded, NULL), 0);
    assert_int_equal(decoded.fact.message.len, 4);
    assert_memory_equal(decoded.fact.message.at,
                        "a\0\xff"
                        "b",
                        4);
}

static void retry_after_of_a_status_is_read(void **state)
{
    K8s__Status status = K8S__STATUS__INIT;
    K8s__StatusDetails details = K8S__STATUS_DETAILS__INIT;
    struct pod_kit *kit = *state;
    struct kube_refusal refusal;
    struct str raw = { .at = (char *)kit->bytes };

    SET(&status, code, 429);
    SET(&details, retryafterseconds, 3);
    status.details = &details;
    raw.len = k8s__status__pack(&status, kit->bytes);
    assert_int_equal(kube_decode_status(&kit->arena, raw, &refusal, NULL), 0);
    assert_int_equal(refusal.code, 429);
    assert_true(refusal.retry_after_us == 3 * SEC);
}

static void failed_allocations_are_errors(void **state)
{
    struct pod_kit *kit = *state;
    const size_t live = fault_heap_live();
    struct str raw = { .at = (char *)kit->bytes };
    size_t n;

    kit->spec.containers = kit->container_list;
    kit->spec.n_containers = 100;
    raw.len = k8s__pod__pack(&kit->pod, kit->bytes);
    for (n = 0;; n++) {
        struct kube_pod pod;
        struct arena arena;
        bool fired;
        int r;

        arena_init(&arena, LIMIT_DECODE_ARENA);
        fault_heap_fail_at(n);
        r = kube_decode_pod(&arena, raw, &pod, NULL);
        fired = fault_heap_fired();
        arena_done(&arena);
        assert_int_equal(fault_heap_live(), live);
        if (!fired)
            break;
        assert_int_equal(r, -ENOMEM);
    }
    assert_true(n > 2);
}

#define KIT_TEST(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(containers_are_in_the_order_in_which_they_start),
        KIT_TEST(status_belongs_to_the_group_of_its_container),
        KIT_TEST(hash_is_used_for_mirror_pods_only),
        KIT_TEST(owner_is_the_controller),
        KIT_TEST(image_volumes_secrets_and_times_are_read),
        KIT_TEST(time_of_the_status_is_that_of_the_kubelets_last_write),
        KIT_TEST(times_out_of_range_are_unknown),
        KIT_TEST(containers_and_secrets_over_the_limit_are_left_out),
        cmocka_unit_test(object_that_needs_too_much_memory_is_refused),
        KIT_TEST(event_times_and_count_of_both_kinds_are_read),
        KIT_TEST(message_keeps_nul_and_invalid_utf8),
        KIT_TEST(retry_after_of_a_status_is_read),
        KIT_TEST(failed_allocations_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
