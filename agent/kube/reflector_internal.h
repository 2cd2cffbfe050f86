/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by reflector.c (requests and answers) and reflector_end.c (what follows an end). */

#include <errno.h>

#include "agent/kube/reflector.h"

/* The error of a request that has used up the budget of its events. It is not a failure. */
#define REFLECTOR_USED_UP (-EDQUOT)

void reflector_move(struct reflector *reflector, enum reflector_state next);

/* The next request reads the list: as STREAM if that may work, else as `list`. */
void reflector_list_anew(struct reflector *reflector, enum target_list list, struct instant now);

/* The request has shown that it works. */
void reflector_settle(struct reflector *reflector, struct instant now);

/* Sets the kind of an error that is already set, and returns the error's code. */
int reflector_fail(struct reflector *reflector, enum reconnect why);

/* "list" or "watch", for the log. */
const char *reflector_doing(const struct reflector *reflector);
