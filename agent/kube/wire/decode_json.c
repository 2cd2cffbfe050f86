/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/decode_json.h"

#include <errno.h>

#include "clock.h"
#include "limit.h"

/* The pod that is being read. The first error is kept. */
struct reader {
    struct arena *arena;
    struct kube_pod pod;
    struct container_fact *containers;
    size_t containers_max;
    struct err err;
};

/* --- fields ----------------------------------------------------------------------------------- */

/* NULL if the field is missing or null, which is the same in Go. */
static const json_t *member(struct reader *reader, const json_t *object, const char *key,
                            json_type type)
{
    static const char *const names[] = { [JSON_OBJECT] = "an object",
                                         [JSON_ARRAY] = "a list",
                                         [JSON_STRING] = "a string",
                                         [JSON_INTEGER] = "a whole number" };
    const json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value))
        return NULL;
    if (json_typeof(value) == type)
        return value;
    err_set(&reader->err, -EPROTO, "pod '%.*s': the field '%s' is not %s",
            STR_ARG(str_head(reader->pod.fact.name, LIMIT_NAME_TEXT)), key, names[type]);
    return NULL;
}

static struct str text(struct reader *reader, const json_t *object, const char *key)
{
    const json_t *value = member(reader, object, key, JSON_STRING);

    return (struct str){ .at = value ? json_string_value(value) : NULL,
                         .len = value ? json_string_length(value) : 0 };
}

static const json_t *object(struct reader *reader, const json_t *from, const char *key)
{
    return member(reader, from, key, JSON_OBJECT);
}

static const json_t *list(struct reader *reader, const json_t *from, const char *key)
{
    return member(reader, from, key, JSON_ARRAY);
}

/* An item of a list of objects. */
static const json_t *item(struct reader *reader, const json_t *from, size_t i)
{
    const json_t *value = json_array_get(from, i);

    if (!json_is_object(value))
        err_set(&reader->err, -EPROTO, "pod '%.*s': an item of a list is not an object",
                STR_ARG(str_head(reader->pod.fact.name, LIMIT_NAME_TEXT)));
    return value;
}

/* 0 if it is missing or not a valid time. */
static int64_t wall_us(struct str rfc3339)
{
    int64_t time_us;

    return time_parse(rfc3339, &time_us) && time_us > 0 ? time_us : 0;
}

static void *array_of(struct reader *reader, size_t n, size_t size)
{
    void *array = arena_alloc(reader->arena, n * size);

    if (!array)
        err_set(&reader->err, -ENOMEM, "no memory for the containers of pod '%.*s'",
                STR_ARG(str_head(reader->pod.fact.name, LIMIT_NAME_TEXT)));
    return array;
}

static size_t at_most(size_t n, size_t limit, bool *cut)
{
    *cut |= n > limit;
    return n < limit ? n : limit;
}

/* --- containers ------------------------------------------------------------------------------- */

static const json_t *find_status(struct reader *reader, const json_t *statuses, struct str name)
{
    for (size_t i = 0; i < json_array_size(statuses) && i < LIMIT_CONTAINERS_PER_POD; i++) {
        const json_t *status = item(reader, statuses, i);

        if (str_eq(text(reader, status, "name"), name))
            return status;
    }
    return NULL;
}

static int32_t small_number(struct reader *reader, const json_t *from, const char *key)
{
    const json_int_t number = json_integer_value(member(reader, from, key, JSON_INTEGER));

    return number < 0 || number > INT32_MAX ? 0 : (int32_t)number;
}

/* core/v1 ContainerState: "If none of them is specified, the default one is waiting." */
static void read_state(struct reader *reader, const json_t *state, struct container_fact *fact)
{
    const json_t *terminated = object(reader, state, "terminated");

    if (object(reader, state, "running")) {
        fact->phase = PHASE_RUNNING;
    } else if (terminated) {
        fact->phase = PHASE_TERMINATED;
        fact->exit_code = small_number(reader, terminated, "exitCode");
    } else {
        const json_t *waiting = object(reader, state, "waiting");

        fact->phase = PHASE_WAITING;
        fact->waiting_reason = text(reader, waiting, "reason");
        fact->waiting_message = text(reader, waiting, "message");
    }
}

static struct str start_error(struct reader *reader, const json_t *state)
{
    const json_t *terminated = object(reader, state, "terminated");

    return str_eq(text(reader, terminated, "reason"), STR("StartError"))
               ? text(reader, terminated, "message")
               : STR("");
}

static void add_container(struct reader *reader, const json_t *container, enum container_kind kind,
                          const json_t *statuses)
{
    struct pod_fact *pod = &reader->pod.fact;
    struct container_fact *fact;
    const json_t *status;

    if (pod->n_containers == reader->containers_max)
        return;
    if (kind == CONTAINER_INIT && str_eq(text(reader, container, "restartPolicy"), STR("Always")))
        kind = CONTAINER_SIDECAR;
    fact = &reader->containers[pod->n_containers++];
    *fact = (struct container_fact){
        .name = text(reader, container, "name"),
        .kind = kind,
        .image = text(reader, container, "image"),
        .pull_policy = text(reader, container, "imagePullPolicy"),
    };
    status = find_status(reader, statuses, fact->name);
    if (!status)
        return;
    read_state(reader, object(reader, status, "state"), fact);
    fact->start_error = start_error(
        reader, object(reader, status, fact->phase == PHASE_TERMINATED ? "state" : "lastState"));
    fact->created = text(reader, status, "containerID").len > 0;
}

