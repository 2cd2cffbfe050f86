/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/credentials.h"

#include <assert.h>
#include <errno.h>

#include "agent/kube/server.h"
#include "limits.h"
#include "mem.h"

#define PEM_FILE_MAX (4u << 20) /* a company's whole bundle has a few hundred KiB */

static const struct kind_row {
    const char *name;
    const char *marks[2]; /* both must be found; NULL: nothing to look for */
    const char *lacks;
} kinds[] = {
    [CREDENTIAL_CA] = { "the API server's CA file",
                        { "-----BEGIN CERTIFICATE-----" },
                        "holds no PEM certificate" },
    [CREDENTIAL_TOKEN] = { "the service account's token", { NULL }, NULL },
    [CREDENTIAL_CLIENT] = { "the client's certificate",
                            { "-----BEGIN CERTIFICATE-----" },
                            "holds no PEM certificate" },
    [CREDENTIAL_KEY] = { "the client's key",
                         { "-----BEGIN ", "PRIVATE KEY-----" },
                         "holds no PEM private key" },
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

static int check_marks(const struct credential *credential, const struct kind_row *kind,
                       struct str content, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(kind->marks); i++)
        if (kind->marks[i] && !str_find(content, str_from(kind->marks[i])))
            return err_set(err, -EINVAL, "%s %s%s%s%s", kind->name, credential->file ? "'" : "",
                           credential->file ? credential->file : "", credential->file ? "' " : "",
                           kind->lacks);
    return 0;
}

int credential_load(const struct credential *credential, enum credential_kind kind, struct buf *ret,
                    struct err *err)
{
    const struct kind_row *row = &kinds[kind];
    int r;

    buf_init(ret, kind == CREDENTIAL_TOKEN ? LIMIT_TOKEN_FILE : PEM_FILE_MAX);
    if (credential->file) {
        r = server_read_file(credential->file, row->name, ret, err);
        if (r < 0)
            return r;
    } else {
        buf_add(ret, (struct str){ .at = credential->data, .len = credential->len });
        if (buf_error(ret))
            return err_set(err, buf_error(ret), "%s is over %zu bytes, or there is no memory",
                           row->name, ret->max);
    }
    if (kind == CREDENTIAL_TOKEN)
        return server_trim_token(credential->file, ret, err);
    return check_marks(credential, row, buf_str(ret), err);
}

void credential_forget(struct buf *bytes)
{
    if (bytes->at)
        explicit_bzero(bytes->at, bytes->size);
    buf_done(bytes);
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
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++) {
        if (!credential_given(all[i].credential))
            continue;
        r = credential_load(all[i].credential, all[i].kind, &bytes, err);
        credential_forget(&bytes);
    }
    return r;
}
