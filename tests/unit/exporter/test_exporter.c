/* SPDX-License-Identifier: Apache-2.0 */

/* All of exporter/, over real sockets, with libcurl. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "agent/commands/classify_json.h"
#include "buf.h"
#include "exporter/exporter.h"
#include "tests/unit/support/golden.h"
#include "tests/unit/support/snapshot_fixture.h"
#include "util.h"

static struct fixture node;
static struct exporter *exporter;
static char folder[32], socket_path[64];

static const struct exporter_config tcp = {
    .web_listen = "127.0.0.1:0",
    .debug_listen = "127.0.0.1:0",
    .explain = classify_json_explain,
    .version = "0.1.0",
    .revision = "0123abcd",
};

static struct exporter_config with(const char *web_listen, const char *debug_listen)
{
    struct exporter_config config = tcp;

    config.web_listen = web_listen;
    config.debug_listen = debug_listen;
    return config;
}

static void start(const struct exporter_config *config)
{
    struct snapshot_source source = fixture_source(&node);
    struct err err = ERR_INIT;

    if (exporter_new(config, &source, &exporter, &err) < 0)
        fail_msg("%s", err.text);
}

static int begin(void **state)
{
    (void)state;
    fixture_golden(&node);
    strcpy(folder, "/tmp/test-exporter-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(socket_path, sizeof(socket_path), "%s/debug.sock", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    exporter_free(exporter);
    exporter = NULL;
    return rmdir(folder);
}

/* --- requests ----------------------------------------------------------------------------------
 */

struct reply {
    long status;
    char type[64];
    struct buf body;
};

static size_t keep(char *part, size_t one, size_t size, void *body)
{
    buf_add(body, (struct str){ .at = part, .len = one * size });
    return size;
}

/* GET on 127.0.0.1:`port`, or on `unix_socket` if it is not NULL. */
static void get(uint16_t port, const char *unix_socket, const char *path, struct reply *ret)
{
    CURL *curl = curl_easy_init();
    char url[256];
    const char *type;

    assert_non_null(curl);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port ? port : 80, path);
    buf_init(&ret->body, 64 << 20);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &ret->body);
    if (unix_socket)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, unix_socket);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    snprintf(ret->type, sizeof(ret->type), "%s", type ? type : "");
    curl_easy_cleanup(curl);
    buf_add_byte(&ret->body, '\0');
    ret->body.len--;
}

static void assert_get(uint16_t port, const char *unix_socket, const char *path, long status,
                       const char *part)
{
    struct reply reply;

    get(port, unix_socket, path, &reply);
    if (reply.status != status || !strstr(reply.body.at, part))
        fail_msg("%s: %ld %s", path, reply.status, reply.body.at);
    buf_done(&reply.body);
}

/* --- tests -------------------------------------------------------------------------------------
 */

static void both_listeners_serve(void **state)
{
    uint16_t web, debug;

    (void)state;
    start(&tcp);
    web = exporter_web_port(exporter);
    debug = exporter_debug_port(exporter);
    assert_int_not_equal(web, 0);
    assert_int_not_equal(debug, 0);
    assert_get(web, NULL, "/metrics", 200, "\nimagepull_container_blocked_info{");
    assert_get(web, NULL, "/metrics", 200, "\nprocess_start_time_seconds ");
    assert_get(web, NULL, "/-/healthy", 200, "healthy\n");
    assert_get(web, NULL, "/-/ready", 200, "ready\n");
    assert_get(web, NULL, "/", 200, "<h1>imagepull-exporter</h1>");
    assert_get(web, NULL, "/nothing", 404, "no such page");
    assert_get(debug, NULL, "/", 200, "/debug/failures");
    assert_get(debug, NULL, "/debug/failures/default/web-0", 200, "\"pod\":\"web-0\"");
    assert_get(debug, NULL, "/debug/failures/default/web%2D9", 404, "{\"error\":");
    assert_get(debug, NULL, "/debug/sources", 200, "\"source\":\"cri\"");
}

