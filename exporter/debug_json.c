/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/debug_json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <jansson.h>

#include "buf.h"
#include "exporter/utf8.h"
#include "limits.h"
#include "snapshot.h"

/* Every maker below returns NULL when there is no memory, and every put takes over its value and
 * remembers a NULL, so that a value is checked once, at its end. */
struct json_object {
    json_t *json;
    bool failed;
};

static struct json_object object_begin(void)
{
    return (struct json_object){ .json = json_object() };
}

static void put(struct json_object *object, const char *key, json_t *value)
{
    if (json_object_set_new_nocheck(object->json, key, value) < 0)
        object->failed = true;
}

static json_t *object_end(struct json_object *object)
{
    if (!object->failed)
        return object->json; /* NULL where even that failed */
    json_decref(object->json);
    return NULL;
}

static json_t *text_or_null(const char *text)
{
    struct str all = str_from(text);
    struct buf repaired;
    json_t *json;

    if (!text)
        return json_null();
    if (utf8_prefix(all) == all.len)
        return json_stringn_nocheck(all.at, all.len);
    buf_init(&repaired, LIMIT_DEBUG_BODY);
    utf8_add(&repaired, all);
    json = buf_error(&repaired) ? NULL : json_stringn_nocheck(repaired.at, repaired.len);
    buf_done(&repaired);
    return json;
}

/* For texts whose empty form means that nobody knows. */
static json_t *known_text(const char *text)
{
    return text_or_null(text && text[0] ? text : NULL);
}

static json_t *time_or_null(int64_t wall_us)
{
    char text[TIME_TEXT_SIZE];

    if (!wall_us)
        return json_null();
    time_format(wall_us, text);
    return json_string_nocheck(text);
}

static bool add(json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0;
}

