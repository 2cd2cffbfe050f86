/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The calls of this agent to a container runtime. All of them only read: access to the socket is
 * root on the node, so the name of no other method may be in this program. Each is one blocking
 * call with a deadline. Results live in `arena`. One thread at a time per channel.
 *
 * Errors are those of channel_call() and decode.h, and name the method.
 */

#include "clock.h"
#include "cri/channel.h"
#include "cri/decode.h"
#include "cri/decode_content.h"
#include "runtime_calls.h"

struct calls {
    struct channel *channel;      /* borrowed; not NULL during a call */
    const struct clock *clock;    /* for durations */
    struct runtime_calls counted; /* all calls so far, on all channels, except cancelled ones */
};

int calls_version(struct calls *calls, struct arena *arena, struct runtime_fact *ret,
                  struct err *err);

int calls_status(struct calls *calls, struct arena *arena, const struct cri_condition **ret,
                 size_t *ret_n, struct err *err);

/* `image` is the name in the pod spec. An absent image is not an error. */
int calls_image_status(struct calls *calls, struct arena *arena, struct str image,
                       struct image_fact *ret, struct err *err);

int calls_image_fs_info(struct calls *calls, struct arena *arena, struct image_fs_fact *ret,
                        struct err *err);

int calls_list_sandboxes(struct calls *calls, struct arena *arena, const struct cri_sandbox **ret,
                         size_t *ret_n, struct err *err);

int calls_list_containers(struct calls *calls, struct arena *arena,
                          const struct cri_container **ret, size_t *ret_n, struct err *err);

/* containerd only: the blobs in flight of all pulls (decode_ingests()). */
int calls_list_ingests(struct calls *calls, struct arena *arena, struct ingests_fact *ret,
                       bool *ret_more, struct err *err);

/*
 * containerd only: adds the repositories with an image that has the blob owners->digest. The caller
 * sets owners->arena and owners->digest; the digest must be digest_valid().
 */
int calls_list_owners(struct calls *calls, struct owners *owners, struct err *err);

/* containerd only: adds what it has of holdings->repository, which must be repository_valid(). The
 * caller sets holdings->repository and holdings->blobs. */
int calls_list_holdings(struct calls *calls, struct holdings *holdings, struct err *err);
