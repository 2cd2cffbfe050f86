/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The path of the container runtime's socket. Any thread. Pure, except endpoint_check(). */

#include "err.h"

/* sockaddr_un.sun_path, without its NUL. */
#define ENDPOINT_PATH_MAX 107u

/*
 * Finds the path in "unix:///path", "unix:/path" or "/path"; `ret_path` points into `endpoint`.
 * -EINVAL, naming the endpoint, for anything else and for a path that is too long.
 */
int endpoint_parse(const char *endpoint, const char **ret_path, struct err *err);

/* The sockets to try when none is configured, in this order; NULL-terminated. */
const char *const *endpoint_well_known(void);

/* 0 if `path` is a socket or a link to one; else a negative errno, and `err` names the path. */
int endpoint_check(const char *path, struct err *err);
