/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/kube/http/credentials.h"
#include "agent/kube/http/server.h"
#include "agent/kube/http/target.h"
#include "agent/kube/kube.h"
#include "limit.h"
#include "mem.h"
#include "tests/unit/kube/kube_story.h"
#include "tests/unit/support/fault_heap.h"

static void assert_contains(const struct err *err, const char *text)
{
    if (!str_find(str_from(err->text), str_from(text)))
        fail_msg("\"%s\" does not contain \"%s\"", err->text, text);
}

/* A temporary file. */
struct file {
    char path[64];
};

static void file_write(struct file *file, struct str content)
{
    int fd;

    snprintf(file->path, sizeof(file->path), "/tmp/test_kube_server.XXXXXX");
    fd = mkstemp(file->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.at ? content.at : "", content.len), content.len);
    close(fd);
}

static void file_remove(struct file *file)
{
    unlink(file->path);
}

/* --- the URL ------------------------------------------------------------------------------ */

static void url_is_normalised(void **state)
{
    static const char *const good[][2] = {
        { "https://10.0.0.1:6443", "https://10.0.0.1:6443" },
        { "https://10.0.0.1:6443/", "https://10.0.0.1:6443" },
        { "HTTPS://Api.Example.Com", "https://Api.Example.Com" },
        { "http://127.0.0.1:8001", "http://127.0.0.1:8001" },
        { "https://[fd00::1]:443", "https://[fd00::1]:443" },
        { "https://h/k8s/clusters/c-x", "https://h/k8s/clusters/c-x" },
        { "https://h:8443/k8s/clusters/c-x//", "https://h:8443/k8s/clusters/c-x" },
        { "https://h/a/../b/", "https://h/b" },
        { "https://h/@c-x/", "https://h/@c-x" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct err err = ERR_INIT;
        char *url = NULL;

        if (server_url(good[i][0], &url, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(url, good[i][1]);
        mem_free(url);
    }
}

static void bad_url_is_refused_by_name(void **state)
{
    static const char *const bad[][2] = {
        { "", "'' is not a URL" },
        { "10.0.0.1:6443", "'10.0.0.1:6443' is not a URL" },
        { "https://", "is not a URL" },
        { "https://h:99999", "is not a URL" },
        { "https://h:0", "names port 0" },
        { "https://h h", "is not a URL" },
        { "https://h/a b", "is not a URL" },
        { "https://h:1/?a=b", "has more than a host, a port and a path" },
        { "https://h/k8s/clusters/c-x?a=b", "has more than a host, a port and a path" },
        { "https://h:1/#a", "has more than a host, a port and a path" },
        { "https://user:secret@h:1", "(not shown: it may contain a password)' has more than" },
        { "ftp://h:1", "does not begin with https:// or http://" },
        { "file:///etc/passwd", "'file:///etc/passwd'" },
        { "unix:/run/x.sock", "'unix:/run/x.sock'" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;
        char *url = NULL;

        assert_int_equal(server_url(bad[i][0], &url, &err), -EINVAL);
        assert_contains(&err, bad[i][1]);
        assert_null(url);
    }
}

static void too_long_url_is_refused(void **state)
{
    static char url[LIMIT_SERVER_URL + 2] = "https://h/";
    struct err err = ERR_INIT;
    char *ret = NULL;

    (void)state;
    memset(url + strlen(url), 'a', LIMIT_SERVER_URL - strlen(url));
    assert_int_equal(server_url(url, &ret, &err), 0);
    mem_free(ret);
    url[LIMIT_SERVER_URL] = 'a';
    assert_int_equal(server_url(url, &ret, &err), -EINVAL);
    assert_contains(&err, "is too long");
}

static void url_of_the_api_server_comes_from_the_environment(void **state)
{
    struct err err = ERR_INIT;
    char url[64];

    (void)state;
    unsetenv("KUBERNETES_SERVICE_HOST");
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_int_equal(server_in_cluster(url, sizeof(url), &err), -ENOENT);
    assert_contains(&err, "--kube.server");

    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    assert_int_equal(server_in_cluster(url, sizeof(url), NULL), 0);
    assert_string_equal(url, "https://10.96.0.1:443");
    setenv("KUBERNETES_SERVICE_HOST", "fd00:10:96::1", 1);
    assert_int_equal(server_in_cluster(url, sizeof(url), NULL), 0);
    assert_string_equal(url, "https://[fd00:10:96::1]:443");
    assert_int_equal(server_in_cluster(url, strlen(url), NULL), -E2BIG);
    assert_int_equal(server_in_cluster(url, strlen(url) + 1, NULL), 0);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
}

static void service_account_fills_only_missing_settings(void **state)
{
    struct kube_config config = { .token_file = "mine" }, given = { .server = "https://h" };
    char server[KUBE_SERVER_SIZE];

    (void)state;
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_int_equal(kube_in_cluster(&config, server, NULL), 0);
    assert_string_equal(config.server, "https://10.96.0.1:443");
    assert_string_equal(config.ca_file, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
    assert_string_equal(config.token_file, "mine");

    /* The token of a pod is only for the API server of its cluster. */
    assert_int_equal(kube_in_cluster(&given, server, NULL), 0);
    assert_string_equal(given.server, "https://h");
    assert_null(given.ca_file);
    assert_null(given.token_file);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
}

/* --- files ------------------------------------------------------------------------------------ */

static int read_token(struct str content, char *ret, size_t size, struct err *err)
{
    struct file file;
    struct buf token;
    int r;

    file_write(&file, content);
    r = credential_load(&(struct credential){ .file = file.path }, CREDENTIAL_TOKEN, &token, err);
    if (r == 0)
        snprintf(ret, size, "%s", token.at);
    credential_forget(&token);
    file_remove(&file);
    return r;
}

static void token_is_trimmed_and_has_no_blanks(void **state)
{
    char big[LIMIT_TOKEN_FILE + 2], token[64];
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(read_token(STR("abc.def-_"), token, sizeof(token), NULL), 0);
    assert_string_equal(token, "abc.def-_");
    assert_int_equal(read_token(STR(" \n abc \r\n\n"), token, sizeof(token), NULL), 0);
    assert_string_equal(token, "abc");
    assert_int_equal(read_token(STR(""), token, sizeof(token), &err), -ENODATA);
    assert_contains(&err, "is empty");
    assert_int_equal(read_token(STR(" \n\t"), token, sizeof(token), NULL), -ENODATA);

    /* A line break would start another header. */
    err_clear(&err);
    assert_int_equal(read_token(STR("abc\r\nX-Evil: 1"), token, sizeof(token), &err), -EINVAL);
    assert_contains(&err, "has a blank or a control character in it");
    assert_int_equal(read_token(STR("a\0b"), token, sizeof(token), NULL), -EINVAL);

    memset(big, 'a', sizeof(big));
    err_clear(&err);
    assert_int_equal(
        read_token((struct str){ .at = big, .len = sizeof(big) }, token, sizeof(token), &err),
        -E2BIG);
    assert_contains(&err, "is over 65536 bytes");
}

static int check_ca(const char *path, struct err *err)
{
    struct buf bytes;
    int r;

    r = credential_load(&(struct credential){ .file = (char *)path }, CREDENTIAL_CA, &bytes, err);
    credential_forget(&bytes);
    return r;
}

static void write_ca(struct file *file)
{
    struct buf ca;

    recording_read("../kube/ca-old.crt", &ca);
    file_write(file, buf_str(&ca));
    buf_done(&ca);
}

static void ca_file_must_have_a_certificate(void **state)
{
    struct file good, empty, other, junk;
    struct err err = ERR_INIT;

    (void)state;
    write_ca(&good);
    file_write(&empty, STR(""));
    file_write(&other, STR("-----BEGIN PRIVATE KEY-----"));
    file_write(&junk, STR("-----BEGIN CERTIFICATE-----\nMIIBjunk\n-----END CERTIFICATE-----\n"));
    assert_int_equal(check_ca(good.path, NULL), 0);
    assert_int_equal(check_ca(empty.path, &err), -EINVAL);
    assert_contains(&err, empty.path);
    assert_int_equal(check_ca(other.path, NULL), -EINVAL);
    err_clear(&err);
    assert_int_equal(check_ca(junk.path, &err), -EINVAL);
    assert_contains(&err, junk.path);
    assert_contains(&err, "' is damaged: certificate 1: ");
    err_clear(&err);
    assert_int_equal(check_ca("/nowhere/ca.crt", &err), -ENOENT);
    assert_contains(&err, "'/nowhere/ca.crt': No such file");
    assert_int_equal(check_ca("/tmp", NULL), -EISDIR);
    file_remove(&junk);
    file_remove(&good);
    file_remove(&empty);
    file_remove(&other);
}

/* Nobody writes to the FIFO: waiting for it would hang the test. */
static void fifos_and_devices_are_refused_at_once(void **state)
{
    static const char *const devices[] = { "/dev/zero", "/dev/null" };
    char fifo[] = "/tmp/test_kube_fifo.XXXXXX";
    struct err err = ERR_INIT;

    (void)state;
    assert_non_null(mkdtemp(fifo));
    assert_int_equal(rmdir(fifo), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(check_ca(fifo, &err), -EINVAL);
    unlink(fifo);
    assert_contains(&err, fifo);
    assert_contains(&err, "is not a regular file");
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
        err_clear(&err);
        assert_int_equal(check_ca(devices[i], &err), -EINVAL);
        assert_contains(&err, devices[i]);
    }
}

/* --- proxies ---------------------------------------------------------------------------------- */

static void proxies_follow_the_rules_of_go(void **state)
{
    (void)state;
    setenv("ALL_PROXY", "http://all:1", 1);
    assert_string_equal(server_proxy("https://api:6443"), "");
    setenv("https_proxy", "http://lower:1", 1);
    assert_string_equal(server_proxy("https://api:6443"), "http://lower:1");
    setenv("HTTPS_PROXY", "http://upper:1", 1);
    assert_string_equal(server_proxy("https://api:6443"), "http://upper:1");
    assert_string_equal(server_proxy("http://api:6443"), "");
    assert_string_equal(server_proxy("https://localhost:6443"), "");
    assert_string_equal(server_proxy("https://127.0.0.2"), "");
    assert_string_equal(server_proxy("https://[::1]:6443"), "");
    assert_string_equal(server_proxy("https://[::1]/path"), "");
    assert_string_equal(server_proxy("https://localhost.example.com"), "http://upper:1");
    assert_string_equal(server_proxy("https://127.example.com"), "http://upper:1");
    unsetenv("HTTPS_PROXY");
    unsetenv("https_proxy");
    unsetenv("ALL_PROXY");

    assert_string_equal(server_no_proxy(), "");
    setenv("NO_PROXY", "10.0.0.0/8", 1);
    assert_string_equal(server_no_proxy(), "10.0.0.0/8");
    unsetenv("NO_PROXY");
}

static void only_http_to_this_machine_is_not_cleartext(void **state)
{
    static const char *const safe[] = { "https://10.0.0.1",   "http://127.0.0.1:8001",
                                        "http://127.9.9.9/x", "http://localhost",
                                        "http://LOCALHOST:1", "http://[::1]:8001" };
    static const char *const clear[] = { "http://10.0.0.1",         "http://localhost.example.com",
                                         "http://127.example.com",  "http://[fd00::1]:80",
                                         "http://[::127.0.0.1]:80", "http://0.0.0.0" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(safe); i++)
        if (server_is_cleartext(safe[i]))
            fail_msg("%s", safe[i]);
    for (size_t i = 0; i < ARRAY_SIZE(clear); i++)
        if (!server_is_cleartext(clear[i]))
            fail_msg("%s", clear[i]);
}

/* --- targets ---------------------------------------------------------------------------- */

static void names_are_escaped_in_the_target(void **state)
{
    struct buf target;

    (void)state;
    buf_init(&target, LIMIT_TARGET);
    target_add_pods(&target, "a b,c=d/e&f\xff");
    assert_string_equal(target.at, "/api/v1/pods?fieldSelector=spec.nodeName%3D"
                                   "a%20b%2Cc%3Dd%2Fe%26f%FF"
                                   "%2Cstatus.phase%21%3DFailed%2Cstatus.phase%21%3DSucceeded");
    buf_reset(&target);
    target_add_events(&target, "../kube-system?");
    assert_true(
        str_starts(buf_str(&target), STR("/api/v1/namespaces/..%2Fkube-system%3F/events?")));
    buf_reset(&target);
    target_add_list(&target, TARGET_LIST_PAGED, "7", TARGET_PAGE_ITEMS, STR("a+b/="));
    assert_string_equal(target.at, "&limit=500&continue=a%2Bb%2F%3D");
    buf_done(&target);
}

/* --- the source --------------------------------------------------------------------------------
 */

static int try_new(const char *node, const char *server, const char *ca, const char *token,
                   struct err *err)
{
    const struct kube_config config = {
        .node_name = node, .server = server, .ca_file = ca, .token_file = token
    };
    struct kube *kube = NULL;
    struct story story;
    int r;

    story_init(&story);
    r = kube_new(&config, &story.sink, clock_system(), &kube, err);
    assert_true((r == 0) == (kube != NULL));
    if (r == 0) {
        kube_stop(kube);
        kube_run(kube); /* stopped already: publishes its status and returns */
        assert_true(story.status[SOURCE_PODS].enabled);
        assert_false(story.status[SOURCE_EVENTS].enabled);
    }
    kube_free(kube);
    story_done(&story);
    return r;
}

static void settings_that_cannot_work_are_refused_at_the_start(void **state)
{
    static const struct {
        const char *node, *server, *ca, *token, *expected;
    } bad[] = {
        { NULL, "https://h", NULL, NULL, "--node-name" },
        { "", "https://h", NULL, NULL, "--node-name" },
        { "n", NULL, NULL, NULL, "--kube.server" },
        { "n", "h:1", NULL, NULL, "'h:1' is not a URL" },
        { "n", "https://h", "/nowhere/ca", NULL, "'/nowhere/ca'" },
        { "n", "https://h", NULL, "/nowhere/token", "'/nowhere/token'" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;

        assert_true(try_new(bad[i].node, bad[i].server, bad[i].ca, bad[i].token, &err) < 0);
        assert_contains(&err, bad[i].expected);
    }
}

static void token_is_not_sent_over_the_network_in_the_clear(void **state)
{
    struct err err = ERR_INIT;
    struct file token;

    (void)state;
    file_write(&token, STR("abc"));
    assert_int_equal(try_new("n", "http://10.0.0.1:8080", NULL, token.path, &err), -EINVAL);
    assert_contains(&err, "the token for 'http://10.0.0.1:8080' would be sent over the network");
    assert_int_equal(try_new("n", "http://10.0.0.1:8080", NULL, NULL, NULL), 0);
    assert_int_equal(try_new("n", "http://127.0.0.1:8001", NULL, token.path, NULL), 0);
    file_remove(&token);
}

static void failed_allocations_are_errors(void **state)
{
    struct file ca, token;
    size_t n;

    (void)state;
    write_ca(&ca);
    file_write(&token, STR("abc"));
    for (n = 0;; n++) {
        const size_t live = fault_heap_live();
        const struct kube_config config = { .node_name = "n",
                                            .server = "https://127.0.0.1:1",
                                            .ca_file = ca.path,
                                            .token_file = token.path };
        struct kube *kube = NULL;
        struct story story;
        bool fired;
        int r;

        story_init(&story);
        fault_heap_fail_at(n);
        r = kube_new(&config, &story.sink, clock_system(), &kube, NULL);
        fired = fault_heap_fired();
        kube_free(kube);
        assert_int_equal(fault_heap_live(), live);
        if (!fired)
            break;
        assert_int_equal(r, -ENOMEM);
    }
    assert_true(n > 5);
    file_remove(&ca);
    file_remove(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_is_normalised),
        cmocka_unit_test(bad_url_is_refused_by_name),
        cmocka_unit_test(too_long_url_is_refused),
        cmocka_unit_test(url_of_the_api_server_comes_from_the_environment),
        cmocka_unit_test(service_account_fills_only_missing_settings),
        cmocka_unit_test(token_is_trimmed_and_has_no_blanks),
        cmocka_unit_test(ca_file_must_have_a_certificate),
        cmocka_unit_test(fifos_and_devices_are_refused_at_once),
        cmocka_unit_test(only_http_to_this_machine_is_not_cleartext),
        cmocka_unit_test(token_is_not_sent_over_the_network_in_the_clear),
        cmocka_unit_test(proxies_follow_the_rules_of_go),
        cmocka_unit_test(names_are_escaped_in_the_target),
        cmocka_unit_test(settings_that_cannot_work_are_refused_at_the_start),
        cmocka_unit_test(failed_allocations_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
