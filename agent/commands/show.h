/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text for people: cells, paragraphs, ages, sizes. All append to `out`; errors stick there. */

#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct buf;

/* Printable ASCII. Any other character becomes a '?'. */
void show_plain(struct buf *out, struct str text);

/*
 * ASCII text in exactly `width` columns. Short text is padded with blanks. In long
 * text, "..." replaces the middle: names and tags often differ only at their ends.
 */
void show_cell(struct buf *out, struct str text, size_t width);

/* The same without padding. */
void show_cut(struct buf *out, struct str text, size_t width);

/* A paragraph of lines with at most `width` columns, each indented; ends with a line break. */
void show_wrap(struct buf *out, struct str text, size_t indent, size_t width);

/* The same; the lines after the first one have another indent. */
void show_hang(struct buf *out, struct str text, size_t indent, size_t hang, size_t width);

/* "45s", "2m10s", "3h20m", "4d": one or two units, like kubectl. A negative age is "0s". */
void show_age(struct buf *out, int64_t us);

/* "512 B", "4.0 KiB", "1.2 GiB". */
void show_bytes(struct buf *out, uint64_t bytes);
