/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by reflector.c (asking and reading) and reflector_end.c (what to make of the end). */

#include "agent/kube/reflector.h"

/* A watch that stays open for this long works, though nothing was said. An ERROR event comes at
 * once. */
#define REFLECTOR_SETTLE (2 * SEC)

void reflector_move(struct reflector *reflector, enum reflector_state next);

/* The next request is for the list: streaming where that is worth a try, else `list`. */
void reflector_list_anew(struct reflector *reflector, enum target_list list, struct instant now);

/* `reflector->err` has been set: remembers what kind of error it is and returns its code. */
int reflector_fail(struct reflector *reflector, enum reconnect why);
