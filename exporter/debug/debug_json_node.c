/* SPDX-License-Identifier: Apache-2.0 */

/* The debug answers about the node: sources, images and recent observations. */

#include "exporter/debug/debug_json.h"

#include "buf.h"
#include "exporter/debug/debug_json_list.h"
#include "exporter/debug/json.h"
#include "snapshot.h"

static json_t *reconnects(const struct source_status *source)
{
    struct json_object object = json_object_begin();

    for (enum reconnect why = 0; why < RECONNECT_MAX; why++)
        json_put(&object, reconnect_name(why), json_integer((json_int_t)source->reconnects[why]));
    return json_object_end(&object);
}

static const char *source_state(const struct source_status *source)
{
    if (!source->enabled)
        return "off";
    return source->up ? "up" : "down";
}

/* What the agent cannot tell without the source. */
static const char *const without[SOURCE_MAX] = {
    [SOURCE_PODS] = "which containers cannot get their image, and why",
    [SOURCE_EVENTS] =
        "missing pull Secrets, sandbox images that cannot be pulled, the exact number "
        "of attempts",
    [SOURCE_CRI] = "durations, sizes and progress of pulls, stalled pulls, whether an image is "
                   "present, sandbox images that cannot be pulled",
};

static json_t *source_json(enum source_id id, const struct source_status *source)
{
    struct json_object object = json_object_begin();

    json_put(&object, "source", json_string_nocheck(source_name(id)));
    json_put(&object, "state", json_string_nocheck(source_state(source)));
    json_put(&object, "since", json_time(source->since_us));
    json_put(&object, "last_success", json_time(source->last_success_us));
    json_put(&object, "last_error", json_known_text(source->last_error));
    json_put(&object, "last_error_at", json_time(source->last_error_us));
    json_put(&object, "reconnects", reconnects(source));
    json_put(&object, "received_bytes", json_integer((json_int_t)source->received_bytes));
    json_put(&object, "resource_version", json_known_text(source->resource_version));
    json_put(&object, "watches_open", json_integer((json_int_t)source->watches_open));
    json_put(&object, "not_known", json_text(source->enabled ? NULL : without[id]));
    return json_object_end(&object);
}

static size_t count_sources(const struct snapshot *snapshot)
{
    (void)snapshot;
    return SOURCE_MAX;
}

static json_t *source_at(const struct snapshot *snapshot, size_t i)
{
    return source_json((enum source_id)i, &snapshot->sources[i]);
}

const struct debug_json_list debug_json_sources = {
    .name = "sources",
    .count = count_sources,
    .member = source_at,
};

static json_t *image_json(const struct snapshot_image *image)
{
    struct json_object object = json_object_begin();

    json_put(&object, "image", json_text(image->image));
    json_put(&object, "registry", json_text(image->registry));
    json_put(&object, "present", json_boolean(image->present));
    json_put(&object, "size", image->size ? json_integer((json_int_t)image->size) : json_null());
    json_put(&object, "digest", json_known_text(image->digest));
    json_put(&object, "containers_waiting", json_integer((json_int_t)image->waiting));
    json_put(&object, "containers_pulling", json_integer((json_int_t)image->pulling));
    json_put(&object, "phase", json_known_text(pull_phase_name(image->phase)));
    json_put(&object, "waiting_behind", json_texts(image->waiting_behind, image->n_waiting_behind));
    json_put(&object, "stalled", json_boolean(image->stalled));
    json_put(&object, "since", json_time(image->since_us));
    json_put(&object, "bytes", image->total ? json_integer((json_int_t)image->bytes) : json_null());
    json_put(&object, "total", image->total ? json_integer((json_int_t)image->total) : json_null());
    return json_object_end(&object);
}

/* null for 0, which means unknown. */
static json_t *known(uint64_t number)
{
    return number ? json_integer((json_int_t)number) : json_null();
}

static json_t *image_fs_json(const struct snapshot_image_fs *fs)
{
    struct json_object object;

    if (!fs->mountpoint)
        return json_null();
    object = json_object_begin();
    json_put(&object, "mountpoint", json_text(fs->mountpoint));
    json_put(&object, "used_bytes", known(fs->used_bytes));
    json_put(&object, "used_inodes", known(fs->used_inodes));
    return json_object_end(&object);
}

static json_t *images_head(const struct snapshot *snapshot)
{
    return image_fs_json(&snapshot->image_fs);
}

static size_t count_images(const struct snapshot *snapshot)
{
    return snapshot->n_images;
}

static json_t *image_at(const struct snapshot *snapshot, size_t i)
{
    return image_json(&snapshot->images[i]);
}

const struct debug_json_list debug_json_images = {
    .name = "images",
    .heads = { { "image_filesystem", images_head } },
    .count = count_images,
    .member = image_at,
};

static json_t *observation_json(const struct snapshot_observation *observation)
{
    struct json_object object = json_object_begin();

    json_put(&object, "number", json_integer((json_int_t)observation->number));
    json_put(&object, "at", json_time(observation->at_us));
    json_put(&object, "source", json_text(source_name(observation->source)));
    json_put(&object, "kind", json_text(observation_kind_name(observation->kind)));
    json_put(&object, "namespace", json_known_text(observation->namespace));
    json_put(&object, "pod", json_known_text(observation->pod));
    json_put(&object, "container", json_known_text(observation->container));
    json_put(&object, "text", json_known_text(observation->text));
    json_put(&object, "effect", json_text(effect_name(observation->effect)));
    return json_object_end(&object);
}

static size_t count_events(const struct snapshot *snapshot)
{
    return snapshot->n_recent;
}

static json_t *event_at(const struct snapshot *snapshot, size_t i)
{
    return observation_json(&snapshot->recent[i]);
}

const struct debug_json_list debug_json_events = {
    .name = "events",
    .count = count_events,
    .member = event_at,
};

int debug_json_error(struct buf *out, const char *text, struct err *err)
{
    struct json_object object = json_object_begin();
    int r;

    json_put(&object, "error", json_text(text));
    r = json_write(out, json_object_end(&object), err);
    buf_add_byte(out, '\n');
    return r < 0 ? r : json_check(out, err);
}