/* Runs exporter_new() with standard error in a file, and returns what it logged. */
static void start_logged(const struct exporter_config *config, char *ret_log, size_t size)
{
    int log = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), saved = dup(STDERR_FILENO);
    ssize_t len;

    assert_true(log >= 0 && saved >= 0);
    dup2(log, STDERR_FILENO);
    start(config);
    dup2(saved, STDERR_FILENO);
    close(saved);
    len = pread(log, ret_log, size - 1, 0);
    assert_true(len >= 0);
    ret_log[len] = '\0';
    close(log);
}

/* With port 0 the log is the only place that tells the port. */
static void the_log_names_the_bound_addresses(void **state)
{
    char listen[80], log[2048], line[128];
    struct exporter_config config = with("127.0.0.1:0", listen);

    (void)state;
    snprintf(listen, sizeof(listen), "unix:%s", socket_path);
    start_logged(&config, log, sizeof(log));
    assert_get(exporter_web_port(exporter), NULL, "/-/healthy", 200, "healthy");
    snprintf(line, sizeof(line), "component=web msg=\"listening on 127.0.0.1:%u\"\n",
             exporter_web_port(exporter));
    assert_non_null(strstr(log, line));
    snprintf(line, sizeof(line), "component=debug msg=\"listening on %s\"\n", listen);
    assert_non_null(strstr(log, line));
}

/* A client that can scrape must not read messages and names of Secrets. */
static void the_listeners_do_not_share_routes(void **state)
{
    (void)state;
    start(&tcp);
    assert_get(exporter_web_port(exporter), NULL, "/debug/failures", 404, "no such page");
    assert_get(exporter_debug_port(exporter), NULL, "/metrics", 404, "no such page");
}

static void answers_are_complete_and_have_a_type(void **state)
{
    struct reply reply;

    (void)state;
    start(&tcp);
    get(exporter_debug_port(exporter), NULL, "/debug/failures", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.type, "application/json");
    assert_golden(&reply.body, "tests/data/exporter/failures.json");
    buf_done(&reply.body);

    get(exporter_web_port(exporter), NULL, "/metrics", &reply);
    assert_string_equal(reply.type, "text/plain; version=0.0.4; charset=utf-8");
    buf_done(&reply.body);
}

static void debug_is_served_on_a_unix_socket(void **state)
{
    char listen[80];
    struct exporter_config config = with("127.0.0.1:0", listen);

    (void)state;
    snprintf(listen, sizeof(listen), "unix:%s", socket_path);
    start(&config);
    assert_int_equal(exporter_debug_port(exporter), 0);
    assert_get(0, socket_path, "/debug/failures", 200, "\"failures\":[");
    exporter_free(exporter);
    exporter = NULL;
    assert_int_equal(access(socket_path, F_OK), -1);
}

static void metrics_are_served_on_each_address(void **state)
{
    struct exporter_config config = with(NULL, "off");
    char addresses[64];
    uint16_t other;

    (void)state;
    start(&tcp); /* to find a free port */
    other = exporter_web_port(exporter);
    exporter_free(exporter);
    exporter = NULL;
    snprintf(addresses, sizeof(addresses), "[::1]:0,127.0.0.1:%u", other);
    config.web_listen = addresses;
    start(&config);
    assert_get(other, NULL, "/metrics", 200, "imagepull_");
    assert_int_not_equal(exporter_web_port(exporter), other);
}

static void metrics_can_have_another_path(void **state)
{
    struct exporter_config config = with("127.0.0.1:0", "off");

    (void)state;
    config.telemetry_path = "/node/images";
    start(&config);
    assert_get(exporter_web_port(exporter), NULL, "/node/images", 200, "imagepull_");
    assert_get(exporter_web_port(exporter), NULL, "/metrics", 404, "no such page");
}

static void debug_can_be_off(void **state)
{
    struct exporter_config config = with("127.0.0.1:0", "off");

    (void)state;
    start(&config);
    assert_int_equal(exporter_debug_port(exporter), 0);
    assert_get(exporter_web_port(exporter), NULL, "/metrics", 200, "imagepull_");
}

