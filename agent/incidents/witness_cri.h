/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the runtime reports about sandboxes and containers, which were made from images. */

#include "clock.h"
#include "observation.h"

struct correlate;

void witness_sandbox(struct correlate *c, const struct sandbox_fact *fact, struct instant now);
void witness_sandboxes_end(struct correlate *c, struct instant now);
void witness_created(struct correlate *c, const struct created_fact *fact, struct instant now);
