/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cri/cri_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- the fake agent --------------------------------------------------------------------------- */

static struct instant world_now(void *self)
{
    struct world *world = self;

    return (struct instant){ .mono_us = world->now_us, .wall_us = world->now_us + 50 * SEC };
}

static void print_ingests(struct world *world, const struct ingests_fact *ingests)
{
    world->before_slot = ingests->before_slot;
    buf_printf(&world->observed, "%zu in flight", ingests->n);
    for (size_t i = 0; i < ingests->n; i++)
        buf_printf(&world->observed, " %.*s", STR_ARG(str_head(ingests->ingests[i].digest, 9)));
    buf_printf(&world->observed, "\n");
}

static void print_blob(struct world *world, const struct blob_fact *blob)
{
    buf_printf(&world->observed, "%.*s is of", STR_ARG(str_head(blob->digest, 9)));
    for (size_t i = 0; i < blob->n; i++)
        buf_printf(&world->observed, " %.*s", STR_ARG(blob->repositories[i]));
    buf_printf(&world->observed, "\n");
}

static void world_observe(void *self, const struct observation *o)
{
    struct world *world = self;

    if (o->kind == OBSERVE_IMAGE_FS) {
        world->n_image_fs++;
        world->image_fs_bytes = o->image_fs.used_bytes;
        return;
    }
    if (o->kind == OBSERVE_NO_BLOBS) {
        world->no_blobs = true;
        return;
    }
    buf_printf(&world->observed, "%g ", (double)(world->now_us - START) / SEC);
    world->n_blobs = o->kind == OBSERVE_REPOSITORY ? o->repository.n_blobs : world->n_blobs;
    if (o->kind == OBSERVE_RUNTIME)
        buf_printf(&world->observed, "runtime %.*s\n", STR_ARG(o->runtime.version));
    else if (o->kind == OBSERVE_IMAGE)
        buf_printf(&world->observed, "%.*s %s %u\n", STR_ARG(o->image.image),
                   o->image.present ? "present" : "absent", (unsigned)o->image.size);
    else if (o->kind == OBSERVE_SANDBOX)
        buf_printf(&world->observed, "sandbox %.*s %d\n", STR_ARG(o->sandbox.pod_uid),
                   o->sandbox.ready);
    else if (o->kind == OBSERVE_SANDBOXES_END)
        buf_printf(&world->observed, "no more sandboxes\n");
    else if (o->kind == OBSERVE_INGESTS)
        print_ingests(world, &o->ingests);
    else if (o->kind == OBSERVE_BLOB)
        print_blob(world, &o->blob);
    else if (o->kind == OBSERVE_REPOSITORY)
        buf_printf(&world->observed, "%.*s last came at %lld\n", STR_ARG(o->repository.repository),
                   (long long)(o->repository.updated_us / SEC));
    else
        buf_printf(&world->observed, "created %.*s/%.*s\n", STR_ARG(o->created.pod_uid),
                   STR_ARG(o->created.container));
}

static void world_limit_hit(void *self, enum limit limit)
{
    struct world *world = self;

    world->limit_hit = limit;
    world->limit_hits++;
}

static void world_calls(void *self, const struct runtime_calls *calls)
{
    struct world *world = self;

    world->calls = *calls;
    world->n_calls++;
}

static void world_status(void *self, enum source_id source, const struct source_status *status)
{
    struct world *world = self;

    assert_int_equal(source, SOURCE_CRI);
    assert_true(status->enabled);
    if (world->status.enabled && world->status.up != status->up)
        world->status_flips++;
    world->status = *status;
}

static void world_tick(void *self, enum source_id source)
{
    struct world *world = self;

    assert_int_equal(source, SOURCE_CRI);
    if (world->now_us - world->ticked_us > world->longest_silence_us)
        world->longest_silence_us = world->now_us - world->ticked_us;
    world->ticked_us = world->now_us;
}

