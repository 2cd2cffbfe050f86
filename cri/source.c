/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop that polls the container runtime.
 *
 *   1. Find the socket, connect, call Version, Status and ImageFsInfo (connection.c).
 *   2. While no container waits for an image: sleep, and repeat these three calls every 30 s.
 *   3. While one waits: ImageStatus of its image, then the blobs in flight (content.c), then the
 *      two lists, after 1 s, 2 s, 4 s and then every 5 s. When another container starts to wait,
 *      the delay is 1 s again. If its image is new, ImageStatus is called once before that.
 *
 * A call that fails ends the poll. The connection is closed, and the loop starts at 1 after a
 * back-off. Exception: a connection that worked and was closed, as by each restart of the runtime.
 * Then the loop retries at once, and only if that fails, too, the source has failed.
 *
 * Why it polls: CRI has GetContainerEvents, but in containerd 1.7 all subscribers share one
 * channel, so the agent would take events away from the kubelet.
 */
#include "cri/cri.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cri/calls.h"
#include "cri/connection.h"
#include "cri/content.h"
#include "cri/endpoint.h"
#include "cri/inventory.h"
#include "cri/runtime_health.h"
#include "log.h"
#include "mem.h"

#define LIVENESS_INTERVAL (30 * SEC)
#define POLL_FIRST (1 * SEC)
#define POLL_MAX (5 * SEC)
#define TICK_INTERVAL (10 * SEC)

/* A rollout makes many containers wait at once. A wake-up within POLL_FIRST of the last full poll
 * asks only for images that are new since then. */
#define POLL_GAP (250 * MSEC)

struct cri {
    const struct sink *sink;
    const struct clock *clock;
    atomic_bool stop;
    char *endpoint;            /* the configured path; may be NULL */
    const char *configured[2]; /* `endpoint` as a list that ends with NULL */
    struct connection connection;
    struct content content;
    struct runtime_health health;
    unsigned runtimes;                     /* connection.runtimes at the last check */
    bool no_image_fs;                      /* this runtime refused ImageFsInfo */
    int64_t lists_us;                      /* mono: no lists before, because they are too large */
    struct arena arena;                    /* decoded answers of one poll */
    int64_t checked_us;                    /* mono: the last answer to Version */
    int64_t poll_us;                       /* the present delay between two polls */
    int64_t polled_us;                     /* mono: the end of the last full poll */
    struct str asked[LIMIT_WANTED_IMAGES]; /* images asked for since the start of that poll */
    size_t n_asked;
    struct arena asked_texts;
};

int cri_new(const struct cri_config *config, const struct sink *sink, const struct clock *clock,
            struct cri **ret, struct err *err)
{
    const char *path = NULL;
    struct cri *cri;

    if (config->endpoint && endpoint_parse(config->endpoint, &path, err) < 0)
        return -EINVAL;
    cri = mem_zalloc(sizeof(*cri));
    if (!cri)
        return err_set_errno(err, -ENOMEM, "start the source of the container runtime");
    cri->endpoint = path ? mem_strdup(path) : NULL;
    if (path && !cri->endpoint) {
        mem_free(cri);
        return err_set_errno(err, -ENOMEM, "start the source of the container runtime");
    }
    cri->sink = sink;
    cri->clock = clock;
    atomic_init(&cri->stop, false);
    cri->configured[0] = cri->endpoint;
    connection_init(&cri->connection, sink, clock, path ? cri->configured : endpoint_well_known(),
                    &cri->stop);
    content_init(&cri->content, sink, &cri->connection.calls, &cri->connection.quirks,
                 &cri->health.source);
    arena_init(&cri->asked_texts, (size_t)LIMIT_WANTED_IMAGES * LIMIT_IMAGE_TEXT);
    *ret = cri;
    return 0;
}

void cri_free(struct cri *cri)
{
    if (!cri)
        return;
    arena_done(&cri->asked_texts);
    mem_free(cri->endpoint);
    mem_free(cri);
}

