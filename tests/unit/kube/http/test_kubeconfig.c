/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/kube/http/kubeconfig.h"
#include "agent/kube/kube.h"
#include "limit.h"
#include "tests/unit/kube/kube_story.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

/* A self-signed certificate and its key (Ed25519), as PEM and in base64. */
#define CERTIFICATE                                                                                \
    "-----BEGIN CERTIFICATE-----\n"                                                                \
    "MIIBLjCB4aADAgECAhQzFAwd23MSpnW7RjeSv18EXhMDBjAFBgMrZXAwDDEKMAgG\n"                           \
    "A1UEAwwBYTAgFw0yNjExMzAxNDM1MDRaGA8yMTI2MTEwNjE0MzUwNFowDDEKMAgG\n"                           \
    "A1UEAwwBYTAqMAUGAytlcAMhAIJ9xbFaWQGKwmnjuMIbIWtfaZJiThanbjEVombc\n"                           \
    "g+zdo1MwUTAdBgNVHQ4EFgQUIoNiV2BQwzw2VKvsfn9yI4yQE/YwHwYDVR0jBBgw\n"                           \
    "FoAUIoNiV2BQwzw2VKvsfn9yI4yQE/YwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXAD\n"                           \
    "QQAVOLb3biCziR6wpiYPzllGxNJ4ia9KKHRK2hRukNyBwbUG61T7wHhsMe1qdyQy\n"                           \
    "imNlvdkEKtejLoTxKl4SxJoC\n"                                                                   \
    "-----END CERTIFICATE-----\n"
#define CERTIFICATE_64                                                                             \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJMakNCNGFBREFnRUNBaFF6RkF3ZD"                       \
    "IzTVNwblc3UmplU3YxOEVYaE1EQmpBRkJnTXJaWEF3RERFS01BZ0cKQTFVRUF3d0JZVEFn"                       \
    "RncweU5qRXhNekF4TkRNMU1EUmFHQTh5TVRJMk1URXdOakUwTXpVd05Gb3dEREVLTUFnRw"                       \
    "pBMVVFQXd3QllUQXFNQVVHQXl0bGNBTWhBSUo5eGJGYVdRR0t3bW5qdU1JYklXdGZhWkpp"                       \
    "VGhhbmJqRVZvbWJjCmcremRvMU13VVRBZEJnTlZIUTRFRmdRVUlvTmlWMkJRd3p3MlZLdn"                       \
    "Nmbjl5STR5UUUvWXdId1lEVlIwakJCZ3cKRm9BVUlvTmlWMkJRd3p3MlZLdnNmbjl5STR5"                       \
    "UUUvWXdEd1lEVlIwVEFRSC9CQVV3QXdFQi96QUZCZ01yWlhBRApRUUFWT0xiM2JpQ3ppUj"                       \
    "Z3cGlZUHpsbEd4Tko0aWE5S0tIUksyaFJ1a055QndiVUc2MVQ3d0hoc01lMXFkeVF5Cmlt"                       \
    "Tmx2ZGtFS3RlakxvVHhLbDRTeEpvQwotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg=="
#define KEY                                                                                        \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VwBCIEID0cDI4gIMf2Gz99h0yjdqkUcNwq7j+7f2y002iWVY5N\n"                           \
    "-----END PRIVATE KEY-----\n"
#define KEY_64                                                                                     \
    "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1DNENBUUF3QlFZREsyVndCQ0lFSUQwY0"                       \
    "RJNGdJTWYyR3o5OWgweWpkcWtVY053cTdqKzdmMnkwMDJpV1ZZNU4KLS0tLS1FTkQgUFJJ"                       \
    "VkFURSBLRVktLS0tLQo="

/* A kubeconfig with one context, "c", of cluster "k" and user "u", whose bodies are flow mappings.
 */
#define CONFIG(cluster, user)                                                                      \
    "apiVersion: v1\nkind: Config\ncurrent-context: c\n"                                           \
    "contexts: [{name: c, context: {cluster: k, user: u}}]\n"                                      \
    "clusters: [{name: k, cluster: {" cluster "}}]\nusers: [{name: u, user: {" user "}}]\n"

