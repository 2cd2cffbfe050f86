/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/web_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "limit.h"
#include "util.h"
#include "yaml_doc.h"

#define BCRYPT_LEN 60u

struct reader {
    const struct yaml_doc *yaml;
    struct str folder;
    struct web_file *file;
};

static const char *copy(struct reader *reader, struct str text, struct err *err)
{
    const char *made = arena_str(&reader->file->arena, text);

    if (!made)
        err_set(err, -ENOMEM, "no memory for the settings");
    return made;
}

/* --- values ------------------------------------------------------------------------------------
 */

/* A text without control characters, which no name, path or header has. */
static int read_text(const char *key, const struct yaml_node *value, struct str *ret,
                     struct err *err)
{
    struct str text = yaml_doc_text(value);

    if (yaml_doc_kind(value) != YAML_TEXT || !text.len)
        return err_set(err, -EINVAL, "line %zu: %s must be a text", yaml_doc_line(value), key);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f)
            return err_set(err, -EINVAL, "line %zu: %s has a control character",
                           yaml_doc_line(value), key);
    *ret = text;
    return 0;
}

static int read_path(struct reader *reader, const char *key, const struct yaml_node *value,
                     const char **ret, struct err *err)
{
    CLEANUP(buf_done) struct buf path = { .max = LIMIT_PATH };
    struct str text;
    int r = read_text(key, value, &text, err);

    if (r < 0)
        return r;
    if (text.at[0] != '/')
        buf_add(&path, reader->folder);
    buf_add(&path, text);
    if (buf_error(&path))
        return err_set(err, buf_error(&path), "line %zu: %s is too long", yaml_doc_line(value),
                       key);
    *ret = copy(reader, buf_str(&path), err);
    return *ret ? 0 : -ENOMEM;
}

struct word {
    const char *text;
    int value;
};

