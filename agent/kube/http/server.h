/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The URL of the server, and the proxy to it. */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/*
 * Checks that `url` is https://host[:port][/path] or http://..., and allocates its normal form,
 * without slashes at the end: "/api/v1/..." is appended to it. There are servers with a path:
 * clusters of Rancher, or a kubelet behind the API server's proxy. -EINVAL names what is wrong.
 * mem_free().
 */
int server_url(const char *url, char **ret, struct err *err);

/* Whether a name must be looked up to reach `url` (from server_url()): its own, or that of a proxy.
 */
bool server_needs_names(const char *url);

/* Whether others on a network can read what is sent to `url` (from server_url()): http://, but not
 * to this machine. */
bool server_is_cleartext(const char *url);

/* The URL of the API server from the environment of a pod. -ENOENT outside a cluster, -E2BIG if it
 * does not fit into `size` bytes. */
int server_in_cluster(char *ret, size_t size, struct err *err);

/*
 * The proxy for `url` from the environment, by the rules of Go's net/http, like every other client
 * of the API server: HTTPS_PROXY or HTTP_PROXY in upper or lower case; none for this machine; never
 * ALL_PROXY. "": no proxy. Not owned.
 */
const char *server_proxy(const char *url);

/* NO_PROXY or no_proxy; "" if neither is set. Not owned. */
const char *server_no_proxy(void);
