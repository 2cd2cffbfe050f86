/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The first step of normalise(): any bytes become one line of valid UTF-8, without the quoting of
 * logs and JSON. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

/*
 * Writes at most `size` bytes to `to`, without a NUL, and returns how many.
 *
 * - A longer message keeps its head and its tail, with " ... " between them, and *ret_cut is set:
 *   wrappers are at the head, the error that counts is at the tail.
 * - `\"`, also nested (`\\\"`), becomes `"`. `\n`, `\t`, `\r` and control bytes become a space.
 *   JSON escapes such as \u003c and HTML entities such as &quot; become their character.
 *   Typographic quotes become plain ones. The lines of a drawn table become spaces.
 * - A line that a terminal broke inside a word is joined again.
 * - Each byte that is not valid UTF-8 becomes `?`.
 */
size_t text_plain(struct str message, char *to, size_t size, bool *ret_cut);

/* The length of the longest prefix of `text`, at most `max` bytes, that does not cut a character.
 * `text` has more than `max` bytes. */
size_t text_whole_characters(const char *text, size_t max);