static int read_word(const char *key, const struct yaml_node *value, const struct word *words,
                     int *ret, struct err *err)
{
    struct str text;
    int r = read_text(key, value, &text, err);

    if (r < 0)
        return r;
    for (; words->text; words++) {
        if (str_eq(text, str_from(words->text))) {
            *ret = words->value;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "line %zu: %s has the unknown value '%.*s'", yaml_doc_line(value),
                   key, STR_ARG(str_head(text, 60)));
}

/* --- the sections ------------------------------------------------------------------------------
 */

static int unknown_key(const struct yaml_node *key, const char *where, struct err *err)
{
    return err_set(err, -EINVAL, "line %zu: unknown key '%.*s' in %s", yaml_doc_line(key),
                   STR_ARG(str_head(yaml_doc_text(key), 60)), where);
}

/* A duplicate key is an error, as in Go's YAML: only one of the two can be meant. */
static int check_keys(const struct reader *reader, const struct yaml_node *mapping,
                      const char *where, struct err *err)
{
    const struct yaml_node *key, *other, *value;

    if (yaml_doc_kind(mapping) != YAML_MAPPING && yaml_doc_kind(mapping) != YAML_NOTHING)
        return err_set(err, -EINVAL, "line %zu: %s must be a mapping", yaml_doc_line(mapping),
                       where);
    for (size_t i = 0; yaml_doc_pair(reader->yaml, mapping, i, &key, &value); i++)
        for (size_t j = 0; j < i && yaml_doc_pair(reader->yaml, mapping, j, &other, &value); j++)
            if (str_eq(yaml_doc_text(key), yaml_doc_text(other)))
                return err_set(err, -EINVAL, "line %zu: duplicate key '%.*s' in %s",
                               yaml_doc_line(key), STR_ARG(str_head(yaml_doc_text(key), 60)),
                               where);
    return 0;
}

static const struct word client_auths[] = {
    { "NoClientCert", CLIENT_AUTH_NONE },
    { "RequestClientCert", CLIENT_AUTH_REQUEST },
    { "RequireAnyClientCert", CLIENT_AUTH_ANY },
    { "RequireClientCert", CLIENT_AUTH_ANY },
    { "VerifyClientCertIfGiven", CLIENT_AUTH_IF_GIVEN },
    { "RequireAndVerifyClientCert", CLIENT_AUTH_VERIFIED },
    { NULL, 0 },
};

static const struct word tls_versions[] = {
    { "TLS10", TLS_10 }, { "TLS11", TLS_11 }, { "TLS12", TLS_12 }, { "TLS13", TLS_13 }, { NULL, 0 },
};

static int read_tls_key(struct reader *reader, struct str key, const struct yaml_node *value,
                        bool *ret_known, struct err *err)
{
    struct web_file *file = reader->file;
    int word = 0, r;

    *ret_known = true;
    if (str_eq(key, STR("cert_file")))
        return read_path(reader, "cert_file", value, &file->cert_file, err);
    if (str_eq(key, STR("key_file")))
        return read_path(reader, "key_file", value, &file->key_file, err);
    if (str_eq(key, STR("client_ca_file")))
        return read_path(reader, "client_ca_file", value, &file->client_ca_file, err);
    if (str_eq(key, STR("client_auth_type"))) {
        r = read_word("client_auth_type", value, client_auths, &word, err);
        file->client_auth = (enum client_auth)word;
        return r;
    }
    if (str_eq(key, STR("min_version"))) {
        r = read_word("min_version", value, tls_versions, &word, err);
        file->min_version = (enum tls_version)word;
        return r;
    }
    if (str_eq(key, STR("max_version"))) {
        r = read_word("max_version", value, tls_versions, &word, err);
        file->max_version = (enum tls_version)word;
        return r;
    }
    *ret_known = false;
    return 0;
}

static int check_tls(const struct web_file *file, struct err *err)
{
    const bool verifies =
        file->client_auth == CLIENT_AUTH_IF_GIVEN || file->client_auth == CLIENT_AUTH_VERIFIED;

    if (!file->cert_file)
        return err_set(err, -EINVAL, "tls_server_config has no cert_file");
    if (!file->key_file)
        return err_set(err, -EINVAL, "tls_server_config has no key_file");
    if (verifies && !file->client_ca_file)
        return err_set(err, -EINVAL,
                       "client_auth_type needs client_ca_file to verify client certificates");
    if (file->client_ca_file && !verifies)
        return err_set(err, -EINVAL,
                       "client_ca_file has no effect without client_auth_type: "
                       "RequireAndVerifyClientCert or VerifyClientCertIfGiven");
    if (file->min_version > file->max_version)
        return err_set(err, -EINVAL, "min_version is higher than max_version");
    return 0;
}

static int read_tls(struct reader *reader, const struct yaml_node *section, struct err *err)
{
    const struct yaml_node *key, *value;
    int r = check_keys(reader, section, "tls_server_config", err);

    for (size_t i = 0; r == 0 && yaml_doc_pair(reader->yaml, section, i, &key, &value); i++) {
        bool known;

        r = read_tls_key(reader, yaml_doc_text(key), value, &known, err);
        if (!known)
            r = unknown_key(key, "tls_server_config", err);
    }
    reader->file->tls = true;
    return r < 0 ? r : check_tls(reader->file, err);
}

/* "$2y$10$" and 53 characters of the alphabet ./A-Za-z0-9. */
static bool is_bcrypt(struct str hash)
{
    if (hash.len != BCRYPT_LEN || memcmp(hash.at, "$2", 2) != 0 || !strchr("aby", hash.at[2]) ||
        hash.at[3] != '$' || hash.at[6] != '$')
        return false;
    for (size_t i = 4; i < hash.len; i++) {
        const char c = hash.at[i];
        const bool digit = c >= '0' && c <= '9';

        if (i < 6 ? !digit
                  : i > 6 && !digit && c != '.' && c != '/' && !(c >= 'a' && c <= 'z') &&
                        !(c >= 'A' && c <= 'Z'))
            return false;
    }
    return true;
}

static int read_hash(struct reader *reader, struct str name, const struct yaml_node *value,
                     const char **ret, struct err *err)
{
    const struct str hash = yaml_doc_text(value);
    int cost;

    if (!is_bcrypt(hash))
        return err_set(err, -EINVAL, "line %zu: the password of user '%.*s' is not a bcrypt hash",
                       yaml_doc_line(value), STR_ARG(str_head(name, 60)));
    cost = (hash.at[4] - '0') * 10 + (hash.at[5] - '0');
    if (cost < 4 || cost > LIMIT_BCRYPT_COST)
        return err_set(err, -EINVAL,
                       "line %zu: the password hash of user '%.*s' has bcrypt cost %d, which must "
                       "be 4 to %d; make a new one with \"htpasswd -nBC 10 ''\"",
                       yaml_doc_line(value), STR_ARG(str_head(name, 60)), cost, LIMIT_BCRYPT_COST);
    if (cost > reader->file->cost)
        reader->file->cost = cost;
    *ret = copy(reader, hash, err);
    return *ret ? 0 : -ENOMEM;
}

static int read_users(struct reader *reader, const struct yaml_node *section, struct err *err)
{
    struct web_file *file = reader->file;
    const struct yaml_node *key, *value;
    int r = check_keys(reader, section, "basic_auth_users", err);

    for (size_t i = 0; r == 0 && yaml_doc_pair(reader->yaml, section, i, &key, &value); i++) {
        struct web_file_pair *user = &file->users[i];
        struct str name = { .len = 0 };

        if (i == LIMIT_WEB_USERS)
            return err_set(err, -EINVAL, "line %zu: more than %u basic_auth_users",
                           yaml_doc_line(key), LIMIT_WEB_USERS);
        r = read_text("a user name", key, &name, err);
        if (r < 0)
            return r;
        if (name.len && memchr(name.at, ':', name.len))
            return err_set(err, -EINVAL, "line %zu: a user name must not contain ':'",
                           yaml_doc_line(key));
        r = read_hash(reader, name, value, &user->value, err);
        if (r < 0)
            return r;
        user->name = copy(reader, name, err);
        if (!user->name)
            return -ENOMEM;
        file->n_users++;
    }
    return r;
}

static int read_headers(struct reader *reader, const struct yaml_node *section, struct err *err)
{
    static const char *const names[WEB_FILE_HEADERS] = { "Content-Security-Policy",
                                                         "Strict-Transport-Security",
                                                         "X-Content-Type-Options",
                                                         "X-Frame-Options", "X-XSS-Protection" };
    struct web_file *file = reader->file;
    const struct yaml_node *key, *value;
    int r = check_keys(reader, section, "headers", err);

    for (size_t i = 0; r == 0 && yaml_doc_pair(reader->yaml, section, i, &key, &value); i++) {
        const char *name = NULL, *kept;
        struct str text;

        for (size_t n = 0; n < ARRAY_SIZE(names); n++)
            if (str_eq(yaml_doc_text(key), str_from(names[n])))
                name = names[n];
        if (!name)
            return unknown_key(key, "headers", err);
        r = read_text(name, value, &text, err);
        if (r < 0)
            return r;
        kept = copy(reader, text, err);
        if (!kept)
            return -ENOMEM;
        file->headers[file->n_headers++] = (struct web_file_pair){ name, kept };
    }
    return r;
}

static int read_http(struct reader *reader, const struct yaml_node *section, struct err *err)
{
    static const struct word bools[] = { { "true", 1 }, { "false", 0 }, { NULL, 0 } };
    const struct yaml_node *key, *value;
    int r = check_keys(reader, section, "http_server_config", err), http2;

    for (size_t i = 0; r == 0 && yaml_doc_pair(reader->yaml, section, i, &key, &value); i++) {
        if (str_eq(yaml_doc_text(key), STR("headers")))
            r = read_headers(reader, value, err);
        else if (str_eq(yaml_doc_text(key), STR("http2")))
            r = read_word("http2", value, bools, &http2, err); /* no effect: HTTP/1.1 is served */
        else
            r = unknown_key(key, "http_server_config", err);
    }
    return r;
}

static int read_top(struct reader *reader, struct err *err)
{
    const struct yaml_node *top = yaml_doc_top(reader->yaml), *key, *value;
    int r = check_keys(reader, top, "the file", err);

    for (size_t i = 0; r == 0 && yaml_doc_pair(reader->yaml, top, i, &key, &value); i++) {
        struct str name = yaml_doc_text(key);

        if (str_eq(name, STR("tls_server_config")))
            r = read_tls(reader, value, err);
        else if (str_eq(name, STR("basic_auth_users")))
            r = read_users(reader, value, err);
        else if (str_eq(name, STR("http_server_config")))
            r = read_http(reader, value, err);
        else
            r = unknown_key(key, "the file", err);
    }
    return r;
}

int web_file_parse(struct str text, struct str folder, struct web_file *ret, struct err *err)
{
    struct web_file file = { .min_version = TLS_12, .max_version = TLS_13 };
    struct reader reader = { .folder = folder, .file = &file };
    struct yaml_doc *yaml;
    int r;

    arena_init(&file.arena, LIMIT_WEB_FILE);
    r = yaml_doc_parse(text, &yaml, err);
    if (r < 0)
        return r;
    reader.yaml = yaml;
    r = read_top(&reader, err);
    yaml_doc_free(yaml);
    if (r < 0) {
        arena_done(&file.arena);
        return r;
    }
    *ret = file;
    return 0;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static int read_all(int fd, struct buf *ret)
{
    char part[4096];
    ssize_t len;

    while ((len = read(fd, part, sizeof(part))) != 0) {
        if (len < 0 && errno != EINTR)
            return -errno;
        if (len > 0)
            buf_add(ret, (struct str){ .at = part, .len = (size_t)len });
        if (buf_error(ret))
            return buf_error(ret);
    }
    return 0;
}

int web_file_read(const char *path, struct web_file *ret, struct err *err)
{
    CLEANUP(buf_done) struct buf text = { .max = LIMIT_WEB_FILE };
    const char *slash = strrchr(path, '/');
    struct str folder = slash ? str_span(path, slash + 1) : STR("");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

    if (fd < 0)
        return err_set_errno(err, -errno, "open '%s'", path);
    r = read_all(fd, &text);
    close(fd);
    if (r == -E2BIG)
        return err_set(err, r, "'%s' is larger than %u bytes", path, LIMIT_WEB_FILE);
    if (r < 0)
        return err_set_errno(err, r, "read '%s'", path);
    r = web_file_parse(buf_str(&text), folder, ret, err);
    return r < 0 ? err_wrap(err, "'%s'", path) : 0;
}

void web_file_done(struct web_file *file)
{
    arena_done(&file->arena);
}

const char *web_file_hash(const struct web_file *file, const char *user)
{
    for (size_t i = 0; i < file->n_users; i++)
        if (strcmp(file->users[i].name, user) == 0)
            return file->users[i].value;
    return NULL;
}
