/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics/metrics.h"

#include <errno.h>

#include "buf.h"
#include "exporter/http/limit_hits.h"
#include "exporter/metrics/blocked.h"
#include "exporter/metrics/exposition.h"
#include "exporter/metrics/process_metrics.h"
#include "snapshot.h"

struct scrape {
    const struct metrics_input *input;
    const struct snapshot *snapshot;
    const struct blocked *blocked;
    struct exposition out;
};

/* With --cri.endpoint=off, what only the runtime shows is unknown, and not 0: every pull that does
 * not fail. */
static bool sees_good_pulls(const struct scrape *scrape)
{
    return scrape->snapshot->sources[SOURCE_CRI].enabled;
}

/* After a sample: when its counter began, so that a server can count from 0. */
static void write_created(struct scrape *scrape, const char *const *values, int64_t since_us)
{
    if (scrape->input->created)
        exposition_created(&scrape->out, values, since_us);
}

/* A counter that has no series before its first count. */
static void write_rare(struct scrape *scrape, const char *const *values, uint64_t n,
                       int64_t since_us)
{
    if (!n)
        return;
    exposition_uint(&scrape->out, values, n);
    write_created(scrape, values, since_us);
}

static void write_attempts(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    if (!sees_good_pulls(scrape))
        return;
    for (size_t i = 0; i < snapshot->n_registries; i++) {
        const struct snapshot_registry *registry = &snapshot->registries[i];

        exposition_uint(&scrape->out, LABELS(registry->registry), registry->attempts);
        write_created(scrape, LABELS(registry->registry), registry->since_us);
    }
}

static void write_failure(struct scrape *scrape, const struct snapshot_registry *registry,
                          enum cause cause)
{
    const struct snapshot_exemplar *newest = &registry->newest[cause];
    const struct metric_exemplar exemplar = {
        .labels = { "pod", "namespace" },
        .values = { newest->pod, newest->namespace },
        .at_us = newest->at_us,
    };

    exposition_count(&scrape->out, LABELS(registry->registry, cause_name(cause)),
                     registry->failures[cause],
                     newest->namespace && newest->pod ? &exemplar : NULL);
    write_created(scrape, LABELS(registry->registry, cause_name(cause)), registry->since_us);
}

static void write_failures(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    /* Also zeros: increase() sees a first failure only if there was a zero before it. */
    for (size_t i = 0; i < snapshot->n_registries; i++)
        for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
            write_failure(scrape, &snapshot->registries[i], cause);
}

static void write_failure_reasons(struct scrape *scrape)
{
    for (enum reason reason = 0; reason < REASON_MAX; reason++)
        write_rare(scrape, LABELS(cause_name(reason_cause(reason)), reason_name(reason)),
                   scrape->snapshot->reasons[reason], scrape->snapshot->since.reasons_us[reason]);
}

static void write_namespace_attempts(struct scrape *scrape)
{
    if (!sees_good_pulls(scrape))
        return;
    for (size_t i = 0; i < scrape->snapshot->n_namespaces; i++) {
        const struct snapshot_namespace *row = &scrape->snapshot->namespaces[i];

        write_rare(scrape, LABELS(row->namespace, row->registry), row->attempts, row->began_us);
    }
}

static void write_namespace_failures(struct scrape *scrape)
{
    for (size_t i = 0; i < scrape->snapshot->n_namespaces; i++) {
        const struct snapshot_namespace *row = &scrape->snapshot->namespaces[i];

        for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
            write_rare(scrape, LABELS(row->namespace, row->registry, cause_name(cause)),
                       row->failures[cause], row->since_us[cause]);
    }
}

static void write_durations(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    for (size_t i = 0; i < snapshot->n_registries; i++) {
        const struct snapshot_registry *registry = &snapshot->registries[i];

        if (!registry->pulls.count)
            continue;
        exposition_histogram(&scrape->out, LABELS(registry->registry), &registry->pulls,
                             &histogram_pull_bounds);
        write_created(scrape, LABELS(registry->registry), registry->pulls_since_us);
    }
}

