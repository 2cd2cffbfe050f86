/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Splits "host", "host:port" and ":port". An IPv6 address stands in brackets, as in "[::1]:9917".
 */

#include <stdbool.h>

#include "str.h"

struct hostport {
    struct str host; /* without brackets; empty in ":port". Points into the text. */
    struct str port; /* without the colon; may be empty ("host:"). Points into the text. */
    bool in_brackets;
    bool has_port; /* a colon follows the host */
};

/*
 * Returns false and leaves `ret` alone when the parts are not clear: an IPv6 address without
 * brackets, a bracket that is missing, or text between "]" and ":". The caller checks the
 * characters of the host and the port (number_port() in number.h checks a port).
 */
bool hostport_split(struct str text, struct hostport *ret);
