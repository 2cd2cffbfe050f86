/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the body of a refusal says, whoever wrote it: the API server's Status in JSON or protobuf,
 * or a proxy's page. For people only; nothing is decided by it. */

#include "str.h"

#define REFUSAL_TEXT_SIZE 256

/*
 * One line in printable ASCII into `ret` (REFUSAL_TEXT_SIZE bytes, terminated): the Status's
 * message, else the body's first line, else "". What is too long ends in "...".
 */
void refusal_text(struct str body, char *ret);

/* `text` as one line in ASCII: control characters become blanks, other characters '?'. */
void refusal_clean(struct str text, char *ret);
