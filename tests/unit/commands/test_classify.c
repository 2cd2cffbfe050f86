/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/commands/classify.h"
#include "util.h"

#define OUTPUT_SIZE 65536u

/* Standard output and error of the command. Files replace them while it runs. */
struct run {
    int status;
    char out[OUTPUT_SIZE];
    char err[OUTPUT_SIZE];
};

static struct run result;

static int temporary_file(const char *content, size_t len)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void read_back(int fd, char ret[OUTPUT_SIZE])
{
    ssize_t n = pread(fd, ret, OUTPUT_SIZE - 1, 0);

    assert_true(n >= 0);
    ret[n] = '\0';
    close(fd);
}

static const struct run *run_with(const char *input, size_t len, int argc, const char *const *argv)
{
    int given[3] = { temporary_file(input, len), temporary_file("", 0), temporary_file("", 0) };
    int saved[3];
    char *arguments[8] = { (char *)(uintptr_t) "classify" };

    assert_true(argc < 7);
    for (int i = 0; i < argc; i++)
        arguments[i + 1] = (char *)(uintptr_t)argv[i];
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        saved[i] = dup(i);
        assert_int_equal(dup2(given[i], i), i);
    }
    result.status = classify_command(argc + 1, arguments);
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    close(given[0]);
    read_back(given[1], result.out);
    read_back(given[2], result.err);
    return &result;
}

#define RUN(input, ...)                                                                            \
    run_with(input, sizeof(input) - 1, (int)ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })),    \
             (const char *const[]){ __VA_ARGS__ })

#define UNKNOWN_LINE                                                                               \
    "{\"cause\":\"unknown\",\"reason\":\"unclassified\",\"stage\":null,\"http_status\":null,"      \
    "\"image\":null,\"registry\":null,\"failed_host\":null,\"failed_role\":null,\"ambiguous_"      \
    "with\":[],\"advice\":\"No rule matches "                                                      \
    "this message: read the message itself, and please report it so that a rule can be "           \
    "added.\"}\n"

static void json_is_one_object_a_line_in_input_order(void **state)
{
    const struct run *r =
        RUN("Failed to pull image \"r.example.com/a:1\": unexpected status from HEAD request to "
            "https://r.example.com/v2/a/manifests/1: 403 Forbidden\n\nx",
            "--output=json");

    (void)state;
    assert_int_equal(r->status, 0);
    assert_string_equal(
        r->out,
        "{\"cause\":\"unauthorized\",\"reason\":\"forbidden\",\"stage\":\"auth\","
        "\"http_status\":403,\"image\":\"r.example.com/a:1\",\"registry\":\"r.example.com\","
        "\"failed_host\":\"r.example.com\",\"failed_role\":\"registry\",\"ambiguous_with\":[],"
        "\"advice\":\"r.example.com refused access: read its own words in the message; as a rule "
        "the account needs pull access to this repository, or a rule of the registry blocks the "
        "address, the region, the image or an unpaid account.\"}\n" UNKNOWN_LINE UNKNOWN_LINE);
}

static void ambiguous_causes_are_listed(void **state)
{
    const struct run *r =
        RUN("pull access denied for a, repository does not exist or may require 'docker login'",
            "--output=json");

    (void)state;
    assert_non_null(strstr(r->out, "\"ambiguous_with\":[\"not_found\"]"));
}

static void messages_may_have_line_breaks_with_null(void **state)
{
    const struct run *r =
        RUN("errors:\ndenied: requested access to the resource is denied\n\0EOF\0", "--null",
            "--output=json");
    const char *second;

    (void)state;
    second = strchr(r->out, '\n');
    assert_non_null(second);
    assert_non_null(strstr(r->out, "\"reason\":\"denied_or_missing\""));
    assert_non_null(strstr(second, "\"reason\":\"unexpected_eof\""));
    assert_string_equal(strrchr(r->out, '}'), "}\n");
}

static void quotes_in_names_do_not_break_the_json(void **state)
{
    const struct run *r =
        RUN("Failed to apply default image tag \"a\\b c\": invalid reference format",
            "--output=json", "--explain");

    (void)state;
    assert_non_null(strstr(r->out, "\"image\":\"a\\\\b c\""));
    assert_non_null(
        strstr(r->out, "\"message\":\"Failed to apply default image tag \\\"a\\\\b c\\\": "));
    assert_non_null(strstr(r->out, "\"rule\":\"reference-format\""));
}

static void the_table_explains_the_verdict(void **state)
{
    const struct run *r = RUN("dial tcp 192.0.2.1:443: connect: connection refused\n", "--explain");

    (void)state;
    assert_int_equal(r->status, 0);
    assert_int_equal(strncmp(r->out, "CAUSE          REASON", 21), 0);
    assert_non_null(
        strstr(r->out, "\nnetwork        connect_refused            resolve  -    -\n"));
    assert_non_null(strstr(r->out, "\n    rule: refused\n"));
    assert_non_null(strstr(r->out, "\n    part 1, which decided\n"));
}

