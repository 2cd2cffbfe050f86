/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A Pod in JSON -> facts: as decode_pod.c, for the kubelet. */

#include <jansson.h>

#include "agent/kube/wire/decode.h"
#include "arena.h"
#include "err.h"

/* As kube_decode_pod(), but texts of the result point into `json`. -EPROTO also if a field has the
 * wrong type. */
int kube_decode_pod_json(struct arena *arena, const json_t *json, struct kube_pod *ret,
                         struct err *err);
