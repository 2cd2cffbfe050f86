/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The host is that of the last request, or the one that the runtime says it asked. Its role follows
 * from what was asked: a token, a layer, a manifest. A host other than the image's registry that is
 * asked for a manifest is a mirror.
 */
#include "agent/classify/party.h"

#include <string.h>

#include "agent/classify/wrappers.h"
#include "util.h"

#define DOCKER_HUB STR("docker.io")

static struct str up_to(struct str text, char stop)
{
    const char *at = text.len > 0 ? memchr(text.at, stop, text.len) : NULL;

    return at ? str_span(text.at, at) : text;
}

static struct str after(struct str text, char stop)
{
    const char *at = text.len > 0 ? memchr(text.at, stop, text.len) : NULL;

    return at ? str_skip(text, (size_t)(at - text.at) + 1) : STR("");
}

static struct str without_scheme(struct str text)
{
    struct str rest = after(text, ':');

    return str_starts(rest, STR("//")) ? str_skip(rest, 2) : text;
}

struct str party_host(struct str text)
{
    text = without_scheme(text);
    text = up_to(up_to(text, '/'), '?');
    return after(text, '@').len > 0 ? after(text, '@') : text;
}

struct str party_path(struct str url)
{
    return up_to(after(without_scheme(url), '/'), '?');
}

static bool has(struct str text, struct str part)
{
    return str_find(text, part) != NULL;
}

bool party_is_host(struct str text)
{
    return text.len > 0 && (memchr(text.at, '.', text.len) || memchr(text.at, ':', text.len) ||
                            str_eq(text, STR("localhost")));
}

/* Docker Hub has several names. */
static bool same_host(struct str host, struct str registry)
{
    if (str_eq(registry, DOCKER_HUB))
        return str_eq(host, DOCKER_HUB) || str_eq(host, STR("registry-1.docker.io")) ||
               str_eq(host, STR("index.docker.io"));
    return str_eq(host, registry);
}

static const struct message_part *part_of(const struct message *message,
                                          const struct verdict *verdict)
{
    return verdict->part >= 0 && (size_t)verdict->part < message->n_parts
               ? &message->parts[verdict->part]
               : NULL;
}

static void set(struct party *party, enum role role, struct str host)
{
    host = str_head(host, host.len < sizeof(party->host) ? host.len : sizeof(party->host) - 1);
    party->role = role;
    if (host.len > 0)
        memcpy(party->host, host.at, host.len);
    party->host[host.len] = '\0';
}

/* Whether the image name has no registry, so that the runtime chose one. */
static bool is_short(struct str image)
{
    struct str first = up_to(image, '/');

    return image.len > 0 && (first.len == image.len || !party_is_host(first));
}

static bool asks_for_token(struct str path, struct str query)
{
    if (str_ends(path, STR("token")) || str_ends(path, STR("/auth")))
        return !has(path, STR("/manifests/"));
    return query.len > 0 && (has(query, STR("scope=")) || has(query, STR("service=")));
}

bool party_is_of_a_registry(struct str url)
{
    struct str path = party_path(url);

    return str_eq(path, STR("v2")) || str_starts(path, STR("v2/")) ||
           str_starts(path, STR("v1/")) || has(path, STR("/v2/")) ||
           asks_for_token(path, after(url, '?'));
}

static enum role role_of_url(const struct message_part *part, struct str url, struct str registry)
{
    struct str host = party_host(url);
    struct str path = party_path(url);
    struct str query = after(url, '?');

    if (asks_for_token(path, query))
        return ROLE_TOKEN_SERVER;
    if (same_host(host, registry))
        return ROLE_REGISTRY;
    if (part->wrappers & W_AUTH)
        return ROLE_TOKEN_SERVER;
    if (part->wrappers & W_BLOB && !str_starts(path, STR("v2/")) && !str_starts(path, STR("v1/")))
        return ROLE_BLOB_HOST;
    return registry.len > 0 || part->wrappers & W_MIRROR || str_starts(query, STR("ns=")) ||
                   has(query, STR("&ns="))
               ? ROLE_MIRROR
               : ROLE_REGISTRY;
}

