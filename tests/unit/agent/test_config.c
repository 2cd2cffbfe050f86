/* SPDX-License-Identifier: Apache-2.0 */
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

#include "agent/config.h"
#include "util.h"

/* Reads a command line. The tests set the environment themselves. */
static enum config_result read_line(struct config *config, struct err *err, const char *a,
                                    const char *b, const char *c)
{
    char *argv[] = { (char *)"imagepull-exporter", (char *)a, (char *)b, (char *)c, NULL };
    int argc = 1;

    while (argv[argc])
        argc++;
    *err = ERR_INIT;
    return config_read(argc, argv, config, err);
}

static int without_environment(void **state)
{
    static const char *const names[] = {
        "NODE_NAME",           "IMAGEPULL_WEB_LISTEN_ADDRESS", "IMAGEPULL_KUBE_SOURCE",
        "IMAGEPULL_LOG_LEVEL", "IMAGEPULL_KUBECONFIG",         "KUBECONFIG"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unsetenv(names[i]);
    return 0;
}

static void the_defaults_fit_a_daemonset(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_line(&config, &err, "--node-name=n1", NULL, NULL), CONFIG_RUN);
    assert_string_equal(config.node_name, "n1");
    assert_string_equal(config.web_listen.text, ":9917");
    assert_string_equal(config.debug_listen.text, "127.0.0.1:9918");
    assert_null(config.cri_endpoint);
    assert_true(config.reads_runtime);
    assert_null(config.kube_server);
    assert_true(config.reads_kube);
    assert_true(config.reads_events);
    assert_int_equal(config.max_registries, 16);
    assert_true(config.metrics_self);
    assert_false(config.metrics_created);
    assert_int_equal(config.log_level, LOG_INFO);
}

static void a_value_follows_an_equals_sign_or_is_the_next_word(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_line(&config, &err, "--node-name", "n1", "--kube.events=off"),
                     CONFIG_RUN);
    assert_string_equal(config.node_name, "n1");
    assert_false(config.reads_events);
}

static void the_flag_wins_over_the_environment(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    setenv("NODE_NAME", "from-environment", 1);
    setenv("IMAGEPULL_WEB_LISTEN_ADDRESS", ":1", 1);
    assert_int_equal(read_line(&config, &err, "--web.listen-address=:2", NULL, NULL), CONFIG_RUN);
    assert_string_equal(config.node_name, "from-environment");
    assert_string_equal(config.web_listen.text, ":2");
}

static void no_node_name_is_needed_without_kubernetes(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_line(&config, &err, "--kube.source=none", NULL, NULL), CONFIG_RUN);
    assert_false(config.reads_kube);
}

static void the_runtime_can_be_off(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_line(&config, &err, "--node-name=n1", "--cri.endpoint=off", NULL),
                     CONFIG_RUN);
    assert_false(config.reads_runtime);
    assert_int_equal(read_line(&config, &err, "--node-name=n1", "--cri.endpoint=/off", NULL),
                     CONFIG_RUN);
    assert_true(config.reads_runtime);
}

static void the_kubeconfig_variable_is_ignored(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    setenv("KUBECONFIG", "/home/me/.kube/config", 1);
    assert_int_equal(read_line(&config, &err, "--node-name=n", NULL, NULL), CONFIG_RUN);
    assert_null(config.kubeconfig);
    setenv("IMAGEPULL_KUBECONFIG", "/etc/kc", 1);
    assert_int_equal(read_line(&config, &err, "--node-name=n", "--kube.context=lab", NULL),
                     CONFIG_RUN);
    assert_string_equal(config.kubeconfig, "/etc/kc");
    assert_string_equal(config.kube_context, "lab");
    assert_true(config.reads_events);
}

static void metrics_can_have_more_or_less(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_line(&config, &err, "--node-name=n", "--metrics.self=off", NULL),
                     CONFIG_RUN);
    assert_false(config.metrics_self);
    assert_int_equal(read_line(&config, &err, "--node-name=n", "--metrics.self=no", NULL),
                     CONFIG_BAD);
    assert_non_null(strstr(err.text, "--metrics.self"));
    assert_int_equal(read_line(&config, &err, "--node-name=n", "--metrics.created=on", NULL),
                     CONFIG_RUN);
    assert_true(config.metrics_created);
}

static void the_kubelet_source_has_no_events(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_line(&config, &err, "--node-name=n", "--kube.source=kubelet",
                               "--kube.kubelet-insecure-skip-tls-verify=true"),
                     CONFIG_RUN);
    assert_true(config.reads_kube);
    assert_true(config.reads_kubelet);
    assert_true(config.kubelet_insecure);
    assert_false(config.reads_events);
    assert_null(config.kubelet_url);
}

