/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/kube.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include <curl/curl.h>

#include "agent/kube/event_slots.h"
#include "agent/kube/first_list.h"
#include "agent/kube/http/client.h"
#include "agent/kube/http/kubeconfig.h"
#include "agent/kube/http/server.h"
#include "agent/kube/kubelet_stream.h"
#include "agent/kube/stream.h"
#include "health.h"
#include "log.h"
#include "mem.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
#define KUBELET_PORT 10250

#define TICK (10 * SEC)
/* How often the core is asked what it wants, at most: events are never urgent, pods are many. */
#define WANTED_EVERY SEC

struct kube {
    const struct sink *sink;
    const struct clock *clock;
    char *node_name, *user_agent;
    struct credentials credentials;
    bool events;
    bool from_kubelet;
    struct client *client;
    struct jitter jitter;
    _Atomic bool stopping;

    struct health pods_health, events_health;
    struct first_list first_list;
    struct stream pods; /* or, from_kubelet: */
    struct kubelet_stream kubelet;
    struct event_slots slots;
    struct stream *event_streams[LIMIT_EVENT_NAMESPACES]; /* as the slots; NULL: closed */
    int64_t wanted_us, tick_us;                           /* mono: when next */
    uint64_t wanted_read;                                 /* bytes of pods when last asked */
};

/* --- building --------------------------------------------------------------------------------- */

int kube_in_cluster(struct kube_config *config, char server[KUBE_SERVER_SIZE], struct err *err)
{
    int r;

    if (config->server)
        return 0;
    r = server_in_cluster(server, KUBE_SERVER_SIZE, err);
    if (r < 0)
        return r;
    config->server = server;
    if (!config->ca_file)
        config->ca_file = SERVICE_ACCOUNT "ca.crt";
    if (!config->token_file)
        config->token_file = SERVICE_ACCOUNT "token";
    return 0;
}

int kube_on_node(struct kube_config *config, char server[KUBE_SERVER_SIZE], struct err *err)
{
    static const char token[] = SERVICE_ACCOUNT "token", ca[] = SERVICE_ACCOUNT "ca.crt";
    const char *host = getenv("HOST_IP");

    config->server = config->kubelet_url;
    if (!config->server) {
        if (!host || !*host)
            return err_set(
                err, -EINVAL,
                "HOST_IP is not set (in a pod from status.hostIP), so the kubelet cannot "
                "be found; set it, or --kube.kubelet-url");
        if (strlen(host) > KUBE_SERVER_SIZE - 32)
            return err_set(err, -E2BIG, "HOST_IP is too long");
        snprintf(server, KUBE_SERVER_SIZE, strchr(host, ':') ? "https://[%s]:%d" : "https://%s:%d",
                 host, KUBELET_PORT);
        config->server = server;
    }
    if (!config->token_file && strncmp(config->server, "https://", 8) == 0 &&
        access(token, R_OK) == 0)
        config->token_file = token;
    if (!config->ca_file && !config->kubelet_insecure && access(ca, R_OK) == 0)
        config->ca_file = ca;
    return 0;
}

static int copy_text(const char *text, char **ret, struct err *err)
{
    if (!text)
        return 0;
    *ret = mem_strdup(text);
    return *ret ? 0 : err_set(err, -ENOMEM, "no memory for the settings of the API server");
}

static int read_credentials(struct credentials *ret, const struct kube_config *config,
                            struct err *err)
{
    int r;

    if (config->kubeconfig)
        return kubeconfig_read(config->kubeconfig, config->context, ret, err);
    r = server_url(config->server, &ret->server, err);
    ret->insecure = config->from_kubelet && config->kubelet_insecure;
    if (r == 0 && config->ca_file)
        r = credential_set_file(&ret->ca, config->ca_file, err);
    if (r == 0 && config->token_file)
        r = credential_set_file(&ret->token, config->token_file, err);
    return r;
}

