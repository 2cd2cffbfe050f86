/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/exporter.h"

#include <errno.h>
#include <string.h>

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

struct exporter {
    struct limit_hits limit_hits;
    struct http_budget web_budget, debug_budget; /* apart: the web listener is for everybody */
    unsigned web_connections;                    /* see struct exporter_config */
    struct web web;
    struct guard *guard; /* guard of the web endpoints; NULL: everybody may use them */
    struct debug debug;
    struct endpoint web_endpoints[LIMIT_LISTEN_ADDRESSES];
    struct endpoint debug_endpoint;
    const char *debug_waits_for; /* unix socket that another process listens on; NULL: none */
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

static int check_web(const char *addresses, struct err *err)
{
    const char *at = addresses;

    for (size_t i = 0; i < LIMIT_LISTEN_ADDRESSES; i++, at++) {
        size_t len = strcspn(at, ",");
        CLEANUP(mem_freep) char *address = mem_str((struct str){ .at = at, .len = len });
        int r = address ? listener_check(address, err) : err_set(err, -ENOMEM, "no memory");

        if (r < 0)
            return r;
        at += len;
        if (!*at)
            return 0;
    }
    return err_set(err, -EINVAL, "more than %u addresses", LIMIT_LISTEN_ADDRESSES);
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
    r = check_web(config->web_listen, err);
    if (r < 0)
        return err_wrap(err, "--web.listen-address=%s", config->web_listen);
    if (strcmp(config->debug_listen, "off") != 0)
        r = listener_check(config->debug_listen, err);
    return r < 0 ? err_wrap(err, "--debug.listen-address=%s", config->debug_listen) : 0;
}

/* Called when all addresses are bound: an earlier failure is one sentence, without a log. */
static void log_addresses(const struct exporter *exporter)
{
    for (size_t i = 0; i < LIMIT_LISTEN_ADDRESSES; i++)
        if (exporter->web_endpoints[i].server)
            log_info(web_listener.name, "listening on %s",
                     exporter->web_endpoints[i].listener.name);
    if (exporter->debug_endpoint.server)
        log_info(debug_listener.name, "listening on %s", exporter->debug_endpoint.listener.name);
    if (exporter->debug_waits_for)
        log_warn(debug_listener.name, "another process listens on '%s'; waiting until it ends",
                 exporter->debug_waits_for);
}

static int open_debug(struct exporter *exporter, const char *address, struct err *err)
{
    struct http_server_config listener = debug_listener;
    const struct http_handler debug = {
        .self = &exporter->debug,
        .handle = debug_handle,
        .max_body = LIMIT_CLASSIFY_BODY,
    };

    listener.limit_hits = &exporter->limit_hits;
    listener.budget = &exporter->debug_budget;
    return endpoint_open(&exporter->debug_endpoint, address, &listener, &debug, err);
}

/* During a rollout that starts the new agent of a node before it ends the old one, the old one
 * still listens on the socket. Metrics must not wait for its end. */
static int open_debug_or_wait(struct exporter *exporter, const char *address, struct err *err)
{
    int r = open_debug(exporter, address, err);

    if (r == -EADDRINUSE && listener_is_unix(address)) {
        err_clear(err);
        exporter->debug_waits_for = address;
        return 0;
    }
    return r < 0 ? err_wrap(err, "--debug.listen-address=%s", address) : 0;
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
    if (strcmp(config->debug_listen, "off") != 0) {
        r = open_debug_or_wait(exporter, config->debug_listen, err);
        if (r < 0)
            return r;
    }
    log_addresses(exporter);
    *ret = TAKE_PTR(exporter);
    return 0;
}

bool exporter_debug_waits(struct exporter *exporter)
{
    const char *address = exporter->debug_waits_for;
    struct err err = ERR_INIT;
    int r;

    if (!address)
        return false;
    r = open_debug(exporter, address, &err);
    if (r == -EADDRINUSE)
        return true;
    exporter->debug_waits_for = NULL;
    if (r < 0)
        log_error(debug_listener.name, "--debug.listen-address=%s: %s; there are no debug answers",
                  address, err.text);
    else
        log_info(debug_listener.name, "listening on %s", exporter->debug_endpoint.listener.name);
    return false;
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
    endpoint_close(&exporter->debug_endpoint);
    web_done(&exporter->web);
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
    return exporter->debug_endpoint.listener.port;
}
