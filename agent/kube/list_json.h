/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A PodList in JSON, as the kubelet gives it (it speaks no protobuf) -> observations. Knows no
 * transport. */

#include "agent/kube/intake.h"
#include "err.h"
#include "str.h"

/*
 * Hands every pod of `body` to the intake, between PODS_BEGIN and PODS_END; all or nothing: on
 * failure nothing was handed on. -EPROTO names the pod and the field that is not what it must be;
 * -ENOMEM. Fields that are missing or null are empty, as in protobuf, but for a pod's uid.
 */
int list_json_take(struct intake *intake, struct str body, struct err *err);
