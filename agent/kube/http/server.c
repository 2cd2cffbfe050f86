/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

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
            fault = "has more than a host, a port and a path";
            curl_free(text);
        }
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
    size_t len;

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
    for (len = strlen(plain); plain[len - 1] == '/'; len--)
        ; /* "/api/v1/..." follows */
    copy = mem_str((struct str){ .at = plain, .len = len });
    curl_free(plain);
    if (!copy)
        return err_set(err, -ENOMEM, "no memory for the API server's URL");
    *ret = copy;
    return 0;
}

/* The host of what server_url() gave, without an IPv6 address's brackets. */
static struct str host_of(const char *url)
{
    const char *host = strstr(url, "://") + strlen("://");

    if (*host == '[')
        return (struct str){ .at = host + 1, .len = strcspn(host + 1, "]") };
    return (struct str){ .at = host, .len = strcspn(host, ":/") };
}

/* "127.example.com" is somebody else's name. */
static bool is_loopback(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;

    if (host.len == strlen("localhost") && strncasecmp(host.at, "localhost", host.len) == 0)
        return true;
    if (host.len >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", STR_ARG(host));
    if (inet_pton(AF_INET, text, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool server_is_clear(const char *url)
{
    return strncmp(url, "http://", 7) == 0 && !is_loopback(host_of(url));
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

/* Opening a FIFO would wait for somebody to write into it, reading a device never end. */
static int open_file(const char *path, const char *what, struct err *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat file;
    int r;

    if (fd < 0)
        return err_set_errno(err, -errno, "open %s '%s'", what, path);
    if (fstat(fd, &file) < 0)
        r = err_set_errno(err, -errno, "look at %s '%s'", what, path);
    else if (S_ISDIR(file.st_mode))
        r = err_set_errno(err, -EISDIR, "read %s '%s'", what, path);
    else if (!S_ISREG(file.st_mode))
        r = err_set(err, -EINVAL, "%s '%s' is no regular file", what, path);
    else
        return fd;
    close(fd);
    return r;
}

int server_read_file(const char *path, const char *what, struct buf *content, struct err *err)
{
    int fd = open_file(path, what, err);
    char block[4096];
    ssize_t n = 0;
    int r = 0;

    if (fd < 0)
        return fd;
    while (!buf_error(content) && (n = read(fd, block, sizeof(block))) > 0)
        buf_add(content, (struct str){ .at = block, .len = (size_t)n });
    if (n < 0)
        r = err_set_errno(err, -errno, "read %s '%s'", what, path);
    else if (buf_error(content))
        r = err_set(err, buf_error(content), "%s '%s' is over %zu bytes, or there is no memory",
                    what, path, content->max);
    close(fd);
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
        return err_set(err, -ENODATA, "the token%s%s%s is empty", quote, name, unquote);
    for (size_t i = from; i < token->len; i++)
        if (token->at[i] <= ' ' || token->at[i] == 0x7f)
            return err_set(err, -EINVAL, "the token%s%s%s is not one word", quote, name, unquote);
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
    if (is_loopback(host_of(url)))
        return "";
    return strncmp(url, "https://", 8) == 0 ? either("HTTPS_PROXY", "https_proxy")
                                            : either("HTTP_PROXY", "http_proxy");
}

const char *server_no_proxy(void)
{
    return either("NO_PROXY", "no_proxy");
}
