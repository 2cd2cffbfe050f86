/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/debug/debug_json.h"

#include <string.h>

#include "buf.h"
#include "exporter/debug/debug_json_list.h"
#include "exporter/debug/json.h"
#include "snapshot.h"

static json_t *evidence(const struct snapshot_evidence *at, size_t n)
{
    json_t *array = json_array();
    bool complete = true;

    for (size_t i = 0; i < n; i++) {
        struct json_object item = json_object_begin();

        json_put(&item, "at", json_time(at[i].at_us));
        json_put(&item, "source", json_string_nocheck(witness_name(at[i].witness)));
        json_put(&item, "reason", json_known_text(at[i].reason));
        json_put(&item, "text", json_message(at[i].text));
        complete &= json_add(array, json_object_end(&item));
    }
    return json_array_end(array, complete);
}

static void put_verdict(struct json_object *object, const struct snapshot_incident *incident)
{
    const struct snapshot_verdict *verdict = &incident->verdict;

    json_put(object, "cause", json_string_nocheck(cause_name(verdict->cause)));
    json_put(object, "reason", json_string_nocheck(reason_name(verdict->reason)));
    json_put(object, "stage", json_text(stage_name(verdict->stage)));
    json_put(object, "http_status",
             verdict->http_status ? json_integer(verdict->http_status) : json_null());
    json_put(object, "ambiguous_with", json_causes(verdict->ambiguous_with));
}

static json_t *waiters(const struct snapshot_waiter *list, size_t n)
{
    json_t *array = json_array();
    bool complete = true;

    for (size_t i = 0; i < n; i++) {
        struct json_object item = json_object_begin();

        json_put(&item, "namespace", json_text(list[i].namespace));
        json_put(&item, "pod", json_text(list[i].pod));
        json_put(&item, "container", json_text(list[i].container));
        json_put(&item, "image", json_text(list[i].image));
        complete &= json_add(array, json_object_end(&item));
    }
    return json_array_end(array, complete);
}

static json_t *stall(const struct snapshot_stall *stall)
{
    struct json_object object;

    if (!stall)
        return json_null();
    object = json_object_begin();
    json_put(&object, "waits_for", json_string_nocheck(stall_kind_name(stall->waits_for)));
    json_put(&object, "layer", json_text(stall->layer));
    json_put(&object, "bytes", json_integer((json_int_t)stall->bytes));
    json_put(&object, "total", stall->total ? json_integer((json_int_t)stall->total) : json_null());
    json_put(&object, "last_progress", json_time(stall->last_progress_us));
    json_put(&object, "waiting_behind", waiters(stall->waiting_behind, stall->n_waiting_behind));
    json_put(&object, "held_by", waiters(stall->held_by, stall->n_held_by));
    json_put(&object, "ambiguous_with", json_texts(stall->ambiguous_with, stall->n_ambiguous_with));
    return json_object_end(&object);
}

static json_t *owner(const struct snapshot_incident *incident)
{
    struct json_object object;

    if (!incident->owner_kind)
        return json_null();
    object = json_object_begin();
    json_put(&object, "kind", json_text(incident->owner_kind));
    json_put(&object, "name", json_text(incident->owner_name));
    return json_object_end(&object);
}

