/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * `imagepull-exporter classify`: reads messages from a file or standard input and
 * prints a verdict for each. Needs no cluster, no configuration and no network.
 */

struct command;

/* Its table of flags. */
extern const struct command classify_flags;

/*
 * argv[0] is "classify". Returns the exit status: 0; 1 if the output cannot be
 * written; 2, after one sentence on standard error, for a bad flag or an
 * unreadable file.
 */
int classify_command(int argc, char **argv);
