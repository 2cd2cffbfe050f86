/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "number.h"

#define COLUMNS_MAX 500

static size_t columns_of_environment(void)
{
    const char *columns = getenv("COLUMNS");
    uint64_t n = 0;

    return columns && number_parse(str_from(columns), COLUMNS_MAX, &n) ? (size_t)n : 0;
}

struct terminal_size terminal_size(void)
{
    struct winsize size = { .ws_col = 0 };

    if (isatty(STDOUT_FILENO))
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return (struct terminal_size){
        .columns = size.ws_col ? size.ws_col : columns_of_environment(),
        .rows = size.ws_row,
    };
}

bool terminal_has_escapes(void)
{
    const char *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

bool terminal_has_colours(void)
{
    const char *no_colour = getenv("NO_COLOR");

    return terminal_has_escapes() && !(no_colour && no_colour[0]);
}

int terminal_write(struct str text, struct err *err)
{
    while (text.len) {
        ssize_t n = write(STDOUT_FILENO, text.at, text.len);

        if (n < 0 && errno != EINTR)
            return err_set_errno(err, -errno, "write to standard output");
        if (n > 0)
            text = str_skip(text, (size_t)n);
    }
    return 0;
}
