/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/kubeconfig.h"

#include <ctype.h>
#include <errno.h>

#include <gnutls/gnutls.h>

#include "agent/kube/http/file.h"
#include "agent/kube/http/server.h"
#include "limit.h"
#include "mem.h"
#include "yaml_doc.h"

#define NAME_SHOWN 100 /* bytes of a name that an error shows */

/* One named entry of clusters, contexts or users. */
struct entry {
    const struct yaml_doc *yaml;
    const char *path; /* path of the kubeconfig */
    const char *list; /* "clusters" */
    const char *key;  /* "cluster" */
    struct str name;
    const struct yaml_node *body; /* NULL: empty */
    struct err *err;
};

static int refuse(const struct entry *entry, const char *key, const char *why)
{
    return err_set(entry->err, -EINVAL, "kubeconfig '%s': %s[%.*s].%s.%s %s", entry->path,
                   entry->list, STR_ARG(str_head(entry->name, NAME_SHOWN)), entry->key, key, why);
}

/* --- entries ---------------------------------------------------------------------------------- */

static int find_entry(struct entry *entry, struct str name, const char *named_by)
{
    const struct yaml_node *list =
        yaml_doc_member(entry->yaml, yaml_doc_top(entry->yaml), entry->list);
    const struct yaml_node *item;

    entry->name = name;
    if (list && yaml_doc_kind(list) != YAML_LIST)
        return err_set(entry->err, -EINVAL, "kubeconfig '%s': %s is not a list", entry->path,
                       entry->list);
    for (size_t i = 0; (item = yaml_doc_item(entry->yaml, list, i)); i++) {
        if (!str_eq(yaml_doc_text(yaml_doc_member(entry->yaml, item, "name")), name))
            continue;
        entry->body = yaml_doc_member(entry->yaml, item, entry->key);
        if (entry->body && yaml_doc_kind(entry->body) != YAML_MAPPING)
            return err_set(entry->err, -EINVAL, "kubeconfig '%s': %s[%.*s].%s is not a mapping",
                           entry->path, entry->list, STR_ARG(str_head(name, NAME_SHOWN)),
                           entry->key);
        return 0;
    }
    return err_set(entry->err, -EINVAL, "kubeconfig '%s': %s has no '%.*s', which is named by %s",
                   entry->path, entry->list, STR_ARG(str_head(name, NAME_SHOWN)), named_by);
}

/* Sets `ret` to the text of `key`, or to an empty text if the key is missing. */
static int read_text(const struct entry *entry, const char *key, struct str *ret)
{
    const struct yaml_node *node = yaml_doc_member(entry->yaml, entry->body, key);

    if (node && yaml_doc_kind(node) != YAML_TEXT)
        return refuse(entry, key, "is not a text");
    *ret = yaml_doc_text(node);
    if (ret->len && memchr(ret->at, '\0', ret->len))
        return refuse(entry, key, "contains a NUL byte");
    return 0;
}

static int read_flag(const struct entry *entry, const char *key, bool *ret)
{
    struct str text = { 0 };
    int r = read_text(entry, key, &text);

    if (r < 0)
        return r;
    if (text.len && !str_eq(text, STR("true")) && !str_eq(text, STR("false")))
        return refuse(entry, key, "is not true or false");
    *ret = str_eq(text, STR("true"));
    return 0;
}

/* --- credentials of an entry ------------------------------------------------------------------ */

static int take_file(const struct entry *entry, struct str file, struct credential *ret)
{
    const char *slash = strrchr(entry->path, '/');
    struct buf path;
    int r;

    buf_init(&path, LIMIT_PATH);
    if (file.at[0] != '/' && slash)
        buf_add(&path, str_span(entry->path, slash + 1));
    buf_add(&path, file);
    r = buf_error(&path) ? err_set(entry->err, buf_error(&path),
                                   "kubeconfig '%s' names a file whose path is too long, or there "
                                   "is no memory",
                                   entry->path)
                         : credential_set_file(ret, path.at, entry->err);
    buf_done(&path);
    return r;
}

/* GnuTLS skips blanks in base64. Go, and with it kubectl, skips only line breaks. */
static bool has_blank(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (isspace((unsigned char)text.at[i]) && text.at[i] != '\n' && text.at[i] != '\r')
            return true;
    return false;
}

