/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/image_ref.h"

#include <string.h>

#include "hostport.h"

/*
 * A parser for the grammar of github.com/distribution/reference (regexp.go), written by hand
 * because the time of C's regular expressions has no bound:
 *
 *   reference  := name [ ":" tag ] [ "@" digest ]
 *   name       := [ domain "/" ] component { "/" component }
 *   component  := alnum+ { ( "." | "_" | "__" | "-"+ ) alnum+ }     lower case only
 *   tag        := [A-Za-z0-9_] [A-Za-z0-9_.-]{0,127}
 *   digest     := algorithm ":" hex{32,}        sha256 64, sha384 96, sha512 128
 *
 * The first component is a domain if it has a ".", a ":" or an upper case letter, or is "localhost"
 * (normalize.go, splitDockerDomain).
 */

#define TAG_MAX 128u
#define REPOSITORY_MAX 255u /* without the domain */
#define DEFAULT_HOST STR("docker.io")
#define OFFICIAL_PREFIX STR("library/")

struct parts {
    struct str host; /* empty: Docker Hub by default */
    struct str path;
    struct str tag;
    struct str digest;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* The length of the separator at the start of `s`; 0 without one. */
static size_t separator(struct str s)
{
    size_t n = 0;

    if (s.len > 0 && s.at[0] == '.')
        return 1;
    if (s.len > 0 && s.at[0] == '_')
        return s.len > 1 && s.at[1] == '_' ? 2 : 1;
    while (n < s.len && s.at[n] == '-')
        n++;
    return n;
}

static bool valid_path(struct str path)
{
    size_t i = 0;

    if (path.len == 0)
        return false;
    for (;;) {
        if (i == path.len || !is_lower_alnum(path.at[i]))
            return false;
        while (i < path.len && is_lower_alnum(path.at[i]))
            i++;
        if (i == path.len)
            return true;
        if (path.at[i] == '/') {
            i++;
            continue;
        }
        size_t n = separator(str_skip(path, i));

        if (n == 0)
            return false;
        i += n;
    }
}

static bool valid_tag(struct str tag)
{
    if (tag.len == 0 || tag.len > TAG_MAX || tag.at[0] == '.' || tag.at[0] == '-')
        return false;
    for (size_t i = 0; i < tag.len; i++)
        if (!is_alnum(tag.at[i]) && tag.at[i] != '_' && tag.at[i] != '.' && tag.at[i] != '-')
            return false;
    return true;
}

static bool valid_digest(struct str digest)
{
    static const struct {
        struct str prefix;
        size_t hex;
    } algorithms[] = {
        { { "sha256:", 7 }, 64 },
        { { "sha384:", 7 }, 96 },
        { { "sha512:", 7 }, 128 },
    };

    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        if (!str_starts(digest, algorithms[i].prefix))
            continue;
        struct str hex = str_skip(digest, algorithms[i].prefix.len);

        if (hex.len != algorithms[i].hex)
            return false;
        for (size_t k = 0; k < hex.len; k++)
            if (!is_digit(hex.at[k]) && !(hex.at[k] >= 'a' && hex.at[k] <= 'f'))
                return false;
        return true;
    }
    return false;
}

/* Labels joined by ".". A label has letters, digits and inner "-", and is not empty. */
static bool valid_hostname(struct str name)
{
    char before = '.';

    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool edge = before == '.' || i + 1 == name.len || name.at[i + 1] == '.';

        if (!is_alnum(c) && !(c == '-' && !edge) && !(c == '.' && before != '.'))
            return false;
        before = c;
    }
    return name.len > 0 && before != '.';
}

static bool valid_ip6(struct str address)
{
    for (size_t i = 0; i < address.len; i++) {
        const char c = lower(address.at[i]);

        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && c != ':')
            return false;
    }
    return address.len > 0;
}

/* The grammar does not limit the digits of a port. */
static bool valid_port(struct str port)
{
    for (size_t i = 0; i < port.len; i++)
        if (!is_digit(port.at[i]))
            return false;
    return port.len > 0;
}

static bool valid_host(struct str text)
{
    struct hostport parts;

    if (!hostport_split(text, &parts))
        return false;
    if (parts.has_port && !valid_port(parts.port))
        return false;
    return parts.in_brackets ? valid_ip6(parts.host) : valid_hostname(parts.host);
}

static bool names_host(struct str first)
{
    if (str_eq(first, STR("localhost")))
        return true;
    for (size_t i = 0; i < first.len; i++)
        if (first.at[i] == '.' || first.at[i] == ':' || lower(first.at[i]) != first.at[i])
            return true;
    return false;
}

static bool is_hex64(struct str s)
{
    if (s.len != 64)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_digit(s.at[i]) && !(s.at[i] >= 'a' && s.at[i] <= 'f'))
            return false;
    return true;
}

/* Splits off digest, host and tag without checking them. */
static struct parts split(struct str image)
{
    struct parts p = { .path = image };
    const char *at = image.len > 0 ? memchr(image.at, '@', image.len) : NULL;
    const char *slash;
    const char *colon;

