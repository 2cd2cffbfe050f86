/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/exporter.h"

#include <errno.h>
#include <string.h>

#include "exporter/debug.h"
#include "exporter/http_server.h"
#include "exporter/listen.h"
#include "exporter/web.h"
#include "mem.h"

/* Prometheus and a kubelet's probes need two or three; the rest is for a colleague with a browser.
 * No limit by address: probes come from the node's own, and so does what any hostNetwork pod sends.
 * Whoever takes all places loses the longest silent one to each newcomer. */
static const struct http_server_config web_config = {
    .name = "web",
    .connections = 64,
    .timeout_s = 10,
};

static const struct http_server_config debug_config = {
    .name = "debug",
    .connections = 16,
    .timeout_s = 10,
};

struct endpoint {
    struct listener listener;
    struct http_server *server; /* NULL: not served */
};

struct exporter {
    struct web web;
    struct debug debug;
    struct endpoint web_endpoint;
    struct endpoint debug_endpoint;
};

static int endpoint_open(struct endpoint *endpoint, const char *address,
                         const struct http_server_config *config,
                         const struct http_handler *handler, struct err *err)
{
    int r = listener_open(address, &endpoint->listener, err);

    if (r < 0)
        return r;
    r = http_server_new(config, endpoint->listener.fd, handler, &endpoint->server, err);
    if (r < 0)
        listener_close(&endpoint->listener);
    else
        endpoint->listener.fd = -1; /* the server's now */
    return r;
}

static void endpoint_close(struct endpoint *endpoint)
{
    if (!endpoint->server)
        return;
    http_server_free(endpoint->server);
    listener_close(&endpoint->listener);
}

int exporter_new(const struct exporter_config *config, const struct snapshot_source *source,
                 struct exporter **ret, struct err *err)
{
    CLEANUP(exporter_freep) struct exporter *exporter = mem_zalloc(sizeof(*exporter));
    int r;

    if (!exporter)
        return err_set(err, -ENOMEM, "no memory for the exporter");
    web_init(&exporter->web, source, config->version, config->revision);
    exporter->debug.source = *source;

    const struct http_handler web = { .self = &exporter->web, .handle = web_handle };
    const struct http_handler debug = { .self = &exporter->debug, .handle = debug_handle };

    r = endpoint_open(&exporter->web_endpoint, config->web_listen, &web_config, &web, err);
    if (r < 0)
        return err_wrap(err, "--web.listen-address=%s", config->web_listen);
    if (strcmp(config->debug_listen, "off") != 0) {
        r = endpoint_open(&exporter->debug_endpoint, config->debug_listen, &debug_config, &debug,
                          err);
        if (r < 0)
            return err_wrap(err, "--debug.listen-address=%s", config->debug_listen);
    }
    *ret = TAKE_PTR(exporter);
    return 0;
}

void exporter_free(struct exporter *exporter)
{
    if (!exporter)
        return;
    endpoint_close(&exporter->web_endpoint);
    endpoint_close(&exporter->debug_endpoint);
    mem_free(exporter);
}

void exporter_freep(struct exporter **exporter)
{
    exporter_free(*exporter);
}

uint16_t exporter_web_port(const struct exporter *exporter)
{
    return exporter->web_endpoint.listener.port;
}

uint16_t exporter_debug_port(const struct exporter *exporter)
{
    return exporter->debug_endpoint.listener.port;
}
