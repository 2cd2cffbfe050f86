/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whole answers, compared with files in tests/data/. */

struct buf;

/* Fails the test where `text` is not what the file holds, and names the first line that differs.
 * With UPDATE_GOLDEN=1 in the environment it writes the file instead: look at the diff. */
void assert_golden(const struct buf *text, const char *path);
