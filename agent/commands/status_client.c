/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "buf.h"
#include "limits.h"
#include "mem.h"
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

/* A listener on every address is reached at this machine's own. */
static struct str reachable(struct str host)
{
    if (host.len == 0 || str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("localhost")))
        return STR("127.0.0.1");
    return str_eq(host, STR("[::]")) ? STR("[::1]") : host;
}

static int set_base(struct status_client *client, struct err *err)
{
    const char *colon = strrchr(client->address, ':');
    struct str host;
    int n;

    if (strcmp(client->address, "off") == 0)
        return err_set(err, -EINVAL, "it is off, so there is nobody to ask");
    if (str_starts(str_from(client->address), STR(UNIX_PREFIX))) {
        if (client->address[strlen(UNIX_PREFIX)] != '/')
            return err_set(err, -EINVAL, "a unix socket is named by its whole path, unix:/PATH");
        strcpy(client->base, "http://localhost");
        return 0;
    }
    if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 5)
        return err_set(err, -EINVAL, "it is no HOST:PORT and no unix:/PATH");
    if (strspn(colon + 1, "0") == strlen(colon + 1))
        return err_set(err, -EINVAL, "with port 0 the kernel chose one; name the one it chose");
    host = str_span(client->address, colon);
    if (memchr(host.at, '/', host.len) || memchr(host.at, '@', host.len))
        return err_set(err, -EINVAL, "it is no HOST:PORT and no unix:/PATH");
    host = reachable(host);
    n = snprintf(client->base, sizeof(client->base), "http://%.*s%s", STR_ARG(host), colon);
    if (n < 0 || (size_t)n >= sizeof(client->base))
        return err_set(err, -EINVAL, "it is longer than a host's name");
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
        return err_wrap(err, "'%.200s' is where the agent is to be asked", address);
    client->curl = curl_easy_init();
    /* The listener answers to this machine's own names only; an address of it is none. */
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

/* --- questions ---------------------------------------------------------------------------------
 */

static int explain_failure(const struct status_client *client, CURLcode code, struct err *err)
{
    long os_error = 0;

    if (buf_error(&client->body))
        return err_set(err, buf_error(&client->body), "%s: the answer is over %zu bytes",
                       client->address, client->body.max);
    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os_error);
    if (code == CURLE_COULDNT_CONNECT && os_error == EACCES)
        return err_set(err, -EACCES,
                       "%s: permission denied; the agent's socket is open to its own user only",
                       client->address);
    if (code == CURLE_COULDNT_CONNECT)
        return err_set(err, -ECONNREFUSED,
                       "no agent answers at %s%s%s; does it run, and is its "
                       "--debug.listen-address the same?",
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
        return err_set(err, -EPROTO, "%s has no %s: this is not the debug listener of an agent",
                       client->address, path);
    return err_set(err, -EPROTO, "%s answers %ld to %s", client->address, status, path);
}

/* An object that holds an array of objects under `list`. */
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
        return err_set(err, -EPROTO, "%s gives no JSON with \"%s\" for %s: is this the agent?",
                       client->address, list, path);
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

void status_answers_done(struct status_answers *answers)
{
    json_decref(answers->failures);
    json_decref(answers->images);
    json_decref(answers->sources);
    *answers = (struct status_answers){ .failures = NULL };
}
