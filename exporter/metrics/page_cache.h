/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The last metrics page of each format and encoding. It is served again while nothing has changed,
 * for at most a second: values that change with time alone, such as those of the process, are never
 * older than that. Any thread.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "exporter/metrics/exposition.h"

struct shared_body;

#define PAGE_AGE_MAX_US SEC

/* What a page depends on, besides its format and encoding. */
struct page_basis {
    uint64_t changes;    /* of the snapshot's source */
    uint64_t limit_hits; /* that exporter/ itself counts */
    unsigned debug_down; /* debug addresses that are not served */
    int64_t at_us;       /* mono */
};

struct page_cache {
    pthread_mutex_t mutex; /* guards all below */
    struct cached_page {
        struct shared_body *body; /* NULL: none */
        struct page_basis basis;
    } pages[EXPOSITION_FORMATS][2]; /* the second one is compressed */
};

void page_cache_init(struct page_cache *cache);
void page_cache_done(struct page_cache *cache);

/* Frees the pages that do not match `now`, except while a client still reads them. */
void page_cache_drop_stale(struct page_cache *cache, const struct page_basis *now);

/* A page that matches `now`, with an owner for the caller, or NULL. */
struct shared_body *page_cache_get(struct page_cache *cache, enum exposition_format format,
                                   bool gzip, const struct page_basis *now);

/* Keeps `body`, which `basis` was true for, with an owner of its own. */
void page_cache_put(struct page_cache *cache, enum exposition_format format, bool gzip,
                    const struct page_basis *basis, struct shared_body *body);