static void stall_after_is_a_duration_or_off(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    read_line(&config, &err, "--node-name=n", NULL, NULL);
    assert_int_equal(config.stall_after_us, 2 * MINUTE);
    read_line(&config, &err, "--node-name=n", "--stall-after=90s", NULL);
    assert_int_equal(config.stall_after_us, 90 * SEC);
    read_line(&config, &err, "--node-name=n", "--stall-after=24h", NULL);
    assert_int_equal(config.stall_after_us, 24 * HOUR);
    assert_int_equal(read_line(&config, &err, "--node-name=n", "--stall-after=off", NULL),
                     CONFIG_RUN);
    assert_int_equal(config.stall_after_us, 0);
}

/* A command line that is refused, and a part of the error. */
struct refused {
    const char *words[3];
    const char *sentence;
};

static void assert_refused(const struct refused *cases, size_t count)
{
    struct config config;
    struct err err;

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(
            read_line(&config, &err, cases[i].words[0], cases[i].words[1], cases[i].words[2]),
            CONFIG_BAD);
        if (!strstr(err.text, cases[i].sentence))
            fail_msg("'%s' is not in '%s'", cases[i].sentence, err.text);
    }
}

static void errors_name_the_flag_and_the_value(void **state)
{
    static const struct refused cases[] = {
        { { "--node-nam=x" }, "unknown flag '--node-nam=x'" },
        { { "serve" }, "unexpected argument 'serve'" },
        { { "--node-name" }, "--node-name needs a value" },
        { { "--node-name=" }, "--node-name needs a value" },
        { { "--kube.source=etcd", "--node-name=n" },
          "--kube.source is 'etcd'; it must be one of api, kubelet, none" },
        { { "--kube.source=ap", "--node-name=n" }, "--kube.source is 'ap'" },
        { { "--log.level=loud", "--node-name=n" }, "--log.level is 'loud'" },
        { { "--metrics.max-registries=0", "--node-name=n" }, "--metrics.max-registries is '0'" },
        { { "--log.level=debug|info", "--node-name=n" }, "--log.level is 'debug|info'" },
        { { "--metrics.max-registries= -18446744073709551615", "--node-name=n" }, "it must be" },
        { { "--metrics.max-registries=18446744073709551617", "--node-name=n" }, "it must be" },
        { { "--metrics.max-registries=+1", "--node-name=n" }, "it must be" },
        { { "--metrics.max-registries=0x10", "--node-name=n" }, "it must be" },
        { { "--metrics.max-registries=-18446744073709551615", "--node-name=n" },
          "it must be a number from 1 to" },
        { { "--metrics.max-registries=9x", "--node-name=n" }, "--metrics.max-registries is '9x'" },
        { { "--metrics.max-registries=1001", "--node-name=n" }, "a number from 1 to 1000" },
        { { "--kube.events=on" }, "--node-name (or NODE_NAME) is required" },
    };

    (void)state;
    assert_refused(cases, ARRAY_SIZE(cases));
    setenv("IMAGEPULL_KUBE_SOURCE", "etcd", 1);
    assert_refused(&(struct refused){ { "--node-name=n" }, "IMAGEPULL_KUBE_SOURCE is 'etcd'" }, 1);
}

static void a_stall_time_that_is_no_duration_is_refused(void **state)
{
    static const struct refused cases[] = {
        { { "--node-name=n", "--stall-after=2" },
          "--stall-after is '2'; it must be a duration from 1s to 24h" },
        { { "--node-name=n", "--stall-after=0s" }, "--stall-after is '0s'" },
        { { "--node-name=n", "--stall-after=-1m" }, "--stall-after is '-1m'" },
        { { "--node-name=n", "--stall-after=25h" }, "--stall-after is '25h'" },
        { { "--node-name=n", "--stall-after= 2m" }, "--stall-after is ' 2m'" },
        { { "--node-name=n", "--stall-after=+2m" }, "--stall-after is '+2m'" },
        { { "--node-name=n", "--stall-after=2m " }, "--stall-after is '2m '" },
        { { "--node-name=n", "--stall-after=500ms" }, "--stall-after is '500ms'" },
        { { "--node-name=n", "--stall-after=1.5h" }, "--stall-after is '1.5h'" },
        { { "--node-name=n", "--stall-after=2M" }, "--stall-after is '2M'" },
        { { "--node-name=n", "--stall-after=2d" }, "--stall-after is '2d'" },
        { { "--node-name=n", "--stall-after=m" }, "--stall-after is 'm'" },
        { { "--node-name=n", "--stall-after=OFF" }, "--stall-after is 'OFF'" },
        { { "--node-name=n", "--stall-after=2mm" }, "--stall-after is '2mm'" },
        { { "--node-name=n", "--stall-after=99999999999999999999h" }, "--stall-after is '9" },
    };

    (void)state;
    assert_refused(cases, ARRAY_SIZE(cases));
}

