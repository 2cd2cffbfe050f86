/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/image_ref.h"
#include "util.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void assert_canonical(const char *image, const char *want)
{
    char got[LIMIT_IMAGE_TEXT];

    assert_true(image_canonical(str_from(image), got));
    assert_string_equal(got, want);
}

static void assert_registry(const char *image, const char *want)
{
    char got[LIMIT_NAME_TEXT];

    image_registry(str_from(image), got);
    assert_string_equal(got, want);
}

static void short_names_get_docker_io_and_library(void **state)
{
    (void)state;
    assert_canonical("busybox", "docker.io/library/busybox:latest");
    assert_canonical("team/app:v1", "docker.io/team/app:v1");
    assert_canonical("docker.io/busybox", "docker.io/library/busybox:latest");
    assert_canonical("index.docker.io/library/busybox", "docker.io/library/busybox:latest");
    assert_canonical("registry-1.docker.io/team/app", "docker.io/team/app:latest");
    assert_canonical("localhost/app", "localhost/app:latest");
    assert_canonical("localhost/library", "localhost/library:latest");
}

static void a_digest_replaces_the_tag(void **state)
{
    (void)state;
    assert_canonical("busybox:1.36@sha256:" HEX64, "docker.io/library/busybox@sha256:" HEX64);
    assert_canonical("r.example.com/a@sha512:" HEX64 HEX64, "r.example.com/a@sha512:" HEX64 HEX64);
}

static void hosts_are_lower_case_and_keep_their_port(void **state)
{
    (void)state;
    assert_canonical("Registry.Example.COM:5000/a:B", "registry.example.com:5000/a:B");
    assert_canonical("[2001:DB8::1]:5000/a", "[2001:db8::1]:5000/a:latest");
    assert_canonical("127.0.0.1:5000/a__b/c-d.e", "127.0.0.1:5000/a__b/c-d.e:latest");
    assert_registry("Registry.Example.COM:5000/a:B", "registry.example.com:5000");
    assert_registry("[2001:DB8::1]:5000/a", "[2001:db8::1]:5000");
    assert_registry("busybox", "docker.io");
    assert_registry("INDEX.docker.io/library/busybox:1", "docker.io");
    /* Capitals make it a host: in lower case it would be a path. */
    assert_canonical("Mirror/app", "Mirror/app:latest");
}

static void an_invalid_reference_is_kept_and_its_registry_is_invalid(void **state)
{
    static const char *const bad[] = {
        "",
        "a:",
        ":v1",
        "a/",
        "/a",
        "A",
        "team/App",
        "a//b",
        "a..b",
        "a___b",
        "a:b:c",
        "a:.x",
        "127.0.0.1:5000/Lab/UPPER:::1",
        "r.example.com:port/a",
        "-r.example.com/a",
        "r..example.com/a",
        "[::1/a",
        "[zz::1]/a",
        "a@",
        "a@sha256:abcd",
        ("a@sha256:" HEX64 "00"),
        "a@sha256:Z123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ("a@md5:" HEX64),
        "a b",
        "https://registry.example.com/a",
        HEX64,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char got[LIMIT_IMAGE_TEXT];

        if (image_canonical(str_from(bad[i]), got))
            fail_msg("'%s' was taken for a reference: %s", bad[i], got);
        assert_string_equal(got, bad[i]);
        assert_registry(bad[i], "invalid");
    }
}

static void a_nul_byte_makes_a_reference_invalid(void **state)
{
    char got[LIMIT_IMAGE_TEXT];

    (void)state;
    assert_false(image_canonical(STR("a:v\0"), got));
    assert_false(image_canonical(STR("a\0b"), got));
    assert_false(image_canonical(STR("h\0.example.com/a"), got));
}

static void too_long_references_are_invalid(void **state)
{
    char text[2 * LIMIT_IMAGE_TEXT];
    char got[LIMIT_IMAGE_TEXT];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_false(image_canonical((struct str){ .at = text, .len = sizeof(text) }, got));
    assert_int_equal(strlen(got), LIMIT_IMAGE_TEXT - 1);
    /* 255 with "library/" in front */
    assert_true(image_canonical((struct str){ .at = text, .len = 247 }, got));
    assert_true(image_canonical(str_from(got), text + sizeof(text) / 2));
    assert_false(image_canonical((struct str){ .at = text, .len = 248 }, got));
    text[1] = ':';
    assert_true(image_canonical((struct str){ .at = text, .len = 2 + 128 }, got));
    assert_false(image_canonical((struct str){ .at = text, .len = 2 + 129 }, got));
}

static void spellings_of_one_image_are_equal(void **state)
{
    (void)state;
    assert_true(image_same(STR("busybox"), STR("docker.io/library/busybox:latest")));
    assert_true(image_same(STR("R.example.com/a:1"), STR("r.example.com/a:1")));
    assert_true(image_same(STR("Not A Reference"), STR("Not A Reference")));
    assert_false(image_same(STR("busybox:1"), STR("busybox:2")));
    assert_false(image_same(STR("busybox"), STR("quay.io/library/busybox")));
    assert_false(image_same(STR("Not A Reference"), STR("Not a Reference")));
    assert_true(image_same((struct str){ 0 }, (struct str){ 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_names_get_docker_io_and_library),
        cmocka_unit_test(a_digest_replaces_the_tag),
        cmocka_unit_test(hosts_are_lower_case_and_keep_their_port),
        cmocka_unit_test(an_invalid_reference_is_kept_and_its_registry_is_invalid),
        cmocka_unit_test(a_nul_byte_makes_a_reference_invalid),
        cmocka_unit_test(too_long_references_are_invalid),
        cmocka_unit_test(spellings_of_one_image_are_equal),
    };

    return cmocka_run_group_tests_name("image_ref", tests, NULL, NULL);
}
