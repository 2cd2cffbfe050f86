/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The composition root: agent.c alone knows which sources and listeners exist. */

#include "err.h"

struct agent;
struct config;

/*
 * Builds all parts and starts to serve. Blocks SIGTERM and SIGINT in the calling
 * thread and in all threads that it starts later. `config` must outlive the
 * agent. On failure nothing keeps running.
 */
int agent_new(const struct config *config, struct agent **ret, struct err *err);

/*
 * Reads and checks the same files and settings as agent_new(), but opens no port
 * and makes no connection. Returns 0, or the error that agent_new() would return.
 */
int agent_check(const struct config *config, struct err *err);

/* Runs until SIGTERM or SIGINT, then returns 0. A negative errno if a thread cannot be started. */
int agent_run(struct agent *agent, struct err *err);

/* Accepts a pointer to NULL. */
void agent_freep(struct agent **agent);
