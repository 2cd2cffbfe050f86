/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One Pod in JSON -> facts: the other half of decode_pod.c, for the kubelet's sake. */

#include <jansson.h>

#include "agent/kube/wire/decode.h"
#include "arena.h"
#include "err.h"

/* Texts of the result are the JSON's, its arrays live in `arena`. As kube_decode_pod() otherwise;
 * -EPROTO also where a field is of the wrong type. */
int kube_decode_pod_json(struct arena *arena, const json_t *json, struct kube_pod *ret,
                         struct err *err);
