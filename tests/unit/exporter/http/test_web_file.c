/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporter/http/web_file.h"
#include "limit.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

#define AFTER_COST "$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
#define HASH "$2y$10" AFTER_COST
#define TLS "tls_server_config:\n  cert_file: c\n  key_file: k\n"

static struct web_file file;
static struct err err;

static int parse(const char *text)
{
    err = ERR_INIT;
    return web_file_parse(str_from(text), STR("/etc/web/"), &file, &err);
}

static void assert_refused(const char *text, const char *sentence)
{
    if (parse(text) != -EINVAL || strcmp(err.text, sentence) != 0)
        fail_msg("'%s': '%s'", text, err.text);
}

static void all_settings_are_read(void **state)
{
    (void)state;
    assert_int_equal(parse("# a comment\n"
                           "tls_server_config:\n"
                           "  cert_file: server.crt\n"
                           "  key_file: /keys/server.key\n"
                           "  client_ca_file: ca/ca.crt\n"
                           "  client_auth_type: \"RequireAndVerifyClientCert\"\n"
                           "  min_version: TLS11\n"
                           "  max_version: TLS12\n"
                           "basic_auth_users:\n"
                           "  prom: " HASH "\n"
                           "  'anne b': \"" HASH "\"\n"
                           "http_server_config:\n"
                           "  http2: false\n"
                           "  headers:\n"
                           "    X-Frame-Options: deny\n"
                           "    Strict-Transport-Security: 'max-age=1; includeSubDomains'\n"),
                     0);
    assert_true(file.tls);
    assert_string_equal(file.cert_file, "/etc/web/server.crt");
    assert_string_equal(file.key_file, "/keys/server.key");
    assert_string_equal(file.client_ca_file, "/etc/web/ca/ca.crt");
    assert_int_equal(file.client_auth, CLIENT_AUTH_VERIFIED);
    assert_int_equal(file.min_version, TLS_11);
    assert_int_equal(file.max_version, TLS_12);
    assert_int_equal(file.n_users, 2);
    assert_string_equal(web_file_hash(&file, "prom"), HASH);
    assert_string_equal(web_file_hash(&file, "anne b"), HASH);
    assert_null(web_file_hash(&file, "anne"));
    assert_null(web_file_hash(&file, ""));
    assert_int_equal(file.n_headers, 2);
    assert_string_equal(file.headers[0].name, "X-Frame-Options");
    assert_string_equal(file.headers[1].value, "max-age=1; includeSubDomains");
    web_file_done(&file);
}

static void missing_settings_have_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse(TLS), 0);
    assert_int_equal(file.client_auth, CLIENT_AUTH_NONE);
    assert_int_equal(file.min_version, TLS_12);
    assert_int_equal(file.max_version, TLS_13);
    assert_null(file.client_ca_file);
    assert_int_equal(file.n_users, 0);
    web_file_done(&file);
    assert_int_equal(parse("basic_auth_users: {}\n"), 0);
    assert_false(file.tls);
    web_file_done(&file);
}

static void unknown_keys_are_refused(void **state)
{
    (void)state;
    assert_refused("tls_config:\n  cert_file: c\n", "line 1: unknown key 'tls_config' in the file");
    assert_refused(TLS "  client_auth: NoClientCert\n",
                   "line 4: unknown key 'client_auth' in tls_server_config");
    assert_refused("http_server_config:\n  http3: true\n",
                   "line 2: unknown key 'http3' in http_server_config");
    assert_refused("http_server_config:\n  headers:\n    Server: x\n",
                   "line 3: unknown key 'Server' in headers");
    assert_refused("? [a]\n: b\n", "line 1: unknown key '' in the file");
}

static void invalid_values_are_refused(void **state)
{
    (void)state;
    assert_refused(TLS "  client_auth_type: Always\n",
                   "line 4: client_auth_type has the unknown value 'Always'");
    assert_refused(TLS "  min_version: 1.2\n", "line 4: min_version has the unknown value '1.2'");
    assert_refused(TLS "  min_version: TLS13\n  max_version: TLS12\n",
                   "min_version is higher than max_version");
    assert_refused("tls_server_config:\n  cert_file: [c]\n", "line 2: cert_file must be a text");
    assert_refused("tls_server_config:\n  cert_file:\n", "line 2: cert_file must be a text");
    assert_refused("tls_server_config:\n  cert_file: \"a\\0b\"\n",
                   "line 2: cert_file has a control character");
    assert_refused("tls_server_config:\n  cert_file: c\n", "tls_server_config has no key_file");
    assert_refused("tls_server_config:\n  key_file: k\n", "tls_server_config has no cert_file");
    assert_refused("tls_server_config: yes\n", "line 1: tls_server_config must be a mapping");
    assert_refused("tls_server_config:\n", "tls_server_config has no cert_file");
    assert_refused(TLS TLS, "line 4: duplicate key 'tls_server_config' in the file");
    assert_refused("http_server_config:\n  headers:\n    X-Frame-Options: \"a\\r\\nX: b\"\n",
                   "line 3: X-Frame-Options has a control character");
    assert_refused("", "the file is empty or its top is not a mapping");
    assert_refused("- a\n", "the file is empty or its top is not a mapping");
}