void cri_stop(struct cri *cri)
{
    atomic_store(&cri->stop, true);
}

static void tick(struct cri *cri)
{
    cri->sink->tick(cri->sink->self, SOURCE_CRI);
}

static bool is_over_limit(const struct cri *cri, int code)
{
    return code == -EMSGSIZE || (code == -ENOMEM && cri->arena.limit_reached);
}

/* Counts the limit that caused the error `code`, if any. Call it for each error that ends a poll
 * or becomes a remark. content.c counts its own remarks. */
static void count_limit(struct cri *cri, int code)
{
    if (is_over_limit(cri, code))
        cri->sink->limit_hit(cri->sink->self, LIMIT_HIT_CRI_MESSAGE);
}

/* Only this call failed, not the connection. */
static bool is_an_answer(int code)
{
    return code != -ECONNREFUSED && code != -ETIMEDOUT && code != -ECANCELED && code != -ENOMEM;
}

static void forget_asked(struct cri *cri)
{
    cri->n_asked = 0;
    arena_reset(&cri->asked_texts);
}

/* Whether the image was not asked for since the last full poll; notes it. If there is no room for
 * the note, the next full poll asks for the image. */
static bool is_new(struct cri *cri, struct str image)
{
    char *kept;

    for (size_t i = 0; i < cri->n_asked; i++)
        if (str_eq(cri->asked[i], image))
            return false;
    kept = cri->n_asked < LIMIT_WANTED_IMAGES ? arena_str(&cri->asked_texts, image) : NULL;
    if (kept)
        cri->asked[cri->n_asked++] = str_from(kept);
    return kept != NULL;
}

/*
 * Tenants choose image names, so a name that the runtime cannot parse must not end the poll. The
 * runtime's error text is not kept: it contains the name, and names can contain secrets.
 */
static int poll_images(struct cri *cri, const struct wanted *wanted, struct err *err)
{
    int refused = 0;

    for (size_t i = 0; i < wanted->n_images; i++) {
        struct observation observation = { .kind = OBSERVE_IMAGE };
        struct err here = ERR_INIT;
        int r;

        if (!is_new(cri, wanted->images[i]))
            continue;
        r = calls_image_status(&cri->connection.calls, &cri->arena, wanted->images[i],
                               &observation.image, &here);
        tick(cri);
        if (r == 0)
            cri->sink->observe(cri->sink->self, &observation);
        else if (!is_an_answer(r))
            return err_set(err, r, "%s", here.text);
        else
            refused = r;
        count_limit(cri, r);
    }
    if (refused) {
        char text[128];

        snprintf(text, sizeof(text),
                 "ImageStatus is refused for an image that a container waits for: %s",
                 strerror(-refused));
        health_remark(&cri->health.source, text, clock_now(cri->clock));
    }
    return 0;
}

static int poll_pods(struct cri *cri, struct err *err)
{
    struct calls *calls = &cri->connection.calls;
    struct inventory inventory;
    int r = calls_list_containers(calls, &cri->arena, &inventory.containers,
                                  &inventory.n_containers, err);

    tick(cri);
    if (r == 0)
        r = calls_list_sandboxes(calls, &cri->arena, &inventory.sandboxes, &inventory.n_sandboxes,
                                 err);
    if (r == 0)
        r = inventory_observe(&inventory, cri->sink, &cri->arena, err);
    if (r == 0)
        cri->sink->observe(cri->sink->self, &(struct observation){ .kind = OBSERVE_SANDBOXES_END });
    return r;
}

/*
 * Tenants choose what is in the lists (annotations), so a list that is too large must not end the
 * poll. Most is known without them, from the pods' status and ImageStatus. They are read again
 * after LIVENESS_INTERVAL, because they cost the runtime more than anything else.
 */
