/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_client.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "agent/commands/status_split.h"
#include "hostport.h"
#include "limit.h"
#include "mem.h"
#include "number.h"
#include "str.h"
#include "util.h"

#define CONNECT_TIMEOUT_MS 2000L
#define SILENCE_S 10L
#define TIMEOUT_MS 60000L
#define TRIES 10u /* one a second */
#define UNIX_PREFIX "unix:"
#define BASE_MAX 300

struct status_client {
    CURL *curl;
    struct curl_slist *headers;
    const char *addresses;         /* one or more, separated by commas */
    char address[LIMIT_FLAG_LIST]; /* the one that is asked */
    char base[BASE_MAX];           /* "http://127.0.0.1:9918" */
    struct status_split split;
    const struct status_reader *reader;
    enum status_list list; /* which one is asked for */
    size_t head_bytes;
    struct err failed; /* why the answer was not read to its end */
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

/* Takes the first of `addresses`. Returns those behind it, or NULL after an error. */
static const char *take_address(struct status_client *client, const char *addresses,
                                struct err *err)
{
    const size_t len = strcspn(addresses, ",");

    if (len >= sizeof(client->address)) {
        err_set(err, -EINVAL, "the address is too long");
        return NULL;
    }
    memcpy(client->address, addresses, len);
    client->address[len] = '\0';
    return set_base(client, err) < 0 ? NULL : addresses + len + (addresses[len] == ',');
}

/* All of them, so that an error does not depend on which one answers. */
static int check_addresses(struct status_client *client, struct err *err)
{
    const char *at = client->addresses;

    do
        at = take_address(client, at, err);
    while (at && *at);
    return at ? 0 : err->code;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

/*
 * jansson's parser ignores a failed allocation within a text: it loses a byte of it, or ends the
 * process by an assertion (lex_save() and lex_scan_string() in its load.c). So while it parses, it
 * gets memory of a reserve where the heap has none, and what was parsed is not used.
 */
static struct {
    bool parsing, used;
    size_t at;
    alignas(max_align_t) char bytes[1u << 20];
} reserve; /* the kernel provides its pages when they are used */

static void *allocate_for_json(size_t size)
{
    const size_t align = alignof(max_align_t);
    void *memory = mem_alloc(size);

    if (memory || !reserve.parsing)
        return memory;
    reserve.used = true;
    size = (size + align - 1) / align * align;
    if (size > sizeof(reserve.bytes) - reserve.at)
        return NULL;
    memory = reserve.bytes + reserve.at;
    reserve.at += size;
    return memory;
}

static void free_for_json(void *memory)
{
    const char *at = memory;

    if (at < reserve.bytes || at >= reserve.bytes + sizeof(reserve.bytes))
        mem_free(memory);
}

/* 0, -ENOMEM or -EPROTO. */
static int parse(struct str text, json_t **ret)
{
    json_t *json;

    reserve.parsing = true;
    reserve.used = false;
    reserve.at = 0;
    json = json_loadb(text.len ? text.at : "", text.len, JSON_DECODE_ANY, NULL);
    reserve.parsing = false;
    if (json && !reserve.used) {
        *ret = json;
        return 0;
    }
    json_decref(json);
    return reserve.used ? -ENOMEM : -EPROTO;
}

static int give_head(void *self, struct str text, struct err *err)
{
    struct status_client *client = self;
    json_t *head = NULL;
    int r = parse(text, &head);

    if (r == 0)
        r = client->reader->begin(client->reader->self, client->list, head, err);
    json_decref(head);
    return r;
}

static int give_member(void *self, struct str text, struct err *err)
{
    struct status_client *client = self;
    json_t *member = NULL;
    int r = parse(text, &member);

    if (r == 0)
        r = client->reader->member(client->reader->self, client->list, member, err);
    json_decref(member);
    return r;
}

static size_t take_part(char *part, size_t size, size_t n, void *self)
{
    struct status_client *client = self;
    const struct str bytes = { .at = part, .len = size * n };
    long status = 0;
    int r;

    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return bytes.len; /* the status says enough */
    r = status_split_feed(&client->split, bytes, &client->failed);
    if (r < 0 && !client->failed.code)
        client->failed.code = r;
    return r < 0 ? 0 : bytes.len;
}

/* Anything may listen at the address; curl keeps all headers. */
static size_t take_header(char *line, size_t size, size_t n, void *self)
{
    struct status_client *client = self;

    (void)line;
    client->head_bytes += size * n;
    return client->head_bytes > LIMIT_ANSWER_HEAD ? 0 : size * n;
}

static int set_options(struct status_client *client)
{
    CURL *curl = client->curl;
    bool set = true;

    set &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_part) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, client) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_HEADERDATA, client) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK;
    set &= curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S) == CURLE_OK;
    return set ? 0 : -ENOMEM;
}

int status_client_new(const char *addresses, struct status_client **ret, struct err *err)
{
    CLEANUP(status_client_freep) struct status_client *client = mem_zalloc(sizeof(*client));
    int r;

    if (!client)
        return err_set(err, -ENOMEM, "no memory");
    client->addresses = addresses;
    json_set_alloc_funcs(allocate_for_json, free_for_json);
    r = check_addresses(client, err);
    if (r < 0)
        return err_wrap(err, "cannot ask the agent at '%.200s'", addresses);
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

    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os_error);
    if (code == CURLE_OUT_OF_MEMORY)
        return err_set(err, -ENOMEM, "no memory for an HTTP client");
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

