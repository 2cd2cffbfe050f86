/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The output of `classify`: a table, or JSON with one object per line. */

#include <stdbool.h>

#include "str.h"

struct classify_output;

/* Writes to standard output. NULL: no memory. Release with classify_output_free(). */
struct classify_output *classify_output_new(bool json, bool explain);

/* Classifies one message and writes the verdict. */
void classify_output_line(struct classify_output *out, struct str message);

/* 0, or the negative errno of the first failure. Nothing is written after it. */
int classify_output_error(const struct classify_output *out);

/* Writes the rest and releases `out`. Returns classify_output_error(). */
int classify_output_free(struct classify_output *out);
