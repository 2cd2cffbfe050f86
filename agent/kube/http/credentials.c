/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/credentials.h"

#include <assert.h>
#include <errno.h>

#include "agent/kube/http/file.h"
#include "agent/kube/http/pem.h"
#include "agent/kube/http/server.h"
#include "limit.h"
#include "mem.h"

static const struct kind_row {
    const char *name;
    bool pem;
    enum pem_kind pem_kind;
} kinds[] = {
    [CREDENTIAL_CA] = { "the server's CA file", true, PEM_CERTIFICATES },
    [CREDENTIAL_TOKEN] = { "the token", false, 0 },
    [CREDENTIAL_CLIENT] = { "the client's certificate", true, PEM_CERTIFICATES },
    [CREDENTIAL_KEY] = { "the client's key", true, PEM_PRIVATE_KEY },
};

static void credential_done(struct credential *credential)
{
    if (credential->data)
        explicit_bzero(credential->data, credential->len);
    mem_free(credential->data);
    mem_free(credential->file);
    *credential = (struct credential){ 0 };
}

void credentials_done(struct credentials *credentials)
{
    credential_done(&credentials->ca);
    credential_done(&credentials->token);
    credential_done(&credentials->client);
    credential_done(&credentials->key);
    mem_free(credentials->server);
    mem_free(credentials->tls_server_name);
    *credentials = (struct credentials){ 0 };
}

int credential_set_file(struct credential *credential, const char *path, struct err *err)
{
    assert(!credential_given(credential));
    credential->file = mem_strdup(path);
    return credential->file ? 0 : err_set(err, -ENOMEM, "no memory for the path of a credential");
}

int credential_set_data(struct credential *credential, struct str data, struct err *err)
{
    assert(!credential_given(credential));
    credential->data = mem_str(data);
    if (!credential->data)
        return err_set(err, -ENOMEM, "no memory for a credential");
    credential->len = data.len;
    return 0;
}

/* The error reads: the server's CA file '/path' has no PEM certificate. */
static int check_pem(const struct credential *credential, const struct kind_row *kind,
                     struct str content, struct err *err)
{
    struct err why = ERR_INIT;

    if (pem_check(content, kind->pem_kind, &why) == 0)
        return 0;
    return err_set(err, why.code, "%s %s%s%s%s", kind->name, credential->file ? "'" : "",
                   credential->file ? credential->file : "", credential->file ? "' " : "",
                   why.text);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Removes the blanks around a token, and checks that it can be the value of a header. */
static int trim_token(const char *path, struct buf *token, struct err *err)
{
    const char *quote = path ? " '" : "", *unquote = path ? "'" : "", *name = path ? path : "";
    size_t from = 0;

    while (token->len && is_blank(token->at[token->len - 1]))
        token->len--;
    while (from < token->len && is_blank(token->at[from]))
        from++;
    if (from == token->len)
        return err_set(err, -ENODATA, "the token%s%s%s is empty", quote, name, unquote);
    for (size_t i = from; i < token->len; i++)
        if (token->at[i] <= ' ' || token->at[i] == 0x7f)
            return err_set(err, -EINVAL, "the token%s%s%s has a blank or a control character in it",
                           quote, name, unquote);
    token->len -= from;
    memmove(token->at, token->at + from, token->len);
    token->at[token->len] = '\0';
    return 0;
}

int credential_load(const struct credential *credential, enum credential_kind kind, struct buf *ret,
                    struct err *err)
{
    const struct kind_row *row = &kinds[kind];
    int r;

    buf_init(ret, kind == CREDENTIAL_TOKEN ? LIMIT_TOKEN_FILE : LIMIT_PEM_FILE);
    if (credential->file) {
        r = file_read(credential->file, row->name, ret, err);
        if (r < 0)
            return r;
    } else {
        buf_add(ret, (struct str){ .at = credential->data, .len = credential->len });
        if (buf_error(ret))
            return err_set(err, buf_error(ret), "%s is over %zu bytes, or there is no memory",
                           row->name, ret->max);
    }
    if (kind == CREDENTIAL_TOKEN)
        return trim_token(credential->file, ret, err);
    return row->pem ? check_pem(credential, row, buf_str(ret), err) : 0;
}

void credential_forget(struct buf *bytes)
{
    if (bytes->at)
        explicit_bzero(bytes->at, bytes->size);
    buf_done(bytes);
}

/* Anyone who reads the token on the network can use it. http:// to this machine itself is allowed:
 * `kubectl proxy` serves that. */
static int check_transport(const struct credentials *credentials, struct err *err)
{
    if (!credential_given(&credentials->token) || !server_is_cleartext(credentials->server))
        return 0;
    return err_set(err, -EINVAL,
                   "the token for '%s' would be sent over the network in the clear; use https:// "
                   "(http:// only for this machine: 127.0.0.1, [::1], localhost)",
                   credentials->server);
}

int credentials_check(const struct credentials *credentials, struct err *err)
{
    const struct {
        const struct credential *credential;
        enum credential_kind kind;
    } all[] = { { &credentials->ca, CREDENTIAL_CA },
                { &credentials->token, CREDENTIAL_TOKEN },
                { &credentials->client, CREDENTIAL_CLIENT },
                { &credentials->key, CREDENTIAL_KEY } };
    struct buf bytes;
    int r = check_transport(credentials, err);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++) {
        if (!credential_given(all[i].credential))
            continue;
        r = credential_load(all[i].credential, all[i].kind, &bytes, err);
        credential_forget(&bytes);
    }
    return r;
}
