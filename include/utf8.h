/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The only UTF-8 decoder. Text from a cluster can hold any bytes. One invalid byte makes
 * Prometheus drop the whole scrape, and a JSON parser the whole document.
 *
 * Valid is what table 3-7 of Unicode 15 allows: no surrogates, no overlong forms, nothing over
 * U+10FFFF. All functions take linear time; any thread may call them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct buf;

/* Length of the character at the start of `text`, 1 to 4 bytes; 0 if the bytes there are not valid.
 * `text` must not be empty. */
size_t utf8_length(struct str text);

/* Code point of the valid character at `at`, whose `length` utf8_length() returned. */
uint32_t utf8_code(const char *at, size_t length);

/* Length of the longest valid prefix of `text`. */
size_t utf8_prefix(struct str text);

/* Appends `text`, with U+FFFD in place of each byte that is not part of a valid character. */
void utf8_add(struct buf *out, struct str text);

/* Whether a code point shows only itself: no control character, not invisible, and it does not
 * change the direction of writing. So a line feed is not visible. */
bool utf8_is_visible(uint32_t code);

/* The same as utf8_add(), and U+FFFD also in place of each character that is not visible. */
void utf8_add_visible(struct buf *out, struct str text);
