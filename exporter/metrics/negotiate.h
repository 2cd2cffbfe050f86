/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Content negotiation (RFC 9110, section 12). Any thread. */

#include <stdbool.h>

#include "exporter/metrics/exposition.h"

/*
 * Chooses the format from an Accept header. Without the header, or if it names neither format, the
 * answer is text 0.0.4, as with other exporters. OpenMetrics is chosen if the client names it, with
 * version 1.0.0 or none, and gives it at least the weight of text.
 */
enum exposition_format negotiate_format(const char *accept);

/* Whether an Accept-Encoding header names gzip, with at least the weight of no encoding. */
bool negotiate_gzip(const char *accept_encoding);
