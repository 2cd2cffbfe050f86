/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/wire/kept.h"
#include "limit.h"
#include "proto/kube.pb-c.h"
#include "unpack.h"
#include "util.h"

struct kit {
    struct arena arena;
    struct sift_rules rules;
    struct sift sift;
};

static int setup(void **state)
{
    struct kit *kit = test_calloc(1, sizeof(*kit));

    arena_init(&kit->arena, 8 << 20);
    kit->rules = kept_rules(KUBE_PODS, NULL, "a pod");
    sift_init(&kit->sift, &kit->rules);
    *state = kit;
    return 0;
}

static int teardown(void **state)
{
    struct kit *kit = *state;

    sift_done(&kit->sift);
    arena_done(&kit->arena);
    test_free(kit);
    return 0;
}

static ProtobufCBinaryData text(const char *text)
{
    return (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
}

#define SET(message, field, value)                                                                 \
    do {                                                                                           \
        (message)->has_##field = true;                                                             \
        (message)->field = value;                                                                  \
    } while (0)

static const K8s__Pod *keep(struct kit *kit, const K8s__Pod *pod)
{
    const size_t len = k8s__pod__get_packed_size(pod);
    uint8_t *bytes = test_malloc(len);
    struct err err = ERR_INIT;
    const K8s__Pod *kept;
    struct str left;
    int r = 0;

    k8s__pod__pack(pod, bytes);
    sift_begin(&kit->sift, &k8s__pod__descriptor);
    assert_int_equal(
        sift_feed(&kit->sift, (struct str){ .at = (const char *)bytes, .len = len }, NULL), 0);
    assert_int_equal(sift_end(&kit->sift, &left, NULL), 0);
    test_free(bytes);
    kept = unpack_message(&k8s__pod__descriptor, left, &kit->arena, &r, &err);
    assert_non_null(kept);
    return kept;
}

static void only_annotations_that_are_read_are_kept(void **state)
{
    static const char *const keys[] = { "kubernetes.io/config.hash", "a", "",
                                        "kubernetes.io/config.mirror",
                                        "kubernetes.io/config.hash2" };
    K8s__Pod pod = K8S__POD__INIT;
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    K8s__Pair pairs[ARRAY_SIZE(keys)], *all[ARRAY_SIZE(keys)];
    const K8s__Pod *kept;

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        k8s__pair__init(&pairs[i]);
        SET(&pairs[i], key, text(keys[i]));
        SET(&pairs[i], value, text("value"));
        all[i] = &pairs[i];
    }
    meta.annotations = all;
    meta.n_annotations = ARRAY_SIZE(keys);
    pod.metadata = &meta;
    kept = keep(*state, &pod);
    assert_int_equal(kept->metadata->n_annotations, 2);
    assert_memory_equal(kept->metadata->annotations[0]->key.data, keys[0], strlen(keys[0]));
    assert_memory_equal(kept->metadata->annotations[1]->key.data, keys[3], strlen(keys[3]));
    assert_int_equal(kept->metadata->annotations[1]->value.len, 5);
}

static void only_the_template_hash_of_the_labels_is_kept(void **state)
{
    static const char *const keys[] = { "app", "pod-template-hash", "pod-template-hash2", "" };
    K8s__Pod pod = K8S__POD__INIT;
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    K8s__Pair pairs[ARRAY_SIZE(keys)], *all[ARRAY_SIZE(keys)];
    const K8s__Pod *kept;

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        k8s__pair__init(&pairs[i]);
        SET(&pairs[i], key, text(keys[i]));
        SET(&pairs[i], value, text("value"));
        all[i] = &pairs[i];
    }
    meta.labels = all;
    meta.n_labels = ARRAY_SIZE(keys);
    pod.metadata = &meta;
    kept = keep(*state, &pod);
    assert_int_equal(kept->metadata->n_labels, 1);
    assert_memory_equal(kept->metadata->labels[0]->key.data, keys[1], strlen(keys[1]));
}

/* Anybody may add any number of owners that are no controller. */
static void controller_is_kept_behind_many_other_owners(void **state)
{
    enum { MANY = 500 };
    K8s__Pod pod = K8S__POD__INIT;
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    K8s__OwnerReference owners[MANY], *all[MANY];
    const K8s__Pod *kept;

    for (size_t i = 0; i < MANY; i++) {
        k8s__owner_reference__init(&owners[i]);
        SET(&owners[i], kind, text("ConfigMap"));
        SET(&owners[i], name, text("settings"));
        if (i % 2)
            SET(&owners[i], controller, false);
        all[i] = &owners[i];
    }
    SET(&owners[MANY - 1], kind, text("Job"));
    SET(&owners[MANY - 1], controller, true);
    meta.ownerreferences = all;
    meta.n_ownerreferences = MANY;
    pod.metadata = &meta;
    kept = keep(*state, &pod);
    assert_int_equal(kept->metadata->n_ownerreferences, 1);
    assert_memory_equal(kept->metadata->ownerreferences[0]->kind.data, "Job", 3);
}

