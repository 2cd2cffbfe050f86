/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The questions this agent asks a container runtime, all of them read-only:
 * the socket is root on the node, so no other method's name may be in this
 * program. Each is one blocking call with a deadline; results live in `arena`,
 * and the thread rule is channel_call()'s.
 *
 * Errors are channel_call()'s and decode.h's, and name the method.
 */

#include "clock.h"
#include "cri/channel.h"
#include "cri/decode.h"
#include "cri/decode_content.h"
#include "runtime_calls.h"

struct calls {
    struct channel *channel;      /* the caller's; not NULL while something is asked */
    const struct clock *clock;    /* for durations */
    struct runtime_calls counted; /* all calls so far, on all channels; not those that `stop` cut */
};

int calls_version(struct calls *calls, struct arena *arena, struct runtime_fact *ret,
                  struct err *err);

int calls_status(struct calls *calls, struct arena *arena, const struct cri_condition **ret,
                 size_t *ret_n, struct err *err);

/* `image` as the pod's spec has it; an absent image is an answer, no error. */
int calls_image_status(struct calls *calls, struct arena *arena, struct str image,
                       struct image_fact *ret, struct err *err);

int calls_image_fs_info(struct calls *calls, struct arena *arena, struct image_fs_fact *ret,
                        struct err *err);

int calls_list_sandboxes(struct calls *calls, struct arena *arena, const struct cri_sandbox **ret,
                         size_t *ret_n, struct err *err);

int calls_list_containers(struct calls *calls, struct arena *arena,
                          const struct cri_container **ret, size_t *ret_n, struct err *err);

/* containerd only: the blobs in flight, of all pulls (decode_ingests()). */
int calls_list_ingests(struct calls *calls, struct arena *arena, struct ingests_fact *ret,
                       bool *ret_more, struct err *err);

/*
 * containerd only: which repositories have an image with the blob owners->digest, which must be
 * digest_valid(). Adds to `owners`, whose arena and digest the caller has set.
 */
int calls_list_owners(struct calls *calls, struct owners *owners, struct err *err);
