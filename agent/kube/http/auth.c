/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/auth.h"

#include <errno.h>
#include <stdio.h>

#include "hostport.h"
#include "limit.h"
#include "mem.h"

/* A URL in which the certificate's name replaces the host. */
#define ROUTE_MAX (LIMIT_SERVER_URL + LIMIT_NAME_TEXT + 16u)

/* --- route ------------------------------------------------------------------------------------ */

/* curl verifies the certificate against the host of the URL only. So the name goes into the URL,
 * and the connection and the Host header keep the server's address, as in client-go. */
static int route_by_name(struct auth_route *route, const char *server, const char *name)
{
    const char *rest = server + strlen("https://");
    const struct str authority = { .at = rest, .len = strcspn(rest, "/") };
    struct hostport parts = { 0 };
    struct buf base, connect_to, host;

    hostport_split(authority, &parts);
    buf_init(&base, ROUTE_MAX);
    buf_init(&connect_to, ROUTE_MAX);
    buf_init(&host, ROUTE_MAX);
    buf_printf(&base, "https://%s%s%.*s%s", name, parts.has_port ? ":" : "", STR_ARG(parts.port),
               rest + authority.len);
    buf_printf(&connect_to, "::%.*s%s", STR_ARG(authority), parts.has_port ? "" : ":443");
    buf_printf(&host, "Host: %.*s", STR_ARG(authority));
    if (!buf_error(&base) && !buf_error(&connect_to) && !buf_error(&host)) {
        route->base = mem_strdup(base.at);
        route->connect_to = curl_slist_append(NULL, connect_to.at);
        route->host = mem_strdup(host.at);
    }
    buf_done(&host);
    buf_done(&connect_to);
    buf_done(&base);
    return route->base && route->connect_to && route->host ? 0 : -ENOMEM;
}

int auth_route_init(struct auth_route *route, const struct credentials *credentials,
                    struct err *err)
{
    int r = 0;

    *route = (struct auth_route){ 0 };
    if (credentials->tls_server_name && strncmp(credentials->server, "https://", 8) == 0) {
        r = route_by_name(route, credentials->server, credentials->tls_server_name);
    } else {
        route->base = mem_strdup(credentials->server);
        r = route->base ? 0 : -ENOMEM;
    }
    if (r < 0) {
        auth_route_done(route);
        return err_set(err, r, "no memory for the server's URL");
    }
    return 0;
}

void auth_route_done(struct auth_route *route)
{
    mem_free(route->base);
    mem_free(route->host);
    curl_slist_free_all(route->connect_to);
    *route = (struct auth_route){ 0 };
}

/* --- credentials ------------------------------------------------------------------------------ */

int auth_add_token(const struct credential *token, struct curl_slist **headers, struct err *err)
{
    struct buf bytes, header;
    int r;

    buf_init(&header, LIMIT_TOKEN_FILE + 64);
    r = credential_load(token, CREDENTIAL_TOKEN, &bytes, err);
    if (r == 0) {
        struct curl_slist *longer = NULL;

        buf_add_text(&header, "Authorization: Bearer ");
        buf_add(&header, buf_str(&bytes));
        if (!buf_error(&header))
            longer = curl_slist_append(*headers, header.at);
        if (longer)
            *headers = longer;
        else
            r = err_set(err, -ENOMEM, "no memory for a request's headers");
    }
    credential_forget(&header);
    credential_forget(&bytes);
    return r;
}

static int set_blob(CURL *easy, CURLoption option, const struct credential *credential,
                    enum credential_kind kind, struct err *err)
{
    struct buf bytes;
    int r;

    if (!credential_given(credential))
        return 0;
    r = credential_load(credential, kind, &bytes, err);
    if (r == 0) {
        struct curl_blob blob = { .data = bytes.at, .len = bytes.len, .flags = CURL_BLOB_COPY };

        if (curl_easy_setopt(easy, option, &blob) != CURLE_OK)
            r = err_set(err, -ENOMEM, "no memory for a credential");
    }
    credential_forget(&bytes);
    return r;
}

/* With its default CAPATH, Debian's curl would also trust all public authorities. */
int auth_set_tls(CURL *easy, const struct credentials *credentials, struct err *err)
{
    int r;

    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, credentials->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, credentials->insecure ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    if (credential_given(&credentials->ca))
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    r = set_blob(easy, CURLOPT_CAINFO_BLOB, &credentials->ca, CREDENTIAL_CA, err);
    if (r == 0)
        r = set_blob(easy, CURLOPT_SSLCERT_BLOB, &credentials->client, CREDENTIAL_CLIENT, err);
    if (r == 0)
        r = set_blob(easy, CURLOPT_SSLKEY_BLOB, &credentials->key, CREDENTIAL_KEY, err);
    return r;
}

/* --- errors ----------------------------------------------------------------------------------- */

static const char *origin(const struct credential *credential)
{
    if (credential->file)
        return credential->file;
    return credential->data ? "the kubeconfig" : "the system's certificates";
}

void auth_add_hint(const struct credentials *credentials, CURLcode code, char *text, size_t size)
{
    const size_t len = strlen(text);

    text += len;
    size -= len;
    if (code == CURLE_SSL_CACERT_BADFILE)
        snprintf(text, size, ": a CA certificate in '%s' cannot be read", origin(&credentials->ca));
    else if (code == CURLE_SSL_CERTPROBLEM)
        snprintf(text, size, ": check the client certificate in '%s' and its key in '%s'",
                 origin(&credentials->client), origin(&credentials->key));
    else if (code == CURLE_PEER_FAILED_VERIFICATION &&
             (strstr(text - len, "issuer") || strstr(text - len, "self-signed")))
        snprintf(text, size, ": it is not signed by a CA certificate in '%s'",
                 origin(&credentials->ca));
}