static int read_config(struct kube *kube, const struct kube_config *config, struct err *err)
{
    int r;

    if (!config->node_name || !*config->node_name)
        return err_set(err, -EINVAL, "the node has no name; set --node-name");
    if ((r = read_credentials(&kube->credentials, config, err)) < 0 ||
        (r = credentials_check(&kube->credentials, err)) < 0 ||
        (r = copy_text(config->node_name, &kube->node_name, err)) < 0 ||
        (r = copy_text(config->user_agent ? config->user_agent : "imagepull-exporter",
                       &kube->user_agent, err)) < 0)
        return r;
    kube->from_kubelet = config->from_kubelet;
    kube->events = config->events && !config->from_kubelet;
    return 0;
}

static uint64_t random_seed(const struct clock *clock)
{
    uint64_t seed;

    /* Right after the machine's start there may be none yet: then the time must do. */
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = (uint64_t)clock_now(clock).wall_us;
    return seed;
}

static int new_client(struct kube *kube, struct err *err)
{
    const struct client_config config = { .credentials = &kube->credentials,
                                          .user_agent = kube->user_agent,
                                          .json = kube->from_kubelet };

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, -EIO, "libcurl cannot be set up");
    return client_new(&config, &kube->client, err);
}

int kube_new(const struct kube_config *config, const struct sink *sink, const struct clock *clock,
             struct kube **ret, struct err *err)
{
    struct kube_config settings = *config;
    char server[KUBE_SERVER_SIZE];
    struct kube *kube;
    int r = 0;

    if (settings.from_kubelet)
        r = kube_on_node(&settings, server, err);
    else if (!settings.kubeconfig)
        r = kube_in_cluster(&settings, server, err);
    if (r < 0)
        return r;
    kube = mem_zalloc(sizeof(*kube));
    if (!kube)
        return err_set(err, -ENOMEM, "no memory for reading Kubernetes");
    kube->sink = sink;
    kube->clock = clock;
    kube->jitter.state = random_seed(clock);
    event_slots_init(&kube->slots, kube->jitter.state + 1);
    r = read_config(kube, &settings, err);
    if (r == 0)
        r = new_client(kube, err);
    if (r < 0) {
        kube_free(kube);
        return r;
    }
    *ret = kube;
    return 0;
}

void kube_free(struct kube *kube)
{
    if (!kube)
        return;
    client_free(kube->client);
    mem_free(kube->node_name);
    credentials_done(&kube->credentials);
    mem_free(kube->user_agent);
    mem_free(kube);
}

/* --- streams ---------------------------------------------------------------------------------- */

static struct reflector_config reflector_settings(struct kube *kube)
{
    return (struct reflector_config){ .node_name = kube->node_name,
                                      .sink = kube->sink,
                                      .seed = (uint64_t)jitter_below(&kube->jitter, INT64_MAX) };
}

static void open_kubelet(struct kube *kube)
{
    const struct kubelet_config config = { .node_name = kube->node_name,
                                           .sink = kube->sink,
                                           .health = &kube->pods_health,
                                           .seed =
                                               (uint64_t)jitter_below(&kube->jitter, INT64_MAX) };

    kubelet_stream_init(&kube->kubelet, &config, kube->client, kube->clock);
}

static void open_pods(struct kube *kube)
{
    struct reflector_config config = reflector_settings(kube);
    char subject[sizeof(kube->pods.subject)];

    first_list_init(&kube->first_list, kube->sink, kube->pods.subject);
    config.resource = KUBE_PODS;
    config.health = &kube->pods_health;
    config.sink = &kube->first_list.sink;
    snprintf(subject, sizeof(subject), "pods of node %.253s", kube->node_name);
    stream_init(&kube->pods, &config, kube->client, kube->clock, subject);
}

static void open_events(struct kube *kube, size_t i)
{
    struct reflector_config config = reflector_settings(kube);
    struct stream *stream = mem_alloc(sizeof(*stream));
    char subject[sizeof(stream->subject)];

    if (!stream) {
        log_warn("events", "events of namespace %s: no memory: not read",
                 kube->slots.at[i].namespace);
        return;
    }
    config.resource = KUBE_EVENTS;
    config.namespace = kube->slots.at[i].namespace;
    config.health = &kube->events_health;
    snprintf(subject, sizeof(subject), "events of namespace %s", config.namespace);
    stream_init(stream, &config, kube->client, kube->clock, subject);
    kube->event_streams[i] = stream;
    log_debug("events", "open %s", subject);
}

