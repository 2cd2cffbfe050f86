/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/debug/json.h"

#include <errno.h>
#include <string.h>

#include "buf.h"
#include "causes.h"
#include "clock.h"
#include "limit.h"
#include "utf8.h"

/* ASCII, because the reader may be curl on a terminal. A terminal obeys U+009B, and U+202E reverses
 * the text after it. */
#define FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII)

struct json_object json_object_begin(void)
{
    return (struct json_object){ .json = json_object() };
}

void json_put(struct json_object *object, const char *key, json_t *value)
{
    if (json_object_set_new_nocheck(object->json, key, value) < 0)
        object->failed = true;
}

json_t *json_object_end(struct json_object *object)
{
    if (!object->failed)
        return object->json; /* NULL if it was not created */
    json_decref(object->json);
    return NULL;
}

json_t *json_str(struct str text)
{
    struct buf repaired;
    json_t *json;

    if (utf8_prefix(text) == text.len)
        return json_stringn_nocheck(text.len ? text.at : "", text.len);
    buf_init(&repaired, LIMIT_DEBUG_BODY);
    utf8_add(&repaired, text);
    json = buf_error(&repaired) ? NULL : json_stringn_nocheck(repaired.at, repaired.len);
    buf_done(&repaired);
    return json;
}

json_t *json_text(const char *text)
{
    return text ? json_str(str_from(text)) : json_null();
}

json_t *json_known_text(const char *text)
{
    return json_text(text && text[0] ? text : NULL);
}

json_t *json_message(const char *text)
{
    struct str all = str_from(text ? text : "");
    struct buf visible;
    json_t *json;

    if (!all.len)
        return json_null();
    buf_init(&visible, 3 * all.len + 1); /* U+FFFD has three bytes */
    utf8_add_visible(&visible, all);
    json = buf_error(&visible) ? NULL : json_stringn_nocheck(visible.at, visible.len);
    buf_done(&visible);
    return json;
}

json_t *json_time(int64_t wall_us)
{
    char text[TIME_TEXT_SIZE];

    if (!wall_us)
        return json_null();
    time_format(wall_us, text);
    return json_string_nocheck(text);
}

bool json_add(json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0;
}

json_t *json_array_end(json_t *array, bool complete)
{
    if (complete)
        return array;
    json_decref(array);
    return NULL;
}

json_t *json_texts(const char *const *at, size_t n)
{
    json_t *array = json_array();
    bool complete = true;

    for (size_t i = 0; i < n; i++)
        complete &= json_add(array, json_text(at[i]));
    return json_array_end(array, complete);
}

json_t *json_causes(uint32_t set)
{
    json_t *array = json_array();
    bool complete = true;

    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        if (set & (UINT32_C(1) << cause))
            complete &= json_add(array, json_text(cause_name(cause)));
    return json_array_end(array, complete);
}

static int dump_part(const char *part, size_t size, void *out)
{
    buf_add(out, (struct str){ .at = part, .len = size });
    return buf_error(out) ? -1 : 0;
}

int json_check(const struct buf *out, struct err *err)
{
    if (buf_error(out) == -E2BIG)
        return err_set(err, -E2BIG, "the JSON has more than %zu bytes", out->max);
    if (buf_error(out))
        return err_set(err, buf_error(out), "no memory for JSON");
    return 0;
}

int json_write(struct buf *out, json_t *json, struct err *err)
{
    int r = 0;

    if (!json || json_dump_callback(json, dump_part, out, FLAGS) < 0)
        r = -ENOMEM;
    json_decref(json);
    if (buf_error(out))
        return json_check(out, err);
    return r < 0 ? err_set(err, r, "no memory for JSON") : 0;
}

int json_write_member(struct buf *out, size_t index, json_t *json, struct err *err)
{
    buf_add(out, index ? STR(",\n") : STR("\n"));
    return json_write(out, json, err);
}