static void flags_that_exclude_each_other_are_refused(void **state)
{
    static const struct refused cases[] = {
        { { "--node-name=n", "--kubeconfig=a", "--kube.server=b" },
          "--kubeconfig and --kube.server both name an API server; use only one" },
        { { "--node-name=n", "--kubeconfig=a", "--kube.ca-file=b" }, "both name a CA" },
        { { "--node-name=n", "--kubeconfig=a", "--kube.token-file=b" }, "both hold credentials" },
        { { "--node-name=n", "--kubeconfig=a", "--kube.source=kubelet" },
          "--kubeconfig works only with --kube.source=api" },
        { { "--node-name=n", "--kube.server=a", "--kube.source=kubelet" },
          "--kube.server works only with --kube.source=api" },
        { { "--node-name=n", "--kube.context=a" }, "--kube.context needs --kubeconfig" },
        { { "--node-name=n", "--kube.kubelet-url=a" }, "works only with --kube.source=kubelet" },
        { { "--node-name=n", "--kube.kubelet-insecure-skip-tls-verify=true" },
          "works only with --kube.source=kubelet" },
        { { "--node-name=n", "--kube.kubelet-insecure-skip-tls-verify=yes" },
          "it must be one of true, false" },
        { { "--kube.source=kubelet", "--kube.kubelet-insecure-skip-tls-verify=true",
            "--kube.ca-file=a" },
          "--kube.ca-file cannot be combined" },
        { { "--kube.source=none", "--cri.endpoint=off" },
          "--cri.endpoint=off and --kube.source=none leave nothing to read" },
    };

    (void)state;
    setenv("NODE_NAME", "n", 1);
    assert_refused(cases, ARRAY_SIZE(cases));
}

static void a_node_name_is_an_rfc_1123_subdomain(void **state)
{
    static const char *const good[] = { "n", "0", "ip-10-0-0-1.eu-west-1.compute.internal",
                                        "a--b" };
    static const char *const bad[] = { "Node1", "node_1",   "-a",   "a-",
                                       ".a",    "a.",       "a..b", "a.-b",
                                       "a-.b",  "a b",      "a/b",  "a,metadata.name=b",
                                       "a\nb",  "n\xc3\xb6" };
    struct config config;
    char line[400];
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        snprintf(line, sizeof(line), "--node-name=%s", good[i]);
        if (read_line(&config, &err, line, NULL, NULL) != CONFIG_RUN)
            fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        snprintf(line, sizeof(line), "--node-name=%s", bad[i]);
        if (read_line(&config, &err, line, NULL, NULL) != CONFIG_BAD)
            fail_msg("'%s' is not a valid node name", bad[i]);
        assert_non_null(strstr(err.text, "--node-name (or NODE_NAME) is '"));
        assert_null(strchr(err.text, '\n'));
        /* Also without Kubernetes: the agent shows the name. */
        assert_int_equal(read_line(&config, &err, line, "--kube.source=none", NULL), CONFIG_BAD);
    }
    memset(line, 'a', sizeof(line));
    memcpy(line, "--node-name=", 12);
    line[12 + 254] = '\0';
    assert_int_equal(read_line(&config, &err, line, NULL, NULL), CONFIG_BAD);
    line[12 + 253] = '\0';
    assert_int_equal(read_line(&config, &err, line, NULL, NULL), CONFIG_RUN);
}

/* Runs while standard output is a full disk. */
static enum config_result read_to_full(const char *word, struct err *err)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved = dup(STDOUT_FILENO);
    enum config_result result;
    struct config config;

    assert_true(full >= 0 && saved >= 0);
    fflush(stdout);
    dup2(full, STDOUT_FILENO);
    result = read_line(&config, err, word, NULL, NULL);
    dup2(saved, STDOUT_FILENO);
    clearerr(stdout);
    close(full);
    close(saved);
    return result;
}

static void help_that_cannot_be_written_is_an_error(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(read_to_full("--help", &err), CONFIG_BAD);
    assert_string_equal(err.text, "write to standard output: No space left on device");
    assert_int_equal(read_to_full("--version", &err), CONFIG_BAD);
}

#define CONFIG_TEST(test) cmocka_unit_test_setup(test, without_environment)

