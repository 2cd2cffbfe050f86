/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files that make up `status`'s table share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/commands/status_table.h"

struct buf;

enum status_style {
    STYLE_PLAIN,
    STYLE_HEAD,
    STYLE_BAD,
    STYLE_STALLED,
    STYLE_GOOD,
    STYLE_MAX,
};

/* Nothing where `view` has no colours. */
void status_style(struct buf *out, const struct status_view *view, enum status_style style);

/* "" and 0 where it is null or something else. */
const char *status_text(const json_t *object, const char *key);
uint64_t status_number(const json_t *object, const char *key);

bool status_selected(const json_t *failure, const struct status_view *view);
bool status_open(const json_t *failure);

/* The open ones of `failures` that `view` selects; `width` as given, not from `view`. */
void status_write_failures(struct buf *out, const json_t *failures, const struct status_view *view,
                           size_t width);
