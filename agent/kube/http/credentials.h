/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The server, how to verify it, and how to authenticate: from flags, from the service account of a
 * pod or from a kubeconfig. Never written to disk or to the log. */

#include <stdbool.h>

#include "buf.h"
#include "err.h"
#include "str.h"

/*
 * A file or data; at most one of them is set. A file is read for each request: the kubelet replaces
 * a token about once an hour, and a cluster can change its CA while the agent runs.
 */
struct credential {
    char *file;
    char *data;
    size_t len; /* length of `data` */
};

/* All owned; NULL and empty if not given. */
struct credentials {
    char *server;             /* from server_url() */
    char *tls_server_name;    /* the name in its certificate; NULL: the host in `server` */
    bool insecure;            /* do not verify its certificate */
    struct credential ca;     /* PEM; not given: the system's certificates */
    struct credential token;  /* one word */
    struct credential client; /* certificate, PEM */
    struct credential key;    /* the key of `client`, PEM */
};

/* Frees all and wipes secrets. May be called on a zeroed struct, and again. */
void credentials_done(struct credentials *credentials);

static inline bool credential_given(const struct credential *credential)
{
    return credential->file || credential->data;
}

/* Stores a copy of a path or of data. The credential must not be given yet. -ENOMEM. */
int credential_set_file(struct credential *credential, const char *path, struct err *err);
int credential_set_data(struct credential *credential, struct str data, struct err *err);

/* What a credential is. */
enum credential_kind { CREDENTIAL_CA, CREDENTIAL_TOKEN, CREDENTIAL_CLIENT, CREDENTIAL_KEY };

/*
 * Loads and checks a credential into `ret`, which is initialised here: call credential_forget()
 * also on failure. Removes blanks around a token. The error names the file: it is unreadable, too
 * long, empty or damaged.
 */
int credential_load(const struct credential *credential, enum credential_kind kind, struct buf *ret,
                    struct err *err);

/* Wipes and frees. */
void credential_forget(struct buf *bytes);

/*
 * Checks at the start that all credentials can be loaded, and that no token would be sent over a
 * network without TLS. Needs a server. Errors: as credential_load(), or -EINVAL.
 */
int credentials_check(const struct credentials *credentials, struct err *err);
