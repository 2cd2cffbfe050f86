/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which server, how to trust it, and who we are to it: from flags, from a pod's service account or
 * from a kubeconfig. Nothing of it is ever written to disk or to the log. */

#include <stdbool.h>

#include "buf.h"
#include "err.h"
#include "str.h"

/*
 * Bytes that are given themselves, or by a file that is read anew for each request: the kubelet
 * replaces a token every hour or so, and clusters change their CA under a running agent. At most
 * one of both is set.
 */
struct credential {
    char *file;
    char *data;
    size_t len; /* of `data` */
};

/* All owned; NULL and empty where not given. */
struct credentials {
    char *server;             /* as server_url() gives it */
    char *tls_server_name;    /* what its certificate is for; NULL: the name in `server` */
    bool insecure;            /* its certificate is not checked */
    struct credential ca;     /* PEM; none: the system's */
    struct credential token;  /* one word */
    struct credential client; /* certificate, PEM */
    struct credential key;    /* of `client`, PEM */
};

/* Forgets everything, secrets for good. Fine on what is zeroed or already done. */
void credentials_done(struct credentials *credentials);

static inline bool credential_given(const struct credential *credential)
{
    return credential->file || credential->data;
}

/*
 * Copies of a path or of bytes, in the place of nothing. -ENOMEM.
 */
int credential_set_file(struct credential *credential, const char *path, struct err *err);
int credential_set_data(struct credential *credential, struct str data, struct err *err);

/* What a file or data must hold. */
enum credential_kind { CREDENTIAL_CA, CREDENTIAL_TOKEN, CREDENTIAL_CLIENT, CREDENTIAL_KEY };

/*
 * The bytes as they are now, checked, into `ret`, which is initialised here: done with
 * credential_forget() also on failure. Of a token without the blanks around it. The error names the
 * file: unreadable, too long, empty, or without what it must hold.
 */
int credential_load(const struct credential *credential, enum credential_kind kind, struct buf *ret,
                    struct err *err);

/* Overwrites and frees. */
void credential_forget(struct buf *bytes);

/*
 * Whether all that is given can be loaded now, and whether no token would go over a network in the
 * clear: asked once at the start, with a server. As credential_load(), or -EINVAL.
 */
int credentials_check(const struct credentials *credentials, struct err *err);
