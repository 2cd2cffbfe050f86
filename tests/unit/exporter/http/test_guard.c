/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporter/http/guard.h"
#include "log.h"

#define HASH "$2y$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
#define USERS "basic_auth_users:\n  prom: " HASH "\n"
#define HEADER "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"

static char folder[32], path[64], next_path[64], cert_path[64], key_path[64];
static struct guard *guard;

/* Replaces the file with another one, as editors and the kubelet do. */
static void write_file(const char *text)
{
    FILE *file = fopen(next_path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next_path, path), 0);
}

static int begin(void **state)
{
    (void)state;
    log_init(LOG_ERROR, LOG_LOGFMT);
    strcpy(folder, "/tmp/test-guard-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/web.yml", folder);
    snprintf(next_path, sizeof(next_path), "%s/next.yml", folder);
    snprintf(cert_path, sizeof(cert_path), "%s/late.crt", folder);
    snprintf(key_path, sizeof(key_path), "%s/late.key", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (guard)
        guard_stop(guard);
    guard_free(guard);
    guard = NULL;
    unlink(path);
    unlink(cert_path);
    unlink(key_path);
    return rmdir(folder);
}

static void start(const char *text)
{
    struct err err = ERR_INIT;

    write_file(text);
    if (guard_new(path, &guard, &err) < 0)
        fail_msg("%s", err.text);
}

static bool asks_password(void)
{
    struct guard_rules *rules = guard_rules_get(guard);
    bool asks = guard_rules_ask_password(rules);

    guard_rules_put(rules);
    return asks;
}

static void a_changed_file_is_read_again(void **state)
{
    const char *name, *value;
    struct guard_rules *before, *after;

    (void)state;
    start(HEADER);
    before = guard_rules_get(guard);
    assert_false(guard_rules_ask_password(before));
    write_file(USERS);
    after = guard_rules_get(guard);
    assert_true(guard_rules_ask_password(after));
    assert_false(guard_rules_header(after, 0, &name, &value));

    /* The old rules stay valid for their users. */
    assert_true(guard_rules_header(before, 0, &name, &value));
    assert_string_equal(name, "X-Frame-Options");
    assert_string_equal(value, "deny");
    assert_false(guard_rules_header(before, 1, &name, &value));
    guard_rules_put(before);
    guard_rules_put(after);
}

static void an_invalid_or_missing_file_changes_nothing(void **state)
{
    (void)state;
    start(USERS);
    write_file("nonsense: 1\n");
    assert_true(asks_password());
    unlink(path);
    assert_true(asks_password());
    write_file("tls_server_config:\n  cert_file: missing\n  key_file: missing\n");
    assert_true(asks_password());
    write_file(HEADER);
    assert_false(asks_password());
    assert_false(guard_has_tls(guard));
}

static char *whole_path(const char *path_from_top)
{
    char *whole = realpath(path_from_top, NULL);

    assert_non_null(whole);
    return whole;
}

static void put_file(const char *path_from_top, const char *to)
{
    char *from = whole_path(path_from_top);

    assert_int_equal(symlink(from, to), 0);
    free(from);
}

/* The file may exist before the files that it names: one is a ConfigMap, the other a Secret. */
static void missing_files_are_read_when_they_appear(void **state)
{
    char *cert = whole_path("tests/data/kube/server-old.crt");
    char *key = whole_path("tests/data/kube/server-old.key");
    char text[1024];

    (void)state;
    snprintf(text, sizeof(text), "tls_server_config:\n  cert_file: %s\n  key_file: %s\n", cert,
             key);
    free(cert);
    free(key);
    start(text);
    write_file("tls_server_config:\n  cert_file: late.crt\n  key_file: late.key\n" USERS);
    assert_false(asks_password());
    put_file("tests/data/kube/server-new.crt", cert_path);
    assert_false(asks_password());
    put_file("tests/data/kube/server-new.key", key_path);
    assert_true(asks_password());
}

static void a_change_is_read_after_a_lack_of_descriptors(void **state)
{
    struct rlimit limit, none;

    (void)state;
    start(HEADER);
    write_file(USERS);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_false(asks_password());
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(asks_password());
}

static enum guard_verdict look_up(const struct guard_rules *rules, const char *user,
                                  const char *password)
{
    const struct guard_login login = { .user = user, .password = password };

    return guard_look_up(guard, rules, &login);
}

static void only_a_user_with_a_password_needs_a_check(void **state)
{
    struct guard_rules *rules;

    (void)state;
    start(HEADER);
    rules = guard_rules_get(guard);
    assert_int_equal(look_up(rules, NULL, NULL), GUARD_ADMITTED);
    guard_rules_put(rules);
    write_file(USERS);
    rules = guard_rules_get(guard);
    assert_int_equal(look_up(rules, NULL, NULL), GUARD_REFUSED);
    assert_int_equal(look_up(rules, "prom", NULL), GUARD_REFUSED);
    assert_int_equal(look_up(rules, "prom", "x"), GUARD_WAITING);
    assert_int_equal(look_up(rules, "nobody", "x"), GUARD_WAITING);
    guard_rules_put(rules);
}

static void assert_refused(int code, const char *part)
{
    struct err err = ERR_INIT;
    int r = guard_new(path, &guard, &err);

    if (r != code || !strstr(err.text, part))
        fail_msg("%d, '%s'", r, err.text);
    assert_null(guard);
}

static void an_invalid_file_fails_the_start(void **state)
{
    (void)state;
    assert_refused(-ENOENT, "/web.yml': No such file or directory");
    write_file("tls_server_config:\n  cert_file: late.crt\n  key_file: late.key\n");
    assert_refused(-ENOENT, "/web.yml': open '");
    assert_refused(-ENOENT, "/late.crt': No such file or directory");
    put_file("tests/data/kube/server-old.crt", cert_path);
    assert_refused(-ENOENT, "/late.key': No such file or directory");
    put_file("tests/data/kube/server-new.key", key_path);
    assert_refused(-EINVAL, "/late.key': The certificate and the given key do not match");
}

static atomic_bool ending;

static void *keep_asking(void *arg)
{
    (void)arg;
    while (!atomic_load(&ending))
        asks_password();
    return NULL;
}

static void threads_share_a_guard(void **state)
{
    pthread_t threads[4];

    (void)state;
    start(USERS);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, NULL), 0);
    for (int i = 0; i < 50; i++) {
        write_file(i % 2 ? HEADER "# one\n" : USERS "# another\n");
        assert_int_equal(asks_password(), !(i % 2));
    }
    atomic_store(&ending, true);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_changed_file_is_read_again),
        TEST(an_invalid_or_missing_file_changes_nothing),
        TEST(missing_files_are_read_when_they_appear),
        TEST(a_change_is_read_after_a_lack_of_descriptors),
        TEST(only_a_user_with_a_password_needs_a_check),
        TEST(an_invalid_file_fails_the_start),
        TEST(threads_share_a_guard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
