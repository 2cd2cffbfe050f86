/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where the container runtime's socket is. Pure, but for endpoint_check(). */

#include "err.h"

/* sockaddr_un.sun_path, without its NUL. */
#define ENDPOINT_PATH_MAX 107u

/*
 * The path in "unix:///path", "unix:/path" or "/path", as a pointer into
 * `endpoint`. -EINVAL with a sentence that names the endpoint where it is anything else or too
 * long.
 */
int endpoint_parse(const char *endpoint, const char **ret_path, struct err *err);

/* The sockets to look at where none is configured, in this order; NULL-terminated. */
const char *const *endpoint_well_known(void);

/* 0 where there is a socket at `path` now (or a link to one); else a negative errno and why not. */
int endpoint_check(const char *path, struct err *err);
