/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cost of reading Kubernetes, measured with recordings of a real API server: the same pods in
 * protobuf and in JSON, the changes of a watch, and the memory for a list. tests/bench/bench_api.py
 * measures the whole agent.
 */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "agent/hub.h"
#include "agent/kube/watch.h"
#include "buf.h"
#include "tests/read_list.h"
#include "util.h"
#include "wire.h"

#define RECORDINGS "tests/data/recordings/"
#define NODE "lab-node"
#define ROUNDS 15
#define LIST_PASSES 40
#define WATCH_PASSES 8
#define CHUNK (16u << 10) /* the size in which curl delivers data */
#define BODY_MAX (64u << 20)

static size_t observed; /* used at the end, so that the compiler does not remove the work */

static void observe_nothing(void *self, const struct observation *observation)
{
    (void)self;
    observed += observation->kind == OBSERVE_POD;
}

static void no_limit(void *self, enum limit limit)
{
    (void)self;
    (void)limit;
}

static const struct sink nowhere = { .observe = observe_nothing, .limit_hit = no_limit };

static void die(const char *what)
{
    fprintf(stderr, "bench_kube: %s; run it in the top folder of the project\n", what);
    exit(EXIT_FAILURE);
}

static struct buf load(const char *path)
{
    FILE *file = fopen(path, "re");
    char block[4096];
    struct buf bytes;
    size_t n;

    buf_init(&bytes, BODY_MAX);
    while (file && (n = fread(block, 1, sizeof(block), file)) > 0)
        buf_add(&bytes, (struct str){ .at = block, .len = n });
    if (!file || bytes.len == 0 || buf_error(&bytes))
        die(path);
    fclose(file);
    return bytes;
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* --- the same pods in both ------------------------------------------------------------------- */

static int take(struct intake *intake, struct str body, bool json)
{
    struct str token;

    return json ? list_take_json(intake, body, NULL) : list_take(intake, body, true, &token, NULL);
}

/* Microseconds of CPU for one pod, median. */
static double decode_us(struct str body, bool json, size_t n_pods)
{
    double times[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        const double start = cpu_seconds();

        for (int pass = 0; pass < LIST_PASSES; pass++) {
            struct intake intake;

            intake_init(&intake, KUBE_PODS, &nowhere, NODE);
            if (take(&intake, body, json) < 0)
                die("cannot read a recorded list");
            intake_done(&intake);
        }
        times[round] = (cpu_seconds() - start) * 1e6 / LIST_PASSES / (double)n_pods;
    }
    qsort(times, ROUNDS, sizeof(times[0]), by_size);
    return times[ROUNDS / 2];
}

/* The recorded JSON is indented. API servers indent only on request. */
static struct buf compact(struct buf indented, size_t *ret_pods)
{
    json_t *json = json_loadb(indented.at, indented.len, 0, NULL);
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    struct buf bytes;

