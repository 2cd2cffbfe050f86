/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Puts credentials into a request. They are loaded for each request and handed to curl as bytes:
 * curl compares them before it reuses a connection, so a changed CA or client certificate gets a
 * new connection.
 */

#include <curl/curl.h>

#include "agent/kube/http/credentials.h"
#include "buf.h"
#include "err.h"

/* Where requests go. The certificate can have another name than the host of the URL. */
struct auth_route {
    char *base;                    /* the start of each URL */
    struct curl_slist *connect_to; /* NULL: connect to the host of the URL */
    char *host;                    /* the header "Host: ..."; NULL: the host of the URL */
};

/* The route to credentials->server. -ENOMEM. auth_route_done() may be called on a zeroed struct. */
int auth_route_init(struct auth_route *route, const struct credentials *credentials,
                    struct err *err);
void auth_route_done(struct auth_route *route);

/* Appends "Authorization: Bearer ..." to `*headers`. */
int auth_add_token(const struct credential *token, struct curl_slist **headers, struct err *err);

/* Sets the CA and the client certificate; curl keeps copies. */
int auth_set_tls(CURL *easy, const struct credentials *credentials, struct err *err);

/* Appends to curl's error text the name of the credential's file that the error is about: curl
 * knows only the bytes. `text` has `size` bytes and stays terminated. */
void auth_add_hint(const struct credentials *credentials, CURLcode code, char *text, size_t size);
