/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/config.h"
#include "util.h"

/* Reads a command line; the environment is what the test has set. */
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

static void defaults_are_those_of_a_daemonset(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_line(&config, &err, "--node-name=n1", NULL, NULL), CONFIG_RUN);
    assert_string_equal(config.node_name, "n1");
    assert_string_equal(config.web_listen, ":9917");
    assert_string_equal(config.debug_listen, "127.0.0.1:9918");
    assert_null(config.cri_endpoint);
    assert_null(config.kube_server);
    assert_true(config.reads_kube);
    assert_true(config.reads_events);
    assert_int_equal(config.max_registries, 16);
    assert_int_equal(config.log_level, LOG_INFO);
}

static void a_value_stands_behind_an_equals_sign_or_in_the_next_word(void **state)
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
    assert_string_equal(config.web_listen, ":2");
}

static void nothing_of_kubernetes_needs_no_node_name(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_line(&config, &err, "--kube.source=none", NULL, NULL), CONFIG_RUN);
    assert_false(config.reads_kube);
}

static void a_kubeconfig_is_read_only_where_it_is_named(void **state)
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

static void the_kubelet_has_no_events(void **state)
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

static void bad_input_is_refused_with_a_sentence_that_names_it(void **state)
{
    static const struct {
        const char *words[3];
        const char *sentence;
    } cases[] = {
        { { "--node-nam=x" }, "unknown flag '--node-nam=x'" },
        { { "serve" }, "unknown argument 'serve'" },
        { { "--node-name" }, "--node-name needs a value" },
        { { "--node-name=" }, "--node-name needs a value" },
        { { "--kube.source=etcd", "--node-name=n" },
          "--kube.source is 'etcd'; it can be api|kubelet|none" },
        { { "--kube.source=ap", "--node-name=n" }, "--kube.source is 'ap'" },
        { { "--log.level=loud", "--node-name=n" }, "--log.level is 'loud'" },
        { { "--metrics.max-registries=0", "--node-name=n" }, "--metrics.max-registries is '0'" },
        { { "--log.level=debug|info", "--node-name=n" }, "--log.level is 'debug|info'" },
        { { "--metrics.max-registries=-18446744073709551615", "--node-name=n" }, "it can be 1 to" },
        { { "--metrics.max-registries=9x", "--node-name=n" }, "--metrics.max-registries is '9x'" },
        { { "--metrics.max-registries=1001", "--node-name=n" }, "it can be 1 to 1000" },
        { { "--node-name=n", "--kubeconfig=a", "--kube.server=b" },
          "--kubeconfig and --kube.server both name an API server; use one" },
        { { "--node-name=n", "--kubeconfig=a", "--kube.ca-file=b" }, "both name a CA" },
        { { "--node-name=n", "--kubeconfig=a", "--kube.token-file=b" }, "both hold credentials" },
        { { "--node-name=n", "--kubeconfig=a", "--kube.source=kubelet" },
          "--kubeconfig is for --kube.source=api" },
        { { "--node-name=n", "--kube.server=a", "--kube.source=kubelet" },
          "--kube.server is for --kube.source=api" },
        { { "--node-name=n", "--kube.context=a" }, "--kubeconfig, which is not set" },
        { { "--node-name=n", "--kube.kubelet-url=a" }, "is for --kube.source=kubelet" },
        { { "--node-name=n", "--kube.kubelet-insecure-skip-tls-verify=true" },
          "is for --kube.source=kubelet" },
        { { "--node-name=n", "--kube.kubelet-insecure-skip-tls-verify=yes" },
          "it can be true|false" },
        { { "--kube.events=on" }, "--node-name (or NODE_NAME) is needed" },
    };
    struct config config;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(
            read_line(&config, &err, cases[i].words[0], cases[i].words[1], cases[i].words[2]),
            CONFIG_BAD);
        if (!strstr(err.text, cases[i].sentence))
            fail_msg("'%s' is not in '%s'", cases[i].sentence, err.text);
    }
    setenv("IMAGEPULL_KUBE_SOURCE", "etcd", 1);
    assert_int_equal(read_line(&config, &err, "--node-name=n", NULL, NULL), CONFIG_BAD);
    assert_non_null(strstr(err.text, "IMAGEPULL_KUBE_SOURCE is 'etcd'"));
}

#define CONFIG_TEST(test) cmocka_unit_test_setup(test, without_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(defaults_are_those_of_a_daemonset),
        CONFIG_TEST(a_value_stands_behind_an_equals_sign_or_in_the_next_word),
        CONFIG_TEST(the_flag_wins_over_the_environment),
        CONFIG_TEST(nothing_of_kubernetes_needs_no_node_name),
        CONFIG_TEST(a_kubeconfig_is_read_only_where_it_is_named),
        CONFIG_TEST(the_kubelet_has_no_events),
        CONFIG_TEST(bad_input_is_refused_with_a_sentence_that_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
