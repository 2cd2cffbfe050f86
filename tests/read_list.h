/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads the whole body of a list at once. */

#include <stdlib.h>

#include "agent/kube/list.h"

/* *ret_continue lives until the next call. On failure it is untouched. */
static inline int list_read(struct intake *intake, bool json, struct str body, bool first_page,
                            struct str *ret_continue, struct err *err)
{
    static char kept[LIMIT_KEPT_TEXT];
    struct str token;
    struct list list;
    int r;

    list_init(&list, intake, json);
    list_begin(&list, first_page);
    r = list_feed(&list, body, err);
    if (r == 0)
        r = list_end(&list, &token, err);
    if (r == 0) {
        if (token.len > sizeof(kept))
            abort();
        if (token.len)
            memcpy(kept, token.at, token.len);
        *ret_continue = (struct str){ .at = kept, .len = token.len };
    }
    list_done(&list);
    return r;
}

/* A page of a PodList or EventList in protobuf. */
static inline int list_take(struct intake *intake, struct str body, bool first_page,
                            struct str *ret_continue, struct err *err)
{
    return list_read(intake, false, body, first_page, ret_continue, err);
}

/* A PodList of the kubelet. */
static inline int list_take_json(struct intake *intake, struct str body, struct err *err)
{
    struct str none;

    return list_read(intake, true, body, true, &none, err);
}
