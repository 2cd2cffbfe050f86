/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/message.h"
#include "buf.h"
#include "util.h"

static void write_advice(struct buf *out, enum reason reason, const struct advice_facts *facts)
{
    struct verdict verdict = { .cause = reason_cause(reason), .reason = reason, .rule = "test" };

    buf_init(out, 4096);
    advice_write(out, &verdict, facts);
    assert_int_equal(buf_error(out), 0);
    assert_non_null(out->at);
}

static void assert_verdict_advice_has(const struct verdict *verdict,
                                      const struct advice_facts *facts, const char *part)
{
    struct buf out;

    buf_init(&out, ADVICE_MAX);
    advice_write(&out, verdict, facts);
    assert_non_null(out.at);
    if (!strstr(out.at, part))
        fail_msg("\"%s\" does not say \"%s\"", out.at, part);
    buf_done(&out);
}

static void assert_advice_has(enum reason reason, const struct advice_facts *facts,
                              const char *part)
{
    const struct verdict verdict = { .cause = reason_cause(reason), .reason = reason };

    assert_verdict_advice_has(&verdict, facts, part);
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
    const struct verdict verdict = { .cause = CAUSE_UNAUTHORIZED,
                                     .reason = REASON_NO_CREDENTIALS,
                                     .ambiguous_with = 1u << CAUSE_NOT_FOUND };

    (void)state;
    assert_verdict_advice_has(&verdict, &facts, "; it answers the same if there is no such image");
}

static void a_refusal_is_blamed_on_who_refused(void **state)
{
    const struct advice_facts mirror = { .registry = STR("docker.io"),
                                         .failed_host = STR("m.example.com"),
                                         .failed_role = ROLE_MIRROR };
    const struct advice_facts own = { .registry = STR("r.example.com") };
    const struct verdict either = { .cause = CAUSE_UNAUTHORIZED,
                                    .reason = REASON_NO_CREDENTIALS,
                                    .sent_unknown = true };

    (void)state;
    assert_advice_has(REASON_NO_CREDENTIALS, &mirror, "The mirror m.example.com refused the pull");
    assert_advice_has(REASON_BAD_CREDENTIALS, &mirror, "a pull Secret for docker.io only.");
    assert_verdict_advice_has(&either, &own, "the same with and without a login");
    assert_verdict_advice_has(&either, &mirror, "The mirror m.example.com refused the pull");
}

static void one_slow_answer_is_not_a_long_pull(void **state)
{
    const struct advice_facts registry = { .registry = STR("r.example.com"),
                                           .failed_host = STR("r.example.com") };
    const struct advice_facts nobody = { .registry = STR("r.example.com") };
    struct verdict verdict = { .cause = CAUSE_NETWORK,
                               .reason = REASON_DEADLINE,
                               .stage = STAGE_RESOLVE };

    (void)state;
    assert_verdict_advice_has(&verdict, &registry, "r.example.com did not answer before");
    assert_verdict_advice_has(&verdict, &nobody, "the size of the image");
    verdict.stage = STAGE_BLOB;
    assert_verdict_advice_has(&verdict, &registry, "the size of the image");
}

/* What a message does not say is not said as a fact. */
static void advice_claims_no_more_than_the_message(void **state)
{
    static const struct {
        enum reason reason;
        const char *says, *claims_not;
    } texts[] = {
        { REASON_RESPONSE_TIMEOUT, "whether the node reaches it", "accepted" },
        { REASON_UNEXPECTED_EOF, "The connection to r.example.com ended", "closed the connection" },
        { REASON_TLS_HANDSHAKE_FAILED, "TLS with r.example.com failed", "cannot agree" },
        { REASON_UNEXPECTED_STATUS, "the message does not explain", "unexpected" },
        { REASON_SERVICE_UNAVAILABLE, "answered that it is not available", "overloaded" },
        { REASON_DIGEST_UNKNOWN, "as a rule it was deleted", "because" },
    };
    const struct advice_facts facts = { .registry = STR("r.example.com") };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct buf out;

        assert_advice_has(texts[i].reason, &facts, texts[i].says);
        write_advice(&out, texts[i].reason, &facts);
        assert_null(strstr(out.at, texts[i].claims_not));
        buf_done(&out);
    }
}

static void a_layer_may_come_from_another_host(void **state)
{
    const struct advice_facts nobody = { .registry = STR("docker.io") };
    const struct advice_facts known = { .registry = STR("docker.io"),
                                        .failed_host = STR("cdn.example.com"),
                                        .failed_role = ROLE_BLOB_HOST };
    const struct verdict verdict = { .cause = CAUSE_NETWORK,
                                     .reason = REASON_CONNECTION_RESET,
                                     .stage = STAGE_BLOB };

    (void)state;
    assert_verdict_advice_has(&verdict, &nobody, "to docker.io or its blob host was reset");
    assert_verdict_advice_has(&verdict, &known, "to the blob host cdn.example.com was reset");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_one_sentence),
        cmocka_unit_test(advice_names_the_registry),
        cmocka_unit_test(advice_names_the_host_that_failed),
        cmocka_unit_test(advice_says_when_the_image_may_be_missing),
        cmocka_unit_test(a_refusal_is_blamed_on_who_refused),
        cmocka_unit_test(one_slow_answer_is_not_a_long_pull),
        cmocka_unit_test(advice_claims_no_more_than_the_message),
        cmocka_unit_test(a_layer_may_come_from_another_host),
    };

    return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
