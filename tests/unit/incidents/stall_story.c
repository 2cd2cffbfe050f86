/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/incidents/stall_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void list_blobs(struct world *w, const struct blob *blobs, size_t n)
{
    struct ingest ingests[16];
    const struct observation observation = {
        .kind = OBSERVE_INGESTS,
        .ingests = { .ingests = ingests, .n = n, .before_slot = w->before_slot }
    };

    assert_true(n <= ARRAY_SIZE(ingests));
    for (size_t i = 0; i < n; i++)
        ingests[i] = (struct ingest){ .digest = str_from(blobs[i].digest),
                                      .bytes = blobs[i].bytes,
                                      .total = 1000,
                                      .begun_us = blobs[i].begun_us,
                                      .moved_us = blobs[i].moved_us };
    assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
}

void list_layer(struct world *w, uint64_t bytes, int64_t begun_us, int64_t moved_us)
{
    list_blobs(w, &(struct blob){ LAYER, bytes, begun_us, moved_us }, 1);
}

void poll_pod(struct world *w, const char *name, uint64_t bytes, int64_t idle_us)
{
    observe_image(w, IMAGE, false);
    observe_polled(w, name);
    OBSERVE_BLOBS(w, { LAYER, bytes, idle_us });
}

void stand_still(struct world *w, int64_t for_us, uint64_t bytes, int64_t idle_us)
{
    for (int64_t passed = 0; passed < for_us; passed += POLL) {
        world_advance(w, POLL);
        idle_us += POLL;
        observe_image(w, IMAGE, false);
        observe_image(w, OTHER_IMAGE, false);
        OBSERVE_BLOBS(w, { LAYER, bytes, idle_us });
    }
}

void stalled(struct world *w, const char *name)
{
    observe_pulling(w, name);
    OBSERVE_BLOBS(w, { LAYER, 400, 0 });
    stand_still(w, STALL_AFTER, 400, 0);
    observe_blob_owner(w, LAYER, REPOSITORY);
}

int64_t poll_a_stall(struct world *w, const char *name)
{
    int64_t idle_us;

    observe_pulling(w, name);
    for (idle_us = 0; idle_us <= 3 * MINUTE; idle_us += POLL) {
        poll_pod(w, name, 400, idle_us);
        observe_blob_owner(w, LAYER, REPOSITORY);
        world_advance(w, POLL);
    }
    return idle_us;
}

bool wants_owner(struct world *w, const char *digest)
{
    struct wanted wanted;
    bool found = false;

    correlate_wanted(w->correlate, w->now, &wanted);
    for (size_t i = 0; i < wanted.n_blobs; i++)
        found |= str_eq(wanted.blobs[i], str_from(digest));
    wanted_done(&wanted);
    return found;
}

void answer_nothing_came(struct world *w)
{
    struct wanted wanted;

    correlate_wanted(w->correlate, w->now, &wanted);
    for (size_t i = 0; i < wanted.n_repositories; i++) {
        const struct observation observation = {
            .kind = OBSERVE_REPOSITORY, .repository = { .repository = wanted.repositories[i] }
        };

        assert_int_equal(correlate_observe(w->correlate, &observation, w->now), 0);
    }
    wanted_done(&wanted);
}

bool wants_repository(struct world *w, const char *repository)
{
    struct wanted wanted;
    bool found = false;

    correlate_wanted(w->correlate, w->now, &wanted);
    for (size_t i = 0; i < wanted.n_repositories; i++)
        found |= str_eq(wanted.repositories[i], str_from(repository));
    wanted_done(&wanted);
    return found;
}