static void repeated_listen_addresses_are_all_used(void **state)
{
    char *words[] = { (char *)"x",
                      (char *)"--kube.source=none",
                      (char *)"--web.listen-address=:1",
                      (char *)"--web.listen-address",
                      (char *)"[::1]:2",
                      NULL };
    struct config config;

    (void)state;
    assert_int_equal(config_read(5, words, &config, NULL), CONFIG_RUN);
    assert_string_equal(config.web_listen.text, ":1,[::1]:2");

    /* A flag wins over the environment, which may also name several addresses. */
    setenv("IMAGEPULL_WEB_LISTEN_ADDRESS", ":3,:4", 1);
    assert_int_equal(config_read(3, words, &config, NULL), CONFIG_RUN);
    assert_string_equal(config.web_listen.text, ":1");
    assert_int_equal(config_read(2, words, &config, NULL), CONFIG_RUN);
    assert_string_equal(config.web_listen.text, ":3,:4");
    unsetenv("IMAGEPULL_WEB_LISTEN_ADDRESS");

    setenv("IMAGEPULL_DEBUG_LISTEN_ADDRESS", "127.0.0.1:1,unix:/x", 1);
    assert_int_equal(config_read(2, words, &config, NULL), CONFIG_RUN);
    assert_string_equal(config.debug_listen.text, "127.0.0.1:1,unix:/x");
    unsetenv("IMAGEPULL_DEBUG_LISTEN_ADDRESS");
}

static void too_many_listen_addresses_are_refused(void **state)
{
    static char address[400] = "--web.listen-address=";
    char *words[] = { (char *)"x", (char *)"--kube.source=none", address, address, NULL };
    struct config config;
    struct err err = ERR_INIT;

    (void)state;
    memset(address + strlen(address), '1', 300);
    assert_int_equal(config_read(4, words, &config, &err), CONFIG_BAD);
    assert_string_equal(err.text,
                        "--web.listen-address: the values have more than 512 bytes together");
}

static void max_requests_is_a_number(void **state)
{
    static const struct {
        const char *flag;
        enum config_result result;
        uint32_t requests;
    } samples[] = {
        { "--web.max-requests=0", CONFIG_RUN, 0 },
        { "--web.max-requests=7", CONFIG_RUN, 7 },
        { "--web.max-requests=100000", CONFIG_RUN, 100000 },
        { "--web.max-requests=100001", CONFIG_BAD, 0 },
        { "--web.max-requests=-1", CONFIG_BAD, 0 },
        { "--web.max-requests=7x", CONFIG_BAD, 0 },
        { "--web.max-requests= 7", CONFIG_BAD, 0 },
        { "--web.max-requests=+7", CONFIG_BAD, 0 },
        { "--web.max-requests=0x7", CONFIG_BAD, 0 },
        { "--web.max-requests=7.0", CONFIG_BAD, 0 },
        { "--web.max-requests=18446744073709551623", CONFIG_BAD, 0 },
        { "--web.max-requests=many", CONFIG_BAD, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        char *words[] = { (char *)"x", (char *)"--kube.source=none", (char *)samples[i].flag,
                          NULL };
        struct config config;
        struct err err = ERR_INIT;

        assert_int_equal(config_read(3, words, &config, &err), samples[i].result);
        if (samples[i].result == CONFIG_RUN)
            assert_int_equal(config.web_max_requests, samples[i].requests);
        else
            assert_non_null(strstr(err.text, "--web.max-requests"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(the_defaults_fit_a_daemonset),
        CONFIG_TEST(a_value_follows_an_equals_sign_or_is_the_next_word),
        CONFIG_TEST(the_flag_wins_over_the_environment),
        CONFIG_TEST(no_node_name_is_needed_without_kubernetes),
        CONFIG_TEST(the_runtime_can_be_off),
        CONFIG_TEST(the_kubeconfig_variable_is_ignored),
        CONFIG_TEST(metrics_can_have_more_or_less),
        CONFIG_TEST(the_kubelet_source_has_no_events),
        CONFIG_TEST(a_node_name_is_an_rfc_1123_subdomain),
        CONFIG_TEST(stall_after_is_a_duration_or_off),
        CONFIG_TEST(help_that_cannot_be_written_is_an_error),
        CONFIG_TEST(errors_name_the_flag_and_the_value),
        CONFIG_TEST(a_stall_time_that_is_no_duration_is_refused),
        CONFIG_TEST(flags_that_exclude_each_other_are_refused),
        CONFIG_TEST(repeated_listen_addresses_are_all_used),
        CONFIG_TEST(too_many_listen_addresses_are_refused),
        CONFIG_TEST(max_requests_is_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
