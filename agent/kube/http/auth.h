/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credentials into a request. Everything is handed to curl as bytes that are loaded now: curl
 * compares them when it looks for a connection to use again, so a CA or a client certificate that
 * changed gets a new connection, and one that did not keeps the old.
 */

#include <curl/curl.h>

#include "agent/kube/http/credentials.h"
#include "buf.h"
#include "err.h"
#include "str.h"

/* Where a request goes to, when the certificate is for another name than the server's. */
struct auth_route {
    char *base;                    /* what URLs begin with */
    struct curl_slist *connect_to; /* NULL: where the URL says */
    char *host;                    /* the header "Host: ..."; NULL: as the URL says */
};

/* The route to credentials->server. -ENOMEM; auth_route_done() is fine on what is zeroed. */
int auth_route_init(struct auth_route *route, const struct credentials *credentials,
                    struct err *err);
void auth_route_done(struct auth_route *route);

/* Appends "Authorization: Bearer ..." to `*headers`. */
int auth_add_token(const struct credential *token, struct curl_slist **headers, struct err *err);

/* Whom to trust and what to show; curl keeps copies. */
int auth_set_tls(CURL *easy, const struct credentials *credentials, struct err *err);

/* Appends to curl's words for a failure which of the credentials it is about, where it is about one
 * of them: people know files, not blobs. `text` is terminated and stays so within `size`. */
void auth_add_hint(const struct credentials *credentials, CURLcode code, char *text, size_t size);
