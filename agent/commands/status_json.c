/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_json.h"

#include <errno.h>

#include "buf.h"

static int add_part(const char *part, size_t size, void *out)
{
    buf_add(out, (struct str){ .at = part, .len = size });
    return buf_error(out) ? -1 : 0;
}

/* NULL: null. */
static void add_json(struct buf *out, const json_t *json)
{
    if (!json)
        buf_add(out, STR("null"));
    else if (json_dump_callback(json, add_part, out,
                                JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY) < 0 &&
             !out->error)
        out->error = -ENOMEM;
}

void status_json_begin(struct buf *out, enum status_list list, const json_t *head)
{
    if (list == STATUS_FAILURES) {
        buf_add(out, STR("{\"node\":"));
        add_json(out, json_object_get(head, "node"));
        buf_add(out, STR(",\"runtime\":"));
        add_json(out, json_object_get(head, "runtime"));
        buf_add(out, STR(",\"left_out\":"));
        add_json(out, json_object_get(head, "left_out"));
    } else {
        buf_add_byte(out, ']');
    }
    buf_printf(out, ",\"%s\":[", status_list_name(list));
}

void status_json_member(struct buf *out, const json_t *member, bool first)
{
    if (!first)
        buf_add_byte(out, ',');
    add_json(out, member);
}

void status_json_end(struct buf *out)
{
    buf_add(out, STR("]}\n"));
}