static int poll_pods_if_small(struct cri *cri, struct instant now, struct err *err)
{
    struct err here = ERR_INIT;
    int r;

    if (now.mono_us < cri->lists_us)
        return 0;
    r = poll_pods(cri, &here);
    if (r == 0)
        return 0;
    if (!is_over_limit(cri, r))
        return err_set(err, r, "%s", here.text);
    cri->lists_us = now.mono_us + LIVENESS_INTERVAL;
    count_limit(cri, r);
    health_remark(&cri->health.source, here.text, now);
    return 0;
}

/* The image file system is only shown to people, so a runtime without it does not fail. */
static int poll_image_fs(struct cri *cri, struct instant now, struct err *err)
{
    struct observation observation = { .kind = OBSERVE_IMAGE_FS };
    struct err here = ERR_INIT;
    int r;

    if (cri->no_image_fs)
        return 0;
    r = calls_image_fs_info(&cri->connection.calls, &cri->arena, &observation.image_fs, &here);
    tick(cri);
    if (r == -ENOSYS || r == -EACCES) {
        cri->no_image_fs = true;
        log_info("cri", "%s; not calling it again on this connection", here.text);
    } else if (r < 0 && !is_an_answer(r)) {
        return err_set(err, r, "%s", here.text);
    } else if (r < 0 && r != -ENODATA) {
        count_limit(cri, r);
        health_remark(&cri->health.source, here.text, now);
    } else if (r == 0) {
        if (cri->connection.quirks.image_fs_is_metadata)
            observation.image_fs.used_bytes = observation.image_fs.used_inodes = 0;
        cri->sink->observe(cri->sink->self, &observation);
    }
    return 0;
}

static int check_runtime(struct cri *cri, struct instant now, struct err *err)
{
    char trouble[LIMIT_RUNTIME_TROUBLE_TEXT] = "";
    int r;

    if (!connection_is_open(&cri->connection))
        r = connection_open(&cri->connection, &cri->arena, err);
    else if (now.mono_us - cri->checked_us >= LIVENESS_INTERVAL)
        r = connection_check(&cri->connection, &cri->arena, err);
    else
        return 0;
    tick(cri);
    if (cri->runtimes !=
        cri->connection.runtimes) { /* this runtime may answer what the last one refused */
        cri->runtimes = cri->connection.runtimes;
        cri->no_image_fs = false;
        content_forget(&cri->content);
    }
    if (r == 0)
        r = connection_trouble(&cri->connection, &cri->arena, trouble, err);
    if (r == 0)
        r = poll_image_fs(cri, now, err);
    if (r < 0)
        return r;
    runtime_health_complain(&cri->health, trouble[0] ? trouble : NULL, now);
    cri->checked_us = now.mono_us;
    return 0;
}

static bool something_waits(const struct wanted *wanted)
{
    return wanted->n_images > 0 || wanted->pods_wait || wanted->ingests || wanted->n_blobs > 0 ||
           wanted->n_fetched > 0;
}

/* One poll. Sets `ret_waiting` also on failure. */
static int poll(struct cri *cri, bool *ret_waiting, struct err *err)
{
    struct instant now = clock_now(cri->clock);
    bool full = now.mono_us - cri->polled_us >= POLL_FIRST;
    struct wanted wanted;
    int r;

    cri->sink->wanted(cri->sink->self, &wanted);
    *ret_waiting = something_waits(&wanted);
    arena_init(&cri->arena, LIMIT_DECODE_ARENA);
    if (full)
        forget_asked(cri);

    r = check_runtime(cri, now, err);
    if (r == 0)
        r = poll_images(cri, &wanted, err);
    if (r == 0 && full && cri->connection.quirks.content_service)
        r = content_poll(&cri->content, &wanted, &cri->arena, now, err);
    /* Last, because gRPC may close the connection of an answer that is too large. */
    if (r == 0 && full && wanted.pods_wait)
        r = poll_pods_if_small(cri, now, err);
    if (r == 0 && full && *ret_waiting)
        cri->polled_us = clock_now(cri->clock).mono_us;
    count_limit(cri, r);

    arena_done(&cri->arena);
    wanted_done(&wanted);
    return r;
}