static int take_data(const struct entry *entry, const char *key, struct str text,
                     struct credential *ret)
{
    const gnutls_datum_t base64 = { .data = (unsigned char *)text.at, .size = (unsigned)text.len };
    gnutls_datum_t data = { 0 };
    int r =
        has_blank(text) ? GNUTLS_E_BASE64_DECODING_ERROR : gnutls_base64_decode2(&base64, &data);

    if (r == GNUTLS_E_MEMORY_ERROR)
        r = err_set(entry->err, -ENOMEM, "no memory for a credential");
    else if (r < 0)
        r = refuse(entry, key, "is not valid base64");
    else if (data.size == 0)
        r = refuse(entry, key, "is empty");
    else
        r = credential_set_data(ret, (struct str){ .at = (char *)data.data, .len = data.size },
                                entry->err);
    if (data.data)
        explicit_bzero(data.data, data.size);
    gnutls_free(data.data);
    return r;
}

/* Data takes precedence, as in client-go. */
static int read_credential(const struct entry *entry, const char *file_key, const char *data_key,
                           struct credential *ret)
{
    struct str file = { 0 }, data = { 0 };
    int r;

    if ((r = read_text(entry, file_key, &file)) < 0 || (r = read_text(entry, data_key, &data)) < 0)
        return r;
    if (data.len)
        return take_data(entry, data_key, data, ret);
    return file.len ? take_file(entry, file, ret) : 0;
}

static int read_token(const struct entry *user, struct credential *ret)
{
    struct str file = { 0 }, token = { 0 };
    int r;

    if ((r = read_text(user, "tokenFile", &file)) < 0 || (r = read_text(user, "token", &token)) < 0)
        return r;
    if (file.len)
        return take_file(user, file, ret);
    return token.len ? credential_set_data(ret, token, user->err) : 0;
}

/* --- clusters and users ----------------------------------------------------------------------- */

static int refuse_any(const struct entry *entry, const char *const keys[][2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (yaml_doc_member(entry->yaml, entry->body, keys[i][0]))
            return refuse(entry, keys[i][0], keys[i][1]);
    return 0;
}

/* The name becomes part of a URL, so it must not contain a character that ends a host there. */
static bool is_host_name(struct str name)
{
    if (name.len > LIMIT_NAME_TEXT)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const unsigned char byte = (unsigned char)name.at[i];

        if (byte >= 0x80 || (!isalnum(byte) && byte != '.' && byte != '-' && byte != '_'))
            return false;
    }
    return true;
}

static int read_cluster(const struct entry *cluster, struct credentials *ret)
{
    static const char *const unknown[][2] = {
        { "proxy-url", "is not supported; set HTTPS_PROXY" },
    };
    struct str server = { 0 }, name = { 0 };
    CLEANUP(mem_freep) char *url = NULL;
    int r;

    if ((r = refuse_any(cluster, unknown, ARRAY_SIZE(unknown))) < 0 ||
        (r = read_text(cluster, "server", &server)) < 0 ||
        (r = read_text(cluster, "tls-server-name", &name)) < 0 ||
        (r = read_flag(cluster, "insecure-skip-tls-verify", &ret->insecure)) < 0 ||
        (r = read_credential(cluster, "certificate-authority", "certificate-authority-data",
                             &ret->ca)) < 0)
        return r;
    if (!server.len)
        return refuse(cluster, "server", "is missing");
    if (ret->insecure && credential_given(&ret->ca))
        return refuse(cluster, "insecure-skip-tls-verify",
                      "cannot be combined with a certificate authority");
    url = mem_str(server);
    if (!url)
        return err_set(cluster->err, -ENOMEM, "no memory for the server's URL");
    r = server_url(url, &ret->server, cluster->err);
    if (r < 0) {
        err_wrap(cluster->err, "kubeconfig '%s': clusters[%.*s].cluster.server", cluster->path,
                 STR_ARG(str_head(cluster->name, NAME_SHOWN)));
        return r;
    }
    if (!name.len)
        return 0;
    if (!is_host_name(name))
        return refuse(cluster, "tls-server-name", "is not a host name");
    ret->tls_server_name = mem_str(name);
    return ret->tls_server_name ? 0 : err_set(cluster->err, -ENOMEM, "no memory for a host name");
}

