/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The status page: status.html, compiled into the program. It shows what the
 * /debug/ answers say and asks for them again every few seconds. Its script and
 * style run because they carry a nonce that no text of a cluster can know; the
 * policy forbids everything else, also from this machine.
 */

#include "err.h"

struct http_response;

/* Fills body, content type and policy. On failure `response` is as it was, but for its body. */
int page_write(struct http_response *response, struct err *err);