static enum reconnect reconnect_reason(int code, bool established)
{
    switch (code) {
    case -ECONNREFUSED:
        return established ? RECONNECT_CLOSED : RECONNECT_NETWORK;
    case -ETIMEDOUT:
        return RECONNECT_NETWORK;
    case -EPROTO:
    case -EMSGSIZE:
    case -ENOMEM:
        return RECONNECT_MALFORMED;
    default:
        return RECONNECT_REFUSED;
    }
}

/* One poll, and another one if the first found its connection closed, by the runtime or by gRPC
 * because of an answer that is too large. */
static int poll_again_if_closed(struct cri *cri, bool *ret_waiting, struct err *err)
{
    for (;;) {
        bool established = connection_is_open(&cri->connection);
        int r;

        err_clear(err);
        r = poll(cri, ret_waiting, err);
        if (r == 0 || r == -ECANCELED)
            return r;
        connection_close(&cri->connection);
        if (r != -ENOENT)
            health_reconnect(&cri->health.source, reconnect_reason(r, established),
                             clock_now(cri->clock));
        if ((r != -ECONNREFUSED && r != -EMSGSIZE) || !established)
            return r;
    }
}

/* A wake-up at the very end of a slice looks like the end of the slice. */
static bool missed_wake_up(struct cri *cri)
{
    struct wanted wanted;
    bool waits;

    cri->sink->wanted(cri->sink->self, &wanted);
    waits = something_waits(&wanted);
    wanted_done(&wanted);
    return waits;
}

/*
 * Sleeps until `until`; if something starts to wait, only until `earliest`. Reports meanwhile that
 * the loop is alive. Returns false when the loop must end.
 */
static bool sleep_until(struct cri *cri, int64_t until, int64_t earliest, bool *ret_woken)
{
    *ret_woken = false;
    for (;;) {
        int64_t now = clock_now(cri->clock).mono_us;
        int64_t slice = until < now + TICK_INTERVAL ? until : now + TICK_INTERVAL;

        tick(cri);
        if (now >= until)
            return true;
        if (!cri->sink->wait(cri->sink->self, slice) || atomic_load(&cri->stop))
            return false;
        if (clock_now(cri->clock).mono_us < slice || (slice < until && missed_wake_up(cri))) {
            *ret_woken = true;
            until = earliest < until ? earliest : until;
        }
    }
}

/* One turn of the loop: a poll, and the sleep that its result requires. */
static bool turn(struct cri *cri)
{
    struct err err = ERR_INIT;
    bool waiting, woken;
    int r = poll_again_if_closed(cri, &waiting, &err);
    struct instant now = clock_now(cri->clock);
    int64_t until;

    cri->sink->calls(cri->sink->self, &cri->connection.calls.counted);
    if (atomic_load(&cri->stop))
        return false;
    if (r < 0) {
        until = now.mono_us + runtime_health_failed(&cri->health, &err, now);
        return sleep_until(cri, until, until, &woken);
    }
    runtime_health_succeeded(&cri->health, connection_received_bytes(&cri->connection), now);

    until = waiting ? cri->polled_us + cri->poll_us : cri->checked_us + LIVENESS_INTERVAL;
    if (!sleep_until(cri, until, now.mono_us + POLL_GAP, &woken))
        return false;
    cri->poll_us = !waiting || woken ? POLL_FIRST : cri->poll_us * 2;
    if (cri->poll_us > POLL_MAX)
        cri->poll_us = POLL_MAX;
    return true;
}

void cri_run(struct cri *cri)
{
    channel_library_init();
    runtime_health_init(&cri->health, cri->sink, clock_now(cri->clock));
    cri->poll_us = POLL_FIRST;
    cri->polled_us = clock_now(cri->clock).mono_us - POLL_FIRST;
    while (!atomic_load(&cri->stop) && turn(cri))
        ;
    connection_close(&cri->connection);
    channel_library_done();
}
