/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The first step of normalise(): whatever bytes came become one line of valid
 * UTF-8 with the quoting of logs and JSON undone.
 */

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

/*
 * Writes at most `size` bytes to `to` (not terminated) and returns how many.
 *
 * - A longer message keeps its head and its tail, with " ... " between: the
 *   wrappers stand at the head, the error that counts at the tail. *ret_cut tells.
 * - `\"`, also nested (`\\\"`), becomes `"`; `\n`, `\t`, `\r` and control bytes become a space,
 *   JSON's \u003c and the like their character; typographic quotes become plain ones, the
 *   lines of a drawn table spaces.
 * - What is no UTF-8 becomes `?`.
 */
size_t text_plain(struct str message, char *to, size_t size, bool *ret_cut);

/* The longest part of `text`, at most `max` bytes, that ends between two characters. */
size_t text_whole_characters(const char *text, size_t max);
