/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what the agent reads from a container runtime, one line each:
 *
 *     cri_print SECONDS ENDPOINT [IMAGE...]
 *
 * Runs cri/ alone for so many seconds, as if a container waited for the images, and asks for the
 * repositories of each blob in flight. For check_cri.py, and to read a runtime by hand.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cri/cri.h"
#include "limit.h"

struct printer {
    int64_t end_us;
    struct str images[LIMIT_WANTED_IMAGES];
    size_t n_images;
    char blobs[LIMIT_WANTED_BLOBS][160]; /* in flight at the last poll */
    size_t n_blobs;
    struct runtime_calls calls;
    int up; /* -1: not known yet */
};

static void print_ingests(struct printer *printer, const struct ingests_fact *ingests)
{
    printf("ingests %zu\n", ingests->n);
    printer->n_blobs = 0;
    for (size_t i = 0; i < ingests->n; i++) {
        const struct ingest *ingest = &ingests->ingests[i];

        printf("ingest %.*s %" PRIu64 " of %" PRIu64 " begun %" PRId64 " moved %" PRId64 "\n",
               STR_ARG(ingest->digest), ingest->bytes, ingest->total, ingest->begun_us,
               ingest->moved_us);
        if (printer->n_blobs < LIMIT_WANTED_BLOBS)
            snprintf(printer->blobs[printer->n_blobs++], sizeof(printer->blobs[0]), "%.*s",
                     STR_ARG(ingest->digest));
    }
}

static void print_blob(const struct blob_fact *blob)
{
    printf("blob %.*s", STR_ARG(blob->digest));
    for (size_t i = 0; i < blob->n; i++)
        printf(" %.*s", STR_ARG(blob->repositories[i]));
    printf("\n");
}

static void print(void *self, const struct observation *o)
{
    if (o->kind == OBSERVE_RUNTIME)
        printf("runtime %.*s %.*s\n", STR_ARG(o->runtime.name), STR_ARG(o->runtime.version));
    else if (o->kind == OBSERVE_IMAGE)
        printf("image %.*s %s %" PRIu64 " %.*s\n", STR_ARG(o->image.image),
               o->image.present ? "present" : "absent", o->image.size, STR_ARG(o->image.digest));
    else if (o->kind == OBSERVE_IMAGE_FS)
        printf("image-fs %.*s %" PRIu64 " bytes %" PRIu64 " inodes\n",
               STR_ARG(o->image_fs.mountpoint), o->image_fs.used_bytes, o->image_fs.used_inodes);
    else if (o->kind == OBSERVE_INGESTS)
        print_ingests(self, &o->ingests);
    else if (o->kind == OBSERVE_BLOB)
        print_blob(&o->blob);
    else if (o->kind == OBSERVE_REPOSITORY)
        printf("repository %.*s %" PRId64 "\n", STR_ARG(o->repository.repository),
               o->repository.updated_us);
    else if (o->kind == OBSERVE_SANDBOX)
        printf("sandbox %.*s %s\n", STR_ARG(o->sandbox.pod_uid),
               o->sandbox.ready ? "ready" : "not-ready");
    else if (o->kind == OBSERVE_CREATED)
        printf("created %.*s %.*s %" PRId64 "\n", STR_ARG(o->created.pod_uid),
               STR_ARG(o->created.container), o->created.created_us);
    fflush(stdout);
}

static void print_limit(void *self, enum limit limit)
{
    (void)self;
    printf("limit %d\n", (int)limit);
}

static void print_status(void *self, enum source_id source, const struct source_status *status)
{
    struct printer *printer = self;

    (void)source;
    if (printer->up == status->up)
        return;
    printer->up = status->up;
    printf("up %d %s\n", printer->up, status->up ? "" : status->last_error);
    fflush(stdout);
}

static void ignore_tick(void *self, enum source_id source)
{
    (void)self;
    (void)source;
}

/* At the end: the number of calls of each method. */
static void print_calls(const struct runtime_calls *calls)
{
    for (size_t method = 0; method < METHOD_MAX; method++) {
        uint64_t errors = 0;

        for (size_t code = 0; code < RUNTIME_CODES; code++)
            errors += calls->errors[method][code];
        if (calls->durations[method].count)
            printf("calls %s %" PRIu64 " of them %" PRIu64 " failed, %" PRIu64 " us\n",
                   runtime_method_name((enum runtime_method)method), calls->durations[method].count,
                   errors, calls->durations[method].sum_us);
    }
}

static void keep_calls(void *self, const struct runtime_calls *calls)
{
    struct printer *printer = self;

    printer->calls = *calls;
}

static void want(void *self, struct wanted *ret)
{
    const struct printer *printer = self;

    arena_init(&ret->arena, LIMIT_WANTED_BLOBS * sizeof(printer->blobs[0]));
    for (ret->n_images = 0; ret->n_images < printer->n_images; ret->n_images++)
        ret->images[ret->n_images] = printer->images[ret->n_images];
    ret->n_blobs = 0;
    for (size_t i = 0; i < printer->n_blobs; i++) {
        const char *blob = arena_str(&ret->arena, str_from(printer->blobs[i]));

        if (blob)
            ret->blobs[ret->n_blobs++] = str_from(blob);
    }
    ret->pods_wait = ret->ingests = true;
    ret->n_namespaces = 0;
}

static bool sleep_until(void *self, int64_t until_us)
{
    const struct printer *printer = self;
    int64_t wake_us = until_us < printer->end_us ? until_us : printer->end_us;
    const struct timespec wake = { .tv_sec = wake_us / SEC, .tv_nsec = (wake_us % SEC) * 1000 };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL) == EINTR)
        ;
    return until_us < printer->end_us;
}

int main(int argc, char **argv)
{
    struct printer printer = { .up = -1 };
    const struct sink sink = { .self = &printer,
                               .observe = print,
                               .limit_hit = print_limit,
                               .status = print_status,
                               .calls = keep_calls,
                               .tick = ignore_tick,
                               .wanted = want,
                               .wait = sleep_until };
    struct cri_config config;
    struct cri *cri;
    struct err err = ERR_INIT;

    if (argc < 3) {
        fprintf(stderr, "usage: cri_print SECONDS ENDPOINT [IMAGE...]\n");
        return 2;
    }
    printer.end_us = clock_now(clock_system()).mono_us + strtoll(argv[1], NULL, 10) * SEC;
    config.endpoint = argv[2];
    for (int i = 3; i < argc && printer.n_images < LIMIT_WANTED_IMAGES; i++)
        printer.images[printer.n_images++] = str_from(argv[i]);
    if (cri_new(&config, &sink, clock_system(), &cri, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    cri_run(cri);
    cri_free(cri);
    print_calls(&printer.calls);
    return 0;
}
