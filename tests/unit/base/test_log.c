/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "log.h"

/* Captures log lines: standard error becomes a pipe until the test ends. */
static int saved_stderr;
static int reading;

static void capture(void)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reading = ends[0];
}

static void captured(char *text, size_t size)
{
    ssize_t n;

    dup2(saved_stderr, STDERR_FILENO); /* closes the last writing end, so that reading ends */
    close(saved_stderr);
    n = read(reading, text, size - 1);
    close(reading);
    text[n > 0 ? n : 0] = '\0';
}

/* Fills the pipe. Its reader sees only blanks and line breaks of it. */
static void fill(void)
{
    char block[4096];
    int flags = fcntl(STDERR_FILENO, F_GETFL);

    memset(block, ' ', sizeof(block));
    fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
    while (write(STDERR_FILENO, block, sizeof(block)) > 0)
        ;
    fcntl(STDERR_FILENO, F_SETFL, flags);
}

static void drain(void)
{
    char block[4096];
    int flags = fcntl(reading, F_GETFL);

    fcntl(reading, F_SETFL, flags | O_NONBLOCK);
    while (read(reading, block, sizeof(block)) > 0)
        ;
    fcntl(reading, F_SETFL, flags);
}

static void a_pipe_that_nobody_reads_blocks_no_thread(void **state)
{
    char text[4096];
    char *lines;

    (void)state;
    capture();
    fill();
    alarm(60); /* ends the program if log_line() waits */
    log_warn("pods", "lost %d", 1);
    log_warn("pods", "lost %d", 2);
    alarm(0);
    drain();
    log_warn("pods", "written %d", 3);
    log_warn("pods", "written %d", 4);
    captured(text, sizeof(text));
    lines = strstr(text, "level=warn component=agent "
                         "msg=\"2 log lines were lost: nobody read standard error\"\n");
    assert_non_null(lines);
    assert_non_null(strstr(lines, "msg=\"written 3\"\n"));
    assert_non_null(strstr(lines, "msg=\"written 4\"\n"));
    assert_null(strstr(text, "msg=\"lost "));
    assert_null(strstr(strstr(lines, "written 3"), "lost"));
}

static void a_closed_pipe_blocks_no_thread(void **state)
{
    char text[4096];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    capture();
    close(reading);
    log_warn("pods", "to nobody");
    captured(text, sizeof(text));
    capture();
    log_warn("pods", "written");
    captured(text, sizeof(text));
    assert_non_null(strstr(text, "msg=\"1 log line was lost: nobody read standard error\"\n"));
    assert_non_null(strstr(text, "msg=\"written\"\n"));
}

static void a_line_is_logfmt(void **state)
{
    char text[4096];

    (void)state;
    capture();
    log_warn("pods", "watch failed: \"%s\", retrying in %ds", "EOF", 4);
    captured(text, sizeof(text));
    assert_int_equal(strncmp(text, "time=20", 7), 0);
    assert_non_null(strstr(
        text, "Z level=warn component=pods msg=\"watch failed: \\\"EOF\\\", retrying in 4s\"\n"));
}

