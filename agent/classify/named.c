/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/named.h"

#include <string.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/party.h"
#include "util.h"

bool named_is_invalid(const char *registry)
{
    return *registry == 'i' && strcmp(registry, "invalid") == 0;
}

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

/* An image name as the message has it, perhaps cut: "ghcr.io/team/ap", "ghcr.io/...". `asked` is
 * the host that the runtime asked for it; may be empty. */
static void take(struct named *ret, struct str image, struct str asked)
{
    struct str host;
    struct str shown = str_ends(image, STR("/")) ? STR("") : str_head(image, LIMIT_IMAGE_TEXT - 1);

    if (shown.len > 0)
        memcpy(ret->image, shown.at, shown.len);
    ret->image[shown.len] = '\0';
    image_registry(asked.len > 0 ? asked : image, ret->registry);
    if (!named_is_invalid(ret->registry))
        return;
    host = party_host(image);
    if (!party_is_host(host) || host.len >= sizeof(ret->registry) || host.len == image.len)
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
    if (named_is_invalid(ret->registry))
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
    else if (str_find(path, STR("/manifests/")))
        take_api_url(ret, url, path);
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
static bool reads_like_image(struct str host, struct str text)
{
    char registry[LIMIT_NAME_TEXT];

    if (!party_is_host(host))
        return false;
    if (is_registry(host)) /* also if it is cut: "ghcr.io/..." */
        return true;
    if (!str_find(str_skip(text, host.len), STR(":")))
        return false;
    image_registry(text, registry);
    return !named_is_invalid(registry);
}

/* In the name of an image or of its registry. */
static const bool name_bytes[256] = {
    ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['.'] = true,
    ['-'] = true,         ['_'] = true,         [':'] = true,
};

static bool is_name_byte(char c)
{
    return name_bytes[(unsigned char)c];
}

/* The end of the name at `at`, which may have "/" and "@". */
static const char *name_end(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && (is_name_byte(*at) || *at == '/' || *at == '@'))
        at++;
    while (at > from && (at[-1] == '.' || at[-1] == ':' || at[-1] == '-'))
        at--;
    return at;
}

/* Each "/" may be the first one of an image's name. */
static bool take_full_name(struct named *ret, struct str text)
{
    const char *end = text.at + text.len;
    const char *slash;

    for (const char *at = text.at; (slash = memchr(at, '/', (size_t)(end - at))) != NULL;) {
        const char *from = slash;
        struct str name;

        while (from > at && is_name_byte(from[-1]))
            from--;
        name = str_span(from, name_end(slash + 1, end));
        if (from < slash && (from == text.at || !strchr("/@%=?&", from[-1])) && slash + 1 < end &&
            slash[1] != '/' && reads_like_image(str_span(from, slash), name)) {
            take(ret, name, STR(""));
            return true;
        }
        at = name.at + name.len > slash ? name.at + name.len : slash + 1;
    }
    return false;
}

/* `pull access denied for X`, `Pulling from X`, `docker pull X` */
static void take_short_name(struct named *ret, struct str text)
{
    static const struct str fronts[] = { STR("denied for "), STR("Pulling from "), STR(" pull "),
                                         STR("Pulling repository ") };

    for (size_t i = 0; i < ARRAY_SIZE(fronts); i++) {
        const char *at = str_find(text, fronts[i]);
        const char *end = text.at + text.len;
        struct str name;

        if (!at)
            continue;
        name = str_span(at + fronts[i].len, name_end(at + fronts[i].len, end));
        if (name.len == 0 || *name.at == '/' ||
            !(memchr(name.at, '/', name.len) || memchr(name.at, ':', name.len)))
            continue;
        take(ret, name, STR(""));
        if (strcmp(ret->registry, "docker.io") == 0)
            return;
        ret->image[0] = '\0';
        ret->registry[0] = '\0';
    }
}

/* A URL of the registry's API anywhere in the text, also without "https://". */
static void take_free_url(struct named *ret, struct str text)
{
    const char *path = str_find(text, STR("/v2/"));
    const char *from = path;
    struct str url;

    while (path && from > text.at && is_name_byte(from[-1]))
        from--;
    if (!path || !party_is_host(str_span(from, path)))
        return;
    url = str_span(from, name_end(path + STR("/v2/").len, text.at + text.len));
    take_api_url(ret, url, str_skip(url, (size_t)(path - from) + STR("/v2/").len));
}

static void find_in_text(struct named *ret, struct str text, enum cause cause)
{
    bool has_short =
        cause == CAUSE_UNAUTHORIZED || cause == CAUSE_NOT_FOUND || cause == CAUSE_BAD_IMAGE;
    struct named found;

    found.image[0] = '\0';
    found.registry[0] = '\0';
    if (text.len == 0)
        return;
    if (!take_full_name(&found, text) && !ret->registry[0] && has_short)
        take_short_name(&found, text);
    if (found.image[0] || (found.registry[0] && !ret->registry[0]))
        *ret = found;
}

void named_find(const struct message *message, const struct verdict *verdict, struct named *ret)
{
    const struct hosts *hosts = verdict->part >= 0 ? &message->parts[verdict->part].hosts : NULL;

    ret->image[0] = '\0';
    ret->registry[0] = '\0';
    if (message->image.len > 0) {
        take(ret, message->image, party_asked(message, verdict));
        return;
    }
    if (hosts && hosts->url.len > 0)
        take_url(ret, hosts->url);
    if (!ret->image[0] && hosts && party_is_host(party_host(hosts->place))) {
        if (str_find(hosts->place, STR("/")))
            take(ret, hosts->place, STR(""));
        else
            take_registry(ret, hosts->place);
    }
    if (!ret->registry[0])
        take_free_url(ret, message->text);
    if (!ret->image[0])
        find_in_text(ret, message->text, verdict->cause);
}
