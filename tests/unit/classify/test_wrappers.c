/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/message.h"
#include "agent/classify/wrappers.h"
#include "util.h"

static struct message message;

static wrapper_set wrappers_of(const char *text)
{
    normalise((struct str){ 0 }, str_from(text), &message);
    return message.parts[0].wrappers;
}

static void assert_in(const char *text, wrapper_set want)
{
    if ((wrappers_of(text) & want) != want)
        fail_msg("%x, not %x: %s", (unsigned)wrappers_of(text), (unsigned)want, text);
}

static void wrappers_tell_where_an_error_comes_from(void **state)
{
    (void)state;
    assert_in("failed to resolve reference \"a:b\": failed to authorize: x", W_RESOLVE | W_AUTH);
    assert_in("failed to fetch anonymous token: x", W_AUTH | W_ANONYMOUS);
    assert_in("failed to copy: httpReadSeeker: failed open: x", W_BLOB);
    assert_in("failed to extract layer sha256:1: x", W_UNPACK);
    assert_in("error unpacking image: x", W_UNPACK);
    assert_in("dial tcp: lookup r.example.com on 10.0.0.1:53: x", W_LOOKUP);
    assert_in("proxyconnect tcp: x", W_PROXY);
    assert_in("dial unix /run/x.sock: x", W_SOCKET);
    assert_in("Failed to inspect image \"a:b\": x", W_INSPECT);
    assert_in("failed to get sandbox image \"pause:3\": x", W_SANDBOX);
    assert_in("reading manifest v1 in r.example.com/a: x", W_MANIFEST);
}

static void a_wrapper_shortened_by_people_still_matches(void **state)
{
    (void)state;
    assert_in("failed to pull and unpack image: failed to resolve reference: x",
              W_PULL | W_RESOLVE);
    assert_in("failed to resolve reference ...: i/o timeout", W_RESOLVE);
    assert_int_equal(message.image.len, 0);
}

static void text_before_a_back_off_is_the_head_of_a_log_line(void **state)
{
    static const char *const silent[] = {
        "FailedSync Error syncing pod, skipping: failed to \"StartContainer\" for \"web\" with "
        "ImagePullBackOff: \"Back-off pulling image \\\"web\\\"\"",
        "Error from server: container \"a\" in pod \"b\" is waiting to start: trying and failing "
        "to pull image",
        "Warning  Failed  2m (x6 over 4m)  kubelet  Error: ImagePullBackOff",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
        normalise((struct str){ 0 }, str_from(silent[i]), &message);
        assert_int_equal(message.n_parts, 0);
        assert_int_equal(classify(&message).reason, REASON_BACK_OFF_ONLY);
    }
}

static void a_status_of_the_daemons_api_is_not_a_status_of_the_registry(void **state)
{
    (void)state;
    wrappers_of("(HTTP code 500) server error - Get https://r.example.com/v2/: EOF");
    assert_int_equal(message.parts[0].http_status, 0);
    wrappers_of("500 Server Error for http+docker://localhost/v1.41/images/create: Internal Server "
                "Error (\"manifest unknown\")");
    assert_int_equal(message.parts[0].http_status, 0);
    wrappers_of("API error (404): x");
    assert_int_equal(message.parts[0].http_status, 0);
    wrappers_of("received unexpected HTTP status: 500 Internal Server Error");
    assert_int_equal(message.parts[0].http_status, 500);
}

static void wrapper_phrases_are_unique_and_have_the_slot_they_need(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_wrappers; i++) {
        bool slot = strpbrk(wrappers[i].phrase, "*$#") != NULL;

        if (wrappers[i].flags & (WRAPPER_IMAGE | WRAPPER_INNER_IMAGE | WRAPPER_GRPC))
            assert_true(slot);
        if (wrappers[i].flags & WRAPPER_STATUS)
            assert_non_null(strchr(wrappers[i].phrase, '#'));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(wrappers[i].phrase, wrappers[k].phrase);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrappers_tell_where_an_error_comes_from),
        cmocka_unit_test(a_wrapper_shortened_by_people_still_matches),
        cmocka_unit_test(text_before_a_back_off_is_the_head_of_a_log_line),
        cmocka_unit_test(a_status_of_the_daemons_api_is_not_a_status_of_the_registry),
        cmocka_unit_test(wrapper_phrases_are_unique_and_have_the_slot_they_need),
    };

    return cmocka_run_group_tests_name("wrappers", tests, NULL, NULL);
}
