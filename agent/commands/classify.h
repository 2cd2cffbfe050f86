/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * `imagepull-exporter classify`: messages from a file or standard input, a verdict
 * for each on standard output. Needs no cluster, no configuration and no network.
 *
 * argv[0] is "classify". Returns the process' exit status: 0; 1 where the output
 * cannot be written; 2, after one sentence on standard error, for a bad flag or an
 * unreadable file.
 */
int classify_command(int argc, char **argv);
