/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Decodes CRI answers into plain values. Pure; any thread. All results live in `arena`; `bytes` is
 * not needed afterwards. Texts may hold any byte. Absent parts are empty or 0, as in proto3.
 *
 * Errors: -EPROTO (the bytes are not such a message) or -ENOMEM (the heap or a limit is exhausted;
 * arena->limit_reached tells which). Outputs are untouched then.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "observation.h"
#include "str.h"

/* RuntimeReady, NetworkReady, or another condition that the runtime reports. */
struct cri_condition {
    struct str type;
    bool status;
    struct str reason;
    struct str message;
};

struct cri_sandbox {
    struct str id;
    struct str pod_uid; /* a static pod has the hash of its file (kubernetes.io/config.hash) */
    bool ready;
};

struct cri_container {
    struct str sandbox_id;
    struct str name;
    int64_t created_us; /* wall; 0: unknown */
};

int decode_version(struct str bytes, struct arena *arena, struct runtime_fact *ret,
                   struct err *err);

int decode_status(struct str bytes, struct arena *arena, const struct cri_condition **ret,
                  size_t *ret_n, struct err *err);

/* Sets all of `ret` except `image`, which is not in the answer. */
int decode_image_status(struct str bytes, struct arena *arena, struct image_fact *ret,
                        struct err *err);

/* -ENODATA: the answer has no file system. */
int decode_image_fs(struct str bytes, struct arena *arena, struct image_fs_fact *ret,
                    struct err *err);

int decode_sandboxes(struct str bytes, struct arena *arena, const struct cri_sandbox **ret,
                     size_t *ret_n, struct err *err);

int decode_containers(struct str bytes, struct arena *arena, const struct cri_container **ret,
                      size_t *ret_n, struct err *err);
