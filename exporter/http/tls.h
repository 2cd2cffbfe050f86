/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The server side of TLS: our certificate, and which clients are accepted. Uses GnuTLS, as
 * libmicrohttpd does. */

#include "err.h"

struct tls;
struct web_file;

/* Reads the certificate, key and CA that `file` names. Returns 0, -EINVAL, -ENOMEM or the errno of
 * the system call; `err` names the file and the error. */
int tls_new(const struct web_file *file, struct tls **ret, struct err *err);
void tls_free(struct tls *tls); /* accepts NULL; after all its sessions have ended */

/* Sets up a session before its handshake; `tls` must outlive it. `session` is libmicrohttpd's
 * MHD_CONNECTION_INFO_GNUTLS_SESSION. On failure (-ENOMEM, -EIO) close the connection. */
int tls_attach(const struct tls *tls, void *session);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK: a callback that never has a certificate. libmicrohttpd needs
 * a certificate or a callback; the certificate of each session comes from tls_attach(). */
void *tls_no_certificate(void);