/* `array`, or NULL and the array gone. */
static json_t *array_end(json_t *array, bool complete)
{
    if (complete)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *texts(const char *const *at, size_t n)
{
    json_t *array = json_array();
    bool complete = true;

    for (size_t i = 0; i < n; i++)
        complete &= add(array, text_or_null(at[i]));
    return array_end(array, complete);
}

static json_t *causes(uint32_t set)
{
    json_t *array = json_array();
    bool complete = true;

    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        if (set & (UINT32_C(1) << cause))
            complete &= add(array, json_string_nocheck(cause_name(cause)));
    return array_end(array, complete);
}

static json_t *evidence(const struct evidence_view *at, size_t n)
{
    json_t *array = json_array();
    bool complete = true;

    for (size_t i = 0; i < n; i++) {
        struct json_object item = object_begin();

        put(&item, "at", time_or_null(at[i].at_us));
        put(&item, "source", json_string_nocheck(witness_name(at[i].witness)));
        put(&item, "reason", known_text(at[i].reason));
        put(&item, "text", known_text(at[i].text));
        complete &= add(array, object_end(&item));
    }
    return array_end(array, complete);
}

static void put_verdict(struct json_object *object, const struct incident_view *incident)
{
    const struct verdict_view *verdict = &incident->verdict;

    put(object, "cause", json_string_nocheck(cause_name(verdict->cause)));
    put(object, "reason", json_string_nocheck(reason_name(verdict->reason)));
    put(object, "stage", text_or_null(stage_name(verdict->stage)));
    put(object, "http_status",
        verdict->http_status ? json_integer(verdict->http_status) : json_null());
    put(object, "ambiguous_with", causes(verdict->ambiguous_with));
}

static json_t *failure(const struct incident_view *incident)
{
    struct json_object object = object_begin();

    put(&object, "namespace", text_or_null(incident->namespace));
    put(&object, "pod", text_or_null(incident->pod));
    put(&object, "pod_uid", text_or_null(incident->pod_uid));
    put(&object, "container", text_or_null(incident->container));
    put(&object, "kind", json_string_nocheck(container_kind_name(incident->kind)));
    put(&object, "image", text_or_null(incident->image));
    put(&object, "registry", text_or_null(incident->registry));
    put(&object, "state", json_string_nocheck(incident_state_name(incident->state)));
    put_verdict(&object, incident);
    put(&object, "message", known_text(incident->message));
    put(&object, "attempts", json_integer((json_int_t)incident->attempts));
    put(&object, "first_failure", time_or_null(incident->first_failure_us));
    put(&object, "first_failure_exact", json_boolean(incident->first_failure_exact));
    put(&object, "last_failure", time_or_null(incident->last_failure_us));
    put(&object, "next_retry", time_or_null(incident->next_retry_us));
    put(&object, "pull_secrets", texts(incident->pull_secrets, incident->n_pull_secrets));
    put(&object, "missing_pull_secrets",
        texts(incident->missing_pull_secrets, incident->n_missing_pull_secrets));
    put(&object, "image_present",
        incident->image_present_known ? json_boolean(incident->image_present) : json_null());
    put(&object, "stall", json_null());
    put(&object, "evidence", evidence(incident->evidence, incident->n_evidence));
    put(&object, "advice", known_text(incident->advice));
    if (incident->ended_us)
        put(&object, "ended", time_or_null(incident->ended_us));
    return object_end(&object);
}

static json_t *runtime(const struct snapshot *snapshot)
{
    struct json_object object = object_begin();

    put(&object, "name", text_or_null(snapshot->runtime_name));
    put(&object, "version", text_or_null(snapshot->runtime_version));
    return object_end(&object);
}

static int dump_part(const char *part, size_t size, void *out)
{
    buf_add(out, (struct str){ .at = part, .len = size });
    return buf_error(out) ? -1 : 0;
}

/* 0, or the error that sticks in `out`, in words. */
static int check(const struct buf *out, struct err *err)
{
    if (buf_error(out) == -E2BIG)
        return err_set(err, -E2BIG, "the JSON is over %zu bytes", out->max);
    if (buf_error(out))
        return err_set(err, buf_error(out), "no memory for JSON");
    return 0;
}

/* Appends `json` and releases it. NULL is a value that ran out of memory. */
static int dump(struct buf *out, json_t *json, struct err *err)
{
    int r = 0;

    if (!json || json_dump_callback(json, dump_part, out, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
        r = -ENOMEM;
    json_decref(json);
    if (buf_error(out))
        return check(out, err);
    return r < 0 ? err_set(err, r, "no memory for JSON") : 0;
}

/*
 * The lists are written one member a line, and a member at a time, so that a
 * node full of failures does not cost a tree of all of them.
 */
static int dump_member(struct buf *out, size_t index, json_t *json, struct err *err)
{
    buf_add(out, index ? STR(",\n") : STR("\n"));
    return dump(out, json, err);
}

static bool selected(const struct incident_view *incident, const char *namespace, const char *pod)
{
    return (!namespace || strcmp(incident->namespace, namespace) == 0) &&
           (!pod || strcmp(incident->pod, pod) == 0);
}

int debug_json_failures(struct buf *out, const struct snapshot *snapshot, const char *namespace,
                        const char *pod, size_t *ret_n, struct err *err)
{
    size_t n = 0;
    int r;

    buf_add(out, STR("{\"node\":"));
    r = dump(out, known_text(snapshot->node), err);
    buf_add(out, STR(",\"runtime\":"));
    if (r == 0)
        r = dump(out, runtime(snapshot), err);
    buf_add(out, STR(",\"failures\":["));
    for (size_t i = 0; i < snapshot->n_incidents && r == 0; i++)
        if (selected(&snapshot->incidents[i], namespace, pod))
            r = dump_member(out, n++, failure(&snapshot->incidents[i]), err);
    if (r < 0)
        return r;
    buf_add(out, STR("\n]}\n"));
    r = check(out, err);
    if (r == 0)
        *ret_n = n;
    return r;
}

static json_t *reconnects(const struct source_status *source)
{
    struct json_object object = object_begin();

    for (enum reconnect why = 0; why < RECONNECT_MAX; why++)
        put(&object, reconnect_name(why), json_integer((json_int_t)source->reconnects[why]));
    return object_end(&object);
}

static const char *source_state(const struct source_status *source)
{
    if (!source->enabled)
        return "off";
    return source->up ? "up" : "down";
}

static json_t *source_json(enum source_id id, const struct source_status *source)
{
    struct json_object object = object_begin();

    put(&object, "source", json_string_nocheck(source_name(id)));
    put(&object, "state", json_string_nocheck(source_state(source)));
    put(&object, "since", time_or_null(source->since_us));
    put(&object, "last_success", time_or_null(source->last_success_us));
    put(&object, "last_error", known_text(source->last_error));
    put(&object, "last_error_at", time_or_null(source->last_error_us));
    put(&object, "reconnects", reconnects(source));
    put(&object, "received_bytes", json_integer((json_int_t)source->received_bytes));
    put(&object, "resource_version", known_text(source->resource_version));
    put(&object, "watches_open", json_integer((json_int_t)source->watches_open));
    return object_end(&object);
}

int debug_json_sources(struct buf *out, const struct snapshot *snapshot, struct err *err)
{
    int r;

    buf_add(out, STR("{\"node\":"));
    r = dump(out, known_text(snapshot->node), err);
    buf_add(out, STR(",\"sources\":["));
    for (enum source_id id = 0; id < SOURCE_MAX && r == 0; id++)
        r = dump_member(out, id, source_json(id, &snapshot->sources[id]), err);
    buf_add(out, STR("\n]}\n"));
    return r < 0 ? r : check(out, err);
}

int debug_json_error(struct buf *out, const char *text, struct err *err)
{
    struct json_object object = object_begin();
    int r;

    put(&object, "error", text_or_null(text));
    r = dump(out, object_end(&object), err);
    buf_add_byte(out, '\n');
    return r < 0 ? r : check(out, err);
}