static void assert_start_refused(const struct exporter_config *config, int code, const char *text)
{
    struct snapshot_source source = fixture_source(&node);
    struct exporter *unset = NULL;
    struct err err = ERR_INIT;
    int r = exporter_new(config, &source, &unset, &err);

    if (r != code || strcmp(err.text, text) != 0)
        fail_msg("%d, '%s'", r, err.text);
    assert_null(unset);
}

static void a_start_error_names_the_flag(void **state)
{
    struct exporter_config config = with("nonsense", "off");

    (void)state;
    assert_start_refused(
        &config, -EINVAL,
        "--web.listen-address=nonsense: 'nonsense' has no port; write 127.0.0.1:9917 "
        "or :9917");
    config = with("127.0.0.1:0", "unix:debug.sock");
    assert_start_refused(
        &config, -EINVAL,
        "--debug.listen-address=unix:debug.sock: 'debug.sock' is not an absolute path");
    config = with("127.0.0.1:0", "127.0.0.1:0,unix:debug.sock");
    assert_start_refused(&config, -EINVAL,
                         "--debug.listen-address=127.0.0.1:0,unix:debug.sock: 'debug.sock' is not "
                         "an absolute path");
    config = with("127.0.0.1:0", "127.0.0.1:0,127.0.0.1:0,127.0.0.1:0");
    assert_start_refused(&config, -EINVAL,
                         "--debug.listen-address=127.0.0.1:0,127.0.0.1:0,127.0.0.1:0: more than 2 "
                         "addresses");
    config = with("127.0.0.1:0,", "off");
    assert_start_refused(
        &config, -EINVAL,
        "--web.listen-address=127.0.0.1:0,: '' has no port; write 127.0.0.1:9917 or "
        ":9917");
    config = with("127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,"
                  "127.0.0.1:0,127.0.0.1:0,:0",
                  "off");
    assert_start_refused(&config, -EINVAL,
                         "--web.listen-address=127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,"
                         "127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,:0: more than 8 "
                         "addresses");
    config = with("127.0.0.1:0", "off");
    config.telemetry_path = "/healthz";
    assert_start_refused(&config, -EINVAL,
                         "--web.telemetry-path: '/healthz' is the path of another answer");
    config = with("off", "off"); /* the web listener cannot be switched off */
    assert_start_refused(
        &config, -EINVAL,
        "--web.listen-address=off: 'off' has no port; write 127.0.0.1:9917 or :9917");
}

static void a_port_in_use_is_refused(void **state)
{
    char taken[32], both[64], text[256];
    struct exporter_config config = with(both, "off");

    (void)state;
    start(&tcp);
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", exporter_web_port(exporter));
    snprintf(both, sizeof(both), "127.0.0.1:0,%s", taken); /* the error names one of the two */
    snprintf(text, sizeof(text),
             "--web.listen-address=%s: another process listens on '%s'; stop it or choose another "
             "port",
             both, taken);
    assert_start_refused(&config, -EADDRINUSE, text);

    /* The web listener starts and the debug listener does not: nothing must stay open. */
    config = with("127.0.0.1:0", taken);
    snprintf(
        text, sizeof(text),
        "--debug.listen-address=%s: another process listens on '%s'; stop it or choose another "
        "port",
        taken, taken);
    assert_start_refused(&config, -EADDRINUSE, text);
    assert_get(exporter_web_port(exporter), NULL, "/-/healthy", 200, "healthy");
}

static void a_debug_socket_in_use_is_waited_for(void **state)
{
    char address[80];
    struct exporter_config config = with("127.0.0.1:0", address);
    struct exporter *first;

    (void)state;
    snprintf(address, sizeof(address), "unix:%s", socket_path);
    start(&config);
    assert_false(exporter_debug_waits(exporter));
    first = TAKE_PTR(exporter);

    start(&config);
    assert_get(exporter_web_port(exporter), NULL, "/metrics", 200, "imagepull_");
    assert_true(exporter_debug_waits(exporter));
    assert_get(0, socket_path, "/debug/failures", 200, "failures"); /* the first one answers */

    exporter_free(first);
    assert_false(exporter_debug_waits(exporter));
    assert_get(0, socket_path, "/debug/failures", 200, "failures");
}