static void read_containers(struct reader *reader, const json_t *spec, const json_t *status)
{
    static const struct {
        const char *spec, *status;
        enum container_kind kind;
    } groups[] = {
        { "initContainers", "initContainerStatuses", CONTAINER_INIT },
        { "containers", "containerStatuses", CONTAINER_APP },
        { "ephemeralContainers", "ephemeralContainerStatuses", CONTAINER_EPHEMERAL },
    };
    const json_t *lists[ARRAY_SIZE(groups)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        lists[i] = list(reader, spec, groups[i].spec);
        n += json_array_size(lists[i]);
    }
    n = at_most(n, LIMIT_CONTAINERS_PER_POD, &reader->pod.containers_cut);
    reader->containers = array_of(reader, n, sizeof(*reader->containers));
    if (!reader->containers)
        return;
    reader->containers_max = n;
    reader->pod.fact.containers = reader->containers;
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        const json_t *statuses = list(reader, status, groups[i].status);

        for (size_t j = 0; j < json_array_size(lists[i]) && j < n; j++)
            add_container(reader, item(reader, lists[i], j), groups[i].kind, statuses);
    }
}

/* --- the rest --------------------------------------------------------------------------------- */

static void read_pull_secrets(struct reader *reader, const json_t *spec)
{
    const json_t *from = list(reader, spec, "imagePullSecrets");
    const size_t n =
        at_most(json_array_size(from), LIMIT_PULL_SECRETS_PER_POD, &reader->pod.pull_secrets_cut);
    struct str *secrets = array_of(reader, n, sizeof(*secrets));

    if (!secrets)
        return;
    for (size_t i = 0; i < n; i++)
        secrets[i] = text(reader, item(reader, from, i), "name");
    reader->pod.fact.pull_secrets = secrets;
    reader->pod.fact.n_pull_secrets = n;
}

static void read_image_volumes(struct reader *reader, const json_t *spec)
{
    const json_t *from = list(reader, spec, "volumes");
    struct pod_fact *fact = &reader->pod.fact;
    struct image_volume_fact *volumes;
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(from); i++)
        n += object(reader, item(reader, from, i), "image") != NULL;
    n = at_most(n, LIMIT_IMAGE_VOLUMES_PER_POD, &reader->pod.image_volumes_cut);
    volumes = array_of(reader, n, sizeof(*volumes));
    if (!volumes)
        return;
    for (size_t i = 0; i < json_array_size(from) && fact->n_image_volumes < n; i++) {
        const json_t *volume = item(reader, from, i);
        const json_t *image = object(reader, volume, "image");

        if (image)
            volumes[fact->n_image_volumes++] =
                (struct image_volume_fact){ .reference = text(reader, image, "reference") };
    }
    fact->image_volumes = volumes;
}

/*
 * The owner of a static pod is its Node, as in its mirror pod. The kubelet lists the static pod
 * itself, without an owner; it writes the annotation into each pod (pkg/kubelet/config/config.go).
 */
static void read_owner(struct reader *reader, const json_t *meta, const json_t *spec)
{
    const struct str source =
        text(reader, object(reader, meta, "annotations"), "kubernetes.io/config.source");
    const json_t *owners = list(reader, meta, "ownerReferences");
    struct pod_fact *fact = &reader->pod.fact;

    fact->template_hash = text(reader, object(reader, meta, "labels"), "pod-template-hash");
    if (source.len && !str_eq(source, STR("api"))) {
        fact->owner_kind = STR("Node");
        fact->owner_name = text(reader, spec, "nodeName");
    }
    for (size_t i = 0; i < json_array_size(owners); i++) {
        const json_t *owner = item(reader, owners, i);

        if (!json_is_true(json_object_get(owner, "controller")))
            continue;
        fact->owner_kind = text(reader, owner, "kind");
        fact->owner_name = text(reader, owner, "name");
        return;
    }
}

static void read_meta(struct reader *reader, const json_t *meta)
{
    struct kube_pod *pod = &reader->pod;
    const json_t *notes;

    pod->fact.name = text(reader, meta, "name"); /* first, because each error names the pod */
    pod->fact.namespace = text(reader, meta, "namespace");
    pod->fact.uid = text(reader, meta, "uid");
    pod->fact.deleting = member(reader, meta, "deletionTimestamp", JSON_STRING) != NULL;
    pod->fact.created_us = wall_us(text(reader, meta, "creationTimestamp"));
    pod->resource_version = text(reader, meta, "resourceVersion");

    /* See decode_pod.c. The kubelet lists static pods themselves, not their mirror pods, so the
     * uid already is the hash. */
    notes = object(reader, meta, "annotations");
    if (json_object_get(notes, "kubernetes.io/config.mirror"))
        pod->fact.mirror_uid = text(reader, notes, "kubernetes.io/config.hash");
}

