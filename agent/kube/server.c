/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "limits.h"
#include "mem.h"

/* --- the address ------------------------------------------------------------------------------ */

static const char *url_fault(CURLU *parts)
{
    static const CURLUPart unwanted[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                          CURLUPART_FRAGMENT };
    const char *fault = NULL;
    char *text;

    for (size_t i = 0; !fault && i < ARRAY_SIZE(unwanted); i++) {
        if (curl_url_get(parts, unwanted[i], &text, 0) == CURLUE_OK) {
            fault = "has more than a host and a port";
            curl_free(text);
        }
    }
    if (!fault && curl_url_get(parts, CURLUPART_PATH, &text, 0) == CURLUE_OK) {
        if (strcmp(text, "/") != 0)
            fault = "has a path";
        curl_free(text);
    }
    if (!fault && curl_url_get(parts, CURLUPART_SCHEME, &text, 0) == CURLUE_OK) {
        if (strcmp(text, "https") != 0 && strcmp(text, "http") != 0)
            fault = "is neither https:// nor http://";
        curl_free(text);
    }
    return fault;
}

int server_url(const char *url, char **ret, struct err *err)
{
    const char *fault = "is no URL";
    CURLU *parts = curl_url();
    char *plain = NULL, *copy;

    if (!parts)
        return err_set(err, -ENOMEM, "no memory for the API server's URL");
    /* Not CURLU_GUESS_SCHEME: "host:6443" must not quietly become http. */
    if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
        fault = url_fault(parts);
        if (!fault && curl_url_get(parts, CURLUPART_URL, &plain, 0) != CURLUE_OK)
            fault = "is no URL";
    }
    curl_url_cleanup(parts);
    if (fault)
        return err_set(err, -EINVAL, "the API server's URL '%s' %s; it should look like %s",
                       strchr(url, '@') ? "(not shown, for it may hold a password)" : url, fault,
                       "https://host:port");
    copy = mem_str((struct str){ .at = plain, .len = strlen(plain) - 1 }); /* without its slash */
    curl_free(plain);
    if (!copy)
        return err_set(err, -ENOMEM, "no memory for the API server's URL");
    *ret = copy;
    return 0;
}

int server_in_cluster(char *ret, size_t size, struct err *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    char url[512];
    int n;

    if (!host || !*host || !port || !*port)
        return err_set(err, -ENOENT,
                       "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so this "
                       "is no pod; outside a cluster name the API server with --kube.server");
    n = snprintf(url, sizeof(url), strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
                 port);
    if (n < 0 || (size_t)n >= sizeof(url) || (size_t)n >= size)
        return err_set(err, -E2BIG, "KUBERNETES_SERVICE_HOST or _PORT is too long");
    memcpy(ret, url, (size_t)n + 1);
    return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

int server_read_file(const char *path, const char *what, struct buf *content, struct err *err)
{
    FILE *file = fopen(path, "re");
    char block[4096];
    size_t n;
    int r = 0;

    if (!file) {
        r = -errno;
        return err_set_errno(err, r, "open %s '%s'", what, path);
    }
    while (!buf_error(content) && (n = fread(block, 1, sizeof(block), file)) > 0)
        buf_add(content, (struct str){ .at = block, .len = n });
    if (ferror(file))
        r = err_set_errno(err, errno ? -errno : -EIO, "read %s '%s'", what, path);
    else if (buf_error(content))
        r = err_set(err, buf_error(content), "%s '%s' is over %zu bytes, or there is no memory",
                    what, path, content->max);
    fclose(file);
    explicit_bzero(block, sizeof(block));
    return r;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

int server_trim_token(const char *path, struct buf *token, struct err *err)
{
    const char *quote = path ? " '" : "", *unquote = path ? "'" : "", *name = path ? path : "";
    size_t from = 0;

    while (token->len && is_blank(token->at[token->len - 1]))
        token->len--;
    while (from < token->len && is_blank(token->at[from]))
        from++;
    if (from == token->len)
        return err_set(err, -ENODATA, "the service account's token%s%s%s is empty", quote, name,
                       unquote);
    for (size_t i = from; i < token->len; i++)
        if (token->at[i] <= ' ' || token->at[i] == 0x7f)
            return err_set(err, -EINVAL, "the service account's token%s%s%s is not one word", quote,
                           name, unquote);
    token->len -= from;
    memmove(token->at, token->at + from, token->len);
    token->at[token->len] = '\0';
    return 0;
}

/* --- proxies ---------------------------------------------------------------------------------- */

static const char *either(const char *upper, const char *lower)
{
    const char *value = getenv(upper);

    if (!value || !*value)
        value = getenv(lower);
    return value ? value : "";
}

const char *server_proxy(const char *url)
{
    const bool https = strncmp(url, "https://", 8) == 0;
    const char *host = url + (https ? 8 : 7);
    const size_t len = strcspn(host, ":");
    const struct str name = { .at = host, .len = len };

    if (str_eq(name, STR("localhost")) || strncmp(host, "127.", 4) == 0 ||
        strncmp(host, "[::1]", 5) == 0)
        return "";
    return https ? either("HTTPS_PROXY", "https_proxy") : either("HTTP_PROXY", "http_proxy");
}

const char *server_no_proxy(void)
{
    return either("NO_PROXY", "no_proxy");
}
