/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent reads from a container runtime, as lines on standard output:
 *
 *     cri_look SECONDS ENDPOINT [IMAGE...]
 *
 * Runs cri/ alone, as if a container waited for the images, for so many seconds. For check_cri.py
 * and for a person with a runtime at hand.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cri/cri.h"
#include "limits.h"

struct look {
    int64_t end_us;
    struct str images[LIMIT_WANTED_IMAGES];
    size_t n_images;
    int up; /* -1: not told yet */
};

static void print(void *self, const struct observation *o)
{
    (void)self;
    if (o->kind == OBSERVE_RUNTIME)
        printf("runtime %.*s %.*s\n", STR_ARG(o->runtime.name), STR_ARG(o->runtime.version));
    else if (o->kind == OBSERVE_IMAGE)
        printf("image %.*s %s %" PRIu64 "\n", STR_ARG(o->image.image),
               o->image.present ? "present" : "absent", o->image.size);
    else if (o->kind == OBSERVE_SANDBOX)
        printf("sandbox %.*s %s\n", STR_ARG(o->sandbox.pod_uid),
               o->sandbox.ready ? "ready" : "not-ready");
    else
        printf("created %.*s %.*s %u '%.*s' %" PRId64 "\n", STR_ARG(o->created.pod_uid),
               STR_ARG(o->created.container), o->created.attempt, STR_ARG(o->created.image),
               o->created.created_us);
    fflush(stdout);
}

static void print_limit(void *self, enum limit limit)
{
    (void)self;
    printf("limit %d\n", (int)limit);
}

static void print_status(void *self, enum source_id source, const struct source_status *status)
{
    struct look *look = self;

    (void)source;
    if (look->up == status->up)
        return;
    look->up = status->up;
    printf("up %d %s\n", look->up, status->up ? "" : status->last_error);
    fflush(stdout);
}

static void ignore_tick(void *self, enum source_id source)
{
    (void)self;
    (void)source;
}

static void want(void *self, struct wanted *ret)
{
    const struct look *look = self;

    arena_init(&ret->arena, 1);
    for (ret->n_images = 0; ret->n_images < look->n_images; ret->n_images++)
        ret->images[ret->n_images] = look->images[ret->n_images];
    ret->pods_wait = true;
    ret->n_namespaces = 0;
}

static bool sleep_until(void *self, int64_t until_us)
{
    const struct look *look = self;
    int64_t wake_us = until_us < look->end_us ? until_us : look->end_us;
    const struct timespec wake = { .tv_sec = wake_us / SEC, .tv_nsec = (wake_us % SEC) * 1000 };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL) == EINTR)
        ;
    return until_us < look->end_us;
}

int main(int argc, char **argv)
{
    struct look look = { .up = -1 };
    const struct sink sink = { .self = &look,
                               .observe = print,
                               .limit_hit = print_limit,
                               .status = print_status,
                               .tick = ignore_tick,
                               .wanted = want,
                               .wait = sleep_until };
    struct cri_config config;
    struct cri *cri;
    struct err err = ERR_INIT;

    if (argc < 3) {
        fprintf(stderr, "usage: cri_look SECONDS ENDPOINT [IMAGE...]\n");
        return 2;
    }
    look.end_us = clock_now(clock_system()).mono_us + strtoll(argv[1], NULL, 10) * SEC;
    config.endpoint = argv[2];
    for (int i = 3; i < argc && look.n_images < LIMIT_WANTED_IMAGES; i++)
        look.images[look.n_images++] = str_from(argv[i]);
    if (cri_new(&config, &sink, clock_system(), &cri, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    cri_run(cri);
    cri_free(cri);
    return 0;
}