static void world_wanted(void *self, struct wanted *ret)
{
    struct world *world = self;

    ret->n_images = ret->n_namespaces = ret->n_blobs = ret->n_repositories = ret->n_fetched = 0;
    ret->pods_wait = world->waiting;
    ret->ingests = world->pulling;
    arena_init(&ret->arena, 100);
    if (world->stalled)
        ret->blobs[ret->n_blobs++] = LAYER;
    if (world->silent)
        ret->repositories[ret->n_repositories++] = str_from(world->silent);
    if (world->fetched)
        ret->fetched[ret->n_fetched++] = str_from(world->fetched);
    if (world->waiting)
        ret->images[ret->n_images++] = STR("busybox");
    if (world->other_image)
        ret->images[ret->n_images++] = str_from(world->other_image);
}

static bool world_wait(void *self, int64_t until_us)
{
    struct world *world = self;

    while (world->next->at_us <= until_us) {
        const struct moment *moment = world->next++;

        world->now_us = moment->at_us;
        if (!moment->happens)
            return false;
        world->woken = false;
        moment->happens(world);
        if (world->woken)
            return true;
    }
    world->now_us = until_us;
    return true;
}

void story_start_runtime(struct world *world)
{
    world->runtime = double_new(world->path);
    double_answers(world->runtime, "Version", CONTAINERD_1);
    double_answers(world->runtime, "Status", RUNTIME_READY);
    double_answers(world->runtime, "ImageStatus", ABSENT);
    double_answers(world->runtime, "ListPodSandbox", SANDBOXES);
    double_answers(world->runtime, "ListContainers", CONTAINERS);
    double_answers(world->runtime, "ImageFsInfo", IMAGE_FS);
    double_answers(world->runtime, "ListStatuses", IN_FLIGHT);
    double_answers(world->runtime, "List", OWNER);
}

void story_stop_runtime(struct world *world)
{
    double_free(world->runtime);
    world->runtime = NULL;
}

/* --- scaffolding ------------------------------------------------------------------------------ */

int story_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world)
        return -1;
    strcpy(world->folder, "/tmp/cri-XXXXXX");
    if (!mkdtemp(world->folder))
        return -1;
    snprintf(world->path, sizeof(world->path), "%s/s", world->folder);
    world->now_us = world->ticked_us = START;
    buf_init(&world->observed, 1 << 20);
    world->clock = (struct clock){ .self = world, .now = world_now };
    world->sink = (struct sink){
        .self = world,
        .observe = world_observe,
        .limit_hit = world_limit_hit,
        .status = world_status,
        .calls = world_calls,
        .tick = world_tick,
        .wanted = world_wanted,
        .wait = world_wait,
    };
    *state = world;
    return 0;
}

int story_free(void **state)
{
    struct world *world = *state;

    if (world->log)
        fclose(world->log);
    cri_free(world->cri);
    double_free(world->runtime);
    rude_free(world->rude);
    buf_done(&world->observed);
    rmdir(world->folder);
    free(world);
    return 0;
}

/* Sends the log to a file. */
static void capture_log(struct world *world)
{
    fflush(stderr);
    world->log = tmpfile();
    assert_non_null(world->log);
    world->real_stderr = dup(STDERR_FILENO);
    dup2(fileno(world->log), STDERR_FILENO);
}

static void release_log(struct world *world)
{
    dup2(world->real_stderr, STDERR_FILENO);
    close(world->real_stderr);
}

void story_play(struct world *world, const struct moment *story)
{
    const struct cri_config config = { .endpoint = world->path };
    struct err err = ERR_INIT;

    if (cri_new(&config, &world->sink, &world->clock, &world->cri, &err) < 0)
        fail_msg("%s", err.text);
    world->playing = world->cri;
    world->next = story;
    capture_log(world);
    cri_run(world->cri);
    release_log(world);
    assert_true(world->longest_silence_us <= 10 * SEC);
}

void story_assert_observed(struct world *world, const char *expected)
{
    assert_string_equal(world->observed.at ? world->observed.at : "", expected);
}

unsigned story_logged(struct world *world, const char *text)
{
    char line[1024];
    unsigned n = 0;

    rewind(world->log);
    while (fgets(line, sizeof(line), world->log))
        n += strstr(line, text) != NULL;
    return n;
}

unsigned story_calls(struct world *world, const char *method)
{
    return double_calls(world->runtime, method);
}
