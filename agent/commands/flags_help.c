/* SPDX-License-Identifier: Apache-2.0 */

/* --help, from a command's table of flags. */

#include "agent/commands/flags.h"

#include <stdbool.h>
#include <string.h>

#include "agent/commands/show.h"
#include "agent/commands/terminal.h"
#include "buf.h"

#define PROGRAM "imagepull-exporter"
#define HELP_MAX (64u << 10)
#define HELP_WIDTH 80u /* without a terminal */
#define HELP_WIDTH_LEAST 40u
#define INDENT 6u

static void write_indented(struct buf *out, const char *text, size_t indent, size_t width)
{
    show_wrap(out, str_from(text), indent, width);
}

static void write_synopsis(struct buf *out, const struct command *command)
{
    buf_printf(out, "%s%s%s [FLAG...]", PROGRAM, command->name ? " " : "",
               command->name ? command->name : "");
    if (command->operand)
        buf_printf(out, " [%s]", command->operand);
    buf_add_byte(out, '\n');
}

static void write_usage(struct buf *out, const struct command *command)
{
    buf_add(out, STR("Usage: "));
    write_synopsis(out, command);
    for (size_t i = 0; command->commands && command->commands[i]; i++) {
        buf_add(out, STR("       "));
        write_synopsis(out, command->commands[i]);
    }
    buf_add_byte(out, '\n');
}

static void write_commands(struct buf *out, const struct command *command, size_t width)
{
    if (!command->commands)
        return;
    buf_add(out, STR("\nCommands (each has its own --help)\n"));
    for (size_t i = 0; command->commands[i]; i++) {
        buf_printf(out, "  %s\n", command->commands[i]->name);
        write_indented(out, command->commands[i]->summary, INDENT, width);
    }
}

/* "Default: X. Environment: Y." Scripts can rely on "Environment: Y." being on one line. */
static void write_sources(struct buf *out, const struct flag *flag, size_t width)
{
    const size_t from = out->len;

    if (!flag->dflt && !flag->env)
        return;
    buf_printf(out, "%*s", (int)INDENT, "");
    if (flag->dflt)
        buf_printf(out, "Default: %s.", flag->dflt);
    if (flag->dflt && flag->env) {
        if (out->len - from + strlen(" Environment: .") + strlen(flag->env) > width)
            buf_printf(out, "\n%*s", (int)INDENT, "");
        else
            buf_add_byte(out, ' ');
    }
    if (flag->env)
        buf_printf(out, "Environment: %s.", flag->env);
    buf_add_byte(out, '\n');
}

static void write_flag(struct buf *out, const struct flag *flag, size_t width)
{
    const char *value = flag->value ? flag->value : flag->choices;

    buf_printf(out, "  %s%s%s\n", flag->name, value ? "=" : "", value ? value : "");
    write_indented(out, flag->help, INDENT, width);
    write_sources(out, flag, width);
}

void flags_write_help(struct buf *out, const struct command *command, size_t width)
{
    const char *group = "";

    if (width < HELP_WIDTH_LEAST)
        width = HELP_WIDTH_LEAST;
    write_usage(out, command);
    write_indented(out, command->summary, 0, width);
    write_commands(out, command, width);
    for (size_t i = 0; i < command->n_flags; i++) {
        const struct flag *flag = &command->flags[i];

        if (strcmp(flag->group, group) != 0)
            buf_printf(out, "\n%s\n", flag->group);
        group = flag->group;
        write_flag(out, flag, width);
    }
    for (const char *at = command->notes; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
        buf_add_byte(out, '\n');
        show_wrap(out, (struct str){ .at = at, .len = strcspn(at, "\n") }, 0, width);
    }
}

int flags_print_help(const struct command *command, struct err *err)
{
    const size_t columns = terminal_size().columns;
    struct buf out;
    int r;

    buf_init(&out, HELP_MAX);
    flags_write_help(&out, command, columns ? columns : HELP_WIDTH);
    r = buf_error(&out);
    if (r < 0)
        err_set_errno(err, r, "write the help");
    else
        r = terminal_write(buf_str(&out), err);
    buf_done(&out);
    return r;
}