static void write_bytes(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    if (!sees_good_pulls(scrape) || !snapshot->fetched_known)
        return;
    for (size_t i = 0; i < snapshot->n_registries; i++) {
        const struct snapshot_registry *registry = &snapshot->registries[i];

        exposition_uint(&scrape->out, LABELS(registry->registry), registry->bytes);
        write_created(scrape, LABELS(registry->registry), registry->since_us);
    }
}

static void write_phases(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    if (!sees_good_pulls(scrape) || !snapshot->phases_known)
        return;
    for (enum pull_phase phase = PULL_PHASE_UNKNOWN + 1; phase < PULL_PHASE_MAX; phase++) {
        const char *const *values = LABELS(pull_phase_name(phase));

        exposition_seconds(&scrape->out, values, (int64_t)snapshot->phases_us[phase]);
        write_created(scrape, values, snapshot->phases_since_us);
    }
}

static void write_sizes(struct scrape *scrape)
{
    for (enum size_class size = 0; size < SIZE_CLASS_MAX; size++) {
        const struct pulls_of_size *pulls = &scrape->snapshot->pulls_of_size[size];
        const char *const *values = LABELS(size_class_name(size));

        if (!pulls->count)
            continue;
        exposition_summary(&scrape->out, values, pulls->sum_us, pulls->count);
        write_created(scrape, values, pulls->since_us);
    }
}

static void write_recoveries(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    for (enum cause cause = 0; cause < CAUSE_MAX; cause++) {
        if (!snapshot->recoveries[cause].count)
            continue;
        exposition_histogram(&scrape->out, LABELS(cause_name(cause)), &snapshot->recoveries[cause],
                             &histogram_recovery_bounds);
        write_created(scrape, LABELS(cause_name(cause)), snapshot->since.recoveries_us[cause]);
    }
}

static void write_in_progress(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    if (!sees_good_pulls(scrape))
        return;
    for (size_t i = 0; i < snapshot->n_registries; i++)
        if (snapshot->registries[i].in_progress)
            exposition_uint(&scrape->out, LABELS(snapshot->registries[i].registry),
                            snapshot->registries[i].in_progress);
}

static void write_in_progress_bytes(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    if (!snapshot->bytes_known)
        return;
    for (size_t i = 0; i < snapshot->n_registries; i++)
        if (snapshot->registries[i].in_progress_bytes)
            exposition_uint(&scrape->out, LABELS(snapshot->registries[i].registry),
                            snapshot->registries[i].in_progress_bytes);
    if (snapshot->unowned_bytes)
        exposition_uint(&scrape->out, LABELS("unknown"), snapshot->unowned_bytes);
}

static void write_in_progress_oldest(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    for (size_t i = 0; i < snapshot->n_registries; i++)
        if (snapshot->registries[i].in_progress_since_us)
            exposition_seconds(&scrape->out, LABELS(snapshot->registries[i].registry),
                               snapshot->registries[i].in_progress_since_us);
}

static void write_call_durations(struct scrape *scrape)
{
    for (enum runtime_method method = 0; method < METHOD_MAX; method++) {
        const struct call_durations *calls = &scrape->snapshot->calls.durations[method];
        const char *const *values = LABELS(runtime_method_name(method));

        if (!calls->count)
            continue;
        exposition_summary(&scrape->out, values, calls->sum_us, calls->count);
        write_created(scrape, values, calls->since_us);
    }
}

static void write_call_errors(struct scrape *scrape)
{
    const struct runtime_calls *calls = &scrape->snapshot->calls;

    for (enum runtime_method method = 0; method < METHOD_MAX; method++)
        for (unsigned code = 1; code < RUNTIME_CODES; code++)
            write_rare(scrape, LABELS(runtime_method_name(method), runtime_code_name(code)),
                       calls->errors[method][code], calls->errors_since_us[method][code]);
}

static void write_blocked(struct scrape *scrape)
{
    for (size_t i = 0; i < scrape->blocked->n_groups; i++) {
        const struct blocked_group *group = &scrape->blocked->groups[i];

        exposition_uint(&scrape->out,
                        LABELS(group->namespace, group->registry, cause_name(group->cause),
                               reason_name(group->reason)),
                        group->containers);
    }
}

