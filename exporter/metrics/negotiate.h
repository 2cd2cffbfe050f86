/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a client would like best of what there is: RFC 9110, section 12. Pure; any thread. */

#include <stdbool.h>

#include "exporter/metrics/exposition.h"

/*
 * By an Accept header; NULL or one without an answer of ours means text 0.0.4, as
 * with other exporters. OpenMetrics has to be named, with version 1.0.0 or
 * none, and to be liked at least as well as text.
 */
enum exposition_format negotiate_format(const char *accept);

/* By an Accept-Encoding header: whether gzip is named and liked at least as well as no encoding. */
bool negotiate_gzip(const char *accept_encoding);
