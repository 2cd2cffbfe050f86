/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Scrapes over loopback and kept connections, as Prometheus does them, of the real hub and exporter
 * with 0, 30 and 250 open incidents: the time of one scrape (median and p99 of one client), its
 * bytes, and the scrapes per second of one client and of eight. On a busy machine the wall time
 * says little; the CPU time, which includes the client's, says more. If Debian's node_exporter is
 * installed, it is measured in the same run.
 *
 * A page is formatted once for each change of the table, so with 250 incidents the scrapes are
 * measured also with a change before each of them. Then, without gzip, a quarter of the
 * instructions is the copy under the mutex and a third is the search for equal labels (half of that
 * two sorts); the rest is writing. gzip costs a little more than all of it.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/hub.h"
#include "clock.h"
#include "exporter/exporter.h"
#include "limit.h"
#include "util.h"

#define CLIENTS 8
#define REGISTRIES 12
#define BUDGET_P99_US 500
#define BUDGET_CHANGED_P99_US 2000 /* with a change before each scrape */
#define BUDGET_RATE 5000
#define BUDGET_INCIDENTS 250
#define ANSWER_MAX (1u << 20)
#define NODE_EXPORTER "/usr/bin/prometheus-node-exporter"

/* The request of Prometheus 2.42. */
#define PROMETHEUS                                                                                 \
    "GET /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Prometheus/2.42.0\r\nAccept: "        \
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"       \
    "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\nAccept-Encoding: gzip\r\n\r\n"
#define PLAIN "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void die(const char *what)
{
    fprintf(stderr, "bench_scrape: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(void)
{
    return clock_now(clock_system()).mono_us;
}

static int64_t process_cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * SEC + t.tv_nsec / 1000;
}

/* --- one client --------------------------------------------------------------------------------
 */

static int dial(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* Whether `answer` is complete: it has Content-Length bytes, or the last chunk. */
static bool is_whole(const char *answer, size_t len)
{
    const char *body = memmem(answer, len, "\r\n\r\n", 4), *length;

    if (!body)
        return false;
    body += 4;
    length = memmem(answer, (size_t)(body - answer), "Content-Length: ", 16);
    if (length)
        return len - (size_t)(body - answer) >= strtoul(length + 16, NULL, 10);
    return len >= 5 && memcmp(answer + len - 5, "0\r\n\r\n", 5) == 0;
}

/* The bytes of the answer to one request, with its head. */
static size_t scrape(int fd, const char *request)
{
    static _Thread_local char answer[ANSWER_MAX];
    size_t len = 0;

    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        die("send");
    do {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - len, 0);

        if (n <= 0)
            die("the server hung up");
        len += (size_t)n;
    } while (!is_whole(answer, len));
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0) {
        fprintf(stderr, "bench_scrape: answered %.40s\n", answer);
        exit(1);
    }
    return len;
}

/* --- many scrapes ------------------------------------------------------------------------------
 */

struct load {
    uint16_t port;
    const char *request;
    int scrapes;
    const struct sink *ours;   /* the agent, if this process serves it */
    const struct sink *change; /* reports something before each scrape; NULL: nothing changes */
};

struct figures {
    int64_t median_us, p99_us;
    double rate; /* scrapes per second of one client */
};

