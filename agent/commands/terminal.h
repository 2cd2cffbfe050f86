/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Standard output: a terminal, a pipe or a file. */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

struct terminal_size {
    size_t columns; /* without a terminal: $COLUMNS, or 0: any width */
    size_t rows;    /* 0: unknown */
};

/* The window's size now. The user may resize it at any time. */
struct terminal_size terminal_size(void);

/* Whether standard output is a terminal that understands escape sequences. */
bool terminal_has_escapes(void);

/* Whether to use colours: not with NO_COLOR (https://no-color.org). */
bool terminal_has_colours(void);

/* Writes all of `text` to standard output. 0 or a negative errno. */
int terminal_write(struct str text, struct err *err);
