/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/decode.h"

#include <errno.h>

#include "agent/kube/wire/decode_internal.h"
#include "limit.h"
#include "unpack.h"

/* The pod that is being built. */
struct pod_builder {
    struct arena *arena;
    struct kube_pod pod;
    struct container_fact *containers;
    size_t containers_max;
};

/* The kubelet's statuses of one group of containers. */
struct statuses {
    K8s__ContainerStatus *const *at;
    size_t n;
};

static size_t at_most(size_t n, size_t limit, bool *cut)
{
    if (n <= limit)
        return n;
    *cut = true;
    return limit;
}

/* A status may be missing: the kubelet writes the statuses some time after it sees the pod. */
static const K8s__ContainerStatus *find_status(struct statuses statuses, struct str name)
{
    for (size_t i = 0; i < statuses.n && i < LIMIT_CONTAINERS_PER_POD; i++)
        if (str_eq(DECODE_TEXT(statuses.at[i], name), name))
            return statuses.at[i];
    return NULL;
}

/* core/v1 ContainerState: "If none of them is specified, the default one is waiting." */
static void read_state(const K8s__ContainerState *state, struct container_fact *fact)
{
    if (state && state->has_running) {
        fact->phase = PHASE_RUNNING;
    } else if (state && state->terminated) {
        fact->phase = PHASE_TERMINATED;
        fact->exit_code = state->terminated->exitcode;
    } else {
        fact->phase = PHASE_WAITING;
        if (state && state->waiting) {
            fact->waiting_reason = DECODE_TEXT(state->waiting, reason);
            fact->waiting_message = DECODE_TEXT(state->waiting, message);
        }
    }
}

/* kubelet: pkg/kubelet/kubelet_pods.go; containerd: internal/cri/server/container_start.go. */
static struct str start_error(const K8s__ContainerState *state)
{
    const K8s__ContainerStateTerminated *terminated = state ? state->terminated : NULL;

    if (!terminated || !str_eq(DECODE_TEXT(terminated, reason), STR("StartError")))
        return STR("");
    return DECODE_TEXT(terminated, message);
}

static void add_container(struct pod_builder *builder, const K8s__Container *container,
                          enum container_kind kind, struct statuses statuses)
{
    struct kube_pod *pod = &builder->pod;
    const K8s__ContainerStatus *status;
    struct container_fact *fact;

    if (pod->fact.n_containers == builder->containers_max)
        return;
    fact = &builder->containers[pod->fact.n_containers++];
    *fact = (struct container_fact){
        .name = DECODE_TEXT(container, name),
        .kind = kind,
        .image = DECODE_TEXT(container, image),
        .pull_policy = DECODE_TEXT(container, imagepullpolicy),
    };
    status = find_status(statuses, fact->name);
    if (!status)
        return;
    read_state(status->state, fact);
    fact->start_error =
        start_error(fact->phase == PHASE_TERMINATED ? status->state : status->laststate);
    fact->created = DECODE_TEXT(status, containerid).len > 0;
}

static enum container_kind init_kind(const K8s__Container *container)
{
    return str_eq(DECODE_TEXT(container, restartpolicy), STR("Always")) ? CONTAINER_SIDECAR
                                                                        : CONTAINER_INIT;
}

static int read_containers(struct pod_builder *builder, const K8s__PodSpec *spec,
                           const K8s__PodStatus *status)
{
    const struct statuses init = { status->initcontainerstatuses, status->n_initcontainerstatuses },
                          app = { status->containerstatuses, status->n_containerstatuses },
                          ephemeral = { status->ephemeralcontainerstatuses,
                                        status->n_ephemeralcontainerstatuses };
    const size_t n =
        at_most(spec->n_initcontainers + spec->n_containers + spec->n_ephemeralcontainers,
                LIMIT_CONTAINERS_PER_POD, &builder->pod.containers_cut);

    builder->containers = arena_alloc(builder->arena, n * sizeof(*builder->containers));
    if (!builder->containers)
        return -ENOMEM;
    builder->containers_max = n;
    builder->pod.fact.containers = builder->containers;

    for (size_t i = 0; i < spec->n_initcontainers; i++)
        add_container(builder, spec->initcontainers[i], init_kind(spec->initcontainers[i]), init);
    for (size_t i = 0; i < spec->n_containers; i++)
        add_container(builder, spec->containers[i], CONTAINER_APP, app);
    for (size_t i = 0; i < spec->n_ephemeralcontainers; i++) {
        const K8s__Container *common = spec->ephemeralcontainers[i]->ephemeralcontainercommon;

        if (common)
            add_container(builder, common, CONTAINER_EPHEMERAL, ephemeral);
    }
    return 0;
}

static int read_pull_secrets(struct pod_builder *builder, const K8s__PodSpec *spec)
{
    const size_t n = at_most(spec->n_imagepullsecrets, LIMIT_PULL_SECRETS_PER_POD,
                             &builder->pod.pull_secrets_cut);
    struct str *secrets = arena_alloc(builder->arena, n * sizeof(*secrets));

    if (!secrets)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        secrets[i] = DECODE_TEXT(spec->imagepullsecrets[i], name);
    builder->pod.fact.pull_secrets = secrets;
    builder->pod.fact.n_pull_secrets = n;
    return 0;
}

