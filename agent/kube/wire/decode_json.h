/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A Pod in JSON -> facts: as decode_pod.c, for the kubelet. */

#include <jansson.h>

#include "agent/kube/wire/decode.h"
#include "agent/kube/wire/json_sift.h"
#include "arena.h"
#include "err.h"

/* What is read of a PodList. Each pod goes to `take`. */
struct json_sift_rules decode_json_rules(void *self,
                                         int (*take)(void *self, struct str unit, struct err *err));

/* As kube_decode_pod(), but texts of the result point into `json`. -EPROTO also if a field has the
 * wrong type. */
int kube_decode_pod_json(struct arena *arena, const json_t *json, struct kube_pod *ret,
                         struct err *err);
