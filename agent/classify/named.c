/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/named.h"

#include <string.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/normalise_tokens.h"
#include "agent/classify/party.h"
#include "util.h"

struct draft { /* an image reference that grows */
    char at[LIMIT_IMAGE_TEXT];
    size_t len;
};

static void add(struct draft *draft, struct str text)
{
    text = str_head(text, sizeof(draft->at) - 1 - draft->len);
    if (text.len > 0)
        memcpy(draft->at + draft->len, text.at, text.len);
    draft->len += text.len;
    draft->at[draft->len] = '\0';
}

/* An image name as the message has it, perhaps cut: "ghcr.io/team/ap", "ghcr.io/...". */
static void take(struct named *ret, struct str image)
{
    struct draft draft = { .len = 0 };
    struct str host = party_host(image);

    add(&draft, str_ends(image, STR("/")) ? STR("") : image);
    memcpy(ret->image, draft.at, draft.len + 1);
    image_registry(image, ret->registry);
    if (strcmp(ret->registry, "invalid") != 0 || !party_is_host(host) ||
        host.len >= sizeof(ret->registry) || host.len == image.len)
        return;
    memcpy(ret->registry, host.at, host.len);
    ret->registry[host.len] = '\0';
}

/* The value of a parameter of a query, with "%3A" and "%2F" decoded. */
static struct draft parameter(struct str url, struct str key)
{
    struct draft value = { .len = 0 };
    const char *at = str_find(url, key);
    const char *end = url.at + url.len;

    for (at = at ? at + key.len : end; at < end && *at != '&'; at++) {
        if (end - at >= 3 && at[0] == '%' && at[1] == '3' && (at[2] | 0x20) == 'a') {
            add(&value, STR(":"));
            at += 2;
        } else if (end - at >= 3 && at[0] == '%' && at[1] == '2' && (at[2] | 0x20) == 'f') {
            add(&value, STR("/"));
            at += 2;
        } else {
            add(&value, str_head(str_span(at, end), 1));
        }
    }
    return value;
}

static struct str text_of(const struct draft *draft)
{
    return (struct str){ .at = draft->at, .len = draft->len };
}

static void take_registry(struct named *ret, struct str host)
{
    struct draft name = { .len = 0 };

    add(&name, host);
    add(&name, STR("/x"));
    image_registry(text_of(&name), ret->registry);
    if (strcmp(ret->registry, "invalid") == 0)
        ret->registry[0] = '\0';
}

/* "https://HOST/v2/NAME/manifests/REFERENCE", ".../blobs/...", or only "https://HOST/v2/". */
static void take_api_url(struct named *ret, struct str url, struct str path)
{
    static const struct str kinds[] = { STR("/manifests/"), STR("/blobs/"), STR("/tags/") };
    struct draft origin = parameter(url, STR("?ns="));
    struct str host = origin.len > 0 ? text_of(&origin) : party_host(url);
    struct draft image = { .len = 0 };

    take_registry(ret, host);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const char *kind = str_find(path, kinds[i]);
        struct str reference;

        if (!kind || !ret->registry[0])
            continue;
        reference = str_span(kind + kinds[i].len, path.at + path.len);
        add(&image, host);
        add(&image, STR("/"));
        add(&image, str_span(path.at, kind));
        if (i == 0 && reference.len > 0) {
            add(&image, str_find(reference, STR(":")) ? STR("@") : STR(":"));
            add(&image, reference);
        }
        memcpy(ret->image, image.at, image.len + 1);
        return;
    }
}

/* "https://auth.example.com/token?scope=repository:NAME:pull&service=HOST" */
static void take_token_url(struct named *ret, struct str url)
{
    struct draft scope = parameter(url, STR("scope="));
    struct draft service = parameter(url, STR("service="));
    struct str name = text_of(&scope);
    struct draft image = { .len = 0 };
    const char *pull;

    if (!party_is_host(text_of(&service)))
        return;
    take_registry(ret, str_eq(text_of(&service), STR("registry.docker.io")) ? STR("docker.io")
                                                                            : text_of(&service));
    if (!ret->registry[0] || !str_starts(name, STR("repository:")))
        return;
    name = str_skip(name, STR("repository:").len);
    pull = str_find(name, STR(":"));
    add(&image, str_from(ret->registry));
    add(&image, STR("/"));
    add(&image, pull ? str_span(name.at, pull) : name);
    memcpy(ret->image, image.at, image.len + 1);
}