    if (!text)
        die("the recorded JSON is not valid");
    *ret_pods = json_array_size(json_object_get(json, "items"));
    buf_init(&bytes, BODY_MAX);
    buf_add_text(&bytes, text);
    free(text);
    json_decref(json);
    buf_done(&indented);
    return bytes;
}

static void compare_formats(struct str protobuf, struct str json, size_t n_pods)
{
    const double protobuf_us = decode_us(protobuf, false, n_pods);
    const double json_us = decode_us(json, true, n_pods);

    printf("\nThe same %zu recorded pods             protobuf        JSON   JSON is\n", n_pods);
    printf("  bytes of a pod in a list           %8zu    %8zu   %.1f x\n", protobuf.len / n_pods,
           json.len / n_pods, (double)json.len / (double)protobuf.len);
    printf("  CPU to read a pod (median of %d)   %5.1f us    %5.1f us   %.1f x\n", ROUNDS,
           protobuf_us, json_us, json_us / protobuf_us);
    printf("  (Only kubelets send JSON. It is parsed pod by pod.)\n");
}

/* --- changes of a watch ----------------------------------------------------------------------- */

static void pour(struct watch *watch, struct str bytes)
{
    for (; bytes.len; bytes = str_skip(bytes, CHUNK))
        if (watch_feed(watch, str_head(bytes, CHUNK), NULL) < 0)
            die("cannot read a recorded watch");
}

/* Seconds of CPU for 10,000 changes, median; with or without the incident table. */
static double watch_cost(struct str bytes, enum kube_resource resource, bool with_core,
                         size_t *ret_changes)
{
    static const struct hub_config config = { .node = NODE,
                                              .max_registries = 16,
                                              .reads_pods = true };
    double times[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        struct hub *hub = with_core ? hub_new(&config, clock_system()) : NULL;
        size_t changes = 0;
        double took = 0;

        if (with_core && !hub)
            die("no memory");
        for (int pass = 0; pass < WATCH_PASSES; pass++) {
            struct intake intake;
            struct watch watch;

            intake_init(&intake, resource, hub ? hub_sink(hub) : &nowhere, NODE);
            watch_init(&watch, &intake);
            watch_begin(&watch, false);
            took -= cpu_seconds();
            pour(&watch, bytes);
            took += cpu_seconds();
            changes += watch.changes;
            watch_done(&watch);
            intake_done(&intake);
        }
        hub_free(hub);
        times[round] = took * 10000 / (double)changes;
        *ret_changes = changes / WATCH_PASSES;
    }
    qsort(times, ROUNDS, sizeof(times[0]), by_size);
    return times[ROUNDS / 2];
}

static void compare_watch(const char *what, const char *path, enum kube_resource resource)
{
    struct buf bytes = load(path);
    size_t changes = 0;
    const double decode = watch_cost(buf_str(&bytes), resource, false, &changes);
    const double whole = watch_cost(buf_str(&bytes), resource, true, &changes);

    printf("  %-34s   %5.2f s     %5.2f s   (%zu recorded ones of %zu bytes)\n", what, decode,
           whole, changes, bytes.len / changes);
    buf_done(&bytes);
}

/* --- memory for a list ------------------------------------------------------------------------ */

enum way { WAY_STREAM, WAY_LIST, WAY_JSON };

/* A list of `n_pods` pods, which repeats the items of `body`. */
static struct buf grow_json(struct str body, size_t n_pods)
{
    json_t *json = json_loadb(body.at, body.len, 0, NULL), *from = json_object_get(json, "items");
    json_t *many = json_array();
    struct buf grown;
    char *text;

    for (size_t i = 0; i < n_pods; i++)
        json_array_append(many, json_array_get(from, i % json_array_size(from)));
    json_object_set_new(json, "items", many);
    text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    buf_init(&grown, BODY_MAX);
    buf_add_text(&grown, text ? text : "");
    free(text);
    json_decref(json);
    return grown;
}

static void add_varint(struct buf *to, size_t n)
{
    for (; n > 0x7f; n >>= 7)
        buf_add_byte(to, (char)(0x80 | (n & 0x7f)));
    buf_add_byte(to, (char)n);
}

static void add_field(struct buf *to, unsigned number, struct str bytes)
{
    add_varint(to, number << 3 | 2);
    add_varint(to, bytes.len);
    buf_add(to, bytes);
}

/* "k8s\0" and a runtime.Unknown around `raw`. */
static void add_object(struct buf *to, const char *kind, struct str raw)
{
    struct buf type;

    buf_init(&type, 256);
    add_field(&type, 1, STR("v1"));
    add_field(&type, 2, str_from(kind));
    buf_add(to, (struct str){ .at = "k8s", .len = 4 });
    add_field(to, 1, buf_str(&type));
    add_field(to, 2, raw);
    buf_done(&type);
}

static void add_frame(struct buf *to, struct str pod)
{
    struct buf object, raw, event;

    buf_init(&object, BODY_MAX);
    buf_init(&raw, BODY_MAX);
    buf_init(&event, BODY_MAX);
    add_object(&object, "Pod", pod);
    add_field(&raw, 1, buf_str(&object));
    add_field(&event, 1, STR("ADDED"));
    add_field(&event, 2, buf_str(&raw));
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_byte(to, (char)(event.len >> shift & 0xff));
    buf_add(to, buf_str(&event));
    buf_done(&event);
    buf_done(&raw);
    buf_done(&object);
}

static struct buf grow_protobuf(struct str body, size_t n_pods, bool frames)
{
    struct buf grown, items;
    struct kube_object object;
    struct wire_field item;
    struct str rest;
    size_t n = 0;