static void write_blocked_info(struct scrape *scrape)
{
    for (size_t i = 0; i < scrape->blocked->n_containers; i++) {
        const struct blocked_container *blocked = &scrape->blocked->containers[i];

        exposition_uint(&scrape->out,
                        LABELS(blocked->namespace, blocked->pod, blocked->container, blocked->image,
                               blocked->registry, cause_name(blocked->cause),
                               reason_name(blocked->reason)),
                        1);
    }
}

static void write_blocked_since(struct scrape *scrape)
{
    for (size_t i = 0; i < scrape->blocked->n_containers; i++) {
        const struct blocked_container *blocked = &scrape->blocked->containers[i];

        if (blocked->since_us)
            exposition_seconds(
                &scrape->out,
                LABELS(blocked->namespace, blocked->pod, blocked->container, blocked->image),
                blocked->since_us);
    }
}

static void write_blocked_left_out(struct scrape *scrape)
{
    exposition_uint(&scrape->out, NULL, scrape->blocked->n_left_out);
}

static void write_left_out(struct scrape *scrape)
{
    for (enum limit limit = 0; limit < LIMIT_HIT_MAX; limit++)
        if (limit_left_out(limit) && scrape->snapshot->left_out[limit])
            exposition_uint(&scrape->out, LABELS(limit_name(limit)),
                            scrape->snapshot->left_out[limit]);
}

/* Iterates over the enabled sources; a disabled one has no series. */
static const struct source_status *next_source(const struct scrape *scrape, enum source_id *at)
{
    while (*at < SOURCE_MAX && !scrape->snapshot->sources[*at].enabled)
        (*at)++;
    return *at < SOURCE_MAX ? &scrape->snapshot->sources[*at] : NULL;
}

static void write_source_up(struct scrape *scrape)
{
    const struct source_status *source;

    for (enum source_id id = 0; (source = next_source(scrape, &id)); id++)
        exposition_uint(&scrape->out, LABELS(source_name(id)), source->up);
}

static void write_source_last_success(struct scrape *scrape)
{
    const struct source_status *source;

    for (enum source_id id = 0; (source = next_source(scrape, &id)); id++)
        if (source->last_success_us)
            exposition_seconds(&scrape->out, LABELS(source_name(id)), source->last_success_us);
}

static void write_source_reconnects(struct scrape *scrape)
{
    const struct source_status *source;

    for (enum source_id id = 0; (source = next_source(scrape, &id)); id++)
        for (enum reconnect why = 0; why < RECONNECT_MAX; why++)
            write_rare(scrape, LABELS(source_name(id), reconnect_name(why)),
                       source->reconnects[why], source->reconnects_since_us[why]);
}

static void write_source_bytes(struct scrape *scrape)
{
    const struct source_status *source;

    for (enum source_id id = 0; (source = next_source(scrape, &id)); id++)
        exposition_uint(&scrape->out, LABELS(source_name(id)), source->received_bytes);
}

/* How many more containers have no info series than at the last scrape. */
static uint64_t newly_left_out(const struct scrape *scrape)
{
    size_t now = scrape->blocked->n_left_out, before = scrape->input->info_left_out_before;

    return now > before ? now - before : 0;
}

/* When the limit was first reached, in the core or in exporter/. 0: not known. */
static int64_t limit_since_us(const struct scrape *scrape, enum limit limit)
{
    int64_t core_us = scrape->snapshot->since.limit_hits_us[limit];
    int64_t own_us = atomic_load(&scrape->input->limit_hits->since_us[limit]);

    if (!core_us || !own_us)
        return core_us ? core_us : own_us;
    return core_us < own_us ? core_us : own_us;
}

static void write_limit_hits(struct scrape *scrape)
{
    for (enum limit limit = 0; limit < LIMIT_HIT_MAX; limit++) {
        uint64_t hits = scrape->snapshot->limit_hits[limit] +
                        atomic_load(&scrape->input->limit_hits->counts[limit]);

        if (limit == LIMIT_HIT_INFO_SERIES)
            hits += newly_left_out(scrape);
        write_rare(scrape, LABELS(limit_name(limit)), hits, limit_since_us(scrape, limit));
    }
}