static char path[64];

static void write_file(struct str content)
{
    int fd;

    snprintf(path, sizeof(path), "/tmp/test_kubeconfig.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.at ? content.at : "", content.len), content.len);
    close(fd);
}

static int read_text(struct str content, const char *context, struct credentials *ret,
                     struct err *err)
{
    int r;

    *err = ERR_INIT;
    write_file(content);
    r = kubeconfig_read(path, context, ret, err);
    unlink(path);
    return r;
}

static void read_good(const char *content, const char *context, struct credentials *ret)
{
    struct err err;

    *ret = (struct credentials){ 0 };
    if (read_text(str_from(content), context, ret, &err) < 0)
        fail_msg("%s", err.text);
}

static void assert_contains(const struct err *err, const char *text)
{
    if (!str_find(str_from(err->text), str_from(text)))
        fail_msg("\"%s\" does not contain \"%s\"", err->text, text);
}

/* --- valid files ----------------------------------------------------------------------------- */

static void data_is_decoded(void **state)
{
    struct credentials c;

    (void)state;
    read_good(CONFIG("server: https://10.0.0.1:6443/, certificate-authority-data: " CERTIFICATE_64
                     ", tls-server-name: api.example.com",
                     "token: secret, client-certificate-data: " CERTIFICATE_64
                     ", client-key-data: " KEY_64),
              NULL, &c);
    assert_string_equal(c.server, "https://10.0.0.1:6443");
    assert_string_equal(c.tls_server_name, "api.example.com");
    assert_string_equal(c.ca.data, CERTIFICATE);
    assert_string_equal(c.client.data, CERTIFICATE);
    assert_string_equal(c.key.data, KEY);
    assert_string_equal(c.token.data, "secret");
    assert_false(c.insecure);
    assert_int_equal(credentials_check(&c, NULL), 0);
    credentials_done(&c);
}

/* encoding/base64 of Go: padding is required, line breaks are ignored. */
static void base64_is_decoded_as_in_go(void **state)
{
    static const char *const good[][2] = {
        { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "\"Zm9v\\nYg==\\r\\n\"", "foob" }
    };
    static const char *const bad[] = {
        "Z",        "Zg",    "Zg=",  "Zm8",  "Z===",  "====",
        "Zg==Zg==", "Zm9v=", "Zm-v", "Zm v", "Zm 9v", "\"Zm\\t9v\""
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good) + ARRAY_SIZE(bad); i++) {
        const bool is_good = i < ARRAY_SIZE(good);
        struct credentials c = { 0 };
        struct err err;

        snprintf(text, sizeof(text),
                 CONFIG("server: https://h, certificate-authority-data: %s", ""),
                 is_good ? good[i][0] : bad[i - ARRAY_SIZE(good)]);
        if (read_text(str_from(text), NULL, &c, &err) != (is_good ? 0 : -EINVAL))
            fail_msg("%s: %s", text, err.text);
        if (is_good)
            assert_string_equal(c.ca.data, good[i][1]);
        else
            assert_contains(&err, "certificate-authority-data is not valid base64");
        credentials_done(&c);
    }
}

static void files_are_relative_to_the_kubeconfig(void **state)
{
    struct credentials c;

    (void)state;
    read_good(CONFIG("server: https://h, certificate-authority: pki/ca.crt",
                     "tokenFile: /abs/token, client-certificate: c.crt, client-key: ../c.key"),
              NULL, &c);
    assert_string_equal(c.ca.file, "/tmp/pki/ca.crt");
    assert_string_equal(c.token.file, "/abs/token");
    assert_string_equal(c.client.file, "/tmp/c.crt");
    assert_string_equal(c.key.file, "/tmp/../c.key");
    credentials_done(&c);
}

