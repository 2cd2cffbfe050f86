/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/commands/classify_json.h"
#include "agent/config.h"
#include "agent/descriptors.h"
#include "agent/hub.h"
#include "agent/kube/kube.h"
#include "agent/sandbox.h"
#include "agent/sandbox_policy.h"
#include "arena.h"
#include "cri/cri.h"
#include "exporter/exporter.h"
#include "limit.h"
#include "log.h"
#include "mem.h"
#include "version.h"

struct agent {
    const struct config *config;
    sigset_t stop_signals;
    struct hub *hub;
    struct kube *kube; /* NULL with --kube.source=none */
    struct cri *cri;   /* NULL with --cri.endpoint=off */
    struct exporter *exporter;
    struct sandbox sandbox;
    unsigned web_connections; /* of each address for metrics */
};

/* Call it before gRPC and libmicrohttpd start their threads: threads inherit the mask. */
static void block_signals(struct agent *agent)
{
    sigemptyset(&agent->stop_signals);
    sigaddset(&agent->stop_signals, SIGTERM);
    sigaddset(&agent->stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &agent->stop_signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/*
 * A list of all pods or containers is large and short-lived. By default, glibc
 * keeps such memory and one arena for each thread of gRPC.
 */
static void return_freed_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    mallopt(M_ARENA_MAX, 2);
}

static int build_kube(struct agent *agent, struct err *err)
{
    const struct config *config = agent->config;
    struct kube_config kube = {
        .node_name = config->node_name,
        .server = config->kube_server,
        .ca_file = config->kube_ca_file,
        .token_file = config->kube_token_file,
        .events = config->reads_events,
        .user_agent = "imagepull-exporter/" IMAGEPULL_VERSION,
        .kubeconfig = config->kubeconfig,
        .context = config->kube_context,
        .from_kubelet = config->reads_kubelet,
        .kubelet_url = config->kubelet_url,
        .kubelet_insecure = config->kubelet_insecure,
    };

    if (!config->reads_kube)
        return 0;
    return kube_new(&kube, hub_sink(agent->hub), clock_system(), &agent->kube, err);
}

static int build_runtime(struct agent *agent, struct err *err)
{
    const struct cri_config cri = { .endpoint = agent->config->cri_endpoint };

    if (!agent->config->reads_runtime)
        return 0;
    return cri_new(&cri, hub_sink(agent->hub), clock_system(), &agent->cri, err);
}

static struct exporter_config exporter_settings(const struct config *config)
{
    return (struct exporter_config){
        .web_listen = config->web_listen.text,
        .telemetry_path = config->web_telemetry_path,
        .max_requests = config->web_max_requests,
        .without_self = !config->metrics_self,
        .created = config->metrics_created,
        .web_file = config->web_config_file,
        .debug_listen = config->debug_listen.text,
        .explain = classify_json_explain,
        .version = IMAGEPULL_VERSION,
        .revision = IMAGEPULL_REVISION,
    };
}

static int build_sources(struct agent *agent, struct err *err)
{
    const struct config *config = agent->config;
    const struct hub_config hub = {
        .node = config->node_name ? config->node_name : "",
        .max_registries = config->max_registries,
        .stall_after_us = config->stall_after_us,
        .reads_pods = config->reads_kube,
        .reads_runtime = config->reads_runtime,
    };
    int r;

    agent->hub = hub_new(&hub, clock_system());
    if (!agent->hub)
        return err_set(err, -ENOMEM, "no memory");
    r = build_kube(agent, err);
    return r < 0 ? r : build_runtime(agent, err);
}

/* Before the first thread starts, because each thread is shut in for itself. */
static void shut_in(struct agent *agent)
{
    struct sandbox_policy policy = { .n_readable = 0 };
    struct arena texts;

    if (!agent->config->sandbox)
        return;
    arena_init(&texts, LIMIT_SANDBOX_TEXTS);
    sandbox_policy_fill(&policy, agent->config, agent->kube, &texts);
    agent->sandbox = sandbox_enter(&policy);
    arena_done(&texts);
}

static int build(struct agent *agent, struct err *err)
{
    struct exporter_config exporter = exporter_settings(agent->config);
    int r = build_sources(agent, err);

    if (r < 0)
        return r;
    exporter.web_connections = agent->web_connections;
    shut_in(agent);
    return exporter_new(&exporter, hub_snapshots(agent->hub), &agent->exporter, err);
}

int agent_check(const struct config *config, struct err *err)
{
    const struct exporter_config exporter = exporter_settings(config);
    struct agent *agent = mem_zalloc(sizeof(*agent));
    int r;

    if (!agent)
        return err_set(err, -ENOMEM, "no memory");
    agent->config = config;
    r = build_sources(agent, err);
    if (r == 0)
        r = exporter_check(&exporter, err);
    agent_freep(&agent);
    return r;
}

/* `addresses`: one or more, separated by commas. */
static size_t count_listeners(const char *addresses)
{
    size_t n = 1;

    for (const char *at = addresses; (at = strchr(at, ',')); at++)
        n++;
    return n;
}

int agent_new(const struct config *config, struct agent **ret, struct err *err)
{
    struct agent *agent = mem_zalloc(sizeof(*agent));
    int r;

    if (!agent)
        return err_set(err, -ENOMEM, "no memory");
    agent->config = config;
    return_freed_memory();
    block_signals(agent);
    r = descriptors_prepare(count_listeners(config->web_listen.text),
                            count_listeners(config->debug_listen.text), &agent->web_connections,
                            err);
    if (r == 0)
        r = build(agent, err);
    if (r < 0) {
        agent_freep(&agent);
        return r;
    }
    *ret = agent;
    return 0;
}

void agent_freep(struct agent **agent)
{
    struct agent *old = *agent;

    if (!old)
        return;
    exporter_free(old->exporter); /* first: it takes snapshots of the hub */
    kube_free(old->kube);
    cri_free(old->cri);
    hub_free(old->hub);
    mem_free(old);
    *agent = NULL;
}

static void *kube_thread(void *arg)
{
    pthread_setname_np(pthread_self(), "kube"); /* of another thread it needs /proc */
    kube_run(arg);
    return NULL;
}

static void *cri_thread(void *arg)
{
    pthread_setname_np(pthread_self(), "cri");
    cri_run(arg);
    return NULL;
}

static int start(pthread_t *thread, const char *name, void *(*body)(void *), void *arg,
                 struct err *err)
{
    int r = pthread_create(thread, NULL, body, arg);

    return r ? err_set_errno(err, -r, "start the %s thread", name) : 0;
}

static void log_start(const struct config *config)
{
    log_info("agent",
             "imagepull-exporter %s (revision %s) started: node %s, pods from %s, events %s, "
             "container runtime %s",
             IMAGEPULL_VERSION, IMAGEPULL_REVISION,
             config->node_name ? config->node_name : "not named", config->kube_source,
             config->reads_kube && config->reads_events ? "on" : "off",
             config->cri_endpoint ? config->cri_endpoint : "at a well-known socket");
}

static char last_line[LOG_LINE_SIZE];
static size_t last_line_len;

/* On any thread, at any place: only async-signal-safe functions. */
static void end_at_once(int number)
{
    (void)number;
    log_write(last_line, last_line_len);
    _exit(EXIT_SUCCESS);
}

/*
 * Some waits inside libraries have no end: grpc_shutdown() waits for threads that could never be
 * started. The agent has nothing to save, so after a second it ends without them.
 */
static void end_within_a_second(void)
{
    const struct sigaction action = { .sa_handler = end_at_once };
    const struct itimerval second = { .it_value.tv_sec = 1 };

    last_line_len = log_format_line(last_line, LOG_WARN, "agent",
                                    "not everything stopped within a second; ending without it");
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &second, NULL);
}

static void wait_for_signal(const struct agent *agent)
{
    const struct timespec second = { .tv_sec = 1 };
    int number = 0;

    while (number <= 0 && exporter_debug_waits(agent->exporter))
        number = sigtimedwait(&agent->stop_signals, NULL, &second);
    if (number <= 0)
        sigwait(&agent->stop_signals, &number);
    end_within_a_second();
    log_info("agent", "received %s, shutting down", number == SIGINT ? "SIGINT" : "SIGTERM");
}

int agent_run(struct agent *agent, struct err *err)
{
    pthread_t kube;
    pthread_t cri;
    int r = 0;

    log_start(agent->config);
    sandbox_log(&agent->sandbox);
    if (agent->kube) {
        r = start(&kube, "kube", kube_thread, agent->kube, err);
        if (r < 0)
            return r;
    }
    if (agent->cri)
        r = start(&cri, "cri", cri_thread, agent->cri, err);
    if (r == 0)
        wait_for_signal(agent);

    hub_stop(agent->hub);
    if (agent->cri)
        cri_stop(agent->cri);
    if (agent->kube) {
        kube_stop(agent->kube);
        pthread_join(kube, NULL);
    }
    if (agent->cri && r == 0)
        pthread_join(cri, NULL);
    return r;
}
