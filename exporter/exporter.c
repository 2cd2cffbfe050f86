/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/exporter.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "backoff.h"
#include "clock.h"
#include "exporter/debug/debug.h"
#include "exporter/http/guard.h"
#include "exporter/http/http_budget.h"
#include "exporter/http/http_server.h"
#include "exporter/http/limit_hits.h"
#include "exporter/http/listen.h"
#include "exporter/metrics/web.h"
#include "limit.h"
#include "log.h"
#include "mem.h"

/* Prometheus and the kubelet's probes need two or three connections; the others are for people with
 * a browser. There is no limit by address: the kubelet's probes come from the node's own address,
 * and so do requests of any pod with hostNetwork. */
static const struct http_server_config web_listener = {
    .name = "web",
    .connections = LIMIT_WEB_CONNECTIONS,
    .idle_timeout_s = 10,
    .request_timeout_s = 60,
};

static const struct http_server_config debug_listener = {
    .name = "debug",
    .connections = LIMIT_DEBUG_CONNECTIONS,
    .idle_timeout_s = 10,
    .request_timeout_s = 60,
};

struct endpoint {
    struct listener listener;
    struct http_server *server; /* NULL: not served */
};

/* Retries of a debug socket. SELinux or a folder is repaired by people. */
#define RETRY_FIRST_US SEC
#define RETRY_LONGEST_US (5 * MINUTE)

struct debug_endpoint {
    struct endpoint endpoint;
    char *address;
    bool in_use;     /* another process listens on it */
    struct err err;  /* of the last try */
    unsigned wait_s; /* until the next one */
    struct backoff backoff;
};

struct exporter {
    struct limit_hits limit_hits;
    struct http_budget web_budget, debug_budget; /* apart: the web listener is for everybody */
    unsigned web_connections;                    /* see struct exporter_config */
    struct web web;
    struct guard *guard; /* guard of the web endpoints; NULL: everybody may use them */
    struct debug debug;
    struct endpoint web_endpoints[LIMIT_LISTEN_ADDRESSES];
    struct debug_endpoint debug_endpoints[LIMIT_DEBUG_ADDRESSES];
    size_t n_debug;
    atomic_uint debug_down; /* how many of them are not served */
};

static int endpoint_open(struct endpoint *endpoint, const char *address,
                         const struct http_server_config *config,
                         const struct http_handler *handler, struct err *err)
{
    int r = listener_open(address, &endpoint->listener, err);

    if (r < 0)
        return r;
    r = http_server_new(config, endpoint->listener.fd, handler, &endpoint->server, err);
    if (r < 0) {
        listener_close(&endpoint->listener);
        return r;
    }
    endpoint->listener.fd = -1; /* the server owns it now */
    return 0;
}

static void endpoint_close(struct endpoint *endpoint)
{
    if (!endpoint->server)
        return;
    http_server_free(endpoint->server);
    listener_close(&endpoint->listener);
}

static int web_begin(struct exporter *exporter, const struct exporter_config *config,
                     const struct snapshot_source *source, struct err *err)
{
    const struct web_settings web = {
        .metrics_path = config->telemetry_path ? config->telemetry_path : "/metrics",
        .max_scrapes = config->max_requests,
        .without_self = config->without_self,
        .created = config->created,
        .limit_hits = &exporter->limit_hits,
        .budget = &exporter->web_budget,
        .debug_down = &exporter->debug_down,
        .version = config->version,
        .revision = config->revision,
    };

    if (web_check_path(web.metrics_path, err) < 0)
        return err_wrap(err, "--web.telemetry-path");
    if (config->web_file && guard_new(config->web_file, &exporter->guard, err) < 0)
        return err_wrap(err, "--web.config.file");
    web_init(&exporter->web, source, &web);
    exporter->web_connections = config->web_connections;
    exporter->web_budget.max = exporter->debug_budget.max = LIMIT_HTTP_MEMORY;
    return 0;
}