static void text_from_outside_cannot_forge_a_log_line(void **state)
{
    char text[4096];

    (void)state;
    capture();
    log_info("pods", "%s", "a\"\ntime=forged\r\x1b[31m\\");
    captured(text, sizeof(text));
    assert_non_null(strstr(text, "msg=\"a\\\"\\ntime=forged  [31m\\\\\"\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void lines_below_the_level_are_dropped(void **state)
{
    char text[4096];

    (void)state;
    log_init(LOG_ERROR, LOG_LOGFMT);
    capture();
    log_info("agent", "not this");
    log_error("agent", "but this");
    captured(text, sizeof(text));
    log_init(LOG_INFO, LOG_LOGFMT);
    assert_null(strstr(text, "not this"));
    assert_non_null(strstr(text, "but this"));
}

static void a_long_line_is_cut(void **state)
{
    char words[5000];
    char text[8192];

    (void)state;
    memset(words, '"', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    capture();
    log_info("agent", "%s", words);
    captured(text, sizeof(text));
    assert_true(strlen(text) < 2300);
    assert_string_equal(text + strlen(text) - 2, "\"\n");
}

static void assert_json_line(const char *said, const char *wanted)
{
    char text[8192];
    json_error_t error;
    json_t *json;

    log_init(LOG_INFO, LOG_JSON);
    capture();
    log_warn("pods", "%s", said);
    captured(text, sizeof(text));
    log_init(LOG_INFO, LOG_LOGFMT);

    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("no JSON: %s in %s", error.text, text);
    assert_int_equal(json_object_size(json), 4);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(json, "component")), "pods");
    assert_int_equal(strlen(json_string_value(json_object_get(json, "time"))),
                     strlen("2026-11-21T22:40:01.123Z"));
    assert_string_equal(json_string_value(json_object_get(json, "msg")), wanted);
    json_decref(json);
}

static void a_line_is_json(void **state)
{
    (void)state;
    assert_json_line("watch failed: \"EOF\"\n\\", "watch failed: \"EOF\"\n\\");
    assert_json_line("\",\"level\":\"error\t\x1b\x7f", "\",\"level\":\"error   ");
}

/* Bytes that are not UTF-8 would make the line invalid JSON. */
static void log_lines_are_valid_utf8(void **state)
{
    (void)state;
    assert_json_line("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb3 \xe2\x82\xac",
                     "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb3 \xe2\x82\xac");
    assert_json_line("a\xff\x80z", "a??z");
    assert_json_line("\xc0\xaf \xe0\x80\xaf", "?? ???");           /* overlong */
    assert_json_line("\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????"); /* not characters */
    assert_json_line("cut \xe2\x82", "cut ??");
}

static void a_long_line_of_json_is_cut_between_characters(void **state)
{
    char words[5000];
    char text[8192];
    json_t *json;

    (void)state;
    for (size_t i = 0; i + 3 < sizeof(words); i += 3)
        memcpy(words + i, "\xe2\x82\xac", 3);
    words[sizeof(words) - 2] = '\0';
    for (size_t shift = 0; shift < 3; shift++) {
        log_init(LOG_INFO, LOG_JSON);
        capture();
        log_warn("pods", "%.*s%s", (int)shift, "xx", words);
        captured(text, sizeof(text));
        log_init(LOG_INFO, LOG_LOGFMT);
        json = json_loads(text, 0, NULL);
        assert_non_null(json);
        json_decref(json);
    }
}

static void formats_are_parsed_by_name(void **state)
{
    enum log_format format = LOG_LOGFMT;

    (void)state;
    assert_true(log_format_parse("json", &format));
    assert_int_equal(format, LOG_JSON);
    assert_false(log_format_parse("xml", &format));
    assert_int_equal(format, LOG_JSON);
    assert_true(log_format_parse("logfmt", &format));
    assert_int_equal(format, LOG_LOGFMT);
}

static void levels_are_parsed_by_name(void **state)
{
    enum log_level level = LOG_ERROR;

    (void)state;
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_level_parse("loud", &level));
    assert_int_equal(level, LOG_DEBUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_logfmt),
        cmocka_unit_test(text_from_outside_cannot_forge_a_log_line),
        cmocka_unit_test(lines_below_the_level_are_dropped),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(a_line_is_json),
        cmocka_unit_test(log_lines_are_valid_utf8),
        cmocka_unit_test(a_long_line_of_json_is_cut_between_characters),
        cmocka_unit_test(levels_are_parsed_by_name),
        cmocka_unit_test(formats_are_parsed_by_name),
        cmocka_unit_test(a_pipe_that_nobody_reads_blocks_no_thread),
        cmocka_unit_test(a_closed_pipe_blocks_no_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
