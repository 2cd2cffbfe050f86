/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numbers in text from outside: flags, headers, versions. Only the digits 0-9 count: no sign, no
 * blank, no hexadecimal prefix, and a number that does not fit is refused, never wrapped.
 *
 * Each function returns false and leaves its output alone when the text is not such a number.
 */

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

/* The whole of `text`, at most `max`. Leading zeros are allowed. */
bool number_parse(struct str text, uint64_t max, uint64_t *ret);

/* The digits at the start of `text`; what follows them is left in `text`. */
bool number_take(struct str *text, uint64_t *ret);

/* A TCP port: 0 to 65535, at most five digits. */
bool number_port(struct str text, uint16_t *ret);

/* A whole number and one unit, "90s", "15m" or "24h", in microseconds. */
bool number_duration(struct str text, int64_t *ret_us);