static void write_debug_down(struct scrape *scrape)
{
    if (scrape->input->debug_down)
        exposition_uint(&scrape->out, NULL, scrape->input->debug_down);
}

static void write_runtime_info(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    if (snapshot->runtime_name)
        exposition_uint(&scrape->out,
                        LABELS(snapshot->runtime_name,
                               snapshot->runtime_version ? snapshot->runtime_version : "unknown"),
                        1);
}

static void write_build_info(struct scrape *scrape)
{
    exposition_uint(
        &scrape->out,
        LABELS(scrape->input->version, scrape->input->revision, scrape->input->compiler), 1);
}

static void write_process_cpu(struct scrape *scrape)
{
    if (scrape->input->process->cpu_us >= 0)
        exposition_seconds(&scrape->out, NULL, scrape->input->process->cpu_us);
}

static void write_process_start(struct scrape *scrape)
{
    if (scrape->input->process->start_us >= 0)
        exposition_seconds(&scrape->out, NULL, scrape->input->process->start_us);
}

static void write_known(struct scrape *scrape, int64_t value)
{
    if (value >= 0)
        exposition_uint(&scrape->out, NULL, (uint64_t)value);
}

static void write_process_resident(struct scrape *scrape)
{
    write_known(scrape, scrape->input->process->resident_bytes);
}

static void write_process_virtual(struct scrape *scrape)
{
    write_known(scrape, scrape->input->process->virtual_bytes);
}

static void write_process_open_fds(struct scrape *scrape)
{
    write_known(scrape, scrape->input->process->open_fds);
}

static void write_process_max_fds(struct scrape *scrape)
{
    write_known(scrape, scrape->input->process->max_fds);
}

