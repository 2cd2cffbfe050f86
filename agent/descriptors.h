/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The limit of open files. Libraries do not survive it: gRPC aborts, and an HTTP server that can
 * accept no connection spins. So the agent looks at the limit before anything else, and its
 * listeners accept only as many connections as fit.
 */

#include <stddef.h>

#include "err.h"

/*
 * Raises the limit if it is too low and may be raised. `ret_connections`: how many connections each
 * of the `listeners` for metrics may have, at most LIMIT_WEB_CONNECTIONS; each of the `debug` ones
 * has LIMIT_DEBUG_CONNECTIONS. -EMFILE if they are too few; `err` names the limit, and what is
 * needed.
 */
int descriptors_prepare(size_t listeners, size_t debug, unsigned *ret_connections, struct err *err);
