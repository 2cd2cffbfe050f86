/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `classify` prints: a table for people, or JSON, one object a line. */

#include <stdbool.h>

#include "str.h"

struct classify_output;

/* Writes to standard output. NULL: no memory. The caller frees it. */
struct classify_output *classify_output_new(bool json, bool explain);

/* Classifies one message and writes what it is. */
void classify_output_line(struct classify_output *out, struct str message);

/* 0, or the negative errno of the write that failed: nothing more is written. */
int classify_output_error(const struct classify_output *out);

/* Writes what is left and frees `out`; returns classify_output_error(). */
int classify_output_free(struct classify_output *out);