/* clang-format off */
static const struct row {
    struct metric_family family;
    void (*write)(struct scrape *scrape);
} rows[] = {
    { { "imagepull_attempts_total", METRIC_COUNTER, NULL, METRIC_STABLE,
        "Image pulls tried on this node, successful and failed.",
        { "registry" } }, write_attempts },
    { { "imagepull_failures_total", METRIC_COUNTER, NULL, METRIC_STABLE,
        "Failed image pulls, by registry and cause.",
        { "registry", "cause" } }, write_failures },
    { { "imagepull_failure_reasons_total", METRIC_COUNTER, NULL, METRIC_STABLE,
        "Failed image pulls, by cause and detailed reason. A reason appears after its first failure.",
        { "cause", "reason" } }, write_failure_reasons },
    { { "imagepull_namespace_attempts_total", METRIC_COUNTER, NULL, METRIC_EXPERIMENTAL,
        "Image pulls tried for the pods of a namespace, successful and failed, since its first failure at the registry: only for namespaces and registries that have a series of their own in imagepull_namespace_failures_total.",
        { "namespace", "registry" } }, write_namespace_attempts },
    { { "imagepull_namespace_failures_total", METRIC_COUNTER, NULL, METRIC_EXPERIMENTAL,
        "Failed image pulls, by the pod's namespace, the registry (its true name) and the cause. Counts also what no gauge shows long enough: pods that are replaced every few minutes. Appears with the first failure, and ends an hour after the last one. The fourth and further registries of a namespace are counted as other; the 17th and further namespaces as _other, with registry other.",
        { "namespace", "registry", "cause" } }, write_namespace_failures },
    { { "imagepull_duration_seconds", METRIC_HISTOGRAM, "seconds", METRIC_STABLE,
        "Duration of successful pulls: from the time a container waits for its absent image until the image is present. Includes queueing; exact to the poll interval of 1 to 5 s.",
        { "registry" } }, write_durations },
    { { "imagepull_size_duration_seconds", METRIC_SUMMARY, "seconds", METRIC_EXPERIMENTAL,
        "As imagepull_duration_seconds, by the size of the image: compressed in containerd, unpacked in CRI-O. A class appears after its first pull.",
        { "size" } }, write_sizes },
    { { "imagepull_phase_seconds_total", METRIC_COUNTER, "seconds", METRIC_EXPERIMENTAL,
        "Time that first attempts to pull spent in a phase, exact to the poll interval: in the two queues, downloading (with the wait for the registry), or unpacking after the last layer has come. Absent with CRI-O, which does not tell it.",
        { "phase" } }, write_phases },
    { { "imagepull_bytes_total", METRIC_COUNTER, "bytes", METRIC_STABLE,
        "Bytes fetched by pulls: layers, configurations and manifests, each when it is complete. What is given up halfway does not count. Absent with CRI-O, which does not tell it.",
        { "registry" } }, write_bytes },
    { { "imagepull_recovery_seconds", METRIC_HISTOGRAM, "seconds", METRIC_STABLE,
        "Time from the first failed pull of a container until it gets its image, by its last cause.",
        { "cause" } }, write_recoveries },
    { { "imagepull_in_progress", METRIC_GAUGE, NULL, METRIC_STABLE,
        "How many containers (not pulls) wait now for an image that is being pulled: the image is absent or pulled again, it is the container's turn, and no error is known. Has no series for a registry without any.",
        { "registry" } }, write_in_progress },
    { { "imagepull_in_progress_bytes", METRIC_GAUGE, "bytes", METRIC_EXPERIMENTAL,
        "Bytes received so far of images that are being pulled, if the runtime reports them. The registry is unknown while several registries are in use and the owner of a layer is not known.",
        { "registry" } }, write_in_progress_bytes },
    { { "imagepull_in_progress_oldest_timestamp_seconds", METRIC_GAUGE, "seconds", METRIC_STABLE,
        "When the container that waits longest began to wait for its image.",
        { "registry" } }, write_in_progress_oldest },
    { { "imagepull_blocked_containers", METRIC_GAUGE, NULL, METRIC_STABLE,
        "Containers that cannot start now because an image cannot be pulled.",
        { "namespace", "registry", "cause", "reason" } }, write_blocked },
    { { "imagepull_container_blocked_info", METRIC_GAUGE, NULL, METRIC_STABLE,
        "Always 1. One series for each blocked container with cause and reason, up to a limit (see imagepull_container_blocked_left_out). The registry has its true name, also if the counters count it as other.",
        { "namespace", "pod", "container", "image", "registry", "cause", "reason" } }, write_blocked_info },
    { { "imagepull_container_blocked_since_timestamp_seconds", METRIC_GAUGE, "seconds", METRIC_STABLE,
        "When the pull that blocks the container first failed. Does not change when the cause changes.",
        { "namespace", "pod", "container", "image" } }, write_blocked_since },
    { { "imagepull_container_blocked_left_out", METRIC_GAUGE, NULL, METRIC_EXPERIMENTAL,
        "Blocked containers that have no series of their own because the limit is reached. The oldest of each namespace keep theirs.",
        { NULL } }, write_blocked_left_out },
    { { "imagepull_source_up", METRIC_GAUGE, NULL, METRIC_STABLE,
        "0 if the last attempt to read from the source failed, else 1. A runtime that is only silent counts as failed after 10 seconds. A disabled source has no series.",
        { "source" } }, write_source_up },
    { { "imagepull_source_last_success_timestamp_seconds", METRIC_GAUGE, "seconds", METRIC_STABLE,
        "When the source was last read successfully.",
        { "source" } }, write_source_last_success },
    { { "imagepull_source_reconnects_total", METRIC_COUNTER, NULL, METRIC_STABLE,
        "Unplanned reconnects to the source, by the reason why the previous connection ended. A series appears after its first reconnect.",
        { "source", "reason" } }, write_source_reconnects },
    { { "imagepull_source_received_bytes_total", METRIC_COUNTER, "bytes", METRIC_STABLE,
        "Bytes received from the source.",
        { "source" } }, write_source_bytes },
    { { "imagepull_cri_request_duration_seconds", METRIC_SUMMARY, "seconds", METRIC_STABLE,
        "Duration of requests to the container runtime, including failed ones. A method appears after its first request.",
        { "method" } }, write_call_durations },
    { { "imagepull_cri_request_errors_total", METRIC_COUNTER, NULL, METRIC_STABLE,
        "Failed requests to the container runtime, by gRPC status code. A series appears after its first failure.",
        { "method", "code" } }, write_call_errors },
    { { "imagepull_limit_hits_total", METRIC_COUNTER, NULL, METRIC_STABLE,
        "How often a limit of imagepull-exporter was reached, so that something was cut, dropped or merged. A limit appears when it is reached.",
        { "limit" } }, write_limit_hits },
    { { "imagepull_left_out", METRIC_GAUGE, NULL, METRIC_EXPERIMENTAL,
        "What a limit of imagepull-exporter leaves out now, so that it may not show a failure: by limit, as in imagepull_limit_hits_total. Has no series on a node within the limits.",
        { "limit" } }, write_left_out },
    { { "imagepull_debug_listeners_down", METRIC_GAUGE, NULL, METRIC_EXPERIMENTAL,
        "Debug addresses that are not served now: another process listens on the socket, or it cannot be made; the log says why. Has no series while all are served.",
        { NULL } }, write_debug_down },
    { { "imagepull_runtime_info", METRIC_GAUGE, NULL, METRIC_STABLE,
        "Always 1. Name and version of the container runtime on this node.",
        { "runtime", "version" } }, write_runtime_info },
    { { "imagepull_exporter_build_info", METRIC_GAUGE, NULL, METRIC_STABLE,
        "Always 1. Version, revision and compiler of imagepull-exporter.",
        { "version", "revision", "compiler" } }, write_build_info },
    { { "process_cpu_seconds_total", METRIC_COUNTER, "seconds", METRIC_STABLE,
        "Total user and system CPU time spent in seconds.", { NULL } }, write_process_cpu },
    { { "process_resident_memory_bytes", METRIC_GAUGE, "bytes", METRIC_STABLE,
        "Resident memory size in bytes.", { NULL } }, write_process_resident },
    { { "process_virtual_memory_bytes", METRIC_GAUGE, "bytes", METRIC_STABLE,
        "Virtual memory size in bytes.", { NULL } }, write_process_virtual },
    { { "process_start_time_seconds", METRIC_GAUGE, "seconds", METRIC_STABLE,
        "Start time of the process since unix epoch in seconds.", { NULL } }, write_process_start },
    { { "process_open_fds", METRIC_GAUGE, NULL, METRIC_STABLE,
        "Number of open file descriptors.", { NULL } }, write_process_open_fds },
    { { "process_max_fds", METRIC_GAUGE, NULL, METRIC_STABLE,
        "Maximum number of open file descriptors.", { NULL } }, write_process_max_fds },
};
/* clang-format on */

