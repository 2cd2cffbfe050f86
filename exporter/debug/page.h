/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The status page: status.html, compiled into the program. It shows the /debug/ answers and fetches
 * them again every few seconds. Its script and style carry a random nonce, which no text from the
 * cluster can know; the content policy forbids all others.
 */

#include "err.h"

struct http_response;

/* Sets body, content type and policy. On failure only the body has changed. */
int page_write(struct http_response *response, struct err *err);
