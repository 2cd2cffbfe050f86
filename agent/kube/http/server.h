/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which API server and by which way, from the environment; and what files hold. */

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "err.h"

/*
 * Checks that `url` is https://host[:port][/path] or http://... and nothing more, and allocates it
 * in its plain form, without slashes at the end: "/api/v1/..." is put behind it. Some have a path:
 * Rancher's clusters, or a kubelet behind the API server's proxy. -EINVAL names what is wrong.
 * mem_free().
 */
int server_url(const char *url, char **ret, struct err *err);

/* Whether what is sent to `url` (as server_url() gave it) can be read on a network: http://, and
 * not to this machine itself. */
bool server_is_clear(const char *url);

/* The address that the kubelet puts into every pod's environment. -ENOENT outside a cluster,
 * -E2BIG where it does not fit `size`. */
int server_in_cluster(char *ret, size_t size, struct err *err);

/* Appends a whole regular file to `content`, whose maximum bounds it; `what` it is, for people. The
 * error names both. -E2BIG over the maximum, -EINVAL for a FIFO or a device, which is not waited
 * for; `content` may hold a part on failure. */
int server_read_file(const char *path, const char *what, struct buf *content, struct err *err);

/*
 * Takes the blanks around a token away. -ENODATA where nothing is left, -EINVAL where it cannot be
 * a header's value; the error names `path`, which may be NULL.
 */
int server_trim_token(const char *path, struct buf *token, struct err *err);

/*
 * Which proxy leads to `url`, by the environment and as Go's net/http does it, which is what
 * every other client of the API server goes by: HTTPS_PROXY, HTTP_PROXY (either case), nothing for
 * this machine itself, never ALL_PROXY. "" for none. Not owned.
 */
const char *server_proxy(const char *url);

/* NO_PROXY or no_proxy; "" where neither is set. Not owned. */
const char *server_no_proxy(void);
