/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The outermost layer of a large JSON text, read in place: members of an object and items of a
 * list, one after the other, without a tree of the whole. Whether what is inside of them is JSON is
 * the parser's to tell, which gets them one by one.
 */

#include <stdbool.h>

#include "str.h"

/*
 * Takes one value off the front of `rest`: an object, a list, a string with its quotes, or a word.
 * False where none begins there or it does not end; `rest` is then where that was seen.
 */
bool json_scan_value(struct str *rest, struct str *ret);

/*
 * Takes the next member or item off the front of `rest`, which is an object or a list from after
 * its opening bracket on; `ret_key` is NULL for a list, else the key as it is written, without
 * quotes. Returns 1, 0 at the closing bracket (which is taken), or -EPROTO as above. *ret_key and
 * *ret are untouched unless 1 is returned. `first` must be true before the first one and is set.
 */
int json_scan_next(struct str *rest, bool *first, struct str *ret_key, struct str *ret);

/* Takes `byte` off the front of `rest`, and the blanks before it. */
bool json_scan_byte(struct str *rest, char byte);

/* Whether nothing but blanks is left. */
bool json_scan_is_over(struct str rest);
