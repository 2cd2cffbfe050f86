/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics/blocked.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "limit.h"
#include "snapshot.h"
#include "utf8.h"

#define OTHER "other" /* the snapshot's name for registries over the limit */

_Static_assert(CAUSE_MAX <= 256 && REASON_MAX <= 256, "a row's group has one byte for each");

struct row {
    struct blocked_container container;
    const char *pod_uid;
    const char *counted_as; /* the registry's name in the counters */
    uint64_t group;         /* registry, cause and reason in one number */
    int64_t last_us;
    size_t place; /* among the rows of its namespace, by age */
    bool merged;  /* into an older row */
    bool named;   /* it has a series */
};

/* Returns the text itself, or a valid copy of at most `max` bytes. NULL: no memory. */
static const char *clean(struct arena *arena, const char *text, size_t max)
{
    struct str all = str_from(text), head = str_head(all, max);
    size_t good = utf8_prefix(head);
    struct buf repaired;
    const char *copy;

    if (good == all.len)
        return text;
    if (head.len < all.len && head.len - good < 4)
        head = str_head(head, good); /* the cut split a character */
    buf_init(&repaired, 3 * max);    /* U+FFFD has three bytes */
    utf8_add(&repaired, head);
    copy = buf_error(&repaired) ? NULL : arena_str(arena, buf_str(&repaired));
    buf_done(&repaired);
    return copy;
}

static size_t registry_find(const struct snapshot *snapshot, const char *registry)
{
    size_t i = 0;

    while (i < snapshot->n_registries && strcmp(snapshot->registries[i].registry, registry) != 0)
        i++;
    return i;
}

/* The index of the counters of `registry`, else of "other"; n_registries if there are none yet. */
static size_t registry_index(const struct snapshot *snapshot, const char *registry)
{
    size_t index = registry_find(snapshot, registry);

    return index < snapshot->n_registries ? index : registry_find(snapshot, OTHER);
}

static bool row_init(struct row *row, const struct snapshot *snapshot,
                     const struct snapshot_incident *incident, struct arena *arena)
{
    size_t index = registry_index(snapshot, incident->registry);

    *row = (struct row){
        .container = {
            .namespace = clean(arena, incident->namespace, LIMIT_NAME_TEXT),
            .pod = clean(arena, incident->pod, LIMIT_NAME_TEXT),
            .container = clean(arena, incident->container, LIMIT_NAME_TEXT),
            .image = clean(arena, incident->image, LIMIT_IMAGE_TEXT),
            .registry = clean(arena, incident->registry, LIMIT_NAME_TEXT),
            .cause = incident->verdict.cause,
            .reason = incident->verdict.reason,
            .since_us = incident->first_failure_us,
        },
        .pod_uid = incident->pod_uid,
        .counted_as =
            index < snapshot->n_registries ? snapshot->registries[index].registry : OTHER,
        .group = (uint64_t)index << 16 | (uint64_t)incident->verdict.cause << 8 |
                 (uint64_t)incident->verdict.reason,
        .last_us = incident->last_failure_us,
    };
    return row->container.namespace && row->container.pod && row->container.container &&
           row->container.image && row->container.registry;
}

/* Sorts equal labels side by side. The pod is compared first because it differs most often. */
static int compare_labels(const struct row *a, const struct row *b)
{
    int order = strcmp(a->container.pod, b->container.pod);

    if (!order)
        order = strcmp(a->container.container, b->container.container);
    if (!order)
        order = strcmp(a->container.image, b->container.image);
    if (!order)
        order = strcmp(a->container.namespace, b->container.namespace);
    return order;
}

static int by_labels_then_age(const void *left, const void *right)
{
    const struct row *a = *(const struct row *const *)left, *b = *(const struct row *const *)right;
    int order = compare_labels(a, b);

    return order ? order : (a > b) - (a < b); /* rows are in order of age */
}

static void merge(struct row *older, struct row *newer)
{
    struct blocked_container *into = &older->container, *from = &newer->container;

    if (!into->since_us || (from->since_us && from->since_us < into->since_us))
        into->since_us = from->since_us;
    if (newer->last_us > older->last_us) {
        into->registry = from->registry;
        into->cause = from->cause;
        into->reason = from->reason;
        older->last_us = newer->last_us;
    }
    newer->merged = true;
}

static int by_namespace_then_age(const void *left, const void *right)
{
    const struct row *a = *(const struct row *const *)left, *b = *(const struct row *const *)right;
    int order = strcmp(a->container.namespace, b->container.namespace);

    return order ? order : (a > b) - (a < b);
}