static int read_user(const struct entry *user, struct credentials *ret)
{
#define NO_PROGRAMS                                                                                \
    "is not supported: this agent does not run programs; use a token, a tokenFile or a client "    \
    "certificate"
#define NO_PASSWORDS "is not supported: API servers accept no passwords since Kubernetes 1.19"
#define NO_OTHERS "is not supported: this agent does not impersonate other users"
    static const char *const unknown[][2] = {
        { "exec", NO_PROGRAMS },      { "auth-provider", NO_PROGRAMS },
        { "username", NO_PASSWORDS }, { "password", NO_PASSWORDS },
        { "as", NO_OTHERS },          { "as-uid", NO_OTHERS },
        { "as-groups", NO_OTHERS },   { "as-user-extra", NO_OTHERS },
    };
    int r;

    if ((r = refuse_any(user, unknown, ARRAY_SIZE(unknown))) < 0 ||
        (r = read_token(user, &ret->token)) < 0 ||
        (r = read_credential(user, "client-certificate", "client-certificate-data", &ret->client)) <
            0 ||
        (r = read_credential(user, "client-key", "client-key-data", &ret->key)) < 0)
        return r;
    if (credential_given(&ret->client) && !credential_given(&ret->key))
        return refuse(user, "client-certificate", "needs a client-key");
    if (credential_given(&ret->key) && !credential_given(&ret->client))
        return refuse(user, "client-key", "needs a client-certificate");
    return 0;
}

/* --- the file --------------------------------------------------------------------------------- */

static int read_context(const struct entry *context, struct credentials *ret)
{
    struct entry cluster = *context, user = *context;
    struct str name = { 0 };
    int r;

    cluster.list = "clusters";
    cluster.key = "cluster";
    user.list = "users";
    user.key = "user";
    if ((r = read_text(context, "cluster", &name)) < 0)
        return r;
    if (!name.len)
        return refuse(context, "cluster", "is missing");
    if ((r = find_entry(&cluster, name, "the context")) < 0 ||
        (r = read_cluster(&cluster, ret)) < 0 || (r = read_text(context, "user", &name)) < 0)
        return r;
    if (!name.len)
        return 0; /* no user: anonymous, as in client-go */
    if ((r = find_entry(&user, name, "the context")) < 0 || (r = read_user(&user, ret)) < 0)
        return r;
    if (server_is_cleartext(ret->server) &&
        (credential_given(&ret->token) || credential_given(&ret->client)))
        return refuse(&cluster, "server",
                      "is http://: credentials would be sent in the clear; use https://");
    return 0;
}

static int read_yaml(const struct yaml_doc *yaml, const char *path, const char *context,
                     struct credentials *ret, struct err *err)
{
    struct entry entry = {
        .yaml = yaml, .path = path, .list = "contexts", .key = "context", .err = err
    };
    const struct yaml_node *current = yaml_doc_member(yaml, yaml_doc_top(yaml), "current-context");
    struct str name = context ? str_from(context) : yaml_doc_text(current);
    int r;

    if (!name.len)
        return err_set(err, -EINVAL, "kubeconfig '%s' has no current-context; set --kube.context",
                       path);
    r = find_entry(&entry, name, context ? "--kube.context" : "current-context");
    return r < 0 ? r : read_context(&entry, ret);
}

int kubeconfig_parse(struct str text, const char *path, const char *context,
                     struct credentials *ret, struct err *err)
{
    struct credentials credentials = { 0 };
    struct yaml_doc *yaml = NULL;
    int r;

    r = yaml_doc_parse(text, &yaml, err);
    if (r < 0) {
        err_wrap(err, "kubeconfig '%s'", path);
        return r;
    }
    r = read_yaml(yaml, path, context, &credentials, err);
    yaml_doc_free(yaml);
    if (r < 0) {
        credentials_done(&credentials);
        return r;
    }
    *ret = credentials;
    return 0;
}

int kubeconfig_read(const char *path, const char *context, struct credentials *ret, struct err *err)
{
    struct buf text;
    int r;

    buf_init(&text, LIMIT_KUBECONFIG_FILE);
    r = file_read(path, "kubeconfig", &text, err);
    if (r == 0)
        r = kubeconfig_parse(buf_str(&text), path, context, ret, err);
    credential_forget(&text);
    return r;
}