static void data_takes_precedence_over_a_file_but_token_file_over_token(void **state)
{
    struct credentials c;

    (void)state;
    read_good(CONFIG("server: https://h, certificate-authority: a, "
                     "certificate-authority-data: " CERTIFICATE_64,
                     "token: a, tokenFile: b"),
              NULL, &c);
    assert_string_equal(c.ca.data, CERTIFICATE);
    assert_null(c.ca.file);
    assert_string_equal(c.token.file, "/tmp/b");
    assert_null(c.token.data);
    credentials_done(&c);
}

static const char two_contexts[] =
    "current-context: one\n"
    "contexts:\n"
    "- {name: one, context: {cluster: a, user: anna}}\n"
    "- {name: two, context: {cluster: b, user: bert}}\n"
    "- {name: nobody, context: {cluster: a}}\n"
    "clusters:\n- {name: a, cluster: {server: 'https://a'}}\n"
    "- {name: b, cluster: {server: 'https://b', insecure-skip-tls-verify: true}}\n"
    "users:\n- {name: anna, user: {token: t1}}\n- {name: bert, user: {token: t2}}\n"
    "preferences: {}\nextensions: [{name: x, extension: {exec: y}}]\n";

static void context_selects_cluster_and_user(void **state)
{
    struct credentials c;

    (void)state;
    read_good(two_contexts, NULL, &c);
    assert_string_equal(c.server, "https://a");
    assert_string_equal(c.token.data, "t1");
    assert_false(c.insecure);
    credentials_done(&c);
    read_good(two_contexts, "two", &c);
    assert_string_equal(c.server, "https://b");
    assert_string_equal(c.token.data, "t2");
    assert_true(c.insecure);
    credentials_done(&c);
    read_good(two_contexts, "nobody", &c);
    assert_false(credential_given(&c.token));
    credentials_done(&c);
}

static void json_is_read_and_null_is_empty(void **state)
{
    struct credentials c;

    (void)state;
    read_good("{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":"
              "\"k\",\"user\":\"u\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":"
              "\"http://127.0.0.1:1\"}}],\"users\":[{\"name\":\"u\",\"user\":{\"exec\":null}}]}",
              NULL, &c);
    assert_string_equal(c.server, "http://127.0.0.1:1");
    credentials_done(&c);
    read_good("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
              "clusters: [{name: k, cluster: {server: 'https://h'}}]\nusers: [{name: u}]\n",
              NULL, &c);
    assert_false(credential_given(&c.token));
    credentials_done(&c);
}

/* --- invalid files -------------------------------------------------------------------------- */