static int open_web_at(struct exporter *exporter, size_t index, struct str address, struct err *err)
{
    const struct http_handler handler = {
        .self = &exporter->web,
        .handle = web_handle,
        .is_public = web_is_public,
    };
    struct http_server_config config = web_listener;
    CLEANUP(mem_freep) char *text = NULL;

    if (index >= LIMIT_LISTEN_ADDRESSES)
        return err_set(err, -EINVAL, "more than %u addresses", LIMIT_LISTEN_ADDRESSES);
    text = mem_str(address);
    if (!text)
        return err_set(err, -ENOMEM, "no memory");
    config.guard = exporter->guard;
    if (exporter->web_connections)
        config.connections = exporter->web_connections;
    config.limit_hits = &exporter->limit_hits;
    config.budget = &exporter->web_budget;
    return endpoint_open(&exporter->web_endpoints[index], text, &config, &handler, err);
}

/* `addresses`: one or more, separated by commas. */
static int open_web(struct exporter *exporter, const char *addresses, struct err *err)
{
    const char *at = addresses;

    for (size_t i = 0;; i++) {
        struct str address = { .at = at, .len = strcspn(at, ",") };
        int r = open_web_at(exporter, i, address, err);

        if (r < 0)
            return r;
        at += address.len;
        if (!*at++)
            return 0;
    }
}

/* `addresses` of a listener that may have up to `most` of them. */
static int check_addresses(const char *addresses, size_t most, struct err *err)
{
    const char *at = addresses;

    for (size_t i = 0; i < most; i++, at++) {
        size_t len = strcspn(at, ",");
        CLEANUP(mem_freep) char *address = mem_str((struct str){ .at = at, .len = len });
        int r = address ? listener_check(address, err) : err_set(err, -ENOMEM, "no memory");

        if (r < 0)
            return r;
        at += len;
        if (!*at)
            return 0;
    }
    return err_set(err, -EINVAL, "more than %zu addresses", most);
}

static int check_debug(const char *addresses, struct err *err)
{
    int r =
        strcmp(addresses, "off") == 0 ? 0 : check_addresses(addresses, LIMIT_DEBUG_ADDRESSES, err);

    return r < 0 ? err_wrap(err, "--debug.listen-address=%s", addresses) : 0;
}

int exporter_check(const struct exporter_config *config, struct err *err)
{
    CLEANUP(exporter_freep) struct exporter *exporter = mem_zalloc(sizeof(*exporter));
    const struct snapshot_source nothing = { .self = NULL };
    int r;

    if (!exporter)
        return err_set(err, -ENOMEM, "no memory for the exporter");
    r = web_begin(exporter, config, &nothing, err);
    if (r < 0)
        return r;
    r = check_addresses(config->web_listen, LIMIT_LISTEN_ADDRESSES, err);
    if (r < 0)
        return err_wrap(err, "--web.listen-address=%s", config->web_listen);
    return check_debug(config->debug_listen, err);
}

static void log_debug_state(const struct debug_endpoint *debug)
{
    if (debug->endpoint.server)
        log_info(debug_listener.name, "listening on %s", debug->endpoint.listener.name);
    else if (debug->in_use)
        log_warn(debug_listener.name, "another process listens on '%s'; waiting until it ends",
                 debug->address);
    else
        log_warn(debug_listener.name, "no debug answers on '%s': %s; retrying in %us",
                 debug->address, debug->err.text, debug->wait_s);
}

/* Called when all addresses are bound: an earlier failure is one sentence, without a log. */
static void log_addresses(const struct exporter *exporter)
{
    for (size_t i = 0; i < LIMIT_LISTEN_ADDRESSES; i++)
        if (exporter->web_endpoints[i].server)
            log_info(web_listener.name, "listening on %s",
                     exporter->web_endpoints[i].listener.name);
    for (size_t i = 0; i < exporter->n_debug; i++)
        log_debug_state(&exporter->debug_endpoints[i]);
}

/* Opens the address, or notes why not and when to try again. */
static int open_debug(struct exporter *exporter, struct debug_endpoint *debug)
{
    struct http_server_config listener = debug_listener;
    const struct http_handler handler = {
        .self = &exporter->debug,
        .handle = debug_handle,
        .max_body = LIMIT_CLASSIFY_BODY,
    };
    int r;

    listener.limit_hits = &exporter->limit_hits;
    listener.budget = &exporter->debug_budget;
    err_clear(&debug->err);
    r = endpoint_open(&debug->endpoint, debug->address, &listener, &handler, &debug->err);
    debug->in_use = r == -EADDRINUSE;
    if (debug->in_use)
        debug->wait_s = 1; /* the other agent can end at any time */
    else if (r < 0)
        debug->wait_s = (unsigned)(backoff_next_us(&debug->backoff, NULL) / SEC);
    else
        atomic_fetch_sub(&exporter->debug_down, 1);
    return r;
}

