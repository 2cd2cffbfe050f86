/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "hostport.h"
#include "limit.h"
#include "mem.h"
#include "util.h"

/* --- the URL ---------------------------------------------------------------------------------- */

static bool names_port_0(CURLU *parts)
{
    char *text;
    bool r;

    if (curl_url_get(parts, CURLUPART_PORT, &text, 0) != CURLUE_OK)
        return false; /* the port of the scheme */
    r = strcmp(text, "0") == 0;
    curl_free(text);
    return r;
}

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
            fault = "does not begin with https:// or http://";
        curl_free(text);
    }
    if (!fault && names_port_0(parts))
        fault = "names port 0";
    return fault;
}

/* Sets `ret` (curl_free()), or returns what is wrong. */
static const char *normalise_url(CURLU *parts, const char *url, char **ret)
{
    const char *fault;

    if (strlen(url) > LIMIT_SERVER_URL)
        return "is too long";
    /* Without CURLU_GUESS_SCHEME: "host:6443" must not become http://. */
    if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return "is not a URL";
    fault = url_fault(parts);
    if (!fault && curl_url_get(parts, CURLUPART_URL, ret, 0) != CURLUE_OK)
        fault = "is not a URL";
    return fault;
}

int server_url(const char *url, char **ret, struct err *err)
{
    CURLU *parts = curl_url();
    char *normal = NULL, *copy;
    const char *fault;
    size_t len;

    if (!parts)
        return err_set(err, -ENOMEM, "no memory for the server's URL");
    fault = normalise_url(parts, url, &normal);
    curl_url_cleanup(parts);
    if (fault)
        return err_set(err, -EINVAL, "the server's URL '%.200s' %s; expected https://host:port",
                       strchr(url, '@') ? "(not shown: it may contain a password)" : url, fault);
    for (len = strlen(normal); normal[len - 1] == '/'; len--)
        ; /* "/api/v1/..." is appended */
    copy = mem_str((struct str){ .at = normal, .len = len });
    curl_free(normal);
    if (!copy)
        return err_set(err, -ENOMEM, "no memory for the server's URL");
    *ret = copy;
    return 0;
}

/* The host of a URL from server_url(), without the brackets of an IPv6 address. */
static struct str host_of(const char *url)
{
    const char *authority = strstr(url, "://") + strlen("://");
    struct hostport parts = { 0 };

    hostport_split((struct str){ .at = authority, .len = strcspn(authority, "/") }, &parts);
    return parts.host;
}

/* Only addresses count, and "localhost": "127.example.com" is another machine. */
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

static bool is_address(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    struct in_addr v4;

    if (host.len >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", STR_ARG(host));
    return inet_pton(AF_INET, text, &v4) == 1 || inet_pton(AF_INET6, text, &v6) == 1;
}

bool server_needs_names(const char *url)
{
    return !is_address(host_of(url)) || *server_proxy(url);
}

bool server_is_cleartext(const char *url)
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
                       "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is "
                       "not a pod; outside a cluster, set --kube.server");
    n = snprintf(url, sizeof(url), strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
                 port);
    if (n < 0 || (size_t)n >= sizeof(url) || (size_t)n >= size)
        return err_set(err, -E2BIG, "KUBERNETES_SERVICE_HOST or _PORT is too long");
    memcpy(ret, url, (size_t)n + 1);
    return 0;
}

/* --- proxies ---------------------------------------------------------------------------------- */

static const char *first_set(const char *upper, const char *lower)
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
    return strncmp(url, "https://", 8) == 0 ? first_set("HTTPS_PROXY", "https_proxy")
                                            : first_set("HTTP_PROXY", "http_proxy");
}

const char *server_no_proxy(void)
{
    return first_set("NO_PROXY", "no_proxy");
}
