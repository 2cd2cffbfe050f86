/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/classify/redact.h"
#include "str.h"
#include "util.h"

static void assert_redacted(const char *text, const char *want)
{
    char copy[1024];
    size_t len = strlen(text);

    assert_true(len < sizeof(copy));
    memcpy(copy, text, len);
    len = redact(copy, len);
    copy[len] = '\0';
    assert_string_equal(copy, want);
}

static void user_and_password_of_a_url_are_redacted(void **state)
{
    (void)state;
    assert_redacted("Get \"https://user:s3cr3t-pass@r.example.com/v2/\": EOF",
                    "Get \"https://REDACTED@r.example.com/v2/\": EOF");
    assert_redacted("https://robot$ci:p@ss@w0rd@r.example.com/v2/",
                    "https://REDACTED@r.example.com/v2/");
    assert_redacted("login admin:hunter2hunter2@r.example.com/a failed",
                    "login REDACTED@r.example.com/a failed");
}

/* A password of an Azure registry has "+ACR" at this place. */
static void a_sentence_is_no_password_of_a_registry(void **state)
{
    const char *text = "TransferOfTheImages of all of the registry+ACR is not possible";

    (void)state;
    assert_redacted(text, text);
    assert_redacted("Ab3dEfGh1jKlMn0pQrStUvWxYz0123456789abcdEF+ACRDe4dbe", "REDACTED");
}

static void a_digest_is_not_redacted(void **state)
{
    (void)state;
    assert_redacted("docker://r.example.com/a:v1@sha256:0123 not found",
                    "docker://r.example.com/a:v1@sha256:0123 not found");
    assert_redacted("library/a:v1@sha256:0123: not found", "library/a:v1@sha256:0123: not found");
    assert_redacted("mail ops@example.com about it", "mail ops@example.com about it");
}

static void the_query_of_a_presigned_url_is_redacted(void **state)
{
    (void)state;
    assert_redacted(
        "Get \"https://b.s3.example.com/x?X-Amz-Credential=AKIA0123456&X-Amz-Signature=0123456789ab"
        "&region=eu-west-1\": EOF",
        "Get \"https://b.s3.example.com/x?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED"
        "&region=REDACTED\": EOF");
    assert_redacted("https://a.blob.example.com/x?se=2026&sig=abcdefghijkl: 403 Forbidden",
                    "https://a.blob.example.com/x?se=2026&sig=REDACTED: 403 Forbidden");
}

static void public_parameters_of_a_token_request_are_kept(void **state)
{
    (void)state;
    assert_redacted("https://auth.example.com/token?scope=repository%3Aa%3Apull&service=r: 401",
                    "https://auth.example.com/token?scope=repository%3Aa%3Apull&service=r: 401");
    assert_redacted("https://m.example.com/v2/a/manifests/1?ns=docker.io: 500",
                    "https://m.example.com/v2/a/manifests/1?ns=docker.io: 500");
    assert_redacted("https://auth.example.com/token?account=alice&offline_token=true",
                    "https://auth.example.com/token?account=*****&offline_token=****");
}

static void values_of_secret_keys_are_redacted(void **state)
{
    (void)state;
    assert_redacted("level=error token=abcdefghijkl msg=x", "level=error token=REDACTED msg=x");
    assert_redacted("{\"auth\":\"dXNlcjpwYXNzd29yZA==\",\"x\":1}",
                    "{\"auth\":\"REDACTED\",\"x\":1}");
    assert_redacted("{\"password\": \"abc\"}", "{\"password\": \"***\"}");
    assert_redacted("AWS_SECRET_ACCESS_KEY=0123456789", "AWS_SECRET_ACCESS_KEY=REDACTED");
    assert_redacted("rpc error: code = Unknown desc = failed to fetch oauth token: 401",
                    "rpc error: code = Unknown desc = failed to fetch oauth token: 401");
}

static void bearer_and_basic_tokens_are_redacted(void **state)
{
    (void)state;
    assert_redacted("Authorization: Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6.x.y, next",
                    "Authorization: Bearer REDACTED, next");
    assert_redacted("authorization: basic dXNlcjpwYXNzd29yZA== end",
                    "authorization: basic REDACTED end");
    assert_redacted("no basic auth credentials", "no basic auth credentials");
    assert_redacted("Requesting bearer token: invalid", "Requesting bearer token: invalid");
    assert_redacted("Basic", "Basic");
}

static bool has_secret(const char *text)
{
    char copy[128];
    size_t len = strlen(text);

    memcpy(copy, text, len);
    return redact(copy, len) != len || memcmp(copy, text, len) != 0;
}

static void possible_secrets_are_found(void **state)
{
    (void)state;
    assert_false(has_secret("failed to resolve reference \"r.example.com/a:v1\": not found"));
    assert_false(has_secret("one - two -- three"));
    assert_true(has_secret("https://b.example.com/x?sig=abc"));
    assert_true(has_secret("https://u:p@r.example.com/"));
    assert_true(has_secret("docker login -p x"));
    assert_true(has_secret("token=abcdef"));
    assert_true(has_secret("Bearer abcdefghijklmnop1"));
    assert_true(has_secret("AK"
                           "IAIOSFODNN7EXAMPLE"));
}

