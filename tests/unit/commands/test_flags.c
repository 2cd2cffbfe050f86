/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "agent/commands/flags.h"
#include "buf.h"
#include "util.h"

#define ENV "IMAGEPULL_TEST_COLOUR"

struct settings {
    const char *colour;
    const char *shape;
    struct flag_list port;
    const char *path;
    bool fast;
    bool help;
};

#define SETTING(field) .offset = offsetof(struct settings, field)

static const struct flag flags[] = {
    { .name = "--colour",
      .value = "COLOUR",
      .env = ENV,
      .dflt = "red",
      .choices = "red|green|blue",
      .group = "Looks",
      .help = "Colour of the thing. It fades.",
      SETTING(colour) },
    { .name = "--colour.shape",
      .value = "SHAPE",
      .group = "Looks",
      .help = "Shape of the thing.",
      SETTING(shape) },
    { .name = "--port",
      .value = "PORT",
      .env = "IMAGEPULL_TEST_PORT_WITH_A_VERY_LONG_NAME",
      .dflt = "1",
      .group = "Place",
      .help = "Port.",
      .kind = FLAG_LIST,
      SETTING(port) },
    { .name = "--fast", .group = "Place", .help = "Be fast.", .kind = FLAG_SWITCH, SETTING(fast) },
    { .name = "--help", .group = "Place", .help = "Help.", .kind = FLAG_STOP, SETTING(help) },
};

static const struct command command = {
    .name = "test",
    .summary = "Tests the parser.",
    .notes = "First note.\nSecond note.",
    .operand = "FILE",
    .operand_offset = offsetof(struct settings, path),
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
};

static struct settings got;
static struct err err;

static int read_line(const struct command *of, const char *const *words)
{
    char *argv[10] = { (char *)(uintptr_t) "test" };
    int argc = 1;

    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    got = (struct settings){ .colour = NULL };
    err = ERR_INIT;
    return flags_read(of, argc, argv, &got, &err);
}

#define READ(...) read_line(&command, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

#define assert_refused(sentence, ...)                                                              \
    do {                                                                                           \
        assert_int_equal(READ(__VA_ARGS__), -EINVAL);                                              \
        assert_string_equal(err.text, sentence);                                                   \
    } while (0)

static int without_environment(void **state)
{
    (void)state;
    unsetenv(ENV);
    unsetenv("IMAGEPULL_TEST_PORT_WITH_A_VERY_LONG_NAME");
    return 0;
}

static void a_value_follows_an_equals_sign_or_is_the_next_word(void **state)
{
    (void)state;
    assert_int_equal(READ("--colour=green", "--colour.shape", "--fast"), 0);
    assert_string_equal(got.colour, "green");
    assert_string_equal(got.shape, "--fast");
    assert_false(got.fast);
    assert_int_equal(READ("--colour.shape=a=b"), 0);
    assert_string_equal(got.shape, "a=b");
}

static void flags_stand_before_and_after_the_operand(void **state)
{
    (void)state;
    assert_int_equal(READ("--fast", "file", "--colour", "blue"), 0);
    assert_string_equal(got.path, "file");
    assert_string_equal(got.colour, "blue");
    assert_true(got.fast);
    assert_int_equal(READ("-"), 0);
    assert_string_equal(got.path, "-");
}

static void after_two_dashes_everything_is_an_operand(void **state)
{
    (void)state;
    assert_int_equal(READ("--fast", "--", "--colour"), 0);
    assert_string_equal(got.path, "--colour");
    assert_string_equal(got.colour, "red");
    assert_refused("unexpected argument '--fast'; only one FILE is allowed", "a", "--", "--fast");
}

static void the_last_value_wins(void **state)
{
    (void)state;
    assert_int_equal(READ("--colour=green", "--colour=blue"), 0);
    assert_string_equal(got.colour, "blue");
}

static void a_list_keeps_all_values(void **state)
{
    (void)state;
    assert_int_equal(READ("--port=2", "--port", "3"), 0);
    assert_string_equal(got.port.text, "2,3");
    assert_string_equal(flag_text(&flags[2], &got), "2,3");
    assert_string_equal(flag_origin(&flags[2], &got), "flag");
    assert_int_equal(READ(), 0);
    assert_string_equal(got.port.text, "1");
    assert_string_equal(flag_origin(&flags[2], &got), "default");
}

