/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/message.h"
#include "agent/classify/wrappers.h"
#include "mem.h"
#include "util.h"

static struct message message;

static const struct message *read_text(struct str text)
{
    normalise((struct str){ 0 }, text, &message);
    return &message;
}

static const struct message *read_message(const char *text)
{
    return read_text(str_from(text));
}

static void assert_str(struct str got, const char *want)
{
    if (!str_eq(got, str_from(want)))
        fail_msg("\"%.*s\", not \"%s\"", STR_ARG(got), want);
}

static void assert_image(const char *text, const char *want)
{
    assert_str(read_message(text)->image, want);
}

static void assert_message(const char *text, const char *want)
{
    assert_str(read_message(text)->text, want);
}

static void assert_terminal(const char *text, const char *want)
{
    const struct message *m = read_message(text);

    assert_int_equal(m->n_parts, 1);
    assert_str(m->parts[0].terminal, want);
}

static void nested_quoting_is_removed(void **state)
{
    (void)state;
    assert_message("a \\\"b\\\" c", "a \"b\" c");
    assert_message("a \\\\\\\"b\\\\\\\" c", "a \"b\" c");
    assert_message("{\\\"a\\\":\\\"\\u003chtml\\u003e\\\"}", "{\"a\":\"<html>\"}");
    assert_message("line\\nbreak\\\\ttab \\", "line break tab");
    assert_message("\xe2\x80\x9cq\xe2\x80\x9d \xe2\x80\x98r\xe2\x80\x99", "\"q\" 'r'");
    assert_message("mkdir C:\\ProgramData\\containerd\\root\\new: busy",
                   "mkdir C:\\ProgramData\\containerd\\root\\new: busy");
}

static void the_text_is_one_line_of_valid_utf8(void **state)
{
    (void)state;
    assert_message("a\tb\r\nc\x01\x7f", "a b  c");
    assert_message("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3",
                   "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb3");
    assert_message("a\xff"
                   "b\xc3",
                   "a?b?");
    assert_message("\xc0\xaf\xe0\x80\xaf\xed\xa0\x80\xf4\x90\x80\x80.", "????????????.");
    assert_str(read_text(STR("a\0b"))->text, "a b");
}

static void secrets_are_redacted_in_text_and_terminal(void **state)
{
    const struct message *m =
        read_message("Failed to pull image \"https://user:hunter2hunter2@r.example.com/a:1\": "
                     "failed to do request: Get "
                     "\"https://cdn.example.com/x?X-Amz-Signature=0123456789abcdef\": EOF");

    (void)state;
    assert_null(memmem(m->buffer, sizeof(m->buffer), "hunter2", 7));
    assert_null(memmem(m->buffer, sizeof(m->buffer), "0123456789abcdef", 16));
    assert_str(m->image, "https://REDACTED@r.example.com/a:1");
    assert_str(m->parts[0].terminal, "EOF");
}

