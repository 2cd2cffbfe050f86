/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/commands/terminal.h"
#include "util.h"

static int saved = -1;

/* Opens `path` as standard output until the end of the test. */
static void redirect(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    dup2(fd, STDOUT_FILENO);
    close(fd);
}

static int save_output(void **state)
{
    (void)state;
    saved = dup(STDOUT_FILENO);
    return saved < 0;
}

static int restore_output(void **state)
{
    (void)state;
    dup2(saved, STDOUT_FILENO);
    close(saved);
    unsetenv("COLUMNS");
    return 0;
}

static size_t columns_with(const char *variable)
{
    if (variable)
        setenv("COLUMNS", variable, 1);
    else
        unsetenv("COLUMNS");
    return terminal_size().columns;
}

static void without_a_terminal_the_width_is_columns_or_unknown(void **state)
{
    static const char *const bad[] = { "", "0", "501", "-1", "+90", " 90", "90x", "wide" };

    (void)state;
    redirect("/dev/null");
    assert_int_equal(columns_with(NULL), 0);
    assert_int_equal(columns_with("1"), 1);
    assert_int_equal(columns_with("500"), 500);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(columns_with(bad[i]), 0);
    assert_int_equal(terminal_size().rows, 0);
}

static void a_file_has_no_escapes_and_no_colours(void **state)
{
    (void)state;
    setenv("TERM", "xterm", 1);
    redirect("/dev/null");
    assert_false(terminal_has_escapes());
    assert_false(terminal_has_colours());
}

static void a_failed_write_is_an_error(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    redirect("/dev/full");
    assert_int_equal(terminal_write(STR("text"), &err), -ENOSPC);
    assert_string_equal(err.text, "write to standard output: No space left on device");
    assert_int_equal(terminal_write(STR(""), NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, save_output, restore_output)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_terminal_the_width_is_columns_or_unknown),
        TEST(a_file_has_no_escapes_and_no_colours),
        TEST(a_failed_write_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