static void a_list_has_a_limit(void **state)
{
    char fits[LIMIT_FLAG_LIST];
    char too_long[LIMIT_FLAG_LIST];

    (void)state;
    memset(fits, 'x', sizeof(fits));
    fits[sizeof(fits) - 2] = '\0';
    assert_int_equal(READ("--port", fits), 0);
    assert_string_equal(got.port.text, fits);
    memset(too_long, 'x', sizeof(too_long));
    too_long[sizeof(too_long) - 1] = '\0';
    assert_refused("--port: the values have more than 512 bytes together", "--port", too_long);
    assert_refused("--port: the values have more than 512 bytes together", "--port", fits,
                   "--port=y");
}

static void the_flag_wins_over_the_environment(void **state)
{
    (void)state;
    setenv(ENV, "green", 1);
    assert_int_equal(READ(), 0);
    assert_string_equal(got.colour, "green");
    assert_string_equal(flag_origin(&flags[0], &got), ENV);
    assert_int_equal(READ("--colour=blue"), 0);
    assert_string_equal(got.colour, "blue");
    assert_string_equal(flag_origin(&flags[0], &got), "flag");
}

static void an_empty_variable_is_unset(void **state)
{
    (void)state;
    setenv(ENV, "", 1);
    assert_int_equal(READ(), 0);
    assert_string_equal(got.colour, "red");
    assert_string_equal(flag_origin(&flags[0], &got), "default");
}

static void a_bad_variable_is_refused_even_if_the_flag_wins(void **state)
{
    (void)state;
    setenv(ENV, "pink", 1);
    assert_refused(ENV " is 'pink'; it must be one of red, green, blue", "--colour=blue");
}

/* Scripts with an abbreviated flag would break when a new flag begins with the same letters. */
static void abbreviations_are_refused(void **state)
{
    (void)state;
    assert_refused("unknown flag '--por=2'; --help lists all flags", "--por=2");
    assert_refused("unknown flag '--por'; --help lists all flags", "--por");
    assert_refused("unknown flag '--por'; --help lists all flags", "--por", "2");
    assert_refused("unknown flag '--fas'; --help lists all flags", "--fas");
    assert_refused("unknown flag '--col=red'; --help lists all flags", "--col=red"); /* ambiguous */
    assert_refused("unknown flag '--colour.'; --help lists all flags", "--colour.");
    assert_refused("unknown flag '--hel'; --help lists all flags", "--hel");
}

static void bad_words_are_named(void **state)
{
    (void)state;
    assert_refused("unknown flag '--size'; --help lists all flags", "--fast", "--size");
    assert_refused("unknown flag '-f'; --help lists all flags", "-f");
    assert_refused("unknown flag '-hf'; --help lists all flags", "-hf");
    assert_refused("unknown flag '-help'; --help lists all flags", "-help");
    assert_refused("--colour needs a value: COLOUR", "--colour");
    assert_refused("--colour needs a value: COLOUR", "--colour=");
    assert_refused("--colour needs a value: COLOUR", "--colour", "");
    assert_refused("--fast takes no value", "--fast=yes");
    assert_refused("--help takes no value", "--help=yes");
    assert_refused("--colour is 're'; it must be one of red, green, blue", "--colour=re");
    assert_refused("--colour is 'red|green'; it must be one of red, green, blue",
                   "--colour=red|green");
    assert_refused("unexpected argument 'b'; only one FILE is allowed", "a", "b");
}

static void a_command_without_an_operand_takes_no_argument(void **state)
{
    struct command none = command;

    (void)state;
    none.operand = NULL;
    assert_int_equal(read_line(&none, (const char *const[]){ "word", NULL }), -EINVAL);
    assert_string_equal(err.text, "unexpected argument 'word'; --help shows the usage");
}

/* getopt_long remembers where it stopped in "-hf". */
static void a_failed_reading_does_not_change_the_next_one(void **state)
{
    (void)state;
    assert_int_equal(READ("-hf"), -EINVAL);
    assert_int_equal(READ("--colour=blue"), 0);
    assert_string_equal(got.colour, "blue");
    assert_false(got.help);
}

static void help_stops_the_reading(void **state)
{
    (void)state;
    setenv(ENV, "pink", 1);
    assert_int_equal(READ("--help", "--size"), 0);
    assert_true(got.help);
    assert_int_equal(READ("file", "-h", "--colour=pink"), 0);
    assert_true(got.help);
}