static int by_place_then_age(const void *left, const void *right)
{
    const struct row *a = *(const struct row *const *)left, *b = *(const struct row *const *)right;
    int order = (a->place > b->place) - (a->place < b->place);

    return order ? order : (a > b) - (a < b);
}

/* The oldest of each namespace have a series, then the second oldest, and so on: a namespace with
 * many blocked containers leaves some series for the others. */
static void choose_named(struct row **sorted, size_t n)
{
    size_t named = 0;

    qsort(sorted, n, sizeof(struct row *), by_namespace_then_age);
    for (size_t i = 0; i < n; i++) {
        const struct row *before = i ? sorted[i - 1] : NULL;

        if (before && strcmp(before->container.namespace, sorted[i]->container.namespace) == 0)
            sorted[i]->place = before->place + !before->merged;
    }
    qsort(sorted, n, sizeof(struct row *), by_place_then_age);
    for (size_t i = 0; i < n && named < LIMIT_INFO_SERIES; i++) {
        sorted[i]->named = !sorted[i]->merged;
        named += sorted[i]->named;
    }
}

static void pick_containers(struct row *rows, struct row **sorted, size_t n, struct blocked *ret)
{
    size_t first = 0;

    qsort(sorted, n, sizeof(struct row *), by_labels_then_age);
    for (size_t i = 1; i < n; i++) {
        if (compare_labels(sorted[first], sorted[i]) == 0)
            merge(sorted[first], sorted[i]);
        else
            first = i;
    }
    choose_named(sorted, n);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].named)
            ret->containers[ret->n_containers++] = rows[i].container;
        else if (!rows[i].merged)
            ret->n_left_out++;
    }
}

static int compare_group(const struct row *a, const struct row *b)
{
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return strcmp(a->container.namespace, b->container.namespace);
}

static int compare_container(const struct row *a, const struct row *b)
{
    int order = strcmp(a->pod_uid, b->pod_uid);

    return order ? order : strcmp(a->container.container, b->container.container);
}

static int by_group_then_container(const void *left, const void *right)
{
    const struct row *a = *(const struct row *const *)left, *b = *(const struct row *const *)right;
    int order = compare_group(a, b);

    return order ? order : compare_container(a, b);
}

static void count_groups(struct row **sorted, size_t n, struct blocked *ret)
{
    qsort(sorted, n, sizeof(struct row *), by_group_then_container);
    for (size_t i = 0; i < n; i++) {
        bool same_group = i && compare_group(sorted[i - 1], sorted[i]) == 0;

        if (same_group && compare_container(sorted[i - 1], sorted[i]) == 0)
            continue;
        if (!same_group)
            ret->groups[ret->n_groups++] = (struct blocked_group){
                .namespace = sorted[i]->container.namespace,
                .registry = sorted[i]->counted_as,
                .cause = sorted[i]->container.cause,
                .reason = sorted[i]->container.reason,
            };
        ret->groups[ret->n_groups - 1].containers++;
    }
}

int blocked_collect(const struct snapshot *snapshot, struct blocked *ret, struct err *err)
{
    struct blocked found = { .n_containers = 0 };
    size_t n = 0, max = snapshot->n_incidents;
    struct row *rows, **sorted;

    arena_init(&found.arena, LIMIT_SNAPSHOT);
    rows = arena_alloc(&found.arena, max * sizeof(*rows));
    sorted = arena_alloc(&found.arena, max * sizeof(struct row *));
    found.containers = arena_alloc(&found.arena, LIMIT_INFO_SERIES * sizeof(*found.containers));
    found.groups = arena_alloc(&found.arena, max * sizeof(*found.groups));
    if (!rows || !sorted || !found.containers || !found.groups)
        goto no_memory;

    for (size_t i = 0; i < max; i++) {
        if (!incident_state_open(snapshot->incidents[i].state))
            continue;
        if (!row_init(&rows[n], snapshot, &snapshot->incidents[i], &found.arena))
            goto no_memory;
        sorted[n] = &rows[n];
        n++;
    }

    /* Groups first: each incident counts under its own cause, before rows are merged. */
    count_groups(sorted, n, &found);
    pick_containers(rows, sorted, n, &found);
    *ret = found;
    return 0;

no_memory:
    arena_done(&found.arena);
    return err_set(err, -ENOMEM, "no memory for the series of %zu incidents", max);
}

void blocked_done(struct blocked *blocked)
{
    arena_done(&blocked->arena);
}
