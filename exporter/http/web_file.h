/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The file of --web.config.file: who may scrape, and over what. Its format is that of
 * the exporters of the Prometheus project (exporter-toolkit, docs/web-configuration.md).
 * A key that is unknown, or has no meaning here, is refused: a misspelt
 * client_auth_type must not leave the port open.
 */

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"

#define WEB_FILE_USERS_MAX 64u
#define WEB_FILE_HEADERS_MAX 5u

enum client_auth {
    CLIENT_AUTH_NONE,
    CLIENT_AUTH_REQUEST,  /* asked for, and nothing made of it */
    CLIENT_AUTH_ANY,      /* some certificate, whoever signed it */
    CLIENT_AUTH_IF_GIVEN, /* none, or one that client_ca_file signed */
    CLIENT_AUTH_VERIFIED, /* one that client_ca_file signed */
};

enum tls_version { TLS_10, TLS_11, TLS_12, TLS_13 };

struct web_file_pair {
    const char *name;
    const char *value;
};

struct web_file {
    struct arena arena;
    bool tls;
    const char *cert_file; /* absolute, or from where the agent was started; as those below */
    const char *key_file;
    const char *client_ca_file; /* NULL: none */
    enum client_auth client_auth;
    enum tls_version min_version, max_version;
    struct web_file_pair users[WEB_FILE_USERS_MAX]; /* with their bcrypt hashes */
    size_t n_users;                                 /* 0: no password is asked for */
    struct web_file_pair headers[WEB_FILE_HEADERS_MAX];
    size_t n_headers;
};

/*
 * Reads the file at `path`; paths in it are taken from its folder. Returns 0, -EINVAL with
 * the line and the key, -ENOMEM, or what the system said of the file. `ret` is untouched
 * then. The files that it names are not looked at.
 */
int web_file_read(const char *path, struct web_file *ret, struct err *err);

/* The same of what is in it already. `folder` may be "", else it ends in '/'. */
int web_file_parse(struct str text, struct str folder, struct web_file *ret, struct err *err);

void web_file_done(struct web_file *file);

/* The hash of `user`, or NULL. */
const char *web_file_hash(const struct web_file *file, const char *user);
