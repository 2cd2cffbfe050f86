/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/kube.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>

#include <curl/curl.h>

#include "agent/kube/client.h"
#include "agent/kube/event_slots.h"
#include "agent/kube/report.h"
#include "agent/kube/server.h"
#include "agent/kube/stream.h"
#include "log.h"
#include "mem.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

#define TICK (10 * SEC)
/* How often the core is asked what it wants, at most: events are never urgent, pods are many. */
#define WANTED_EVERY SEC

struct kube {
    const struct sink *sink;
    const struct clock *clock;
    char *node_name, *server, *ca_file, *token_file, *user_agent;
    bool events;
    struct client *client;
    struct jitter jitter;
    _Atomic bool stopping;

    struct report pods_report, events_report;
    struct stream pods;
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

static int check_token(const char *path, struct err *err)
{
    struct buf token;
    int r;

    buf_init(&token, LIMIT_TOKEN_FILE);
    r = server_read_token(path, &token, err);
    if (token.at)
        explicit_bzero(token.at, token.size);
    buf_done(&token);
    return r;
}

static int copy_text(const char *text, char **ret, struct err *err)
{
    if (!text)
        return 0;
    *ret = mem_strdup(text);
    return *ret ? 0 : err_set(err, -ENOMEM, "no memory for the settings of the API server");
}

static int read_config(struct kube *kube, const struct kube_config *config, struct err *err)
{
    int r;

    if (!config->node_name || !*config->node_name)
        return err_set(err, -EINVAL, "the node has no name; set --node-name");
    if (config->ca_file && (r = server_check_ca(config->ca_file, err)) < 0)
        return r;
    if (config->token_file && (r = check_token(config->token_file, err)) < 0)
        return r;
    if ((r = server_url(config->server, &kube->server, err)) < 0 ||
        (r = copy_text(config->node_name, &kube->node_name, err)) < 0 ||
        (r = copy_text(config->ca_file, &kube->ca_file, err)) < 0 ||
        (r = copy_text(config->token_file, &kube->token_file, err)) < 0 ||
        (r = copy_text(config->user_agent ? config->user_agent : "imagepull-exporter",
                       &kube->user_agent, err)) < 0)
        return r;
    kube->events = config->events;
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
    const struct client_config config = { .server = kube->server,
                                          .ca_file = kube->ca_file,
                                          .token_file = kube->token_file,
                                          .user_agent = kube->user_agent };

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
    int r;

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
    mem_free(kube->server);
    mem_free(kube->ca_file);
    mem_free(kube->token_file);
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

static void open_pods(struct kube *kube)
{
    struct reflector_config config = reflector_settings(kube);
    char subject[sizeof(kube->pods.subject)];

    config.resource = KUBE_PODS;
    config.report = &kube->pods_report;
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
    config.report = &kube->events_report;
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
    const uint64_t read = kube->pods_report.status.received_bytes;
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

    soonest = sooner(soonest, stream_step(&kube->pods));
    soonest = sooner(soonest, ask_wanted(kube, now));
    soonest = sooner(soonest, step_events(kube, now));
    report_publish(&kube->pods_report);
    report_publish(&kube->events_report);
    return soonest;
}

void kube_run(struct kube *kube)
{
    const struct instant start = clock_now(kube->clock);

    report_init(&kube->pods_report, SOURCE_PODS, kube->sink, true, start);
    report_init(&kube->events_report, SOURCE_EVENTS, kube->sink, kube->events, start);
    open_pods(kube);
    while (!atomic_load(&kube->stopping)) {
        const int64_t next_us = step(kube);

        client_run(kube->client, next_us - clock_now(kube->clock).mono_us);
    }
    for (size_t i = 0; i < LIMIT_EVENT_NAMESPACES; i++)
        close_events(kube, i);
    stream_done(&kube->pods);
}

void kube_stop(struct kube *kube)
{
    atomic_store(&kube->stopping, true);
    client_wakeup(kube->client);
}
