/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/message.h"
#include "buf.h"

static void write_advice(struct buf *out, enum reason reason, const struct advice_facts *facts)
{
    struct verdict verdict = { .cause = reason_cause(reason), .reason = reason, .rule = "test" };

    buf_init(out, 4096);
    advice_write(out, &verdict, facts);
    assert_int_equal(buf_error(out), 0);
    assert_non_null(out->at);
}

static void assert_advice_has(enum reason reason, const struct advice_facts *facts,
                              const char *part)
{
    struct buf out;

    write_advice(&out, reason, facts);
    if (!strstr(out.at, part))
        fail_msg("\"%s\" does not say \"%s\"", out.at, part);
    buf_done(&out);
}

static void every_reason_has_one_sentence(void **state)
{
    const struct advice_facts nothing = { .registry = STR("") };

    (void)state;
    for (unsigned i = 0; i < REASON_MAX; i++) {
        struct buf out;

        write_advice(&out, (enum reason)i, &nothing);
        assert_in_range(out.len, 30, 320);
        assert_true(out.at[0] >= 'A' && out.at[0] <= 'Z');
        assert_int_equal(out.at[out.len - 1], '.');
        assert_null(strchr(out.at, '%'));
        buf_done(&out);
    }
}

static void advice_names_the_registry(void **state)
{
    const struct advice_facts facts = { .registry = STR("r.example.com:5000") };

    (void)state;
    assert_advice_has(REASON_NO_CREDENTIALS, &facts, "r.example.com:5000 requires credentials");
    assert_advice_has(REASON_NO_CREDENTIALS, &facts, "imagePullSecret for r.example.com:5000");
    assert_advice_has(REASON_NO_CREDENTIALS, &(struct advice_facts){ .registry = STR("") },
                      "The registry requires credentials");
}

static void advice_names_the_host_that_failed(void **state)
{
    const struct advice_facts mirror = { .registry = STR("docker.io"),
                                         .failed_host = STR("m.example.com"),
                                         .failed_role = ROLE_MIRROR };
    const struct advice_facts token = { .registry = STR("docker.io"),
                                        .failed_host = STR("auth.docker.io"),
                                        .failed_role = ROLE_TOKEN_SERVER };
    const struct advice_facts blobs = { .registry = STR("docker.io"),
                                        .failed_host = STR("cdn.example.com"),
                                        .failed_role = ROLE_BLOB_HOST };
    const struct advice_facts proxy = { .registry = STR("docker.io"), .failed_role = ROLE_PROXY };
    const struct advice_facts dns = { .failed_role = ROLE_DNS };
    const struct advice_facts file = { .file = STR("/etc/containers/policy.json") };
    const struct advice_facts nothing = { .failed_role = ROLE_REGISTRY };

    (void)state;
    assert_advice_has(REASON_FORBIDDEN, &blobs,
                      "The blob host cdn.example.com refused the download");
    assert_advice_has(REASON_DNS_NOT_FOUND, &blobs, "docker.io sends it there");
    assert_advice_has(REASON_DNS_NOT_FOUND, &mirror, "check it for typos");
    assert_advice_has(REASON_CONNECT_REFUSED, &mirror, "The mirror m.example.com does not accept");
    assert_advice_has(REASON_UNREACHABLE, &token, "cannot reach the token server auth.docker.io:");
    assert_advice_has(REASON_PROXY_FAILED, &proxy, "The HTTP proxy of the runtime failed");
    assert_advice_has(REASON_PROXY_FAILED, &proxy, "the proxy allows docker.io.");
    assert_advice_has(REASON_DNS_FAILURE, &dns, "The node's name server did not give");
    assert_advice_has(REASON_RUNTIME_CONFIG_INVALID, &file, "/etc/containers/policy.json on the");
    assert_advice_has(REASON_RUNTIME_CONFIG_INVALID, &nothing,
                      "The configuration of the container");
    assert_advice_has(REASON_CONNECT_REFUSED, &nothing, "The registry does not accept");
}

static void advice_says_when_the_image_may_be_missing(void **state)
{
    const struct advice_facts facts = { .registry = STR("ghcr.io") };
    struct verdict verdict = { .cause = CAUSE_UNAUTHORIZED,
                               .reason = REASON_NO_CREDENTIALS,
                               .ambiguous_with = 1u << CAUSE_NOT_FOUND };
    struct buf out;

    (void)state;
    buf_init(&out, ADVICE_MAX);
    advice_write(&out, &verdict, &facts);
    assert_non_null(strstr(out.at, "; it answers the same if there is no such image"));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_one_sentence),
        cmocka_unit_test(advice_names_the_registry),
        cmocka_unit_test(advice_names_the_host_that_failed),
        cmocka_unit_test(advice_says_when_the_image_may_be_missing),
    };

    return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
