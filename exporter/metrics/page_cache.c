/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics/page_cache.h"

#include <string.h>

#include "exporter/http/shared_body.h"
#include "util.h"

void page_cache_init(struct page_cache *cache)
{
    memset(cache, 0, sizeof(*cache));
    pthread_mutex_init(&cache->mutex, NULL);
}

static void drop(struct cached_page *page)
{
    shared_body_unref(page->body);
    page->body = NULL;
}

static bool matches(const struct page_basis *made, const struct page_basis *now)
{
    return made->changes == now->changes && made->limit_hits == now->limit_hits &&
           made->debug_down == now->debug_down && now->at_us - made->at_us < PAGE_AGE_MAX_US;
}

void page_cache_drop_stale(struct page_cache *cache, const struct page_basis *now)
{
    pthread_mutex_lock(&cache->mutex);
    for (size_t format = 0; format < EXPOSITION_FORMATS; format++)
        for (size_t gzip = 0; gzip < 2; gzip++)
            if (!matches(&cache->pages[format][gzip].basis, now))
                drop(&cache->pages[format][gzip]);
    pthread_mutex_unlock(&cache->mutex);
}

void page_cache_done(struct page_cache *cache)
{
    for (size_t format = 0; format < EXPOSITION_FORMATS; format++)
        for (size_t gzip = 0; gzip < 2; gzip++)
            drop(&cache->pages[format][gzip]);
    pthread_mutex_destroy(&cache->mutex);
}

struct shared_body *page_cache_get(struct page_cache *cache, enum exposition_format format,
                                   bool gzip, const struct page_basis *now)
{
    struct cached_page *page = &cache->pages[format][gzip];
    struct shared_body *body = NULL;

    pthread_mutex_lock(&cache->mutex);
    if (page->body && matches(&page->basis, now))
        body = shared_body_ref(page->body);
    pthread_mutex_unlock(&cache->mutex);
    return body;
}

void page_cache_put(struct page_cache *cache, enum exposition_format format, bool gzip,
                    const struct page_basis *basis, struct shared_body *body)
{
    struct cached_page *page = &cache->pages[format][gzip];

    pthread_mutex_lock(&cache->mutex);
    drop(page);
    page->body = shared_body_ref(body);
    page->basis = *basis;
    pthread_mutex_unlock(&cache->mutex);
}
