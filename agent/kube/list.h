/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The body of a list -> observations. Knows no transport. */

#include <stdbool.h>

#include "agent/kube/intake.h"
#include "err.h"
#include "str.h"

/*
 * A PodList or EventList in protobuf, or one page of it. Hands every item to the intake; the first
 * page begins the list, the last page ends it, and the intake then holds its resourceVersion.
 *
 * Returns 0 and the token of the next page (part of `body`; empty on the last page). -EPROTO if the
 * body is not such a list, or -ENOMEM: some items may have been handed in, but the list is not
 * ended, so that a damaged answer does not remove pods.
 */
int list_take(struct intake *intake, struct str body, bool first_page, struct str *ret_continue,
              struct err *err);

/*
 * A PodList in JSON: the kubelet does not support protobuf. On failure nothing is handed in.
 * -EPROTO names the pod and the field; -ENOMEM. A missing or null field is empty, as in protobuf;
 * only a pod without a uid is an error.
 */
int list_take_json(struct intake *intake, struct str body, struct err *err);
