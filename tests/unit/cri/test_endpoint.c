/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/cri/cri_double.h"

static void assert_path(const char *endpoint, const char *expected)
{
    const char *path = NULL;
    struct err err = ERR_INIT;

    if (endpoint_parse(endpoint, &path, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(path, expected);
}

static void assert_refused(const char *endpoint)
{
    const char *path = "before";
    struct err err = ERR_INIT;

    assert_int_equal(endpoint_parse(endpoint, &path, &err), -EINVAL);
    assert_string_equal(path, "before");
    if (!strstr(err.text, endpoint))
        fail_msg("\"%s\" does not name '%s'", err.text, endpoint);
}

static void a_path_is_accepted_with_and_without_scheme(void **state)
{
    (void)state;
    assert_path("unix:///run/containerd/containerd.sock", "/run/containerd/containerd.sock");
    assert_path("unix:/run/crio/crio.sock", "/run/crio/crio.sock");
    assert_path("/run/crio/crio.sock", "/run/crio/crio.sock");
}

static void relative_paths_are_refused_by_name(void **state)
{
    static const char *const rows[] = {
        "",
        "/",
        "unix:",
        "unix://",
        "unix:///",
        "unix://run/containerd.sock",
        "run/containerd.sock",
        "tcp://127.0.0.1:1234",
        "npipe:////./pipe/containerd",
        "http://localhost",
        "UNIX:///run/x.sock",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_refused(rows[i]);
}

static void a_path_too_long_for_a_socket_is_refused(void **state)
{
    char endpoint[128];

    (void)state;
    memset(endpoint, 'a', sizeof(endpoint));
    memcpy(endpoint, "unix:///", 8);
    endpoint[7 + 107] = '\0'; /* "unix://" and a path of 107 bytes */
    assert_path(endpoint, endpoint + 7);
    endpoint[7 + 107] = 'a';
    endpoint[7 + 108] = '\0';
    assert_refused(endpoint);
}

static void a_long_endpoint_is_cut_in_its_error(void **state)
{
    char endpoint[4096];
    const char *path;
    struct err err = ERR_INIT;

    (void)state;
    memset(endpoint, '/', sizeof(endpoint) - 1);
    endpoint[sizeof(endpoint) - 1] = '\0';
    assert_int_equal(endpoint_parse(endpoint, &path, &err), -EINVAL);
    assert_true(strlen(err.text) < ERR_TEXT_MAX);
}

static void only_a_socket_passes_the_check(void **state)
{
    char folder[] = "/tmp/cri-XXXXXX", path[64], link[64];
    struct rude_socket *rude;
    struct err err = ERR_INIT;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    snprintf(link, sizeof(link), "%s/link", folder);
    assert_int_equal(symlink(path, link), 0);

    assert_int_equal(endpoint_check(path, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(endpoint_check(link, NULL), -ENOENT);

    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    err_clear(&err);
    assert_int_equal(endpoint_check(path, &err), -ENOTSOCK);
    assert_non_null(strstr(err.text, "is not a socket"));
    unlink(path);

    rude = rude_new(path, RUDE_CLOSES);
    assert_int_equal(endpoint_check(path, NULL), 0);
    assert_int_equal(endpoint_check(link, NULL), 0);
    rude_free(rude);
    unlink(link);
    assert_int_equal(rmdir(folder), 0);
}

static void well_known_sockets_are_valid_and_containerd_is_first(void **state)
{
    const char *const *path = endpoint_well_known();

    (void)state;
    assert_string_equal(*path, "/run/containerd/containerd.sock");
    for (; *path; path++)
        assert_path(*path, *path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_accepted_with_and_without_scheme),
        cmocka_unit_test(relative_paths_are_refused_by_name),
        cmocka_unit_test(a_path_too_long_for_a_socket_is_refused),
        cmocka_unit_test(a_long_endpoint_is_cut_in_its_error),
        cmocka_unit_test(only_a_socket_passes_the_check),
        cmocka_unit_test(well_known_sockets_are_valid_and_containerd_is_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
