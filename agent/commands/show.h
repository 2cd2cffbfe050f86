/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Pieces of text in columns, for `status`. All append; errors stick in `out`. */

#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct buf;

/* As printable ASCII: what else there is, a '?' for each character. */
void show_plain(struct buf *out, struct str text);

/*
 * `text`, which is ASCII, in exactly `width` columns: filled with blanks, or with
 * "..." in place of its middle, so that both ends stay, which tell names and tags apart.
 */
void show_cell(struct buf *out, struct str text, size_t width);

/* The same without the blanks. */
void show_cut(struct buf *out, struct str text, size_t width);

/* Paragraph of at most `width` columns a line, each indented; ends with a line break. */
void show_wrap(struct buf *out, struct str text, size_t indent, size_t width);

/* "45s", "2m10s", "3h20m", "4d": one or two units, as kubectl has it. Negative is "0s". */
void show_age(struct buf *out, int64_t us);

/* "512 B", "4.0 KiB", "1.2 GiB". */
void show_bytes(struct buf *out, uint64_t bytes);

/* From "2026-11-21T22:40:01Z"; 0 for NULL and for what is none. */
int64_t parse_time_us(const char *text);
