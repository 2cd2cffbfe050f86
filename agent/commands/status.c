/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/commands/flags.h"
#include "agent/commands/status_client.h"
#include "agent/commands/status_json.h"
#include "agent/commands/status_keep.h"
#include "agent/commands/status_table.h"
#include "agent/commands/terminal.h"
#include "buf.h"
#include "causes.h"
#include "clock.h"
#include "limit.h"
#include "util.h"

#define EXIT_CLEAR 0
#define EXIT_BLOCKED 1
#define EXIT_ERROR 2

#define WATCH_SECONDS 2
#define WRITE_AT (64u << 10)  /* write when about this much JSON is there */
#define TABLE_MAX (16u << 20) /* STATUS_KEPT_MAX is wrapped into lines */
#define CLEAR_SCREEN "\033[H\033[2J"

struct settings {
    struct flag_list addresses;
    const char *output;
    const char *namespace;
    const char *cause;
    bool watch;
    bool help;
};

struct output {
    bool json;
    bool watch;
    bool clears; /* clear the screen before each table */
    struct status_options options;
};

/* "|a|b|c" with all causes; the choices begin at the second byte. */
#define X(name, text) "|" text
static const char causes[] = CAUSE_TABLE(X);
#undef X

#define SETTING(field) .offset = offsetof(struct settings, field)

static const struct flag flags[] = {
    { .name = "--namespace",
      .value = "NAME",
      .group = "Selection",
      .help = "Show only pods of this namespace.",
      SETTING(namespace) },
    { .name = "--cause",
      .value = "CAUSE",
      .choices = causes + 1,
      .group = "Selection",
      .help = "Show only failures with this cause, such as unauthorized or network.",
      SETTING(cause) },
    { .name = "--output",
      .value = "FORMAT",
      .dflt = "table",
      .choices = "table|json",
      .group = "Output",
      .help = "Format of the output: table, or json with one object on one line.",
      SETTING(output) },
    { .name = "--watch",
      .group = "Output",
      .help = "Show the status again every 2 seconds, until Ctrl-C.",
      .kind = FLAG_SWITCH,
      SETTING(watch) },
    { .name = "--help",
      .group = "Output",
      .help = "Print this help and exit. -h does the same.",
      .kind = FLAG_STOP,
      SETTING(help) },
    { .name = DEBUG_LISTEN_FLAG,
      .value = "ADDRESS",
      .env = DEBUG_LISTEN_ENV,
      .dflt = DEBUG_LISTEN_DEFAULT,
      .group = "Connection",
      .help = "Debug address of the agent: HOST:PORT or unix:/PATH. Use the same value as for the "
              "agent. Of two addresses, the second one is asked if nobody listens at the first.",
      .kind = FLAG_LIST,
      SETTING(addresses) },
};

const struct command status_flags = {
    .name = "status",
    .summary = "Shows which containers on this node cannot get their image, why, and what to do.",
    .notes = "Asks the agent that runs on this node. Without a terminal, as in a pipe, no line is "
             "wrapped and nothing is shortened; COLUMNS sets a width. Pods of one owner that fail "
             "in the same way are one row. A + behind AGE means \"at least\": the "
             "container was already failing when the agent started.\n"
             "Exit status: 0 if nothing (selected) is blocked, 1 if something is, 2 if it is not "
             "known completely: the agent cannot read the pods, or its limits leave something out.",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
};