static void the_words_are_those_of_the_redacted_text(void **state)
{
    static const char secret[] = "password=hunter2-hunter2 a_b-c.9 docker login -p x";
    char text[sizeof(secret) + TEXT_PADDING];
    uint64_t words[WORD_MAP_SIZE(sizeof(text))];
    size_t len;

    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, secret, strlen(secret));
    len = redact_and_map(text, strlen(secret), words);
    assert_int_equal(len, strlen("password=REDACTED a_b-c.9 docker login -p *"));
    for (size_t i = 0; i < len + 64; i++)
        assert_int_equal(words[i / 64] >> i % 64 & 1, i < len && strchr("*.= ", text[i]) == NULL);
}

static void text_never_grows(void **state)
{
    static const char *const texts[] = {
        "",       "?",   "@",       "=",    "://",    "a://@",        "x?a=b",
        "?=&=&=", "\":", "bearer ", "a:b@", "token=", "https://u:p@", "https://u@h?sig="
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char copy[64];
        size_t len = strlen(texts[i]);

        memcpy(copy, texts[i], len);
        assert_true(redact(copy, len) <= len);
    }
}

/* Each mask makes a new value of what follows it. */
static void nothing_is_shown_of_a_text_that_masks_change_again_and_again(void **state)
{
    (void)state;
    assert_redacted("--creds=\":x\"x \"x\"x \"x\"x \"x\"x \"x", "REDACTED");
    assert_redacted("--creds=\":x\"x \"x", "--creds=\"*******");
}

/* In a buffer of its own: ASan and valgrind find a byte that is read before or after it. */
static void bytes_around_the_text_are_not_read(void **state)
{
    static const char *const texts[] = { "9 \" :", "a\" :", "\" :", " \"=", "y' =x", "  ' :" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        size_t len = strlen(texts[i]);
        char *text = malloc(len);

        assert_non_null(text);
        memcpy(text, texts[i], len);
        assert_int_equal(redact(text, len), len);
        free(text);
    }
}

static void tokens_in_headers_are_redacted_but_prose_is_kept(void **state)
{
    (void)state;
    assert_redacted("X-Registry-Auth: eyJ1c2VybmFtZSI6ImEifQ==", "X-Registry-Auth: REDACTED");
    assert_redacted("X-Amz-Security-Token: IQoJb3JpZ2luX2VjEJr1x, next",
                    "X-Amz-Security-Token: REDACTED, next");
    assert_redacted("failed to fetch anonymous token: Get \"https://r.example.com/\": EOF",
                    "failed to fetch anonymous token: Get \"https://r.example.com/\": EOF");
    assert_redacted("unauthorized: authentication required",
                    "unauthorized: authentication required");
    assert_redacted("failed to authorize: registry1.example.com/team/app1 refused",
                    "failed to authorize: registry1.example.com/team/app1 refused");
}

static void formatted_json_is_redacted_too(void **state)
{
    (void)state;
    assert_redacted("{ \"refresh_token\" : \"abcdefgh1234\" }",
                    "{ \"refresh_token\" : \"REDACTED\" }");
    assert_redacted("{\"private_key\":\"-----BEGIN PRIVATE KEY----- MIIE\"}",
                    "{\"private_key\":\"REDACTED\"}");
    assert_redacted("{\"password\":\"two words\"} EOF", "{\"password\":\"REDACTED\"} EOF");
    assert_redacted("{\"Authorization\":\"Bearer abcdefghijklmnop1\"}",
                    "{\"Authorization\":\"Bearer REDACTED\"}");
    assert_redacted("{\"token\":\"never closed 123", "{\"token\":\"REDACTED");
}

static void in_json_only_quoted_values_are_redacted(void **state)
{
    (void)state;
    assert_redacted("exec: \"docker-credential-desktop\": executable file not found in $PATH",
                    "exec: \"docker-credential-desktop\": executable file not found in $PATH");
    assert_redacted("{\"token_expired\":true,\"token\":\"abcdefgh\"}",
                    "{\"token_expired\":true,\"token\":\"REDACTED\"}");
    assert_redacted("{\"identitytoken\":\"abcdefghijk\",\"auth\":\"dTpw\"}",
                    "{\"identitytoken\":\"REDACTED\",\"auth\":\"****\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_in_headers_are_redacted_but_prose_is_kept),
        cmocka_unit_test(formatted_json_is_redacted_too),
        cmocka_unit_test(in_json_only_quoted_values_are_redacted),
        cmocka_unit_test(possible_secrets_are_found),
        cmocka_unit_test(the_words_are_those_of_the_redacted_text),
        cmocka_unit_test(user_and_password_of_a_url_are_redacted),
        cmocka_unit_test(a_sentence_is_no_password_of_a_registry),
        cmocka_unit_test(a_digest_is_not_redacted),
        cmocka_unit_test(the_query_of_a_presigned_url_is_redacted),
        cmocka_unit_test(public_parameters_of_a_token_request_are_kept),
        cmocka_unit_test(values_of_secret_keys_are_redacted),
        cmocka_unit_test(bearer_and_basic_tokens_are_redacted),
        cmocka_unit_test(text_never_grows),
        cmocka_unit_test(nothing_is_shown_of_a_text_that_masks_change_again_and_again),
        cmocka_unit_test(bytes_around_the_text_are_not_read),
    };

    return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