static void take_url(struct named *ret, struct str url)
{
    struct str path = party_path(url);

    bool of_api = str_eq(path, STR("v2")) || str_eq(path, STR("v2/")) ||
                  str_starts(path, STR("v1/")) || str_find(path, STR("/manifests/")) ||
                  str_find(path, STR("/blobs/")) || str_find(path, STR("/tags/"));

    if (of_api && str_starts(path, STR("v")))
        take_api_url(ret, url, str_skip(path, 3));
    else
        take_token_url(ret, url);
}

/* ---- a text that reads like an image --------------------------------------------------------- */

/* Hosts that are registries, so that a name below them is an image also without a tag. */
static bool is_registry(struct str host)
{
    static const struct str ends[] = { STR("docker.io"),     STR("ghcr.io"),
                                       STR("gcr.io"),        STR("quay.io"),
                                       STR("pkg.dev"),       STR("azurecr.io"),
                                       STR("amazonaws.com"), STR("registry.k8s.io"),
                                       STR("nvcr.io"),       STR("microsoft.com") };

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (str_ends(host, ends[i]))
            return true;
    return str_starts(host, STR("registry.")) || str_starts(host, STR("harbor."));
}

/* "host.tld/name:tag". Not a path, a media type, or a module of a program. */
static bool reads_like_image(struct str text)
{
    struct str host = party_host(text);
    struct str rest = str_skip(text, host.len);
    char registry[LIMIT_NAME_TEXT];

    if (host.len == 0 || rest.len == 0 || !party_is_host(host) || str_find(text, STR("://")))
        return false;
    image_registry(text, registry);
    if (strcmp(registry, "invalid") == 0)
        return is_registry(host); /* cut: "ghcr.io/..." */
    return is_registry(host) || str_find(rest, STR(":")) != NULL;
}

/* `docker pull X`, `pull access denied for X`, `Pulling from X` */
static bool announces_image(struct str before, struct str word)
{
    return str_eq(word, STR("pull")) || str_eq(word, STR("from")) ||
           str_eq(word, STR("repository")) ||
           (str_eq(word, STR("for")) && str_eq(before, STR("denied")));
}

static bool may_be_short_name(struct str text)
{
    char registry[LIMIT_NAME_TEXT];

    image_registry(text, registry);
    return (str_find(text, STR("/")) || str_find(text, STR(":"))) && *text.at != '/' &&
           !str_find(text, STR("://")) && strcmp(registry, "docker.io") == 0;
}

static void take_from_text(struct named *ret, struct str text)
{
    char padded[LIMIT_MESSAGE_TEXT + TEXT_PADDING];
    UNINITIALIZED struct tokens tokens;
    struct str before = STR(""), word = STR("");

    memcpy(padded, text.at, text.len);
    memset(padded + text.len, ' ', TEXT_PADDING);
    tokens_split((struct str){ .at = padded, .len = text.len }, &tokens);
    for (size_t i = 0; i < tokens.n; i++) {
        struct str token = { .at = padded + tokens.at[i].at, .len = tokens.at[i].len };

        if (token.len > 0 && (reads_like_image(token) ||
                              (announces_image(before, word) && may_be_short_name(token)))) {
            take(ret, token);
            return;
        }
        before = word;
        word = token;
    }
}

void named_find(const struct message *message, const struct verdict *verdict, struct named *ret)
{
    const struct hosts *hosts = verdict->part >= 0 ? &message->parts[verdict->part].hosts : NULL;

    ret->image[0] = '\0';
    ret->registry[0] = '\0';
    if (message->image.len > 0) {
        take(ret, message->image);
        if (strcmp(ret->registry, "invalid") != 0 && !party_is_host(str_from(ret->image)))
            party_registry(message, verdict, ret->registry);
        return;
    }
    if (hosts && hosts->url.len > 0)
        take_url(ret, hosts->url);
    if (!ret->image[0] && hosts && party_is_host(party_host(hosts->place))) {
        if (str_find(hosts->place, STR("/")))
            take(ret, hosts->place);
        else
            take_registry(ret, hosts->place);
    }
    if (!ret->image[0] && message->text.len > 0) {
        struct named found = { .image = "" };

        take_from_text(&found, message->text);
        if (found.image[0] || (found.registry[0] && !ret->registry[0]))
            *ret = found;
    }
}