/*
 * During a rollout that starts the new agent of a node before it ends the old one, the old one
 * still listens on the socket. Metrics must not wait for its end, nor until somebody has repaired a
 * folder. A TCP port in use belongs to another program, as a rule: an error of the settings.
 */
static int begin_debug(struct exporter *exporter, struct str address, struct err *err)
{
    struct debug_endpoint *debug = &exporter->debug_endpoints[exporter->n_debug];
    int r;

    debug->backoff = (struct backoff){ .first_us = RETRY_FIRST_US, .longest_us = RETRY_LONGEST_US };
    debug->address = mem_str(address);
    if (!debug->address)
        return err_set(err, -ENOMEM, "no memory");
    exporter->n_debug++;
    atomic_fetch_add(&exporter->debug_down, 1);
    r = open_debug(exporter, debug);
    return r < 0 && !listener_is_unix(debug->address) ? err_set(err, r, "%s", debug->err.text) : 0;
}

static int begin_all_debug(struct exporter *exporter, const char *addresses, struct err *err)
{
    const char *at = addresses;
    int r = check_debug(addresses, err);

    if (r < 0 || strcmp(addresses, "off") == 0)
        return r;
    while (r == 0 && *at) {
        size_t len = strcspn(at, ",");

        r = begin_debug(exporter, (struct str){ .at = at, .len = len }, err);
        at += len + (at[len] == ',');
    }
    return r < 0 ? err_wrap(err, "--debug.listen-address=%s", addresses) : 0;
}

int exporter_new(const struct exporter_config *config, const struct snapshot_source *source,
                 struct exporter **ret, struct err *err)
{
    CLEANUP(exporter_freep) struct exporter *exporter = mem_zalloc(sizeof(*exporter));
    int r;

    if (!exporter)
        return err_set(err, -ENOMEM, "no memory for the exporter");
    r = web_begin(exporter, config, source, err);
    if (r < 0)
        return r;
    exporter->debug = (struct debug){ .source = *source,
                                      .explain = config->explain,
                                      .limit_hits = &exporter->limit_hits };

    r = open_web(exporter, config->web_listen, err);
    if (r < 0)
        return err_wrap(err, "--web.listen-address=%s", config->web_listen);
    r = begin_all_debug(exporter, config->debug_listen, err);
    if (r < 0)
        return r;
    log_addresses(exporter);
    *ret = TAKE_PTR(exporter);
    return 0;
}

/* A second has passed. */
static void retry_debug(struct exporter *exporter, struct debug_endpoint *debug)
{
    const bool was_in_use = debug->in_use;

    if (debug->endpoint.server || --debug->wait_s > 0)
        return;
    open_debug(exporter, debug);
    if (!debug->in_use || !was_in_use)
        log_debug_state(debug);
}

bool exporter_debug_waits(struct exporter *exporter)
{
    for (size_t i = 0; i < exporter->n_debug; i++)
        retry_debug(exporter, &exporter->debug_endpoints[i]);
    return atomic_load(&exporter->debug_down) > 0;
}

void exporter_free(struct exporter *exporter)
{
    if (!exporter)
        return;
    if (exporter->guard)
        guard_stop(exporter->guard); /* first: a waiting request would outlive its server */
    for (size_t i = 0; i < LIMIT_LISTEN_ADDRESSES; i++)
        endpoint_close(&exporter->web_endpoints[i]);
    guard_free(exporter->guard);
    web_done(&exporter->web);
    for (size_t i = 0; i < exporter->n_debug; i++) {
        endpoint_close(&exporter->debug_endpoints[i].endpoint);
        mem_free(exporter->debug_endpoints[i].address);
    }
    mem_free(exporter);
}

void exporter_freep(struct exporter **exporter)
{
    exporter_free(*exporter);
}

uint16_t exporter_web_port(const struct exporter *exporter)
{
    return exporter->web_endpoints[0].listener.port;
}

uint16_t exporter_debug_port(const struct exporter *exporter)
{
    return exporter->debug_endpoints[0].endpoint.listener.port;
}
