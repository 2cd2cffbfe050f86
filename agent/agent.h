/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The composition root: the only place that knows which parts there are. */

#include "err.h"

struct agent;
struct config;

/*
 * Builds everything and begins to serve. Blocks SIGTERM and SIGINT in the
 * calling thread, and so in all that come after it. `config` must outlive the
 * agent. On failure nothing is left running.
 */
int agent_new(const struct config *config, struct agent **ret, struct err *err);

/* Reads and checks all that agent_new() would, and leaves it at that: nothing is bound, nobody is
 * asked. 0, or what agent_new() would fail with. */
int agent_check(const struct config *config, struct err *err);

/* Runs until SIGTERM or SIGINT, then returns 0; an error where a thread cannot be started. */
int agent_run(struct agent *agent, struct err *err);

void agent_freep(struct agent **agent);