static void only_the_kubelets_entry_of_managed_fields_is_kept(void **state)
{
    static const char *const entries[][2] = { { "kubelet", "" },
                                              { "kubectl", "status" },
                                              { "kubelet", "status" },
                                              { "kubelet", "statusx" } };
    K8s__Pod pod = K8S__POD__INIT;
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    K8s__ManagedFieldsEntry fields[ARRAY_SIZE(entries)], *all[ARRAY_SIZE(entries)];
    K8s__Time time = K8S__TIME__INIT;
    const K8s__Pod *kept;

    SET(&time, seconds, 1795297282);
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        k8s__managed_fields_entry__init(&fields[i]);
        SET(&fields[i], manager, text(entries[i][0]));
        SET(&fields[i], subresource, text(entries[i][1]));
        fields[i].time = &time;
        all[i] = &fields[i];
    }
    meta.managedfields = all;
    meta.n_managedfields = ARRAY_SIZE(entries);
    pod.metadata = &meta;
    kept = keep(*state, &pod);
    assert_int_equal(kept->metadata->n_managedfields, 1);
    assert_int_equal(kept->metadata->managedfields[0]->time->seconds, 1795297282);
}

#define VOLUMES 1000

static void only_volumes_with_an_image_are_kept(void **state)
{
    K8s__Pod pod = K8S__POD__INIT;
    K8s__PodSpec spec = K8S__POD_SPEC__INIT;
    K8s__ImageVolumeSource image = K8S__IMAGE_VOLUME_SOURCE__INIT;
    K8s__VolumeSource source = K8S__VOLUME_SOURCE__INIT, other = K8S__VOLUME_SOURCE__INIT;
    K8s__Volume with = K8S__VOLUME__INIT, without = K8S__VOLUME__INIT, *all[VOLUMES];
    const K8s__Pod *kept;

    SET(&image, reference, text("r.io/model"));
    source.image = &image;
    with.volumesource = &source;
    without.volumesource = &other;
    for (size_t i = 0; i < VOLUMES; i++)
        all[i] = &without;
    all[VOLUMES - 1] = &with;
    spec.volumes = all;
    spec.n_volumes = VOLUMES;
    pod.spec = &spec;
    kept = keep(*state, &pod);
    assert_int_equal(kept->spec->n_volumes, 1);
    assert_int_equal(kept->spec->volumes[0]->volumesource->image->reference.len, 10);
}

static void more_items_than_are_read_are_noticed_but_not_kept(void **state)
{
    K8s__Pod pod = K8S__POD__INIT;
    K8s__PodSpec spec = K8S__POD_SPEC__INIT;
    K8s__LocalObjectReference secret = K8S__LOCAL_OBJECT_REFERENCE__INIT, *secrets[VOLUMES];
    K8s__Container container = K8S__CONTAINER__INIT, *containers[VOLUMES];
    const K8s__Pod *kept;

    for (size_t i = 0; i < VOLUMES; i++) {
        secrets[i] = &secret;
        containers[i] = &container;
    }
    spec.imagepullsecrets = secrets;
    spec.n_imagepullsecrets = VOLUMES;
    spec.containers = spec.initcontainers = containers;
    spec.n_containers = spec.n_initcontainers = VOLUMES;
    pod.spec = &spec;
    kept = keep(*state, &pod);
    assert_true(kept->spec->n_imagepullsecrets > LIMIT_PULL_SECRETS_PER_POD);
    assert_int_equal(kept->spec->n_containers, LIMIT_CONTAINERS_PER_POD + 1);
    assert_int_equal(kept->spec->n_initcontainers, LIMIT_CONTAINERS_PER_POD + 1);
}

#define KEPT_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEPT_TEST(only_annotations_that_are_read_are_kept),
        KEPT_TEST(only_the_template_hash_of_the_labels_is_kept),
        KEPT_TEST(controller_is_kept_behind_many_other_owners),
        KEPT_TEST(only_the_kubelets_entry_of_managed_fields_is_kept),
        KEPT_TEST(only_volumes_with_an_image_are_kept),
        KEPT_TEST(more_items_than_are_read_are_noticed_but_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