    if (at) {
        p.digest = str_span(at + 1, image.at + image.len);
        p.path = str_span(image.at, at);
    }
    slash = p.path.len > 0 ? memchr(p.path.at, '/', p.path.len) : NULL;
    if (slash && names_host(str_span(p.path.at, slash))) {
        p.host = str_span(p.path.at, slash);
        p.path = str_span(slash + 1, p.path.at + p.path.len);
    }
    colon = p.path.len > 0 ? memchr(p.path.at, ':', p.path.len) : NULL;
    if (colon) {
        p.tag = str_span(colon + 1, p.path.at + p.path.len);
        p.path = str_span(p.path.at, colon);
        if (p.tag.len == 0)
            p.tag = STR("."); /* "name:" is invalid; so is this tag */
    }
    return p;
}

static bool host_is(struct str host, const char *name)
{
    size_t i = 0;

    for (; i < host.len && name[i]; i++)
        if (lower(host.at[i]) != name[i])
            return false;
    return i == host.len && name[i] == '\0';
}

static bool is_docker_hub(struct str host)
{
    return host.len == 0 || host_is(host, "docker.io") || host_is(host, "index.docker.io") ||
           host_is(host, "registry-1.docker.io");
}

/* "busybox" is "library/busybox" on Docker Hub. */
static bool is_official(const struct parts *p)
{
    return is_docker_hub(p->host) && !memchr(p->path.at, '/', p->path.len);
}

static size_t repository_length(const struct parts *p)
{
    return p->path.len + (is_official(p) ? OFFICIAL_PREFIX.len : 0);
}

static bool parse(struct str image, struct parts *ret)
{
    struct parts p;
    bool has_digest;

    if (image.len == 0 || is_hex64(image))
        return false;
    has_digest = memchr(image.at, '@', image.len) != NULL;
    p = split(image);
    if (p.host.len > 0 && !valid_host(p.host))
        return false;
    if (!valid_path(p.path) || repository_length(&p) > REPOSITORY_MAX)
        return false;
    if (p.tag.len > 0 && !valid_tag(p.tag))
        return false;
    if (has_digest && !valid_digest(p.digest))
        return false;
    *ret = p;
    return true;
}

/* Appends what fits and a NUL; false if the text was cut. */
static bool add(char *to, size_t size, size_t *len, struct str text)
{
    size_t n = text.len < size - 1 - *len ? text.len : size - 1 - *len;

    if (n > 0)
        memcpy(to + *len, text.at, n);
    *len += n;
    to[*len] = '\0';
    return n == text.len;
}

/* In lower case, except for a host that only its capitals tell from a path ("Mirror/app"). */
static bool add_host(char *to, size_t size, size_t *len, struct str host)
{
    size_t from = *len;
    bool whole = add(to, size, len, is_docker_hub(host) ? DEFAULT_HOST : host);

    if (memchr(to + from, '.', *len - from) || memchr(to + from, ':', *len - from) ||
        host_is(host, "localhost"))
        for (size_t i = from; i < *len; i++)
            to[i] = lower(to[i]);
    return whole;
}

static bool write_canonical(const struct parts *p, char ret[LIMIT_IMAGE_TEXT])
{
    size_t len = 0;
    bool whole = add_host(ret, LIMIT_IMAGE_TEXT, &len, p->host);

    whole &= add(ret, LIMIT_IMAGE_TEXT, &len, STR("/"));
    if (is_official(p))
        whole &= add(ret, LIMIT_IMAGE_TEXT, &len, OFFICIAL_PREFIX);
    whole &= add(ret, LIMIT_IMAGE_TEXT, &len, p->path);
    whole &= add(ret, LIMIT_IMAGE_TEXT, &len, p->digest.len > 0 ? STR("@") : STR(":"));
    whole &= add(ret, LIMIT_IMAGE_TEXT, &len,
                 p->digest.len > 0 ? p->digest
                 : p->tag.len > 0  ? p->tag
                                   : STR("latest"));
    return whole;
}

bool image_canonical(struct str image, char ret[LIMIT_IMAGE_TEXT])
{
    struct parts p;
    size_t len = 0;

    if (parse(image, &p) && write_canonical(&p, ret))
        return true;
    add(ret, LIMIT_IMAGE_TEXT, &len, image);
    return false;
}

void image_registry(struct str image, char ret[LIMIT_NAME_TEXT])
{
    struct parts p;
    size_t len = 0;

    if (parse(image, &p) && add_host(ret, LIMIT_NAME_TEXT, &len, p.host))
        return;
    len = 0;
    add(ret, LIMIT_NAME_TEXT, &len, STR("invalid"));
}

bool image_same(struct str a, struct str b)
{
    char canonical_a[LIMIT_IMAGE_TEXT];
    char canonical_b[LIMIT_IMAGE_TEXT];

    if (str_eq(a, b))
        return true;
    if (!image_canonical(a, canonical_a) || !image_canonical(b, canonical_b))
        return false;
    return strcmp(canonical_a, canonical_b) == 0;
}
