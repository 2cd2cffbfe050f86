/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Compares whole answers with files in tests/data/. */

struct buf;

/* Fails the test if `text` differs from the file, and names the first line that differs. With
 * UPDATE_GOLDEN=1 in the environment it writes the file instead; review the diff then. */
void assert_golden(const struct buf *text, const char *path);