static void an_explanation_has_chain_error_and_runners_up(void **state)
{
    const struct run *r =
        RUN("failed to resolve reference \"r.example.com/a:1\": unexpected status: "
            "401 Unauthorized\n",
            "--output=json", "--explain");

    (void)state;
    assert_non_null(strstr(r->out, "\"rule\":\"status-401\",\"attempt\":0,"));
    assert_non_null(strstr(r->out, "[{\"chain\":[\"failed to resolve reference "
                                   "\\\"r.example.com/a:1\\\"\"],\"terminal\":"));
    assert_non_null(strstr(r->out, "\"runners_up\":[{\"rule\":\"unauthorized\",\"cause\":"
                                   "\"unauthorized\",\"reason\":\"bad_credentials\","));
}

/* As in the answer of the debug listener. */
static void unknown_values_of_an_explanation_are_null(void **state)
{
    const struct run *r = RUN("what is this\n\n", "--output=json", "--explain");
    const char *second = strchr(r->out, '\n');

    (void)state;
    assert_non_null(strstr(r->out, "\"grpc_code\":null,\"http_status\":null}"));
    assert_non_null(strstr(r->out, "\"truncated\":false"));
    assert_non_null(second);
    assert_non_null(strstr(second, "\"attempt\":null,\"message\":null,"));
    RUN("what is this\n", "--explain");
    assert_non_null(strstr(r->out, "\n    part 1\n"));
    assert_non_null(strstr(r->out, "\n      HTTP status: none\n"));
}

/* A terminal treats U+009B like ESC [, and reverses the text after U+202E. */
static void the_output_is_printable_ascii(void **state)
{
#define HOSTILE                                                                                    \
    "Failed to pull image \"r.example.com/a\xc2\x9b"                                               \
    "31m\xe2\x80\xae\xf0\x9f\x90\xb3:1\": "                                                        \
    "\x1b[2J\xc2\x9b"                                                                              \
    "5m\xff 403 Forbidden\n"
    static const char *const formats[] = { "--output=json", "--output=table" };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(formats); i++) {
        const struct run *r = RUN(HOSTILE, formats[i / 2], i % 2 ? "--explain" : formats[i / 2]);

        assert_int_equal(r->status, 0);
        for (const char *at = r->out; *at; at++)
            if (*at != '\n' && (*at < 0x20 || *at > 0x7e))
                fail_msg("byte %02x in %s", (unsigned char)*at, r->out);
    }
    RUN(HOSTILE, "--output=json", "--explain");
    assert_non_null(strstr(result.out, "\\u009B5m"));
    RUN("Failed to pull image \"a b\xc2\x9b\xf0\x9f\x90\xb3\": 403 Forbidden\n", "--output=json");
    assert_non_null(strstr(result.out, "\"image\":\"a b\\u009B\\uD83D\\uDC33\""));
}

/* An invalid image name has no registry that the advice could name. */
static void advice_does_not_name_a_registry_called_invalid(void **state)
{
    const struct run *r = RUN("Failed to pull image \"a b\": 403 Forbidden\n", "--output=json");

    (void)state;
    assert_non_null(strstr(r->out, "\"registry\":\"invalid\""));
    assert_non_null(strstr(r->out, "\"advice\":\"The registry refused access"));
}

/* The text after the image is cached from line to line. */
static void each_line_has_its_own_registry(void **state)
{
    const struct run *r = RUN("Failed to pull image \"one.example.com/a:1\": 403 Forbidden\n"
                              "Failed to pull image \"two.example.com/a:1\": 403 Forbidden\n"
                              "403 Forbidden\n"
                              "Failed to pull image \"two.example.com/a:1\": 403 Forbidden\n",
                              "--output=json");
    const char *second = strchr(r->out, '\n') + 1;
    const char *third = strchr(second, '\n') + 1;
    const char *fourth = strchr(third, '\n') + 1;

    (void)state;
    assert_non_null(strstr(r->out, "\"advice\":\"one.example.com refused"));
    assert_true(strstr(second, "\"registry\":\"two.example.com\"") < third);
    assert_true(strstr(third, "\"registry\":null") < fourth);
    assert_non_null(strstr(fourth, "\"advice\":\"two.example.com refused"));
}

