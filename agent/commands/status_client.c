/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "buf.h"
#include "hostport.h"
#include "limit.h"
#include "mem.h"
#include "number.h"
#include "str.h"
#include "util.h"

#define CONNECT_TIMEOUT_MS 2000L
#define TIMEOUT_MS 10000L
#define UNIX_PREFIX "unix:"
#define BASE_MAX 300

struct status_client {
    CURL *curl;
    struct curl_slist *headers;
    const char *address; /* for messages */
    char base[BASE_MAX]; /* "http://127.0.0.1:9918" */
    struct buf body;
    char error[CURL_ERROR_SIZE];
};

/* --- the address -------------------------------------------------------------------------------
 */

/* A listener on all addresses is also on the loopback address. */
static struct str reachable(const struct hostport *address)
{
    const struct str host = address->host;

    if (address->in_brackets)
        return str_eq(host, STR("::")) ? STR("::1") : host;
    if (host.len == 0 || str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("localhost")))
        return STR("127.0.0.1");
    return host;
}

static int set_tcp_base(struct status_client *client, struct err *err)
{
    struct hostport address;
    struct str host;
    uint16_t port;
    int n;

    if (!hostport_split(str_from(client->address), &address) || !number_port(address.port, &port) ||
        memchr(client->address, '/', strlen(client->address)) ||
        memchr(client->address, '@', strlen(client->address)))
        return err_set(err, -EINVAL, "the address must be HOST:PORT or unix:/PATH");
    if (port == 0)
        return err_set(err, -EINVAL,
                       "port 0 lets the kernel choose a port; give the port it chose");
    host = reachable(&address);
    n = snprintf(client->base, sizeof(client->base),
                 address.in_brackets ? "http://[%.*s]:%u" : "http://%.*s:%u", STR_ARG(host), port);
    if (n < 0 || (size_t)n >= sizeof(client->base))
        return err_set(err, -EINVAL, "the host name is too long");
    return 0;
}

static int set_base(struct status_client *client, struct err *err)
{
    if (strcmp(client->address, "off") == 0)
        return err_set(err, -EINVAL, "the debug listener is off");
    if (!str_starts(str_from(client->address), STR(UNIX_PREFIX)))
        return set_tcp_base(client, err);
    if (client->address[strlen(UNIX_PREFIX)] != '/')
        return err_set(err, -EINVAL, "a unix socket needs an absolute path, unix:/PATH");
    snprintf(client->base, sizeof(client->base), "http://localhost");
    return 0;
}

static size_t take_part(char *part, size_t size, size_t n, void *self)
{
    struct buf *body = self;

    buf_add(body, (struct str){ .at = part, .len = size * n });
    return buf_error(body) ? 0 : size * n;
}

static int set_options(struct status_client *client)
{
    const bool is_unix = str_starts(str_from(client->address), STR(UNIX_PREFIX));
    const char *path = is_unix ? client->address + strlen(UNIX_PREFIX) : NULL;
    CURL *curl = client->curl;
    bool set = true;

    set &= curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_part) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, &client->body) == CURLE_OK;
    return set ? 0 : -ENOMEM;
}

int status_client_new(const char *address, struct status_client **ret, struct err *err)
{
    CLEANUP(status_client_freep) struct status_client *client = mem_zalloc(sizeof(*client));
    int r;

    if (!client)
        return err_set(err, -ENOMEM, "no memory");
    client->address = address;
    buf_init(&client->body, LIMIT_DEBUG_BODY);
    r = set_base(client, err);
    if (r < 0)
        return err_wrap(err, "cannot ask the agent at '%.200s'", address);
    client->curl = curl_easy_init();
    /* The listener refuses requests for other host names (DNS rebinding). */
    client->headers = curl_slist_append(NULL, "Host: localhost");
    if (!client->curl || !client->headers || set_options(client) < 0)
        return err_set(err, -ENOMEM, "no memory for an HTTP client");
    *ret = TAKE_PTR(client);
    return 0;
}

void status_client_free(struct status_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    buf_done(&client->body);
    mem_free(client);
}

void status_client_freep(struct status_client **client)
{
    status_client_free(*client);
}

/* --- requests ----------------------------------------------------------------------------------
 */

static int explain_failure(const struct status_client *client, CURLcode code, struct err *err)
{
    long os_error = 0;

    if (buf_error(&client->body))
        return err_set(err, buf_error(&client->body), "%s: the answer has more than %zu bytes",
                       client->address, client->body.max);
    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os_error);
    if (code == CURLE_COULDNT_CONNECT && os_error == EACCES)
        return err_set(err, -EACCES,
                       "cannot connect to the agent at %s: Permission denied; only the agent's own "
                       "user may open its socket",
                       client->address);
    if (code == CURLE_COULDNT_CONNECT)
        return err_set(err, -ECONNREFUSED,
                       "cannot connect to the agent at %s%s%s; check that it runs, and that its "
                       "--debug.listen-address is the same",
                       client->address, os_error ? ": " : "",
                       os_error ? strerror((int)os_error) : "");
    return err_set(err, -EIO, "%s: %s", client->address,
                   client->error[0] ? client->error : curl_easy_strerror(code));
}

static int get(struct status_client *client, const char *path, struct err *err)
{
    char url[BASE_MAX + 64];
    long status = 0;
    CURLcode code;

    snprintf(url, sizeof(url), "%s%s", client->base, path);
    buf_reset(&client->body);
    client->error[0] = '\0';
    if (curl_easy_setopt(client->curl, CURLOPT_URL, url) != CURLE_OK)
        return err_set(err, -ENOMEM, "no memory for an HTTP client");
    code = curl_easy_perform(client->curl);
    if (code != CURLE_OK)
        return explain_failure(client, code, err);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return 0;
    if (status == 404)
        return err_set(err, -EPROTO,
                       "%s has no %s; check that this is the debug address of the agent",
                       client->address, path);
    return err_set(err, -EPROTO, "%s: GET %s returned status %ld", client->address, path, status);
}

/* Gets a JSON object that has an array under `list`. */
static int get_list(struct status_client *client, const char *path, const char *list, json_t **ret,
                    struct err *err)
{
    int r = get(client, path, err);
    json_t *json;

    if (r < 0)
        return r;
    json = json_loadb(client->body.at ? client->body.at : "", client->body.len, 0, NULL);
    if (!json_is_array(json_object_get(json, list))) {
        json_decref(json);
        return err_set(err, -EPROTO,
                       "%s: GET %s returned no JSON with \"%s\"; check that this is the debug "
                       "address of the agent",
                       client->address, path, list);
    }
    *ret = json;
    return 0;
}

int status_client_ask(struct status_client *client, struct status_answers *ret, struct err *err)
{
    struct status_answers answers = { .failures = NULL };
    int r;

    r = get_list(client, "/debug/failures", "failures", &answers.failures, err);
    if (r == 0)
        r = get_list(client, "/debug/images", "images", &answers.images, err);
    if (r == 0)
        r = get_list(client, "/debug/sources", "sources", &answers.sources, err);
    if (r < 0)
        status_answers_done(&answers);
    else
        *ret = answers;
    return r;
}
