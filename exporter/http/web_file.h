/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The web file, --web.config.file: TLS, users and headers of the scrape port, in the format of the
 * Prometheus exporters (exporter-toolkit, docs/web-configuration.md). A key that is unknown or has
 * no effect here is an error: a misspelt client_auth_type must not leave the port open.
 */

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "limit.h"
#include "str.h"

#define WEB_FILE_HEADERS 5u /* how many headers the format knows */

enum client_auth {
    CLIENT_AUTH_NONE,
    CLIENT_AUTH_REQUEST,  /* asks for a certificate and ignores it */
    CLIENT_AUTH_ANY,      /* needs a certificate, whoever signed it */
    CLIENT_AUTH_IF_GIVEN, /* no certificate, or one that client_ca_file signed */
    CLIENT_AUTH_VERIFIED, /* needs a certificate that client_ca_file signed */
};

enum tls_version { TLS_10, TLS_11, TLS_12, TLS_13 };

struct web_file_pair {
    const char *name;
    const char *value;
};

struct web_file {
    struct arena arena;
    bool tls;
    const char *cert_file; /* absolute, or relative to the working directory; also below */
    const char *key_file;
    const char *client_ca_file; /* NULL: none */
    enum client_auth client_auth;
    enum tls_version min_version, max_version;
    struct web_file_pair users[LIMIT_WEB_USERS]; /* name and bcrypt hash */
    size_t n_users;                              /* 0: no password is needed */
    int cost;                                    /* the highest bcrypt cost of these hashes */
    struct web_file_pair headers[WEB_FILE_HEADERS];
    size_t n_headers;
};

/*
 * Reads the file at `path`. Relative paths in it start at its folder. Returns 0, -EINVAL with line
 * and key, -E2BIG, -ENOMEM, or the errno of the system call; `ret` is untouched then. Does not
 * open the files that it names.
 */
int web_file_read(const char *path, struct web_file *ret, struct err *err);

/* Parses the text of the file. `folder` is "" or ends in '/'. */
int web_file_parse(struct str text, struct str folder, struct web_file *ret, struct err *err);

void web_file_done(struct web_file *file);

/* The hash of `user`; NULL if unknown. */
const char *web_file_hash(const struct web_file *file, const char *user);
