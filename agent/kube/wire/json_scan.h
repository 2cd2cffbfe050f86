/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reads the members of an object or the items of a list one after the other, in place: no tree of a
 * large JSON text is needed. Finds only where each value ends; whether a value is valid JSON is
 * for a parser to check.
 */

#include <stdbool.h>

#include "str.h"

/* Takes one value off the front of `rest`: an object, a list, a string with its quotes, or a word
 * (number, true, false, null). False if there is no value or it does not end; `rest` then begins
 * there. */
bool json_scan_value(struct str *rest, struct str *ret);

/*
 * Takes the next member of an object, or item of a list, off the front of `rest`, which begins
 * after the opening bracket. `ret_key`: the key without quotes, escapes included; NULL for a list.
 * `first` must be true at the first call. Returns 1; 0 at the closing bracket, which is taken; or
 * -EPROTO. *ret_key and *ret are untouched unless 1 is returned.
 */
int json_scan_next(struct str *rest, bool *first, struct str *ret_key, struct str *ret);

/* Takes `byte`, and blanks before it, off the front of `rest`. */
bool json_scan_byte(struct str *rest, char byte);

/* Whether only blanks are left. */
bool json_scan_is_over(struct str rest);