static void scrape_once(int fd, const struct load *load)
{
    if (load->change)
        load->change->limit_hit(load->change->self, LIMIT_HIT_WATCH_FRAME);
    scrape(fd, load->request);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void *run_client(void *arg)
{
    const struct load *load = arg;
    int fd = dial(load->port);

    if (fd < 0)
        die("connect");
    for (int i = 0; i < load->scrapes; i++)
        scrape_once(fd, load);
    close(fd);
    return NULL;
}

static double rate_of_clients(const struct load *load, int clients)
{
    pthread_t threads[CLIENTS];
    int64_t start_us = now_us();

    for (int i = 0; i < clients; i++)
        if (pthread_create(&threads[i], NULL, run_client, (void *)load) != 0)
            die("pthread_create");
    for (int i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    return (double)load->scrapes * clients * 1e6 / (double)(now_us() - start_us);
}

/* Prints a row. */
static struct figures measure(const char *name, const char *form, const struct load *load)
{
    int64_t *took_us = calloc((size_t)load->scrapes, sizeof(*took_us)), cpu_us;
    struct load share = *load;
    struct figures found;
    size_t bytes;
    double eight;
    int fd = dial(load->port);

    if (!took_us || fd < 0)
        die("connect");
    for (int i = 0; i < load->scrapes / 10 + 1; i++)
        scrape_once(fd, load);
    bytes = scrape(fd, load->request);
    cpu_us = process_cpu_us();
    for (int i = 0; i < load->scrapes; i++) {
        int64_t start_us = now_us();

        scrape_once(fd, load);
        took_us[i] = now_us() - start_us;
    }
    cpu_us = process_cpu_us() - cpu_us;
    close(fd);
    qsort(took_us, (size_t)load->scrapes, sizeof(*took_us), by_size);
    found.median_us = took_us[load->scrapes / 2];
    found.p99_us = took_us[load->scrapes * 99 / 100];
    found.rate = rate_of_clients(load, 1);
    share.scrapes = load->scrapes / CLIENTS + 1;
    eight = rate_of_clients(&share, CLIENTS);
    printf("%-18s %-18s %6zu B  median %7.3f ms  p99 %7.3f ms  %6.0f/s  8 clients %6.0f/s", name,
           form, bytes, (double)found.median_us / 1e3, (double)found.p99_us / 1e3, found.rate,
           eight);
    if (load->ours)
        printf("  cpu %.3f ms", (double)cpu_us / load->scrapes / 1e3);
    puts("");
    free(took_us);
    return found;
}

/* --- the agent ----------------------------------------------------------------------------------
 */

static void add_pod(const struct sink *sink, unsigned i)
{
    static const char *const words[] = {
        "failed to pull and unpack image: failed to resolve reference: manifest unknown",
        "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
        "dial tcp: lookup registry.example.com: no such host",
        "429 Too Many Requests - Server message: toomanyrequests: rate limit exceeded",
    };
    char name[64], uid[64], image[128];
    struct container_fact container = {
        .name = STR("app"),
        .phase = PHASE_WAITING,
        .waiting_reason = STR("ErrImagePull"),
        .waiting_message = str_from(words[i % ARRAY_SIZE(words)]),
    };
    struct observation observation = { .kind = OBSERVE_POD };

    snprintf(name, sizeof(name), "storefront-7c9f8d6b5c-%05u", i);
    snprintf(uid, sizeof(uid), "6d1d9e2e-58a5-4a71-9d11-%012u", i);
    snprintf(image, sizeof(image), "registry-%u.example.com/team/storefront:v1.%u.0",
             i % REGISTRIES, i);
    container.image = str_from(image);
    observation.pod = (struct pod_fact){
        .namespace = i % 3 ? STR("production") : STR("staging"),
        .name = str_from(name),
        .uid = str_from(uid),
        .phase = STR("Pending"),
        .containers = &container,
        .n_containers = 1,
    };
    sink->observe(sink->self, &observation);
}

struct result {
    struct figures text, prometheus, changed;
};

static struct result measure_agent(unsigned incidents)
{
    const struct hub_config hub_config = { .node = "node-1",
                                           .max_registries = 16,
                                           .reads_runtime = true };
    const struct exporter_config config = {
        .web_listen = "127.0.0.1:0",
        .debug_listen = "off",
        .version = "bench",
        .revision = "none",
    };
    struct hub *hub = hub_new(&hub_config, clock_system());
    struct load load = { .request = PLAIN, .scrapes = 4000 };
    struct exporter *exporter = NULL;
    struct err err = ERR_INIT;
    struct result result;
    char name[64];

    if (!hub || exporter_new(&config, hub_snapshots(hub), &exporter, &err) < 0) {
        fprintf(stderr, "bench_scrape: %s\n", err.text);
        exit(1);
    }
    for (unsigned i = 0; i < incidents; i++)
        add_pod(hub_sink(hub), i);
    snprintf(name, sizeof(name), "%u open incidents", incidents);
    load.port = exporter_web_port(exporter);
    load.ours = hub_sink(hub);
    result.text = measure(name, "text", &load);
    load.request = PROMETHEUS;
    result.prometheus = measure(name, "as Prometheus asks", &load);
    load.request = PLAIN;
    load.change = load.ours;
    result.changed = measure(name, "text, all changed", &load);
    load.request = PROMETHEUS;
    measure(name, "gzip, all changed", &load);
    exporter_free(exporter);
    hub_stop(hub);
    hub_free(hub);
    return result;
}

/* --- node_exporter -----------------------------------------------------------------------------
 */

static uint16_t free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        die("find a free port");
    close(fd);
    return ntohs(address.sin_port);
}

static void compare(const char *form, const struct figures *ours, const struct figures *peer)
{
    printf("node_exporter takes %.1f times as long, %s (medians)\n",
           (double)peer->median_us / (double)ours->median_us, form);
}

static void measure_peer(const struct result *ours)
{
    struct load load = { .port = free_port(), .request = PLAIN, .scrapes = 200 };
    struct figures peer;
    const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
    char listen[64];
    pid_t pid;
    int fd = -1;

    if (access(NODE_EXPORTER, X_OK) != 0) {
        puts("prometheus-node-exporter is not installed: no peer to compare with");
        return;
    }
    snprintf(listen, sizeof(listen), "--web.listen-address=127.0.0.1:%u", load.port);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (null < 0 ||
            dup2(null, STDERR_FILENO) < 0) /* node_exporter logs each failed collector */
            _exit(127);
        execl(NODE_EXPORTER, NODE_EXPORTER, listen, "--log.level=error", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 200 && (fd = dial(load.port)) < 0; i++)
        nanosleep(&pause, NULL);
    if (fd >= 0) {
        close(fd);
        peer = measure("node_exporter", "text", &load);
        compare("text", &ours->text, &peer);
        load.request = PROMETHEUS;
        peer = measure("node_exporter", "as Prometheus asks", &load);
        compare("as Prometheus asks", &ours->prometheus, &peer);
    }
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static bool within(const char *what, double value, double budget, bool is_within)
{
    printf("%u open incidents, %s: %.3f, budget %.3f: %s\n", BUDGET_INCIDENTS, what, value, budget,
           is_within ? "met" : "MISSED");
    return is_within;
}

static bool within_budgets(const struct result *result)
{
    const struct figures *text = &result->text, *changed = &result->changed;
    bool met = within("p99 of a scrape (ms)", (double)text->p99_us / 1e3, BUDGET_P99_US / 1e3,
                      text->p99_us <= BUDGET_P99_US);

    met &= within("p99 of a scrape after a change (ms)", (double)changed->p99_us / 1e3,
                  BUDGET_CHANGED_P99_US / 1e3, changed->p99_us <= BUDGET_CHANGED_P99_US);
    return within("scrapes per second of one client", text->rate, BUDGET_RATE,
                  text->rate >= BUDGET_RATE) &&
           met;
}

int main(void)
{
    static const unsigned incidents[] = { 0, 30, BUDGET_INCIDENTS };
    struct result result = { .text = { .rate = 0 } };

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < ARRAY_SIZE(incidents); i++)
        result = measure_agent(incidents[i]);
    measure_peer(&result);
    return within_budgets(&result) ? 0 : 1;
}
