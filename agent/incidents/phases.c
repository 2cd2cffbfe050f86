/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/phases.h"

static void count(struct images *images, struct image_state *image, int64_t until_us)
{
    int64_t since_us = image->pull_us ? image->pull_us : image->begun_us;

    if (image->phased_us > since_us)
        since_us = image->phased_us;
    if (image->phase != PULL_PHASE_UNKNOWN && since_us && until_us > since_us)
        images->registries->counters->phases_us[image->phase] += (uint64_t)(until_us - since_us);
    image->phased_us = until_us;
}

void phases_next_list(struct images *images, struct instant now)
{
    for (struct image_state *i = images->first; i; i = i->next)
        if (i->pulling && i->phase != PULL_PHASE_UNKNOWN)
            count(images, i, now.mono_us);
}

void phases_ended(struct images *images, struct image_state *image, int64_t ended_us)
{
    if (ended_us > image->phased_us)
        count(images, image, ended_us);
}

void phases_count_size(struct images *images, uint64_t size, int64_t duration_us,
                       struct instant now)
{
    struct pulls_of_size *pulls = &images->registries->counters->pulls_of_size[size_class_of(size)];

    if (!pulls->count++)
        pulls->since_us = now.wall_us;
    pulls->sum_us += duration_us > 0 ? (uint64_t)duration_us : 0;
}
