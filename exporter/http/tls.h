/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The server's side of TLS, over GnuTLS, which libmicrohttpd uses: who we are, and whom we let in.
 */

#include "err.h"

struct tls;
struct web_file;

/* Reads certificate, key and CA that `file` names. Returns 0, or with the file and what is wrong
 * with it: -EINVAL, -ENOMEM, or what the system said. */
int tls_new(const struct web_file *file, struct tls **ret, struct err *err);
void tls_free(struct tls *tls); /* accepts NULL; no session may use it any more */

/*
 * Makes a new session, before its handshake, use `tls`, which must outlive it.
 * `session` is what libmicrohttpd calls MHD_CONNECTION_INFO_GNUTLS_SESSION. On
 * failure (-ENOMEM, -EIO) the session must not go on.
 */
int tls_attach(const struct tls *tls, void *session);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK: has none for anybody. libmicrohttpd wants a certificate of
 * its own, or this; each session then gets what tls_attach() gives it. */
void *tls_no_certificate(void);
