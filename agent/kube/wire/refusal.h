/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The text in the body of an HTTP error: a Status of the API server in JSON or protobuf, or the
 * page of a proxy. For people only: no decision depends on it. */

#include "str.h"

#define REFUSAL_TEXT_SIZE 256

/*
 * Writes one line of printable ASCII to `ret` (REFUSAL_TEXT_SIZE bytes, terminated): the message of
 * the Status, else the first line of the body, else "". A text that is too long ends in "...".
 */
void refusal_text(struct str body, char *ret);

/* Writes `text` to `ret` in the same way: control characters become blanks, non-ASCII bytes '?'. */
void refusal_clean(struct str text, char *ret);
