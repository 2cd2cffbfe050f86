/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * `imagepull-exporter status`: what fails on this node and what to do, asked of
 * the agent that runs on it. `argv[0]` is "status". Returns the exit status: 0
 * nothing is blocked, 1 something is, 2 it is not known (and why, on standard
 * error).
 */
int status_command(int argc, char **argv);