static void unsupported_and_invalid_keys_are_refused_by_name(void **state)
{
    static const struct {
        const char *content, *expected;
    } bad[] = {
        { CONFIG("server: https://h", "exec: {command: aws}"),
          "': users[u].user.exec is not supported: this agent does not run programs" },
        { CONFIG("server: https://h", "auth-provider: {name: gcp}"),
          "users[u].user.auth-provider is not supported" },
        { CONFIG("server: https://h", "username: a, password: b"), "user.username is not" },
        { CONFIG("server: https://h", "as: root"), "user.as is not supported" },
        { CONFIG("server: https://h, proxy-url: x", ""), "clusters[k].cluster.proxy-url is not" },
        { CONFIG("", ""), "clusters[k].cluster.server is missing" },
        { CONFIG("server: [a]", ""), "clusters[k].cluster.server is not a text" },
        { CONFIG("server: \"https://h\\0x\"", ""), "contains a NUL byte" },
        { CONFIG("server: h:1", ""), "clusters[k].cluster.server: the server's URL 'h:1' is not" },
        { CONFIG("server: http://h", "token: t"), "clusters[k].cluster.server is http://: " },
        { CONFIG("server: http://h", "tokenFile: t"), "would be sent in the clear; use https://" },
        { CONFIG("server: https://h, insecure-skip-tls-verify: maybe", ""),
          "is not true or false" },
        { CONFIG("server: https://h, insecure-skip-tls-verify: true, certificate-authority: a", ""),
          "cannot be combined with a certificate authority" },
        { CONFIG("server: https://h, tls-server-name: 'a/b'", ""),
          "tls-server-name is not a host name" },
        { CONFIG("server: https://h, certificate-authority-data: '!'", ""),
          "cluster.certificate-authority-data is not valid base64" },
        { CONFIG("server: https://h", "client-certificate: a"),
          "client-certificate needs a client-key" },
        { CONFIG("server: https://h", "client-key: a"), "client-key needs a client-certificate" },
        { CONFIG("server: https://h", "client-key-data: YQ="),
          "user.client-key-data is not valid base64" },
        { "current-context: z\ncontexts: []",
          "contexts has no 'z', which is named by current-context" },
        { "current-context: z\ncontexts: {}", "contexts is not a list" },
        { "contexts: []", "has no current-context; set --kube.context" },
        { "current-context: c\ncontexts: [{name: c}]", "contexts[c].context.cluster is missing" },
        { "current-context: c\ncontexts: [{name: c, context: 7}]",
          "contexts[c].context is not a mapping" },
        { "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]",
          "clusters has no 'k', which is named by the context" },
        { "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: v}}]\n"
          "clusters: [{name: k, cluster: {server: 'https://h'}}]",
          "users has no 'v', which is named by the context" },
        { "", "the file is empty or its top is not a mapping" },
        { "- a\n- b\n", "the file is empty or its top is not a mapping" },
        { "a: [1,\nb: 2\n", "': line " },
        { "\tx: 1\n", "': line 1: " },
    };
    struct credentials untouched = { .insecure = true };
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(read_text(str_from(bad[i].content), NULL, &untouched, &err), -EINVAL);
        assert_contains(&err, bad[i].expected);
        assert_contains(&err, "kubeconfig '/tmp/test_kubeconfig.");
        assert_true(untouched.insecure && !untouched.server);
    }
    assert_int_equal(read_text(str_from(two_contexts), "three", &untouched, &err), -EINVAL);
    assert_contains(&err, "contexts has no 'three', which is named by --kube.context");
}

static void missing_or_too_long_file_is_refused(void **state)
{
    static char big[LIMIT_KUBECONFIG_FILE + 1];
    struct credentials c;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(kubeconfig_read("/nowhere/config", NULL, &c, &err), -ENOENT);
    assert_contains(&err, "open kubeconfig '/nowhere/config': No such file");
    memset(big, '#', sizeof(big));
    assert_int_equal(read_text((struct str){ .at = big, .len = sizeof(big) }, NULL, &c, &err),
                     -E2BIG);
    assert_contains(&err, "is over 1048576 bytes");
}

/* A small file must not use much stack or heap. */
static void deep_and_recursive_yaml_is_refused(void **state)
{
    struct credentials c;
    struct err err;
    struct buf deep;

    (void)state;
    buf_init(&deep, LIMIT_KUBECONFIG_FILE);
    buf_add_text(&deep, "a: ");
    for (int i = 0; i < 100000; i++)
        buf_add_byte(&deep, '[');
    assert_int_equal(read_text(buf_str(&deep), NULL, &c, &err), -EINVAL);
    assert_contains(&err, "line 1: more than 100 nested lists and mappings");
    buf_reset(&deep);
    for (int i = 0; i < 50000; i++)
        buf_printf(&deep, "k%d: &a%d x\n", i, i);
    assert_int_equal(read_text(buf_str(&deep), NULL, &c, &err), -EINVAL);
    assert_contains(&err,
                    "line 101: more than 100 nested lists and mappings, or more than 100 anchors");
    buf_done(&deep);
    assert_int_equal(
        read_text(STR("current-context: &a [*a]\ncontexts: &b {b: *b}\n"), NULL, &c, &err),
        -EINVAL);
}

/* --- the source ----------------------------------------------------------------------- */

static int try_new(const struct kube_config *config, struct err *err)
{
    struct kube *kube = NULL;
    struct story story;
    int r;

    *err = ERR_INIT;
    story_init(&story);
    r = kube_new(config, &story.sink, clock_system(), &kube, err);
    if (r == 0) {
        kube_stop(kube);
        kube_run(kube);
        assert_true(story.status[SOURCE_PODS].enabled);
        assert_int_equal(story.status[SOURCE_EVENTS].enabled,
                         config->events && !config->from_kubelet);
    }
    kube_free(kube);
    story_done(&story);
    return r;
}

