/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The runtime's two lists, put together: which pods have a ready sandbox, and the
 * newest container of each name in each pod. Pure; any thread.
 */

#include <stddef.h>

#include "arena.h"
#include "cri/decode.h"
#include "err.h"
#include "sink.h"

struct inventory {
    const struct cri_sandbox *sandboxes;
    size_t n_sandboxes;
    const struct cri_container
        *containers; /* listed before the sandboxes, so that theirs are there */
    size_t n_containers;
};

/*
 * Hands one OBSERVE_SANDBOX per pod and one OBSERVE_CREATED per container to
 * `sink`. What belongs to no pod (made by hand, without a uid) is left out. `arena`
 * holds the work space. -ENOMEM before anything was handed out.
 */
int inventory_observe(const struct inventory *inventory, const struct sink *sink,
                      struct arena *arena, struct err *err);
