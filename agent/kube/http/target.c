/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/target.h"

#include <ctype.h>
#include <inttypes.h>

void target_add_escaped(struct buf *target, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char byte = (unsigned char)text.at[i];

        if ((byte < 0x80 && isalnum(byte)) || byte == '-' || byte == '.' || byte == '_' ||
            byte == '~')
            buf_add_byte(target, (char)byte);
        else
            buf_printf(target, "%%%02X", byte);
    }
}

void target_add_pods(struct buf *target, const char *node_name)
{
    buf_add_text(target, "/api/v1/pods?fieldSelector=spec.nodeName%3D");
    target_add_escaped(target, str_from(node_name));
    /* Pods that have ended keep their node. The server reports the end of one as DELETED. */
    buf_add_text(target, "%2Cstatus.phase%21%3DFailed%2Cstatus.phase%21%3DSucceeded");
}

static void add_events_path(struct buf *target, const char *namespace)
{
    buf_add_text(target, "/api/v1/namespaces/");
    target_add_escaped(target, str_from(namespace));
    buf_add_text(target, "/events?fieldSelector=");
}

void target_add_events(struct buf *target, const char *namespace)
{
    add_events_path(target, namespace);
    buf_add_text(target, "involvedObject.kind%3DPod%2Csource%3Dkubelet");
}

/*
 * The server reads one key of etcd, and answers with the version of the whole store
 * (k8s.io/apiserver: registry/generic/registry/store.go, ListPredicate()). A name has no "_".
 */
void target_add_no_events(struct buf *target, const char *namespace)
{
    add_events_path(target, namespace);
    buf_add_text(target, "metadata.name%3Dnone_");
}

void target_add_watch(struct buf *target, const char *version, int64_t timeout_s)
{
    buf_add_text(target, "&watch=true&allowWatchBookmarks=true");
    if (version) {
        buf_add_text(target, "&resourceVersion=");
        target_add_escaped(target, str_from(version));
    } else {
        buf_add_text(target, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    }
    buf_printf(target, "&timeoutSeconds=%" PRId64, timeout_s);
}

void target_add_list(struct buf *target, enum target_list list, const char *seen,
                     unsigned page_items, struct str continue_token)
{
    if (list == TARGET_LIST_CACHED && seen[0]) {
        buf_add_text(target, "&resourceVersion=");
        target_add_escaped(target, str_from(seen));
        buf_add_text(target, "&resourceVersionMatch=NotOlderThan");
    } else if (list == TARGET_LIST_CACHED) {
        buf_add_text(target, "&resourceVersion=0");
    }
    if (list == TARGET_LIST_PAGED)
        buf_printf(target, "&limit=%u", page_items);
    if (continue_token.len) {
        buf_add_text(target, "&continue=");
        target_add_escaped(target, continue_token);
    }
}