static json_t *failure(const struct snapshot_incident *incident)
{
    struct json_object object = json_object_begin();

    json_put(&object, "namespace", json_text(incident->namespace));
    json_put(&object, "pod", json_text(incident->pod));
    json_put(&object, "pod_uid", json_text(incident->pod_uid));
    json_put(&object, "owner", owner(incident));
    json_put(&object, "container", json_text(incident->container));
    json_put(&object, "kind", json_string_nocheck(container_kind_name(incident->kind)));
    json_put(&object, "image", json_known_text(incident->image));
    json_put(&object, "registry", json_text(incident->image[0] ? incident->registry : NULL));
    json_put(&object, "failed_host", json_text(incident->failed_host));
    json_put(&object, "failed_role", json_text(role_name(incident->failed_role)));
    json_put(&object, "state", json_string_nocheck(incident_state_name(incident->state)));
    put_verdict(&object, incident);
    json_put(&object, "message", json_message(incident->message));
    json_put(&object, "attempts", json_integer((json_int_t)incident->attempts));
    json_put(&object, "first_failure", json_time(incident->first_failure_us));
    json_put(&object, "first_failure_exact", json_boolean(incident->first_failure_exact));
    json_put(&object, "last_failure", json_time(incident->last_failure_us));
    json_put(&object, "next_retry", json_time(incident->next_retry_us));
    json_put(&object, "overdue_since", json_time(incident->overdue_since_us));
    json_put(&object, "pull_secrets", json_texts(incident->pull_secrets, incident->n_pull_secrets));
    json_put(&object, "missing_pull_secrets",
             json_texts(incident->missing_pull_secrets, incident->n_missing_pull_secrets));
    json_put(&object, "image_present",
             incident->image_present_known ? json_boolean(incident->image_present) : json_null());
    json_put(&object, "stall", stall(incident->stall));
    json_put(&object, "evidence", evidence(incident->evidence, incident->n_evidence));
    json_put(&object, "advice", json_known_text(incident->advice));
    json_put(&object, "ended", json_time(incident->ended_us));
    return json_object_end(&object);
}

static json_t *runtime(const struct snapshot *snapshot)
{
    struct json_object object = json_object_begin();

    json_put(&object, "name", json_text(snapshot->runtime_name));
    json_put(&object, "version", json_text(snapshot->runtime_version));
    return json_object_end(&object);
}

/* Only what is left out. */
static json_t *left_out(const struct snapshot *snapshot)
{
    struct json_object object = json_object_begin();

    for (enum limit limit = 0; limit < LIMIT_HIT_MAX; limit++)
        if (limit_left_out(limit) && snapshot->left_out[limit])
            json_put(&object, limit_name(limit),
                     json_integer((json_int_t)snapshot->left_out[limit]));
    return json_object_end(&object);
}

static size_t count_failures(const struct snapshot *snapshot)
{
    return snapshot->n_incidents;
}

static json_t *failure_at(const struct snapshot *snapshot, size_t i)
{
    return failure(&snapshot->incidents[i]);
}

static bool is_of_pod(const struct snapshot *snapshot, size_t i, const char *namespace,
                      const char *pod)
{
    const struct snapshot_incident *incident = &snapshot->incidents[i];

    return strcmp(incident->namespace, namespace) == 0 && strcmp(incident->pod, pod) == 0;
}

const struct debug_json_list debug_json_failures = {
    .name = "failures",
    .heads = { { "runtime", runtime }, { "left_out", left_out } },
    .count = count_failures,
    .member = failure_at,
    .is_of = is_of_pod,
};

/* --- writing -----------------------------------------------------------------------------------
 */

static int write_head(const struct debug_json *json, struct buf *out, struct err *err)
{
    const struct debug_json_list *list = json->list;
    int r;

    buf_add(out, STR("{\"node\":"));
    r = json_write(out, json_known_text(json->snapshot->node), err);
    for (const struct debug_json_head *head = list->heads; r == 0 && head->name; head++) {
        buf_printf(out, ",\"%s\":", head->name);
        r = json_write(out, head->value(json->snapshot), err);
    }
    buf_printf(out, ",\"%s\":[", list->name);
    return r;
}

/* Goes on to the next member that is selected. */
static bool find_member(struct debug_json *json)
{
    const size_t n = json->list->count(json->snapshot);

    while (json->pod && json->next < n &&
           !json->list->is_of(json->snapshot, json->next, json->namespace, json->pod))
        json->next++;
    return json->next < n;
}

int debug_json_next(struct debug_json *json, struct buf *out, struct err *err)
{
    int r = 0;

    if (!json->begun) {
        r = write_head(json, out, err);
        json->begun = true;
    } else if (find_member(json)) {
        r = json_write_member(out, json->written, json->list->member(json->snapshot, json->next),
                              err);
        json->next++;
        json->written++;
    } else if (!json->ended) {
        buf_add(out, STR("\n]}\n"));
        json->ended = true;
    }
    return r < 0 ? r : json_check(out, err);
}

int debug_json_rest(struct debug_json *json, struct buf *out, struct err *err)
{
    int r = 0;

    while (r == 0 && !json->ended)
        r = debug_json_next(json, out, err);
    return r;
}
