/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the files that write the table of `status`. */

#include <stddef.h>

#include "agent/commands/status_answers.h"

struct buf;

enum status_style {
    STYLE_PLAIN,
    STYLE_HEAD,
    STYLE_BAD,
    STYLE_STALLED,
    STYLE_GOOD,
    STYLE_MAX,
};

/* Writes nothing if `options` has no colours. */
void status_style(struct buf *out, const struct status_options *options, enum status_style style);

/* Writes the open failures that `options` selects, in columns. `width` is used, not options->width.
 */
void status_write_failures(struct buf *out, const json_t *failures,
                           const struct status_options *options, size_t width);