static void close_events(struct kube *kube, size_t i)
{
    struct stream *stream = TAKE_PTR(kube->event_streams[i]);

    if (!stream)
        return;
    log_debug("events", "close %s", stream->subject);
    stream_done(stream);
    mem_free(stream);
}

/* --- the loop --------------------------------------------------------------------------------- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Returns when to come back (mono). */
static int64_t ask_wanted(struct kube *kube, struct instant now)
{
    const uint64_t read = kube->pods_health.status.received_bytes;
    struct wanted wanted;

    if (!kube->events)
        return INT64_MAX;
    if (now.mono_us < kube->wanted_us)
        return kube->wanted_read == read ? INT64_MAX : kube->wanted_us;
    kube->wanted_us = now.mono_us + WANTED_EVERY;
    kube->wanted_read = read;
    kube->sink->wanted(kube->sink->self, &wanted);
    event_slots_want(&kube->slots, &wanted, now.mono_us);
    wanted_done(&wanted);
    return INT64_MAX;
}

/* Returns when to come back (mono). */
static int64_t step_events(struct kube *kube, struct instant now)
{
    int64_t soonest;

    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        switch (event_slots_step(&kube->slots, i, now.mono_us)) {
        case SLOT_STEP_OPEN:
            open_events(kube, i);
            break;
        case SLOT_STEP_CLOSE:
            close_events(kube, i);
            break;
        case SLOT_STEP_NONE:
            break;
        }
    }
    soonest = event_slots_deadline_us(&kube->slots);
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++) {
        if (kube->event_streams[i])
            soonest = sooner(soonest, stream_step(kube->event_streams[i]));
    }
    return soonest;
}

static int64_t tick(struct kube *kube, struct instant now)
{
    if (now.mono_us >= kube->tick_us) {
        kube->tick_us = now.mono_us + TICK;
        kube->sink->tick(kube->sink->self, SOURCE_PODS);
        if (kube->events)
            kube->sink->tick(kube->sink->self, SOURCE_EVENTS);
    }
    return kube->tick_us;
}

/* Everything that is due. Returns when there will be more (mono). */
static int64_t step(struct kube *kube)
{
    const struct instant now = clock_now(kube->clock);
    int64_t soonest = tick(kube, now);

    soonest = sooner(soonest, kube->from_kubelet ? kubelet_stream_step(&kube->kubelet)
                                                 : stream_step(&kube->pods));
    soonest = sooner(soonest, ask_wanted(kube, now));
    soonest = sooner(soonest, step_events(kube, now));
    health_publish(&kube->pods_health);
    health_publish(&kube->events_health);
    return soonest;
}

void kube_run(struct kube *kube)
{
    const struct instant start = clock_now(kube->clock);

    health_init(&kube->pods_health, SOURCE_PODS, kube->sink, true, start);
    health_init(&kube->events_health, SOURCE_EVENTS, kube->sink, kube->events, start);
    if (kube->credentials.insecure)
        log_warn("pods",
                 "the certificate of %s is not checked (insecure-skip-tls-verify): whoever is in "
                 "between can read the token",
                 kube->credentials.server);
    if (kube->from_kubelet)
        open_kubelet(kube);
    else
        open_pods(kube);
    while (!atomic_load(&kube->stopping)) {
        const int64_t next_us = step(kube);

        client_run(kube->client, next_us - clock_now(kube->clock).mono_us);
    }
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        close_events(kube, i);
    if (kube->from_kubelet)
        kubelet_stream_done(&kube->kubelet);
    else
        stream_done(&kube->pods);
}

void kube_stop(struct kube *kube)
{
    atomic_store(&kube->stopping, true);
    client_wakeup(kube->client);
}