/* By the request or the name that the runtime asked for. */
static void find_asked(const struct message_part *part, struct str registry, struct party *ret)
{
    struct str asked;

    if (part->hosts.url.len > 0) {
        set(ret, role_of_url(part, part->hosts.url, registry), party_host(part->hosts.url));
        return;
    }
    asked = party_host(part->hosts.place);
    if (part->wrappers & W_AUTH) {
        set(ret, ROLE_TOKEN_SERVER, STR(""));
    } else if (party_is_host(asked)) {
        bool own = same_host(asked, registry) || registry.len == 0;

        set(ret, own && !(part->wrappers & W_MIRROR) ? ROLE_REGISTRY : ROLE_MIRROR, asked);
    } else if (part->hosts.looked_up.len > 0 && party_is_host(part->hosts.looked_up)) {
        set(ret, ROLE_REGISTRY, part->hosts.looked_up);
    }
}

static void find_proxy(const struct message_part *part, struct party *ret)
{
    struct str host = part->hosts.looked_up;

    if (!(part->wrappers & W_PROXY)) /* it refused to connect; the text does not name it */
        host = STR("");
    else if (host.len == 0)
        host = party_host(part->hosts.dialled);
    set(ret, ROLE_PROXY, party_is_host(host) ? host : STR(""));
}

/* Whether an answer, or none, of a host is the cause. */
static bool is_of_a_host(const struct verdict *verdict)
{
    switch (verdict->cause) {
    case CAUSE_UNAUTHORIZED:
        return verdict->reason != REASON_CREDENTIAL_PROVIDER_FAILED;
    case CAUSE_NETWORK:
        return verdict->reason != REASON_PULL_CANCELLED;
    case CAUSE_NOT_FOUND:
    case CAUSE_RATE_LIMITED:
    case CAUSE_REGISTRY_ERROR:
        return true;
    default:
        return verdict->reason == REASON_DIGEST_MISMATCH || verdict->reason == REASON_CORRUPT_LAYER;
    }
}

struct str party_asked(const struct message *message, const struct verdict *verdict)
{
    const struct message_part *part = part_of(message, verdict);

    if (!part || part->hosts.place.len == 0 || part->wrappers & W_MIRROR ||
        !is_short(message->image) || !party_is_host(party_host(part->hosts.place)))
        return STR("");
    return part->hosts.place;
}

/* The path of the file, or at least its name: "failed to decode hosts.toml". */
static struct str file_of(const struct message *message, const struct message_part *part)
{
    static const struct str names[] = { STR("hosts.toml"), STR("policy.json"),
                                        STR("registries.conf") };

    for (size_t i = 0; part->file.len == 0 && i < ARRAY_SIZE(names); i++) {
        const char *at = str_find(message->text, names[i]);

        if (at)
            return str_span(at, at + names[i].len);
    }
    return str_head(part->file, LIMIT_IMAGE_TEXT);
}

void party_find(const struct message *message, const struct verdict *verdict, struct str registry,
                struct party *ret)
{
    const struct message_part *part = part_of(message, verdict);

    ret->role = ROLE_MAX;
    ret->host[0] = '\0';
    ret->file = STR("");
    if (part && verdict->reason == REASON_RUNTIME_CONFIG_INVALID)
        ret->file = file_of(message, part);
    if (!part || !is_of_a_host(verdict))
        return;
    if (party_asked(message, verdict).len > 0)
        registry = party_host(part->hosts.place);
    if (verdict->reason == REASON_PROXY_FAILED)
        find_proxy(part, ret);
    else if (verdict->reason == REASON_DNS_FAILURE)
        set(ret, ROLE_DNS, part->hosts.name_server);
    else
        find_asked(part, registry, ret);
}