const struct metric_family *metrics_family(size_t index)
{
    return index < ARRAY_SIZE(rows) ? &rows[index].family : NULL;
}

static bool is_about_process(const struct metric_family *family)
{
    struct str name = str_from(family->name);

    return str_starts(name, STR("process_")) || str_starts(name, STR("imagepull_cri_request_"));
}

int metrics_write(struct buf *out, const struct metrics_input *input, size_t *ret_left_out,
                  struct err *err)
{
    struct scrape scrape = { .input = input, .snapshot = input->snapshot };
    CLEANUP(blocked_done) struct blocked blocked = { .n_groups = 0 };
    int r;

    r = blocked_collect(input->snapshot, &blocked, err);
    if (r < 0)
        return r;

    scrape.blocked = &blocked;
    exposition_begin(&scrape.out, out, input->format);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!input->process && is_about_process(&rows[i].family))
            continue;
        exposition_family(&scrape.out, &rows[i].family);
        rows[i].write(&scrape);
    }
    exposition_end(&scrape.out);
    if (buf_error(out) == -E2BIG)
        return err_set(err, -E2BIG, "the metrics of %zu incidents have more than %zu bytes",
                       input->snapshot->n_incidents, out->max);
    if (buf_error(out))
        return err_set(err, buf_error(out), "no memory for the metrics of %zu incidents",
                       input->snapshot->n_incidents);
    *ret_left_out = blocked.n_left_out;
    return 0;
}
