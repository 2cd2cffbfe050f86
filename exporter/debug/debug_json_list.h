/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How the answers of debug_json.h are made. */

#include <stdbool.h>
#include <stddef.h>

struct json_t; /* jansson's json_t */
struct snapshot;

struct debug_json_list {
    const char *name;
    /* What comes before the list; ends with a name of NULL. */
    struct debug_json_head {
        const char *name;
        struct json_t *(*value)(const struct snapshot *snapshot);
    } heads[3];
    size_t (*count)(const struct snapshot *snapshot);
    struct json_t *(*member)(const struct snapshot *snapshot, size_t i);
    /* The member's pod; NULL: members have none. */
    bool (*is_of)(const struct snapshot *snapshot, size_t i, const char *namespace,
                  const char *pod);
};
