/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which API server, how to trust it, and who we are to it: everything that is read from the
 * environment and from files. */

#include <stddef.h>

#include "buf.h"
#include "err.h"

/* Checks that `url` is https://host[:port] or http://host[:port] and nothing more, and allocates
 * it in its plain form, without a slash at the end. -EINVAL names what is wrong. mem_free(). */
int server_url(const char *url, char **ret, struct err *err);

/* The address that the kubelet puts into every pod's environment. -ENOENT outside a cluster,
 * -E2BIG where it does not fit `size`. */
int server_in_cluster(char *ret, size_t size, struct err *err);

/* A readable file with at least one PEM certificate in it. */
int server_check_ca(const char *path, struct err *err);

/*
 * The token in `path`, without the blanks around it, into `token`, which the caller has
 * initialised. Read anew for each request, because the kubelet replaces the file every hour or
 * so. -ENODATA where it is empty, -EINVAL where it cannot be a header's value.
 */
int server_read_token(const char *path, struct buf *token, struct err *err);

/*
 * Which proxy leads to `url`, by the environment and as Go's net/http does it, which is what
 * every other client of the API server goes by: HTTPS_PROXY, HTTP_PROXY (either case), nothing for
 * this machine itself, never ALL_PROXY. "" for none. Not owned.
 */
const char *server_proxy(const char *url);

/* NO_PROXY or no_proxy; "" where neither is set. Not owned. */
const char *server_no_proxy(void);