static int refuse_answer(const struct status_client *client, const char *path, struct err *err)
{
    return err_set(err, -EPROTO,
                   "%s: GET %s returned no JSON with \"%s\"; check that this is the debug address "
                   "of the agent",
                   client->address, path, status_list_name(client->list));
}

/* The answer was not read to its end. */
static int explain_stop(const struct status_client *client, const char *path, struct err *err)
{
    const struct err *why = &client->failed;

    if (why->text[0])
        return err_set(err, why->code, "%s", why->text);
    if (why->code == -ENOMEM)
        return err_set(err, -ENOMEM, "%s: no memory to read the answer", client->address);
    if (why->code == -E2BIG)
        return err_set(err, -E2BIG, "%s: a part of the answer has more than %u bytes",
                       client->address, LIMIT_DEBUG_MEMBER);
    return refuse_answer(client, path, err);
}

static int get_once(struct status_client *client, const char *path, long *ret_status,
                    struct err *err)
{
    char url[BASE_MAX + 64];
    CURLcode code;

    snprintf(url, sizeof(url), "%s%s", client->base, path);
    client->failed = (struct err)ERR_INIT;
    client->head_bytes = 0;
    client->error[0] = '\0';
    if (curl_easy_setopt(client->curl, CURLOPT_URL, url) != CURLE_OK)
        return err_set(err, -ENOMEM, "no memory for an HTTP client");
    code = curl_easy_perform(client->curl);
    if (client->failed.code)
        return explain_stop(client, path, err);
    if (code != CURLE_OK)
        return explain_failure(client, code, err);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, ret_status);
    return 0;
}

/* Whether the agent asks to try again, because it sends a large answer to somebody else. */
static bool is_busy(const struct status_client *client, long status)
{
    curl_off_t seconds = 0;

    curl_easy_getinfo(client->curl, CURLINFO_RETRY_AFTER, &seconds);
    return status == 503 && seconds > 0;
}

static int get(struct status_client *client, const char *path, struct err *err)
{
    const struct timespec pause = { .tv_sec = 1 };
    long status = 0;
    int r = get_once(client, path, &status, err);

    for (unsigned n = 1; r == 0 && is_busy(client, status) && n < TRIES; n++) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        r = get_once(client, path, &status, err);
    }
    if (r < 0 || status == 200)
        return r;
    if (status == 404)
        return err_set(err, -EPROTO,
                       "%s has no %s; check that this is the debug address of the agent",
                       client->address, path);
    return err_set(err, -EPROTO, "%s: GET %s returned status %ld", client->address, path, status);
}

/* Gets a JSON object that has an array under the name of `list`. */
static int get_list(struct status_client *client, enum status_list list, json_t **ret,
                    struct err *err)
{
    char path[64];
    json_t *json = NULL;
    int r;

    client->list = list;
    client->split = (struct status_split){
        .list = status_list_name(list), .self = client, .begin = give_head, .member = give_member
    };
    snprintf(path, sizeof(path), "/debug/%s", status_list_name(list));
    status_split_begin(&client->split);
    r = get(client, path, err);
    if (r == 0 && parse(status_split_rest(&client->split), &json) == -ENOMEM)
        r = err_set(err, -ENOMEM, "%s: no memory to read the answer", client->address);
    status_split_done(&client->split);
    if (r == 0 && !json_is_array(json_object_get(json, status_list_name(list)))) {
        json_decref(json);
        return refuse_answer(client, path, err);
    }
    *ret = json;
    return r;
}

static int ask_failures_here(struct status_client *client, json_t **ret, struct err *err)
{
    const bool is_unix = str_starts(str_from(client->address), STR(UNIX_PREFIX));
    const char *path = is_unix ? client->address + strlen(UNIX_PREFIX) : NULL;

    if (curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, path) != CURLE_OK)
        return err_set(err, -ENOMEM, "no memory for an HTTP client");
    return get_list(client, STATUS_FAILURES, ret, err);
}

/* Where it cannot connect, it asks the next address. `err` is about the first one. */
static int ask_failures(struct status_client *client, json_t **ret, struct err *err)
{
    const char *rest = take_address(client, client->addresses, err);
    int r = rest ? ask_failures_here(client, ret, err) : err->code;

    while (rest && *rest && (r == -ECONNREFUSED || r == -EACCES)) {
        struct err other = ERR_INIT;

        rest = take_address(client, rest, &other);
        r = rest ? ask_failures_here(client, ret, &other) : other.code;
    }
    if (r == 0)
        err_clear(err);
    return r < 0 ? err->code : 0;
}

int status_client_ask(struct status_client *client, const struct status_reader *reader,
                      struct status_answers *ret, struct err *err)
{
    struct status_answers answers = { .failures = NULL };
    int r;

    client->reader = reader;
    r = ask_failures(client, &answers.failures, err);
    if (r == 0)
        r = get_list(client, STATUS_IMAGES, &answers.images, err);
    if (r == 0)
        r = get_list(client, STATUS_SOURCES, &answers.sources, err);
    if (r < 0)
        status_answers_done(&answers);
    else
        *ret = answers;
    return r;
}
