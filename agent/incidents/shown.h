/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How names and texts from a cluster are shown. A tenant chooses many of them: an image can be any
 * text, with a password or with bytes that a terminal obeys. The incident table keeps true names,
 * because the runtime is asked for them. Readers get only what has gone through here.
 */

#include "arena.h"

struct snapshot;

/*
 * The text itself, or a copy in the arena: without secrets, and with U+FFFD in place of control
 * characters, invalid bytes, and characters that are invisible or change the direction of writing.
 * NULL: no memory, or `text` is NULL.
 */
const char *shown_text(struct arena *arena, const char *text);

/* All names and texts of a snapshot. 0, or -ENOMEM. */
int shown_snapshot(struct snapshot *snapshot);
