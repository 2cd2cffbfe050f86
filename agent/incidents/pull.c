/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/pull.h"

#include "agent/classify/image_ref.h"
#include "hash.h"
#include "limit.h"
#include "shared.h"

uint64_t image_hash(struct str image)
{
    char canonical[LIMIT_IMAGE_TEXT];

    image_canonical(image, canonical);
    return hash_str(str_from(canonical));
}

const struct pull *pull_asked(const struct pull *pull, struct str asked)
{
    return pull_new(&(struct pull_parts){
        .namespace = str_from(pull->namespace),
        .pod = str_from(pull->pod),
        .pod_uid = str_from(pull->pod_uid),
        .container = str_from(pull->container),
        .kind = pull->kind,
        .image = str_from(pull->image),
        .image_hash = pull->image_hash,
        .asked = asked,
    });
}

const struct pull *pull_new(const struct pull_parts *parts)
{
    struct str image = str_head(parts->image, LIMIT_IMAGE_TEXT - 1);
    char registry[LIMIT_NAME_TEXT];
    struct pull *pull;
    char *at;

    image_registry(parts->asked.len > 0 ? parts->asked : image, registry);
    pull = shared_alloc(sizeof(*pull) + parts->namespace.len + parts->pod.len + parts->pod_uid.len +
                        parts->container.len + image.len + strlen(registry) + 6);
    if (!pull)
        return NULL;
    at = (char *)(pull + 1);
    pull->namespace = shared_pack(&at, parts->namespace);
    pull->pod = shared_pack(&at, parts->pod);
    pull->pod_uid = shared_pack(&at, parts->pod_uid);
    pull->pod_hash = hash_str(parts->pod_uid);
    pull->container = shared_pack(&at, parts->container);
    pull->kind = parts->kind;
    pull->image = shared_pack(&at, image);
    pull->image_hash = parts->image_hash;
    pull->registry = shared_pack(&at, str_from(registry));
    return pull;
}
