/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/kube.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>

#include "agent/kube/event_streams.h"
#include "agent/kube/http/client.h"
#include "agent/kube/http/server.h"
#include "agent/kube/progress.h"
#include "agent/kube/stream.h"
#include "health.h"
#include "log.h"
#include "mem.h"

#define TICK (10 * SEC)

struct kube {
    const struct sink *sink;
    const struct clock *clock;
    char *node_name, *user_agent;
    struct credentials credentials;
    bool reads_events;
    bool from_kubelet;
    struct client *client;
    struct jitter jitter;
    _Atomic bool stopping;

    struct health pods_health, events_health;
    struct stream pods;
    struct event_streams events;
    unsigned lists_read; /* of pods: see read_events_of_new_pods() */
    int64_t tick_us;     /* mono: when the next tick is due */
    int64_t due_us;      /* mono: when the next step of a stream is due */
    struct progress progress;
};

/* --- building --------------------------------------------------------------------------------- */

static int copy_text(const char *text, char **ret, struct err *err)
{
    *ret = mem_strdup(text);
    return *ret ? 0 : err_set(err, -ENOMEM, "no memory for the settings of the API server");
}

static int read_config(struct kube *kube, const struct kube_config *config, struct err *err)
{
    const char *user_agent = config->user_agent ? config->user_agent : "imagepull-exporter";
    int r;

    if (!config->node_name || !*config->node_name)
        return err_set(err, -EINVAL, "the node has no name; set --node-name");
    if ((r = kube_credentials(config, &kube->credentials, err)) < 0 ||
        (r = copy_text(config->node_name, &kube->node_name, err)) < 0 ||
        (r = copy_text(user_agent, &kube->user_agent, err)) < 0)
        return r;
    kube->from_kubelet = config->from_kubelet;
    kube->reads_events = config->events && !config->from_kubelet;
    return 0;
}

static uint64_t random_seed(const struct clock *clock)
{
    uint64_t seed;

    /* Shortly after boot there may be no random numbers yet: use the time. */
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = (uint64_t)clock_now(clock).wall_us;
    return seed;
}

static int new_client(struct kube *kube, struct err *err)
{
    const struct client_config config = { .credentials = &kube->credentials,
                                          .user_agent = kube->user_agent,
                                          .json = kube->from_kubelet };

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

void kube_files(const struct kube *kube, void (*file)(void *self, const char *path), void *self)
{
    const struct credential *const all[] = { &kube->credentials.ca, &kube->credentials.token,
                                             &kube->credentials.client, &kube->credentials.key };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (all[i]->file)
            file(self, all[i]->file);
}

bool kube_needs_names(const struct kube *kube)
{
    return server_needs_names(kube->credentials.server);
}

/* --- the loop --------------------------------------------------------------------------------- */

static uint64_t next_seed(struct kube *kube)
{
    return (uint64_t)jitter_below(&kube->jitter, INT64_MAX);
}

static void open_pods(struct kube *kube)
{
    const struct reflector_config config = { .resource = KUBE_PODS,
                                             .from_kubelet = kube->from_kubelet,
                                             .node_name = kube->node_name,
                                             .sink = kube->sink,
                                             .health = &kube->pods_health,
                                             .seed = next_seed(kube) };
    char subject[sizeof(kube->pods.subject)] = "pods of the kubelet";

    if (!kube->from_kubelet)
        snprintf(subject, sizeof(subject), "pods of node %.253s", kube->node_name);
    stream_init(&kube->pods, &config, kube->client, kube->clock, subject);
}

static void open_events(struct kube *kube)
{
    const struct event_streams_config config = { .node_name = kube->node_name,
                                                 .sink = kube->sink,
                                                 .health = &kube->events_health,
                                                 .client = kube->client,
                                                 .clock = kube->clock,
                                                 .seed = next_seed(kube) };

    event_streams_init(&kube->events, &config);
}

static int64_t tick(struct kube *kube)
{
    const struct instant now = clock_now(kube->clock);

    if (now.mono_us < kube->tick_us)
        return kube->tick_us;
    kube->tick_us = now.mono_us + TICK;
    if (progress_made(&kube->progress, kube->due_us, now)) {
        kube->sink->tick(kube->sink->self, SOURCE_PODS);
        if (kube->reads_events)
            kube->sink->tick(kube->sink->self, SOURCE_EVENTS);
    }
    return kube->tick_us;
}

/* After an outage, the first stream that works again wakes the others. */
static bool wake_others(struct kube *kube)
{
    bool recovered = stream_take_recovered(&kube->pods);

    if (kube->reads_events)
        recovered |= event_streams_take_recovered(&kube->events);
    if (!recovered)
        return false;
    stream_wake(&kube->pods);
    if (kube->reads_events)
        event_streams_wake(&kube->events);
    return true;
}

/* A list after the first one has pods that were created while the pods could not be read. Their
 * events may have come before it. */
static bool read_events_of_new_pods(struct kube *kube)
{
    const unsigned lists = kube->pods.reflector.intake.lists;
    const bool again = kube->reads_events && kube->lists_read && lists != kube->lists_read;

    kube->lists_read = lists;
    if (again)
        event_streams_list_anew(&kube->events);
    return again;
}

/* A request that was given up may have left something behind in libcurl, which keeps connections
 * and names of hosts for the next one. */
static void renew_client_if_stuck(struct kube *kube)
{
    bool stuck = stream_take_stuck(&kube->pods);
    struct err err = ERR_INIT;

    if (kube->reads_events)
        stuck |= event_streams_take_stuck(&kube->events);
    if (!stuck)
        return;
    log_warn("pods", "two requests in a row got no answer; making all connections anew");
    if (client_renew(kube->client, &err) < 0)
        log_warn("pods", "%s; keeping the old one", err.text);
}

/* Does what is due. Returns when to call it again (mono). */
static int64_t step(struct kube *kube)
{
    int64_t next_us = tick(kube);

    kube->due_us = stream_step(&kube->pods);
    if (kube->reads_events)
        kube->due_us =
            sooner_us(kube->due_us,
                      event_streams_step(&kube->events, kube->pods_health.status.received_bytes));
    next_us = sooner_us(next_us, kube->due_us);
    health_publish(&kube->pods_health);
    health_publish(&kube->events_health);
    return read_events_of_new_pods(kube) || wake_others(kube) ? 0 : next_us;
}

void kube_run(struct kube *kube)
{
    const struct instant start = clock_now(kube->clock);

    health_init(&kube->pods_health, SOURCE_PODS, kube->sink, true, start);
    health_init(&kube->events_health, SOURCE_EVENTS, kube->sink, kube->reads_events, start);
    if (kube->credentials.insecure)
        log_warn("pods",
                 "the certificate of %s is not verified (insecure-skip-tls-verify): a machine "
                 "between it and this node could read the token",
                 kube->credentials.server);
    open_pods(kube);
    open_events(kube);
    kube->due_us = start.mono_us;
    while (!atomic_load(&kube->stopping)) {
        const int64_t next_us = step(kube);

        progress_turned(&kube->progress,
                        client_run(kube->client, next_us - clock_now(kube->clock).mono_us));
        renew_client_if_stuck(kube);
    }
    event_streams_done(&kube->events);
    stream_done(&kube->pods);
}

void kube_stop(struct kube *kube)
{
    atomic_store(&kube->stopping, true);
    client_wakeup(kube->client);
}