static PRINTF_LIKE(1, 2) int refuse(const char *format, ...)
{
    va_list arguments;

    fputs("imagepull-exporter status: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return EXIT_ERROR;
}

/* The user may resize the window between two tables. */
static void read_terminal(struct output *output)
{
    const struct terminal_size size = terminal_size();

    output->options.colour = terminal_has_colours();
    output->options.width = size.columns ? (int)size.columns : INT_MAX;
    output->options.height = output->watch && size.rows > 1 ? (int)size.rows - 1 : 0;
    output->clears = terminal_has_escapes() && output->watch && !output->json;
}

/* What is shown as blocked may be over by now if the pods cannot be read, and more may be blocked
 * if limits leave something out. */
static int exit_status(const struct output *output, const struct status_answers *answers)
{
    if (status_unknown(answers) || status_incomplete(answers))
        return EXIT_ERROR;
    return status_blocked(answers, &output->options) ? EXIT_BLOCKED : EXIT_CLEAR;
}

/* --- one status --------------------------------------------------------------------------------
 */

/* What is made of the answers while they arrive. */
struct round {
    struct output *output;
    struct status_kept kept;
    struct buf json;
    bool some;   /* the list has a member already */
    bool broken; /* standard output failed */
};

static int print(struct buf *out, struct err *err)
{
    int r = buf_error(out);

    if (r < 0)
        return err_set_errno(err, r, "format the status");
    r = terminal_write(buf_str(out), err);
    buf_reset(out);
    return r;
}

static int begin_list(void *self, enum status_list list, const json_t *head, struct err *err)
{
    struct round *round = self;

    (void)err;
    if (round->output->json)
        status_json_begin(&round->json, list, head);
    round->some = false;
    return 0;
}

static int add_json(struct round *round, enum status_list list, const json_t *member,
                    struct err *err)
{
    if (list == STATUS_FAILURES && !status_selected(member, &round->output->options))
        return 0;
    status_json_member(&round->json, member, !round->some);
    round->some = true;
    if (round->json.len < WRITE_AT && !buf_error(&round->json))
        return 0;
    round->broken = print(&round->json, err) < 0;
    return round->broken ? err->code : 0;
}

static int take_member(void *self, enum status_list list, const json_t *member, struct err *err)
{
    struct round *round = self;
    int r = round->output->json ? status_keep_counts(&round->kept, list, member)
                                : status_keep(&round->kept, list, member, &round->output->options);

    if (r < 0)
        return err_set(err, r, "no memory for the status");
    return round->output->json ? add_json(round, list, member, err) : 0;
}

static int print_table(struct output *output, const struct status_answers *answers, struct err *err)
{
    struct buf out;
    int r;

    buf_init(&out, TABLE_MAX);
    if (output->clears)
        buf_add(&out, STR(CLEAR_SCREEN));
    status_write_table(&out, answers, &output->options);
    if (output->watch && !output->clears)
        buf_add(&out, STR("\n")); /* separates two tables */
    r = print(&out, err);
    buf_done(&out);
    return r;
}

/* Asks, and prints one JSON document or one table. `ret_status`: the exit status. `ret_away`: the
 * agent did not answer. 0 or a negative errno. */
static int show(struct output *output, struct status_client *client, int *ret_status,
                bool *ret_away, struct err *err)
{
    struct round round = { .output = output };
    const struct status_reader reader = { &round, begin_list, take_member };
    struct status_answers answers = { .failures = NULL };
    int r = status_kept_begin(&round.kept);

    read_terminal(output);
    buf_init(&round.json, LIMIT_DEBUG_MEMBER + WRITE_AT);
    if (r == 0)
        r = status_client_ask(client, &reader, &answers, err);
    *ret_away = r < 0 && !round.broken;
    if (r == 0)
        r = status_kept_end(&round.kept, &answers);
    output->options.now_us = clock_now(clock_system()).wall_us;
    if (r == 0 && output->json) {
        status_json_end(&round.json);
        r = print(&round.json, err);
    } else if (r == 0) {
        r = print_table(output, &answers, err);
    }
    if (r < 0 && !err->text[0])
        err_set_errno(err, r, "format the status");
    if (r == 0)
        *ret_status = exit_status(output, &answers);
    status_answers_done(&answers);
    status_kept_done(&round.kept);
    buf_done(&round.json);
    return r;
}

static int show_once(struct output *output, struct status_client *client)
{
    struct err err = ERR_INIT;
    int status = EXIT_ERROR;
    bool away;

    return show(output, client, &status, &away, &err) < 0 ? refuse("%s", err.text) : status;
}

/* Ends only when standard output fails: an agent that is gone may come back. */
static int watch(struct output *output, struct status_client *client)
{
    const struct timespec pause = { .tv_sec = WATCH_SECONDS };
    bool was_away = false, away;

    for (;;) {
        struct err err = ERR_INIT;
        int status;
        int r = show(output, client, &status, &away, &err);

        if (r < 0 && !away)
            return refuse("%s", err.text);
        if (r < 0 && !was_away)
            refuse("%s; retrying every %ds", err.text, WATCH_SECONDS);
        was_away = r < 0;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

int status_command(int argc, char **argv)
{
    CLEANUP(status_client_freep) struct status_client *client = NULL;
    struct settings settings = { .help = false };
    struct output output;
    struct err err = ERR_INIT;

    if (flags_read(&status_flags, argc, argv, &settings, &err) < 0)
        return refuse("%s", err.text);
    if (settings.help)
        return flags_print_help(&status_flags, &err) < 0 ? refuse("%s", err.text) : EXIT_CLEAR;
    output = (struct output){
        .json = strcmp(settings.output, "json") == 0,
        .watch = settings.watch,
        .options = { .namespace = settings.namespace, .cause = settings.cause },
    };
    if (status_client_new(settings.addresses.text, &client, &err) < 0)
        return refuse("%s", err.text);
    return settings.watch ? watch(&output, client) : show_once(&output, client);
}