/* A file that looks protective must protect. */
static void rules_without_effect_are_refused(void **state)
{
    (void)state;
    assert_refused(TLS "  client_ca_file: ca\n",
                   "client_ca_file has no effect without client_auth_type: "
                   "RequireAndVerifyClientCert or VerifyClientCertIfGiven");
    assert_refused(TLS "  client_auth_type: VerifyClientCertIfGiven\n",
                   "client_auth_type needs client_ca_file to verify client certificates");
}

static void passwords_are_bcrypt(void **state)
{
    static const char *const bad[] = {
        "secret",
        "''",
        "$2y$10$short",
        "$1$salt$hash",
        "$2x$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
        "$2y$1x$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
        "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123!",
        "[a]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char text[160];

        snprintf(text, sizeof(text), "basic_auth_users:\n  prom: %s\n", bad[i]);
        assert_refused(text, "line 2: the password of user 'prom' is not a bcrypt hash");
    }
    assert_refused("basic_auth_users:\n  'a:b': " HASH "\n",
                   "line 2: a user name must not contain ':'");
    assert_refused("basic_auth_users:\n  '': " HASH "\n", "line 2: a user name must be a text");
    assert_refused("basic_auth_users:\n  a: " HASH "\n  a: " HASH "\n",
                   "line 3: duplicate key 'a' in basic_auth_users");
}

/* The end of the process waits for a check, and so do scrapes. */
static void expensive_hashes_are_refused(void **state)
{
    static const int bad[] = { 3, 13, 14, 31, 99 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char text[200], sentence[200];

        snprintf(text, sizeof(text), "basic_auth_users:\n  ok: " HASH "\n  prom: $2y$%02d%s\n",
                 bad[i], AFTER_COST);
        snprintf(sentence, sizeof(sentence),
                 "line 3: the password hash of user 'prom' has bcrypt cost %d, which must be 4 to "
                 "12; make a new one with \"htpasswd -nBC 10 ''\"",
                 bad[i]);
        assert_refused(text, sentence);
    }
}

static void the_highest_cost_is_known(void **state)
{
    char text[300];

    (void)state;
    snprintf(text, sizeof(text), "basic_auth_users:\n  a: $2y$05%s\n  b: $2y$12%s\n  c: $2y$04%s\n",
             AFTER_COST, AFTER_COST, AFTER_COST);
    assert_int_equal(parse(text), 0);
    assert_int_equal(file.cost, 12);
    web_file_done(&file);
}

static void too_many_users_are_refused(void **state)
{
    static char text[16384];
    size_t len = (size_t)snprintf(text, sizeof(text), "basic_auth_users:\n");

    (void)state;
    for (unsigned i = 0; i < LIMIT_WEB_USERS; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "  u%u: " HASH "\n", i);
    assert_int_equal(parse(text), 0);
    assert_int_equal(file.n_users, LIMIT_WEB_USERS);
    web_file_done(&file);
    snprintf(text + len, sizeof(text) - len, "  one: " HASH "\n");
    assert_refused(text, "line 66: more than 64 basic_auth_users");
}

static void unreadable_files_are_refused(void **state)
{
    (void)state;
    err = ERR_INIT;
    assert_int_equal(web_file_read("/nonexistent/web.yml", &file, &err), -ENOENT);
    assert_string_equal(err.text, "open '/nonexistent/web.yml': No such file or directory");
    err = ERR_INIT;
    assert_int_equal(web_file_read("/dev/zero", &file, &err), -E2BIG);
    assert_string_equal(err.text, "'/dev/zero' is larger than 65536 bytes");
    err = ERR_INIT;
    assert_int_equal(web_file_read("/", &file, &err), -EISDIR);
}

static void parsing_survives_every_failed_allocation(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        int r;

        fault_heap_fail_at(n);
        r = parse(TLS "basic_auth_users:\n  prom: " HASH "\nhttp_server_config:\n  headers:\n"
                      "    X-Frame-Options: deny\n");
        if (r == 0)
            web_file_done(&file);
        else
            assert_int_equal(r, -ENOMEM);
        assert_int_equal(fault_heap_live(), 0);
        if (!fault_heap_fired()) {
            assert_int_equal(r, 0);
            return;
        }
        assert_int_equal(r, -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_settings_are_read),
        cmocka_unit_test(missing_settings_have_defaults),
        cmocka_unit_test(unknown_keys_are_refused),
        cmocka_unit_test(invalid_values_are_refused),
        cmocka_unit_test(rules_without_effect_are_refused),
        cmocka_unit_test(passwords_are_bcrypt),
        cmocka_unit_test(expensive_hashes_are_refused),
        cmocka_unit_test(the_highest_cost_is_known),
        cmocka_unit_test(too_many_users_are_refused),
        cmocka_unit_test(unreadable_files_are_refused),
        cmocka_unit_test(parsing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
