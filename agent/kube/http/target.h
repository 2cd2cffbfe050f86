/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is asked of the API server: path and query, percent-encoded. */

#include <stdint.h>

#include "buf.h"
#include "str.h"

#define TARGET_MAX ((size_t)16 << 10) /* continue tokens have a few hundred bytes */
#define TARGET_PAGE_ITEMS 500

/* Appends `text` as one path segment or query value. */
void target_add_escaped(struct buf *target, struct str text);

/* Pods of one node; "?..." is open for more. */
void target_add_pods(struct buf *target, const char *node_name);

/* Events that a kubelet wrote about pods of one namespace; likewise. */
void target_add_events(struct buf *target, const char *namespace);

/* "&watch=true...": from `version`, or from the list itself where `version` is NULL. */
void target_add_watch(struct buf *target, const char *version, int64_t timeout_s);

enum target_list {
    TARGET_LIST_CACHED, /* from the watch cache, however old (resourceVersion=0) or as new as what
                           was seen; `limit` is ignored */
    TARGET_LIST_PAGED,  /* as it is now, in pages */
    TARGET_LIST_WHOLE,  /* as it is now, at once: when a page's token expired */
};

/* The first page where `continue_token` is empty. `seen`: a version that a list from the cache must
 * have reached; "" where there is none. */
void target_add_list(struct buf *target, enum target_list list, const char *seen,
                     struct str continue_token);