static void credentials_of_the_kubeconfig_are_checked_at_the_start(void **state)
{
    const struct kube_config config = { .node_name = "n", .kubeconfig = path, .events = true };
    struct err err;

    (void)state;
    write_file(STR(CONFIG("server: https://h", "token: t")));
    assert_int_equal(try_new(&config, &err), 0);
    unlink(path);
    write_file(STR(CONFIG("server: https://h", "tokenFile: /nowhere/token")));
    assert_int_equal(try_new(&config, &err), -ENOENT);
    assert_contains(&err, "'/nowhere/token': No such file");
    unlink(path);
    write_file(STR(CONFIG("server: https://h, certificate-authority-data: eA==", "token: t")));
    assert_int_equal(try_new(&config, &err), -EINVAL);
    assert_contains(&err, "CA file has no PEM certificate");
    unlink(path);
}

static void url_of_the_kubelet_comes_from_host_ip(void **state)
{
    struct kube_config config = { .node_name = "n", .from_kubelet = true, .events = true };
    char server[KUBE_SERVER_SIZE];
    struct err err = ERR_INIT;

    (void)state;
    unsetenv("HOST_IP");
    assert_int_equal(try_new(&config, &err), -EINVAL);
    assert_contains(&err, "HOST_IP is not set");
    setenv("HOST_IP", "10.1.2.3", 1);
    assert_int_equal(try_new(&config, &err), 0);
    assert_int_equal(kube_on_node(&config, server, &err), 0);
    assert_string_equal(config.server, "https://10.1.2.3:10250");
    setenv("HOST_IP", "fd00::3", 1);
    assert_int_equal(kube_on_node(&config, server, &err), 0);
    assert_string_equal(config.server, "https://[fd00::3]:10250");
    config.kubelet_url = "http://127.0.0.1:10255";
    assert_int_equal(kube_on_node(&config, server, &err), 0);
    assert_string_equal(config.server, "http://127.0.0.1:10255");
    config.kubelet_url = "10.1.2.3:10250";
    assert_int_equal(try_new(&config, &err), -EINVAL);
    assert_contains(&err, "is not a URL");
    unsetenv("HOST_IP");
}

static void failed_allocations_are_errors(void **state)
{
    size_t n;

    (void)state;
    write_file(STR(CONFIG(
        "server: https://h, tls-server-name: n, certificate-authority-data: " CERTIFICATE_64,
        "tokenFile: t, client-certificate-data: " CERTIFICATE_64 ", client-key-data: " KEY_64)));
    for (n = 0;; n++) {
        const size_t live = fault_heap_live();
        struct credentials c = { 0 };
        bool fired;
        int r;

        fault_heap_fail_at(n);
        r = kubeconfig_read(path, NULL, &c, NULL);
        fired = fault_heap_fired();
        credentials_done(&c);
        assert_int_equal(fault_heap_live(), live);
        if (!fired)
            break;
        assert_int_equal(r, -ENOMEM);
    }
    assert_true(n > 8);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_decoded),
        cmocka_unit_test(base64_is_decoded_as_in_go),
        cmocka_unit_test(files_are_relative_to_the_kubeconfig),
        cmocka_unit_test(data_takes_precedence_over_a_file_but_token_file_over_token),
        cmocka_unit_test(context_selects_cluster_and_user),
        cmocka_unit_test(json_is_read_and_null_is_empty),
        cmocka_unit_test(unsupported_and_invalid_keys_are_refused_by_name),
        cmocka_unit_test(missing_or_too_long_file_is_refused),
        cmocka_unit_test(deep_and_recursive_yaml_is_refused),
        cmocka_unit_test(credentials_of_the_kubeconfig_are_checked_at_the_start),
        cmocka_unit_test(url_of_the_kubelet_comes_from_host_ip),
        cmocka_unit_test(failed_allocations_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