    buf_init(&grown, BODY_MAX);
    buf_init(&items, BODY_MAX);
    if (kube_object_open(body, &object, NULL) < 0)
        die("the recorded list is not valid");
    add_field(&items, 1,
              STR("\x12\x04"
                  "3179")); /* ListMeta: its resourceVersion */
    while (n < n_pods) {
        for (rest = object.raw; n < n_pods && wire_next(&rest, &item) > 0;) {
            if (item.number != 2) /* items */
                continue;
            n++;
            if (frames)
                add_frame(&grown, item.bytes);
            else
                add_field(&items, 2, item.bytes);
        }
    }
    if (!frames)
        add_object(&grown, "PodList", buf_str(&items));
    buf_done(&items);
    return grown;
}

static void read_as(enum way way, struct str bytes)
{
    struct intake intake;
    struct watch watch;
    struct str token;
    struct list list;

    intake_init(&intake, KUBE_PODS, &nowhere, NODE);
    watch_init(&watch, &intake);
    if (way == WAY_STREAM) {
        watch_begin(&watch, true);
        pour(&watch, bytes);
    } else {
        list_init(&list, &intake, way == WAY_JSON);
        list_begin(&list, true);
        for (; bytes.len; bytes = str_skip(bytes, CHUNK)) {
            if (list_feed(&list, str_head(bytes, CHUNK), NULL) < 0)
                die("cannot read a list");
        }
        if (list_end(&list, &token, NULL) < 0)
            die("cannot read the end of a list");
        list_done(&list);
    }
    watch_done(&watch);
    intake_done(&intake);
}

/* --- the heap, counted ------------------------------------------------------------------------ */

static size_t heap_now, heap_peak;

void *__libc_malloc(size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *memory);

static void *count(void *memory)
{
    heap_now += malloc_usable_size(memory);
    if (heap_now > heap_peak)
        heap_peak = heap_now;
    return memory;
}

void *malloc(size_t size)
{
    return count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    const size_t total = n * size;
    void *memory = size && total / size != n ? NULL : __libc_malloc(total);

    return memory ? count(memset(memory, 0, total)) : NULL;
}

void *realloc(void *old, size_t size)
{
    heap_now -= malloc_usable_size(old);
    return count(__libc_realloc(old, size));
}

void free(void *memory)
{
    heap_now -= malloc_usable_size(memory);
    __libc_free(memory);
}

static size_t peak_kib(enum way way, struct str bytes)
{
    const size_t before = heap_now;

    heap_peak = heap_now;
    read_as(way, bytes);
    return (heap_peak - before + 1023) >> 10;
}

static void compare_memory(struct str protobuf, struct str json, size_t n_pods)
{
    struct buf stream = grow_protobuf(protobuf, n_pods, true);
    struct buf list = grow_protobuf(protobuf, n_pods, false);
    struct buf text = grow_json(json, n_pods);

    printf("  %3zu pods, at the most              %5zu KiB   %5zu KiB   %5zu KiB\n", n_pods,
           peak_kib(WAY_STREAM, buf_str(&stream)), peak_kib(WAY_LIST, buf_str(&list)),
           peak_kib(WAY_JSON, buf_str(&text)));
    buf_done(&text);
    buf_done(&list);
    buf_done(&stream);
}

int main(void)
{
    size_t n_pods = 0;
    struct buf protobuf = load(RECORDINGS "pods.list.pb");
    struct buf json = compact(load(RECORDINGS "pods.list.json"), &n_pods);

    compare_formats(buf_str(&protobuf), buf_str(&json), n_pods);
    printf("\nCPU for 10,000 changes of a watch     reading   and the core\n");
    compare_watch("of pods", RECORDINGS "pods.watch.pb", KUBE_PODS);
    compare_watch("of events", RECORDINGS "events.watch.pb", KUBE_EVENTS);
    printf("\nHeap while a list is read           streamed    as a list     as JSON\n");
    compare_memory(buf_str(&protobuf), buf_str(&json), 110);
    compare_memory(buf_str(&protobuf), buf_str(&json), 500);
    buf_done(&json);
    buf_done(&protobuf);
    return observed ? EXIT_SUCCESS : EXIT_FAILURE;
}
