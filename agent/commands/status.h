/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * `imagepull-exporter status`: asks the agent on this node which containers
 * cannot get their image, and prints why and what to do.
 */

struct command;

/* The agent's flag with its debug address; `status` has the same one. */
#define DEBUG_LISTEN_FLAG "--debug.listen-address"
#define DEBUG_LISTEN_ENV "IMAGEPULL_DEBUG_LISTEN_ADDRESS"
#define DEBUG_LISTEN_DEFAULT "127.0.0.1:9918"

/* Its table of flags. */
extern const struct command status_flags;

/*
 * argv[0] is "status". Returns the exit status: 0 if nothing is blocked, 1 if
 * something is, 2 if it is not known, after one sentence on standard error.
 */
int status_command(int argc, char **argv);