/* Bytes of a command line reach a terminal or a log in the message. */
static void messages_are_printable_and_short(void **state)
{
    char word[1000];

    (void)state;
    assert_refused("unknown flag '--a?b?'; --help lists all flags", "--a\nb\xc3\xbc");
    assert_refused("--colour is '?[31m'; it must be one of red, green, blue", "--colour=\x1b[31m");
    memset(word, 'w', sizeof(word));
    word[80] = '\0';
    assert_int_equal(READ("--colour", word), -EINVAL);
    assert_null(strstr(err.text, "..."));
    word[80] = 'w';
    word[81] = '\0';
    assert_int_equal(READ("--colour", word), -EINVAL);
    assert_non_null(strstr(err.text, "w...'"));
    word[81] = 'w';
    word[sizeof(word) - 1] = '\0';
    assert_int_equal(READ("--colour", word), -EINVAL);
    assert_int_equal(strlen(err.text), strlen("--colour is '...'; it must be one of red, green, "
                                              "blue") +
                                           80);
}

static void help_of_a_width(size_t width, struct buf *out)
{
    buf_init(out, 1 << 16);
    flags_write_help(out, &command, width);
    assert_int_equal(buf_error(out), 0);
    for (const char *line = out->at; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > width && !strstr(line, "VERY_LONG_NAME"))
            fail_msg("wider than %zu: %.*s", width, (int)strcspn(line, "\n"), line);
}

static void help_lists_each_flag_in_its_group(void **state)
{
    struct buf out;

    (void)state;
    help_of_a_width(80, &out);
    assert_string_equal(out.at, "Usage: imagepull-exporter test [FLAG...] [FILE]\n"
                                "\n"
                                "Tests the parser.\n"
                                "\n"
                                "Looks\n"
                                "  --colour=COLOUR\n"
                                "      Colour of the thing. It fades.\n"
                                "      Default: red. Environment: IMAGEPULL_TEST_COLOUR.\n"
                                "  --colour.shape=SHAPE\n"
                                "      Shape of the thing.\n"
                                "\n"
                                "Place\n"
                                "  --port=PORT\n"
                                "      Port.\n"
                                "      Default: 1. Environment: "
                                "IMAGEPULL_TEST_PORT_WITH_A_VERY_LONG_NAME.\n"
                                "  --fast\n"
                                "      Be fast.\n"
                                "  --help\n"
                                "      Help.\n"
                                "\n"
                                "First note.\n"
                                "\n"
                                "Second note.\n");
    buf_done(&out);
}

static void help_is_wrapped_at_the_width(void **state)
{
    struct buf out;

    (void)state;
    for (size_t width = 40; width < 100; width++) {
        help_of_a_width(width, &out);
        assert_non_null(strstr(out.at, "Environment: IMAGEPULL_TEST_PORT_WITH_A_VERY_LONG_NAME."));
        buf_done(&out);
    }
}

static void default_and_environment_share_a_line_if_they_fit(void **state)
{
    static const char line[] =
        "      Default: 1. Environment: IMAGEPULL_TEST_PORT_WITH_A_VERY_LONG_NAME.\n";
    struct buf out;

    (void)state;
    help_of_a_width(strlen(line) - 1, &out);
    assert_non_null(strstr(out.at, line));
    buf_done(&out);
    help_of_a_width(strlen(line) - 2, &out);
    assert_non_null(strstr(out.at, "      Default: 1.\n      Environment: IMAGEPULL_TEST_PORT"));
    buf_done(&out);
}

#define TEST(name) cmocka_unit_test_setup(name, without_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_follows_an_equals_sign_or_is_the_next_word),
        TEST(flags_stand_before_and_after_the_operand),
        TEST(after_two_dashes_everything_is_an_operand),
        TEST(the_last_value_wins),
        TEST(a_list_keeps_all_values),
        TEST(a_list_has_a_limit),
        TEST(the_flag_wins_over_the_environment),
        TEST(an_empty_variable_is_unset),
        TEST(a_bad_variable_is_refused_even_if_the_flag_wins),
        TEST(abbreviations_are_refused),
        TEST(bad_words_are_named),
        TEST(a_command_without_an_operand_takes_no_argument),
        TEST(a_failed_reading_does_not_change_the_next_one),
        TEST(help_stops_the_reading),
        TEST(messages_are_printable_and_short),
        TEST(help_lists_each_flag_in_its_group),
        TEST(help_is_wrapped_at_the_width),
        TEST(default_and_environment_share_a_line_if_they_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
