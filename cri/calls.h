/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The five questions this agent asks a container runtime, all of them read-only:
 * the socket is root on the node, so no other CRI method's name may be in this
 * program. Each is one blocking call with a deadline; results live in `arena`,
 * and the thread rule is channel_call()'s.
 *
 * Errors are channel_call()'s and decode.h's, and name the method.
 */

#include "cri/channel.h"
#include "cri/decode.h"

int calls_version(struct channel *channel, struct arena *arena, struct runtime_fact *ret,
                  struct err *err);

int calls_status(struct channel *channel, struct arena *arena, const struct cri_condition **ret,
                 size_t *ret_n, struct err *err);

/* `image` as the pod's spec has it; an absent image is an answer, no error. */
int calls_image_status(struct channel *channel, struct arena *arena, struct str image,
                       struct image_fact *ret, struct err *err);

int calls_list_sandboxes(struct channel *channel, struct arena *arena,
                         const struct cri_sandbox **ret, size_t *ret_n, struct err *err);

int calls_list_containers(struct channel *channel, struct arena *arena,
                          const struct cri_container **ret, size_t *ret_n, struct err *err);
