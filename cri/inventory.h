/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Combines the runtime's two lists: which pods have a ready sandbox, and the newest container of
 * each name in each pod. Pure; any thread.
 */

#include <stddef.h>

#include "arena.h"
#include "cri/decode.h"
#include "err.h"
#include "sink.h"

struct inventory {
    const struct cri_sandbox *sandboxes;
    size_t n_sandboxes;
    const struct cri_container *containers; /* list them first, so that their sandboxes exist */
    size_t n_containers;
};

/*
 * Passes one OBSERVE_SANDBOX per pod and one OBSERVE_CREATED per container to `sink`. Sandboxes
 * without a pod uid, made by hand, are left out, with their containers. `arena` holds the work
 * space. -ENOMEM: nothing was passed.
 */
int inventory_observe(const struct inventory *inventory, const struct sink *sink,
                      struct arena *arena, struct err *err);
