/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/message.h"
#include "agent/classify/redact.h"
#include "util.h"

/* In pieces, so that scanners for leaked secrets do not report them. */
#define GITHUB                                                                                     \
    "gh"                                                                                           \
    "p_0123456789abcdefghijABCDEFGHIJ012345"
#define GITHUB_FINE                                                                                \
    "github"                                                                                       \
    "_pat_11ABCDEFG0123456789_abcdefghijklmnopqrstuvwxyz"
#define GITLAB                                                                                     \
    "gl"                                                                                           \
    "pat-0123456789abcdefghij"
#define DOCKER                                                                                     \
    "dckr"                                                                                         \
    "_pat_0123456789abcdefghijklmnopq"
#define AWS                                                                                        \
    "AK"                                                                                           \
    "IAIOSFODNN7EXAMPLE"
#define OPENSHIFT                                                                                  \
    "sha"                                                                                          \
    "256~0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
#define JWT                                                                                        \
    "ey"                                                                                           \
    "JhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLXNpZw"

/* By redact() alone, and by normalise(). */
static void assert_redacted(const char *text, const char *want)
{
    static struct message message;
    char copy[512];
    size_t len = strlen(text);

    assert_true(len < sizeof(copy));
    memcpy(copy, text, len);
    len = redact(copy, len);
    copy[len] = '\0';
    assert_string_equal(copy, want);
    normalise((struct str){ 0 }, str_from(text), &message);
    if (!str_eq(message.text, str_from(want)))
        fail_msg("shown: %.*s", STR_ARG(message.text));
}

static void assert_kept(const char *text)
{
    assert_redacted(text, text);
}

static void tokens_are_recognised_by_their_shape(void **state)
{
    static const char *const tokens[] = {
        GITHUB, GITHUB_FINE, GITLAB, DOCKER, AWS, OPENSHIFT, JWT
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        char text[256] = "pulling with ";
        char end[256];

        strcat(text, tokens[i]);
        assert_redacted(text, "pulling with REDACTED");
        strcpy(end, strcat(text, " failed: EOF"));
        assert_redacted(end, "pulling with REDACTED failed: EOF");
    }
    assert_redacted("robot:" GITLAB ": denied", "robot:REDACTED: denied");
    assert_redacted("it was (" GITHUB "), sorry", "it was (REDACTED), sorry");
    assert_redacted("sent " JWT ".", "sent REDACTED.");
}

static void words_that_only_start_like_a_token_are_kept(void **state)
{
    (void)state;
    assert_kept("ghost_writer and ghp_short are names");
    assert_kept("registry.example.com/team/ghs_exporter:v1: not found");
    assert_kept("AKIAlower0123456789ab and AKIA0123 are not key ids");
    assert_kept("eyJhbGciOiJIUzI1NiJ9 alone has one part; eyJ.a.b has short ones");
    assert_kept("sha256:0123456789012345678901234567890123456789012345678901234567890123");
    assert_kept("nvapi-client: connection refused");
}

static void values_of_secret_options_are_redacted(void **state)
{
    (void)state;
    assert_redacted("docker login --username ci --password hunter2 r.example.com: EOF",
                    "docker login --username ci --password ******* r.example.com: EOF");
    assert_redacted("docker login --password=hunter2-hunter2 r.example.com",
                    "docker login --password=REDACTED r.example.com");
    assert_redacted("docker login -u ci -p correct-horse r.example.com",
                    "docker login -u ci -p REDACTED r.example.com");
    assert_redacted("exec: crictl pull --creds ci:correct-horse r.example.com/a failed",
                    "exec: crictl pull --creds REDACTED r.example.com/a failed");
    assert_redacted("skopeo copy --src-creds=ci:correct-horse docker://a",
                    "skopeo copy --src-creds=REDACTED docker://a");
    assert_redacted("ctr images pull -u ci:correct-horse r.example.com/a:v1",
                    "ctr images pull -u REDACTED r.example.com/a:v1");
    assert_redacted("nerdctl login --password \"two words\" r.example.com",
                    "nerdctl login --password \"REDACTED\" r.example.com");
    assert_redacted("kubectl create secret docker-registry x --docker-password s3cr3t-s3cr3t, done",
                    "kubectl create secret docker-registry x --docker-password REDACTED, done");
}

static void values_of_other_options_are_kept(void **state)
{
    (void)state;
    assert_kept("docker login -u ci --password-stdin r.example.com");
    assert_kept("podman run -p 8080:80 -u 1000:1000 r.example.com/a");
    assert_kept("mkdir -p /var/lib/containerd: permission denied");
    assert_kept("docker login --password --debug r.example.com");
    assert_kept("failed - token expired - try again");
    assert_kept("kubelet --image-pull-progress-deadline 5m --token-file /etc/token");
    assert_kept("exited --password");
    assert_kept("back-off -p- --user ci");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_recognised_by_their_shape),
        cmocka_unit_test(words_that_only_start_like_a_token_are_kept),
        cmocka_unit_test(values_of_secret_options_are_redacted),
        cmocka_unit_test(values_of_other_options_are_kept),
    };

    return cmocka_run_group_tests_name("redact_words", tests, NULL, NULL);
}
