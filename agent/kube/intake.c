/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/intake.h"

#include <errno.h>

#define KEEP_ARENA (256u << 10) /* more memory than this is freed after each pod */

void intake_init(struct intake *intake, enum kube_resource resource, const struct sink *sink,
                 const char *node_name)
{
    *intake = (struct intake){ .resource = resource, .sink = sink, .node_name = node_name };
    arena_init(&intake->arena, LIMIT_OBJECT_ARENA);
    versions_init(&intake->versions);
}

void intake_done(struct intake *intake)
{
    arena_done(&intake->arena);
    versions_done(&intake->versions);
}

static void observe(const struct intake *intake, const struct observation *observation)
{
    intake->sink->observe(intake->sink->self, observation);
}

static void count_limit(const struct intake *intake, bool reached, enum limit limit)
{
    if (reached)
        intake->sink->limit_hit(intake->sink->self, limit);
}

void intake_list_begin(struct intake *intake)
{
    versions_reset(&intake->versions);
    intake->pods = 0;
    if (intake->resource == KUBE_PODS)
        observe(intake, &(struct observation){ .kind = OBSERVE_PODS_BEGIN });
}

void intake_list_end(struct intake *intake)
{
    if (intake->resource != KUBE_PODS)
        return;
    if (intake->first_list == FIRST_LIST_PENDING)
        intake->first_list = intake->pods == 0 ? FIRST_LIST_EMPTY : FIRST_LIST_DONE;
    intake->lists++;
    observe(intake, &(struct observation){ .kind = OBSERVE_PODS_END });
}

bool intake_take_empty_first_list(struct intake *intake)
{
    if (intake->first_list != FIRST_LIST_EMPTY)
        return false;
    intake->first_list = FIRST_LIST_DONE;
    return true;
}

int intake_advance(struct intake *intake, struct str version, struct err *err)
{
    if (version.len == 0 || version.len >= sizeof(intake->resource_version) ||
        memchr(version.at, '\0', version.len))
        return err_set(err, -EPROTO, "a resourceVersion of %zu bytes is not valid", version.len);
    memcpy(intake->resource_version, version.at, version.len);
    intake->resource_version[version.len] = '\0';
    return 0;
}

static void hand_on(struct intake *intake, enum observation_kind kind, const struct kube_pod *pod)
{
    struct observation observation = { .kind = kind, .pod = pod->fact };

    intake->pods++;
    count_limit(intake, pod->containers_cut, LIMIT_HIT_CONTAINERS);
    count_limit(intake, pod->image_volumes_cut, LIMIT_HIT_IMAGE_VOLUMES);
    count_limit(intake, pod->pull_secrets_cut, LIMIT_HIT_PULL_SECRETS);
    observation.pod.containers_cut = pod->containers_cut;
    observation.pod.image_volumes_cut = pod->image_volumes_cut;
    observe(intake, &observation);
}

/*
 * Nothing of such a pod is pulled any more, and thousands of them can stay on a node. A streaming
 * or paged list does not contain them (target_add_pods()); the kubelet's list does.
 */
static bool is_over(const struct kube_pod *pod)
{
    return str_eq(pod->fact.phase, STR("Succeeded")) || str_eq(pod->fact.phase, STR("Failed"));
}

void intake_pod(struct intake *intake, const struct kube_pod *pod)
{
    if (is_over(pod))
        intake->pods++;
    else
        hand_on(intake, OBSERVE_POD, pod);
}

static int take_pod(struct intake *intake, struct str raw, unsigned how, struct err *err)
{
    const uint64_t dropped = intake->versions.dropped;
    struct kube_pod pod;
    bool told;
    int r;

    r = kube_decode_pod(&intake->arena, raw, &pod, err);
    if (r < 0)
        return r;
    if (is_over(&pod)) {
        if (!(how & INTAKE_ADVANCE)) {
            intake->pods++;
            return 0;
        }
        how |= INTAKE_GONE;
    }
    told = (how & INTAKE_GONE) && versions_is_gone(&intake->versions, pod.fact.uid);
    r = versions_take(&intake->versions, pod.fact.uid, pod.resource_version, how & INTAKE_GONE);
    if (r < 0)
        return err_set(err, r, "no memory for the versions of pods");
    count_limit(intake, intake->versions.dropped != dropped, LIMIT_HIT_POD_VERSIONS);
    if (r == 0 && !(how & INTAKE_GONE))
        return 0;
    if (how & INTAKE_ADVANCE) {
        r = intake_advance(intake, pod.resource_version, err);
        if (r < 0)
            return r;
    }
    if (told)
        return 0; /* it had ended before it was deleted */
    hand_on(intake, how & INTAKE_GONE ? OBSERVE_POD_DELETED : OBSERVE_POD, &pod);
    return 0;
}

static int take_event(struct intake *intake, struct str raw, unsigned how, struct err *err)
{
    struct observation observation = { .kind = OBSERVE_EVENT };
    struct kube_event event;
    int r;

    r = kube_decode_event(&intake->arena, raw, &event, err);
    if (r < 0)
        return r;
    if (how & INTAKE_ADVANCE) {
        r = intake_advance(intake, event.resource_version, err);
        if (r < 0)
            return r;
    }
    /* An event is deleted when its TTL ends. What it reported is still true. */
    if (how & INTAKE_GONE)
        return 0;
    /* There is no field selector for the node of an event. */
    if (event.host.len > 0 && !str_eq(event.host, str_from(intake->node_name)))
        return 0;
    observation.event = event.fact;
    observe(intake, &observation);
    return 0;
}

int intake_object(struct intake *intake, struct str raw, unsigned how, struct err *err)
{
    int r = intake->resource == KUBE_PODS ? take_pod(intake, raw, how, err)
                                          : take_event(intake, raw, how, err);

    intake->too_large = r == -ENOMEM && intake->arena.limit_reached;
    count_limit(intake, intake->arena.limit_reached,
                how & INTAKE_ADVANCE ? LIMIT_HIT_WATCH_FRAME : LIMIT_HIT_LIST_BODY);
    intake->arena.limit_reached = false;
    if (intake->arena.used > KEEP_ARENA)
        arena_done(&intake->arena);
    else
        arena_reset(&intake->arena);
    return r;
}

int intake_take(struct intake *intake, struct str raw, unsigned how, struct err *err)
{
    const int r = intake_object(intake, raw, how, err);

    return intake->too_large ? 0 : r;
}

void intake_left_out(struct intake *intake, enum limit limit)
{
    count_limit(intake, true, limit);
}