static void debug_is_served_on_two_addresses(void **state)
{
    char addresses[128];
    struct exporter_config config = with("127.0.0.1:0", addresses);

    (void)state;
    snprintf(addresses, sizeof(addresses), "127.0.0.1:0,unix:%s", socket_path);
    start(&config);
    assert_false(exporter_debug_waits(exporter));
    assert_get(exporter_debug_port(exporter), NULL, "/debug/failures", 200, "failures");
    assert_get(0, socket_path, "/debug/failures", 200, "failures");
    assert_get(exporter_web_port(exporter), NULL, "/metrics", 200, "imagepull_");
}

/* A file is in the place of the socket: as with SELinux, only a person can repair it. */
static void a_debug_socket_that_cannot_be_made_is_tried_again(void **state)
{
    char addresses[128];
    struct exporter_config config = with("127.0.0.1:0", addresses);
    unsigned tries = 0;
    struct reply reply;

    (void)state;
    snprintf(addresses, sizeof(addresses), "127.0.0.1:0,unix:%s", socket_path);
    close(open(socket_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    start(&config);
    assert_get(exporter_debug_port(exporter), NULL, "/debug/failures", 200, "failures");
    for (int i = 0; i < 100; i++)
        assert_true(exporter_debug_waits(exporter));
    assert_get(exporter_web_port(exporter), NULL, "/metrics", 200,
               "\nimagepull_debug_listeners_down 1\n");

    unlink(socket_path);
    while (exporter_debug_waits(exporter))
        assert_true(++tries < 600); /* the longest delay is five minutes */
    assert_get(0, socket_path, "/debug/failures", 200, "failures");
    get(exporter_web_port(exporter), NULL, "/metrics", &reply);
    assert_null(strstr(reply.body.at, "\nimagepull_debug_listeners_down "));
    buf_done(&reply.body);
}

static void a_restart_can_bind_the_same_port(void **state)
{
    char address[32];
    struct exporter_config config = with(address, "off");

    (void)state;
    start(&tcp);
    snprintf(address, sizeof(address), "127.0.0.1:%u", exporter_web_port(exporter));
    for (int i = 0; i < 5; i++) {
        assert_get(exporter_web_port(exporter), NULL, "/metrics", 200, "imagepull_");
        exporter_free(exporter);
        exporter = NULL;
        start(&config);
    }
}

static void each_request_takes_one_snapshot(void **state)
{
    (void)state;
    start(&tcp);
    assert_get(exporter_web_port(exporter), NULL, "/metrics", 200, "");
    assert_int_equal(node.taken, 1);
    assert_get(exporter_debug_port(exporter), NULL, "/debug/failures", 200, "");
    assert_int_equal(node.taken, 2);
    assert_int_equal(node.detail, SNAPSHOT_DETAIL);
}

static void freeing_null_is_allowed(void **state)
{
    (void)state;
    exporter_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_listeners_serve),
        TEST(the_log_names_the_bound_addresses),
        TEST(the_listeners_do_not_share_routes),
        TEST(answers_are_complete_and_have_a_type),
        TEST(debug_is_served_on_a_unix_socket),
        TEST(metrics_are_served_on_each_address),
        TEST(metrics_can_have_another_path),
        TEST(debug_can_be_off),
        TEST(a_start_error_names_the_flag),
        TEST(a_port_in_use_is_refused),
        TEST(a_debug_socket_in_use_is_waited_for),
        TEST(debug_is_served_on_two_addresses),
        TEST(a_debug_socket_that_cannot_be_made_is_tried_again),
        TEST(a_restart_can_bind_the_same_port),
        TEST(each_request_takes_one_snapshot),
        TEST(freeing_null_is_allowed),
    };
    int failed;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