static void a_very_long_line_is_cut(void **state)
{
    static char text[(3u << 20) + 8];
    const struct run *r;

    (void)state;
    memset(text, 'x', sizeof(text) - 8);
    memcpy(text + sizeof(text) - 8, "\nEOF\n\n\n\n", 8);
    r = run_with(text, sizeof(text), 1, (const char *const[]){ "--output=json" });
    assert_int_equal(r->status, 0);
    assert_int_equal(strncmp(r->out, UNKNOWN_LINE, sizeof(UNKNOWN_LINE) - 1), 0);
    assert_non_null(strstr(r->out, "\"reason\":\"unexpected_eof\""));
}

static void bad_flags_and_files_are_named(void **state)
{
    (void)state;
    assert_int_equal(RUN("", "--frob")->status, 2);
    assert_string_equal(
        result.err, "imagepull-exporter classify: unknown flag '--frob'; --help lists all flags\n");
    assert_int_equal(RUN("", "--output=xml")->status, 2);
    assert_non_null(strstr(result.err, "--output is 'xml'; it must be one of table, json"));
    assert_int_equal(RUN("", "/nonexistent/file")->status, 2);
    assert_string_equal(result.err, "imagepull-exporter classify: open /nonexistent/file: No such "
                                    "file or directory\n");
    assert_int_equal(RUN("", "/")->status, 2);
    assert_non_null(strstr(result.err, "read /: Is a directory"));
    assert_int_equal(RUN("", "a", "b")->status, 2);
    assert_non_null(strstr(result.err, "unexpected argument 'b'; only one FILE is allowed"));
    assert_string_equal(result.out, "");
}

static void flags_work_as_in_the_other_commands(void **state)
{
    (void)state;
    assert_int_equal(RUN("EOF\n", "--output", "json")->status, 0);
    assert_non_null(strstr(result.out, "\"reason\":\"unexpected_eof\""));
    assert_int_equal(RUN("EOF\n", "-", "--output=json")->status, 0);
    assert_non_null(strstr(result.out, "\"reason\":\"unexpected_eof\""));
    assert_int_equal(RUN("", "-h")->status, 0);
    assert_int_equal(strncmp(result.out, "Usage: imagepull-exporter classify", 34), 0);
}

static void help_is_not_an_error(void **state)
{
    (void)state;
    assert_int_equal(RUN("", "--help")->status, 0);
    assert_int_equal(strncmp(result.out, "Usage: imagepull-exporter classify", 34), 0);
    assert_string_equal(result.err, "");
}

/* In a pipe nothing is wrapped: one line for each fact. */
static void table_is_wrapped_at_the_width_of_a_terminal(void **state)
{
#define MESSAGE                                                                                    \
    "Failed to pull image \"registry.example.com/payments/checkout/backend:2026\": unexpected "    \
    "status from HEAD request to https://registry.example.com/v2/payments/checkout/backend/"       \
    "manifests/2026: 403 Forbidden"
    const struct run *r;
    size_t lines = 0, lines_of_80 = 0;

    (void)state;
    unsetenv("COLUMNS");
    r = RUN(MESSAGE, "--explain");
    assert_int_equal(r->status, 0);
    for (const char *at = r->out; (at = strchr(at, '\n')); at++)
        lines++;
    assert_non_null(strstr(r->out, " registry.example.com/payments/checkout/backend:2026\n"));
    setenv("COLUMNS", "80", 1);
    r = RUN(MESSAGE, "--explain");
    unsetenv("COLUMNS");
    for (const char *line = r->out; *line; line += strcspn(line, "\n") + 1) {
        lines_of_80++;
        if (strcspn(line, "\n") > 80)
            fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
    }
    assert_true(lines_of_80 > lines);
    assert_non_null(strstr(r->out, "\n    registry.example.com/payments/checkout/backend:2026\n"));
    assert_non_null(strstr(r->out, "\n    rule: "));
#undef MESSAGE
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_one_object_a_line_in_input_order),
        cmocka_unit_test(ambiguous_causes_are_listed),
        cmocka_unit_test(messages_may_have_line_breaks_with_null),
        cmocka_unit_test(quotes_in_names_do_not_break_the_json),
        cmocka_unit_test(the_table_explains_the_verdict),
        cmocka_unit_test(an_explanation_has_chain_error_and_runners_up),
        cmocka_unit_test(unknown_values_of_an_explanation_are_null),
        cmocka_unit_test(the_output_is_printable_ascii),
        cmocka_unit_test(advice_does_not_name_a_registry_called_invalid),
        cmocka_unit_test(each_line_has_its_own_registry),
        cmocka_unit_test(a_very_long_line_is_cut),
        cmocka_unit_test(bad_flags_and_files_are_named),
        cmocka_unit_test(flags_work_as_in_the_other_commands),
        cmocka_unit_test(help_is_not_an_error),
        cmocka_unit_test(table_is_wrapped_at_the_width_of_a_terminal),
    };

    return cmocka_run_group_tests_name("classify_command", tests, NULL, NULL);
}
