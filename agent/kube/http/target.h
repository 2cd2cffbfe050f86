/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Path and query of requests to the API server, percent-encoded. */

#include <stdint.h>

#include "buf.h"
#include "str.h"

#define TARGET_PAGE_ITEMS 500u /* at most */

/* Appends `text` as one path segment or query value. */
void target_add_escaped(struct buf *target, struct str text);

/* Pods of one node. The query can be extended with "&...". */
void target_add_pods(struct buf *target, const char *node_name);

/* Events of kubelets about pods of one namespace. The query can be extended, too. */
void target_add_events(struct buf *target, const char *namespace);

/* The events of the namespace with a name that no event can have: an empty list, for which the
 * server reads nothing, with the current resourceVersion. */
void target_add_no_events(struct buf *target, const char *namespace);

/* "&watch=true...": from `version` on; NULL: the watch begins with the list. */
void target_add_watch(struct buf *target, const char *version, int64_t timeout_s);

enum target_list {
    TARGET_LIST_CACHED, /* from the watch cache; in one page */
    TARGET_LIST_PAGED,  /* from etcd, in pages */
    TARGET_LIST_WHOLE,  /* from etcd, in one page: after the token of a page expired */
    TARGET_LIST_NONE,   /* only the current resourceVersion: target_add_no_events() */
};

/* `seen`: a list from the cache must not be older than this version; "": any version.
 * `page_items`: of TARGET_LIST_PAGED. `continue_token`: empty for the first page. */
void target_add_list(struct buf *target, enum target_list list, const char *seen,
                     unsigned page_items, struct str continue_token);