static void a_long_text_is_cut_and_marked(void **state)
{
    char text[3000];
    const struct message *m;

    (void)state;
    memset(text, 'x', sizeof(text));
    m = read_text((struct str){ .at = text, .len = sizeof(text) });
    assert_int_equal(m->text.len, LIMIT_MESSAGE_TEXT);
    assert_memory_equal(m->text.at + m->text.len - 4, "x...", 4);
    assert_false(m->truncated);
    /* Two bytes each: the cut is between characters. */
    for (size_t i = 0; i < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xbc", 2);
    m = read_text((struct str){ .at = text, .len = sizeof(text) });
    assert_int_equal(m->text.len, LIMIT_MESSAGE_TEXT - 1);
    assert_memory_equal(m->text.at + m->text.len - 5, "\xc3\xbc...", 5);
}

static void head_and_tail_of_a_huge_message_are_read(void **state)
{
    const size_t size = 1u << 20;
    char *text = mem_alloc(size);
    static const char head[] = "Failed to pull image \"a/b:1\": ";
    static const char tail[] = " no space left on device";
    const struct message *m;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text, head, sizeof(head) - 1);
    memcpy(text + size - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
    m = read_text((struct str){ .at = text, .len = size });
    assert_true(m->truncated);
    assert_str(m->image, "a/b:1");
    assert_int_equal(classify(m).reason, REASON_DISK_FULL);
    mem_free(text);
}

static void the_kubelets_image_name_is_preferred(void **state)
{
    (void)state;
    assert_image("Failed to pull image \"busybox\": failed to pull and unpack image "
                 "\"docker.io/library/busybox:latest\": EOF",
                 "busybox");
    assert_image("Back-off pulling image \"busybox:1\"", "busybox:1");
    assert_image("Container image \"a:b\" is not present with pull policy of Never", "a:b");
    assert_image("image pull failed for r.example.com/a:1 because the registry is unavailable.",
                 "r.example.com/a:1");
    assert_image(
        "Failed to apply default image tag \"a b\": couldn't parse image name \"a b\": bad", "a b");
}

static void the_runtimes_image_name_is_the_second_choice(void **state)
{
    (void)state;
    assert_image("rpc error: code = NotFound desc = failed to pull and unpack image "
                 "\"docker.io/library/busybox:latest\": not found",
                 "docker.io/library/busybox:latest");
    assert_image("initializing source docker://r.example.com/a:1: EOF", "r.example.com/a:1");
    assert_image(
        "level=error msg=\"cancel pulling image r.example.com/a:1 because of no progress in 5m\"",
        "r.example.com/a:1");
    assert_image("\"PullImage from image service failed\" err=\"EOF\" image=\"nginx\"", "nginx");
    assert_image("manifest for r.example.com/a:1 not found: manifest unknown", "r.example.com/a:1");
    assert_image("dial tcp 192.0.2.1:443: i/o timeout", "");
}

static void wrappers_are_removed_down_to_the_error(void **state)
{
    (void)state;
    assert_terminal("Failed to pull image \"a\": rpc error: code = Unknown desc = failed to pull "
                    "and unpack image "
                    "\"docker.io/library/a:latest\": failed to resolve reference "
                    "\"docker.io/library/a:latest\": "
                    "failed to do request: Head \"https://registry-1.docker.io/v2/\": EOF",
                    "EOF");
}

static void grpc_code_and_http_status_are_extracted(void **state)
{
    const struct message *m;

    (void)state;
    m = read_message("rpc error: code = NotFound desc = x");
    assert_int_equal(m->parts[0].grpc_code, 5);
    assert_int_equal(m->parts[0].http_status, 0);
    m = read_message(
        "rpc error: code=Unknown desc=unexpected status code [manifests 404]: 401 Unauthorized");
    assert_int_equal(m->parts[0].grpc_code, 2);
    assert_int_equal(m->parts[0].http_status, 401);
    m = read_message("unexpected status from GET request to https://r.example.com/403?x=404: 520 ");
    assert_int_equal(m->parts[0].http_status, 520);
    m = read_message("exit status 137: stream ID 429; at line 404 of 500");
    assert_int_equal(m->parts[0].http_status, 0);
    assert_int_equal(m->parts[0].grpc_code, -1);
}

static void wrappers_tell_how_far_the_pull_got(void **state)
{
    const struct message *m;

    (void)state;
    m = read_message("failed to copy: httpReadSeeker: failed open: failed to do request: Get "
                     "\"https://r.example.com/v2/a/blobs/sha256:1\": EOF");
    assert_int_equal(m->parts[0].wrappers, W_BLOB | W_REQUEST);
    m = read_message("failed to authorize: failed to fetch anonymous token: EOF");
    assert_int_equal(m->parts[0].wrappers, W_AUTH | W_ANONYMOUS);
    m = read_message("Get \"https://r.example.com/v2/manifests/manifests/blobs\": EOF");
    assert_int_equal(m->parts[0].wrappers, W_MANIFEST);
}

static void each_error_of_a_list_is_a_part(void **state)
{
    const struct message *m;

    (void)state;
    m = read_message("[rpc error: code = Unknown desc = a: EOF, rpc error: code = NotFound desc = "
                     "b: not found]");
    assert_int_equal(m->n_parts, 2);
    assert_str(m->parts[0].terminal, "a: EOF");
    assert_int_equal(m->parts[1].grpc_code, 5);
    m = read_message("pull image err: EOF; artifact err: manifest unknown");
    assert_int_equal(m->n_parts, 2);
    assert_int_equal(m->parts[1].wrappers, W_ARTIFACT);
    m = read_message("(Mirrors also failed: [m.example.com/a:1: EOF]\n[n.example.com/a:1: EOF]): "
                     "r.example.com/a:1: manifest unknown");
    assert_int_equal(m->n_parts, 3);
    assert_int_equal(m->parts[0].wrappers, W_MIRROR);
    assert_int_equal(m->parts[1].wrappers, W_MIRROR);
    assert_int_equal(m->parts[2].wrappers, 0);
}

static void the_last_of_too_many_parts_is_kept(void **state)
{
    char text[2048] = "";
    const struct message *m;

    (void)state;
    for (int i = 0; i < 20; i++)
        strcat(text, "rpc error: code = Unknown desc = EOF, ");
    strcat(text, "rpc error: code = NotFound desc = no space left on device");
    m = read_message(text);
    assert_int_equal(m->n_parts, MESSAGE_PARTS_MAX);
    assert_int_equal(m->parts[MESSAGE_PARTS_MAX - 1].grpc_code, 5);
    assert_int_equal(m->parts[0].n_hits, 1);
}

static void a_back_off_without_a_cause_has_no_part(void **state)
{
    const struct message *m = read_message("Back-off pulling image \"a\"");

    (void)state;
    assert_true(m->back_off);
    assert_int_equal(m->n_parts, 0);
    m = read_message("failed to \"StartContainer\" for \"a\" with ImagePullBackOff: \"Back-off "
                     "pulling image \\\"a\\\"\"");
    assert_true(m->back_off);
    assert_int_equal(m->n_parts, 0);
    m = read_message("Back-off pulling image \"a\": ErrImagePull: EOF");
    assert_true(m->back_off);
    assert_int_equal(m->n_parts, 1);
    assert_false(read_message("EOF")->back_off);
    assert_int_equal(read_message("")->n_parts, 0);
}

/* normalise() redacts only if a token looks suspicious: no kind of secret may be missed. */
static void every_kind_of_secret_is_redacted(void **state)
{
    static const char *const shapes[] = {
        "Get \"https://user:SECRETsecret0123456789@r.example.com/v2/\": EOF",
        "Get \\\"https://u:SECRETsecret0123456789@r.example.com/v2/\\\": EOF",
        "docker://user:SECRETsecret0123456789@r.example.com/a:1: EOF",
        "Failed to pull image \"user:SECRETsecret0123456789@r.example.com/a:1\": EOF",
        "Get \"https://b.s3.example.com/a?X-Amz-Credential=SECRETsecret0123456789%2F2026\": EOF",
        "https://a.blob.example.com/x?sv=2020&sr=b&sig=SECRETsecret0123456789%3D: EOF",
        "https://a.blob.example.com/x?sv=2020\\u0026sig=SECRETsecret0123456789 EOF",
        "https://a.blob.example.com/x\\u0026sig=SECRETsecret0123456789",
        "https://cdn.example.com/x?Expires=1&Signature=SECRETsecret0123456789__&Key-Pair-Id=K",
        "https://cdn.example.com/x/data?verify=1577462404-SECRETsecret0123456789: EOF",
        "Authorization: Bearer SECRETsecret0123456789",
        "Authorization:Bearer SECRETsecret0123456789",
        "authorization: Basic SECRETsecret0123456789",
        "header=\"Bearer SECRETsecret0123456789\"",
        "{\\\"Authorization\\\":\\\"Bearer SECRETsecret0123456789\\\"}",
        "{\"auths\":{\"r.example.com\":{\"auth\":\"SECRETsecret0123456789\"}}}",
        "{\"refresh_token\" : \"SECRETsecret0123456789\"}",
        "{\"access_token\":\"SECRETsecret0123456789\",\"expires_in\":300}",
        "username=AWS password=SECRETsecret0123456789",
        "password: SECRETsecret0123456789",
        "X-Amz-Security-Token: SECRETsecret0123456789",
        "X-Registry-Auth: SECRETsecret0123456789",
        "apikey: \"SECRETsecret0123456789\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {

        normalise((struct str){ 0 }, str_from(shapes[i]), &message);
        if (str_find(message.text, STR("SECRETsecret")))
            fail_msg("shown: %.*s", STR_ARG(message.text));
        if (str_find(message.image, STR("SECRETsecret")))
            fail_msg("shown as image: %.*s", STR_ARG(message.image));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_secret_is_redacted),
        cmocka_unit_test(nested_quoting_is_removed),
        cmocka_unit_test(the_text_is_one_line_of_valid_utf8),
        cmocka_unit_test(secrets_are_redacted_in_text_and_terminal),
        cmocka_unit_test(a_long_text_is_cut_and_marked),
        cmocka_unit_test(head_and_tail_of_a_huge_message_are_read),
        cmocka_unit_test(the_kubelets_image_name_is_preferred),
        cmocka_unit_test(the_runtimes_image_name_is_the_second_choice),
        cmocka_unit_test(wrappers_are_removed_down_to_the_error),
        cmocka_unit_test(grpc_code_and_http_status_are_extracted),
        cmocka_unit_test(wrappers_tell_how_far_the_pull_got),
        cmocka_unit_test(each_error_of_a_list_is_a_part),
        cmocka_unit_test(the_last_of_too_many_parts_is_kept),
        cmocka_unit_test(a_back_off_without_a_cause_has_no_part),
    };

    return cmocka_run_group_tests_name("normalise", tests, NULL, NULL);
}