int kube_decode_pod_json(struct arena *arena, const json_t *json, struct kube_pod *ret,
                         struct err *err)
{
    struct reader reader = { .arena = arena };
    const json_t *spec, *status;

    if (!json_is_object(json))
        return err_set(err, -EPROTO, "a pod is not a JSON object");
    read_meta(&reader, object(&reader, json, "metadata"));
    if (!reader.err.code && reader.pod.fact.uid.len == 0)
        err_set(&reader.err, -EPROTO, "pod '%.*s' has no uid",
                STR_ARG(str_head(reader.pod.fact.name, LIMIT_NAME_TEXT)));
    spec = object(&reader, json, "spec");
    status = object(&reader, json, "status");
    reader.pod.fact.phase = text(&reader, status, "phase");
    read_owner(&reader, object(&reader, json, "metadata"), spec);
    read_containers(&reader, spec, status);
    read_pull_secrets(&reader, spec);
    read_image_volumes(&reader, spec);
    if (reader.err.code)
        return err_set(err, reader.err.code, "%s", reader.err.text);
    *ret = reader.pod;
    return 0;
}

/* --- what is read ----------------------------------------------------------------------------- */

#define END                                                                                        \
    {                                                                                              \
        .key = NULL                                                                                \
    }

static const struct json_rule nothing[] = { END }; /* only whether it is there */

static const struct json_rule annotations[] = { { .key = "kubernetes.io/config.mirror" },
                                                { .key = "kubernetes.io/config.hash" },
                                                { .key = "kubernetes.io/config.source" },
                                                END };
static const struct json_rule labels[] = { { .key = "pod-template-hash" }, END };
static const struct json_rule owner[] = {
    { .key = "kind" }, { .key = "name" }, { .key = "controller" }, END
};

static const struct json_rule metadata[] = {
    { .key = "name" },
    { .key = "namespace" },
    { .key = "uid" },
    { .key = "resourceVersion" },
    { .key = "creationTimestamp" },
    { .key = "deletionTimestamp" },
    { .key = "labels", .members = labels },
    { .key = "annotations", .members = annotations },
    { .key = "ownerReferences", .members = owner, .is_list = true },
    END
};

static const struct json_rule container[] = { { .key = "name" },
                                              { .key = "image" },
                                              { .key = "imagePullPolicy" },
                                              { .key = "restartPolicy" },
                                              END };

static const struct json_rule secret[] = { { .key = "name" }, END };
static const struct json_rule image[] = { { .key = "reference" }, END };
static const struct json_rule volume[] = { { .key = "image", .members = image }, END };

static const struct json_rule spec[] = {
    { .key = "nodeName" },
    { .key = "initContainers", .members = container, .is_list = true },
    { .key = "containers", .members = container, .is_list = true },
    { .key = "ephemeralContainers", .members = container, .is_list = true },
    { .key = "imagePullSecrets", .members = secret, .is_list = true },
    { .key = "volumes", .members = volume, .is_list = true, .drop_empty = true },
    END
};

static const struct json_rule waiting[] = { { .key = "reason" }, { .key = "message" }, END };
static const struct json_rule terminated[] = {
    { .key = "exitCode" }, { .key = "reason" }, { .key = "message" }, END
};

static const struct json_rule state[] = { { .key = "waiting", .members = waiting },
                                          { .key = "running", .members = nothing },
                                          { .key = "terminated", .members = terminated },
                                          END };

static const struct json_rule container_status[] = { { .key = "name" },
                                                     { .key = "containerID" },
                                                     { .key = "state", .members = state },
                                                     { .key = "lastState", .members = state },
                                                     END };

static const struct json_rule status[] = {
    { .key = "phase" },
    { .key = "initContainerStatuses", .members = container_status, .is_list = true },
    { .key = "containerStatuses", .members = container_status, .is_list = true },
    { .key = "ephemeralContainerStatuses", .members = container_status, .is_list = true },
    END
};

static const struct json_rule pod[] = { { .key = "metadata", .members = metadata },
                                        { .key = "spec", .members = spec },
                                        { .key = "status", .members = status },
                                        END };

static const struct json_rule pod_list[] = {
    { .key = "kind" }, { .key = "items", .members = pod, .is_list = true, .units = true }, END
};

struct json_sift_rules decode_json_rules(void *self,
                                         int (*take)(void *self, struct str unit, struct err *err))
{
    return (struct json_sift_rules){
        .members = pod_list,
        .most_items =
            LIMIT_CONTAINERS_PER_POD + 1u, /* the decoder finds out that there were more */
        .most_text = LIMIT_KEPT_TEXT,
        .most_kept = LIMIT_KEPT_POD,
        .self = self,
        .take = take,
    };
}