static const K8s__ImageVolumeSource *volume_image(const K8s__Volume *volume)
{
    return volume->volumesource ? volume->volumesource->image : NULL;
}

static int read_image_volumes(struct pod_builder *builder, const K8s__PodSpec *spec)
{
    struct pod_fact *fact = &builder->pod.fact;
    struct image_volume_fact *volumes;
    size_t n = 0;

    for (size_t i = 0; i < spec->n_volumes; i++)
        n += volume_image(spec->volumes[i]) != NULL;
    n = at_most(n, LIMIT_IMAGE_VOLUMES_PER_POD, &builder->pod.image_volumes_cut);
    volumes = arena_alloc(builder->arena, n * sizeof(*volumes));
    if (!volumes)
        return -ENOMEM;
    for (size_t i = 0; i < spec->n_volumes && fact->n_image_volumes < n; i++) {
        const K8s__ImageVolumeSource *image = volume_image(spec->volumes[i]);

        if (image)
            volumes[fact->n_image_volumes++] =
                (struct image_volume_fact){ .reference = DECODE_TEXT(image, reference) };
    }
    fact->image_volumes = volumes;
    return 0;
}

/* The kubelet writes the status, and nothing else of a pod (apiserver: fieldmanager). */
static int64_t status_written_us(const K8s__ObjectMeta *meta)
{
    int64_t written_us = 0;

    for (size_t i = 0; i < meta->n_managedfields; i++) {
        const K8s__ManagedFieldsEntry *entry = meta->managedfields[i];
        int64_t time_us = decode_time(entry->time);

        if (str_eq(DECODE_TEXT(entry, manager), DECODE_STATUS_MANAGER) &&
            str_eq(DECODE_TEXT(entry, subresource), DECODE_STATUS_SUBRESOURCE) &&
            time_us > written_us)
            written_us = time_us;
    }
    return written_us;
}

/* The API server refuses a second controller. */
static void read_owner(const K8s__ObjectMeta *meta, struct pod_fact *fact)
{
    for (size_t i = 0; i < meta->n_ownerreferences; i++) {
        const K8s__OwnerReference *owner = meta->ownerreferences[i];

        if (!owner->controller)
            continue;
        fact->owner_kind = DECODE_TEXT(owner, kind);
        fact->owner_name = DECODE_TEXT(owner, name);
        return;
    }
}

static void read_meta(const K8s__ObjectMeta *meta, struct kube_pod *pod)
{
    struct str hash;
    bool is_mirror, has_hash;

    pod->fact.namespace = DECODE_TEXT(meta, namespace_);
    pod->fact.name = DECODE_TEXT(meta, name);
    pod->fact.uid = DECODE_TEXT(meta, uid);
    pod->fact.deleting = meta->deletiontimestamp != NULL;
    pod->fact.created_us = decode_time(meta->creationtimestamp);
    pod->fact.status_us = status_written_us(meta);
    pod->resource_version = DECODE_TEXT(meta, resourceversion);
    pod->fact.template_hash = decode_label(meta, DECODE_TEMPLATE_KEY);
    read_owner(meta, &pod->fact);

    /*
     * Events and the runtime use the hash as the uid of a static pod
     * (pkg/kubelet/types/constants.go, pkg/kubelet/config/common.go). Any user can set the hash on
     * an ordinary pod, so it counts only with the mirror annotation, which admission protects.
     */
    decode_annotation(meta, DECODE_MIRROR_KEY, &is_mirror);
    hash = decode_annotation(meta, DECODE_HASH_KEY, &has_hash);
    if (is_mirror && has_hash)
        pod->fact.mirror_uid = hash;
}

int kube_decode_pod(struct arena *arena, struct str raw, struct kube_pod *ret, struct err *err)
{
    static const K8s__PodSpec no_spec = K8S__POD_SPEC__INIT;
    static const K8s__PodStatus no_status = K8S__POD_STATUS__INIT;
    struct pod_builder builder = { .arena = arena };
    const K8s__Pod *pod;
    const K8s__PodSpec *spec;
    const K8s__PodStatus *status;
    int r;

    pod = unpack_message(&k8s__pod__descriptor, raw, arena, &r, err);
    if (!pod)
        return r;
    spec = pod->spec ? pod->spec : &no_spec;
    status = pod->status ? pod->status : &no_status;
    if (pod->metadata)
        read_meta(pod->metadata, &builder.pod);
    if (builder.pod.fact.uid.len == 0)
        return err_set(err, -EPROTO, "pod '%.*s' has no uid",
                       STR_ARG(str_head(builder.pod.fact.name, LIMIT_NAME_TEXT)));
    builder.pod.fact.phase = DECODE_TEXT(status, phase);
    if (read_containers(&builder, spec, status) < 0 || read_pull_secrets(&builder, spec) < 0 ||
        read_image_volumes(&builder, spec) < 0)
        return err_set(err, -ENOMEM, "no memory for the containers of pod '%.*s'",
                       STR_ARG(str_head(builder.pod.fact.name, LIMIT_NAME_TEXT)));
    *ret = builder.pod;
    return 0;
}
