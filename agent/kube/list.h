/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The body of a list -> observations, while it arrives: item by item, so that the memory is that of
 * one item, however long the list is. Knows no transport.
 *
 *   PodList or EventList in protobuf, or one page of it.
 *   PodList in JSON: the kubelet does not support protobuf. A missing or null field is empty, as in
 *   protobuf; only a pod without a uid is an error.
 *
 * The first page begins the list, the last page ends it, and the intake then holds its
 * resourceVersion. After an error some items may have been handed in, but the list is not ended, so
 * that a damaged answer does not remove pods. An item that is too large is left out and counted.
 */

#include <stdbool.h>

#include "agent/kube/intake.h"
#include "agent/kube/wire/json_sift.h"
#include "err.h"
#include "sift.h"
#include "str.h"

#define LIST_START 40 /* bytes of the body, for errors */

struct list {
    struct intake *intake;
    bool json;
    bool begins; /* it is the first page, and no item was handed in yet */
    size_t received;
    char start[LIST_START];
    struct sift_rules rules;
    struct sift sift;
    struct json_sift_rules json_rules;
    struct json_sift json_sift;
};

/* `intake` must outlive the list. */
void list_init(struct list *list, struct intake *intake, bool json);
void list_done(struct list *list);

/* A body begins. */
void list_begin(struct list *list, bool first_page);

/* -EPROTO if the body is not such a list, or -ENOMEM. After an error, call list_begin(). */
int list_feed(struct list *list, struct str bytes, struct err *err);

/* The body is complete. Returns 0 and the token of the next page, which is empty on the last page
 * and lives until list_begin(); or an error as above. */
int list_end(struct list *list, struct str *ret_continue, struct err *err);
