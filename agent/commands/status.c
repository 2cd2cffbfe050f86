/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "agent/commands/status_client.h"
#include "agent/commands/status_table.h"
#include "agent/config.h"
#include "buf.h"
#include "causes.h"
#include "clock.h"
#include "limits.h"

#define EXIT_CLEAR 0
#define EXIT_BLOCKED 1
#define EXIT_ERROR 2

#define WIDTH_DEFAULT 80
#define WIDTH_MOST 500
#define WATCH_SECONDS 2
#define CLEAR_SCREEN "\033[H\033[2J"

struct settings {
    const char *address;
    bool json;
    bool watch;
    bool help;
    bool clears; /* the screen before each table */
    struct status_view view;
};

static const char help[] =
    "Usage: imagepull-exporter status [--watch] [--output=table|json] [--namespace=NAME]\n"
    "                                 [--cause=CAUSE] [--debug.listen-address=ADDRESS]\n"
    "\n"
    "Says which containers of this node cannot get their image, why, and what to do. Asks the\n"
    "agent that runs on this node.\n"
    "\n"
    "  --watch            show it again every 2 seconds, until Ctrl-C\n"
    "  --output=FORMAT    table (default), or json: one object on one line\n"
    "  --namespace=NAME   only pods of this namespace\n"
    "  --cause=CAUSE      only failures of this cause, such as unauthorized or network\n"
    "  --debug.listen-address=ADDRESS\n"
    "                     where the agent serves its debug answers, as it was told itself:\n"
    "                     HOST:PORT or unix:/PATH. Default 127.0.0.1:9918.\n"
    "                     Environment IMAGEPULL_DEBUG_LISTEN_ADDRESS.\n"
    "  --help             this text\n"
    "\n"
    "AGE with a + is at least that much: the agent found it failing when it started.\n"
    "Exit status: 0 nothing (selected) is blocked, 1 something is, 2 it could not be found out.\n";

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

/* --- settings ----------------------------------------------------------------------------------
 */

/* The value of `word` if it is "--flag=value", or of "--flag value": then `next` is used. Else
 * NULL.
 */
static const char *flag_value(const char *flag, const char *word, const char *next, bool *used)
{
    size_t len = strlen(flag);

    if (strncmp(word, flag, len) != 0)
        return NULL;
    if (word[len] == '=')
        return word + len + 1;
    if (word[len] != '\0')
        return NULL;
    *used = true;
    return next;
}

static int set_output(struct settings *settings, const char *format)
{
    settings->json = strcmp(format, "json") == 0;
    if (settings->json || strcmp(format, "table") == 0)
        return 0;
    return refuse("--output is '%s'; it can be table or json", format);
}

static int check(const struct settings *settings)
{
    if (settings->view.namespace && !settings->view.namespace[0])
        return refuse("--namespace needs a value: NAME");
    if (!settings->address[0])
        return refuse(DEBUG_LISTEN_FLAG " needs a value: ADDRESS");
    if (!settings->view.cause)
        return 0;
    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        if (strcmp(settings->view.cause, cause_name(cause)) == 0)
            return 0;
    refuse("--cause is '%s'; the causes are:", settings->view.cause);
    for (enum cause cause = 0; cause < CAUSE_MAX; cause++)
        fprintf(stderr, "  %s\n", cause_name(cause));
    return EXIT_ERROR;
}

static int settings_read(int argc, char **argv, struct settings *ret)
{
    const char *address = getenv(DEBUG_LISTEN_ENV);
    struct settings s = { .address = address && address[0] ? address : DEBUG_LISTEN_DEFAULT };
    int status = 0;

    for (int i = 1; i < argc && status == 0; i++) {
        const char *word = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        const char *value;
        bool used = false;

        if (strcmp(word, "--watch") == 0)
            s.watch = true;
        else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            s.help = true;
        else if ((value = flag_value("--output", word, next, &used)))
            status = set_output(&s, value);
        else if ((value = flag_value("--namespace", word, next, &used)))
            s.view.namespace = value;
        else if ((value = flag_value("--cause", word, next, &used)))
            s.view.cause = value;
        else if ((value = flag_value(DEBUG_LISTEN_FLAG, word, next, &used)))
            s.address = value;
        else
            return refuse("unknown %s '%s'; --help lists what there is",
                          word[0] == '-' ? "flag" : "argument", word);
        i += used;
    }
    if (status == 0)
        status = check(&s);
    *ret = s;
    return status;
}

/* --- output ------------------------------------------------------------------------------------
 */

static int columns_of_environment(void)
{
    const char *columns = getenv("COLUMNS");
    long n = columns ? strtol(columns, NULL, 10) : 0;

    return n > 0 && n <= WIDTH_MOST ? (int)n : WIDTH_DEFAULT;
}

/* The window may change its size while it is watched. */
static void look_at_terminal(struct settings *settings)
{
    const char *terminal = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");
    struct winsize size = { .ws_col = 0 };
    bool is_terminal = isatty(STDOUT_FILENO);
    bool obeys = is_terminal && terminal && strcmp(terminal, "dumb") != 0;

    settings->view.colour = obeys && !(no_colour && no_colour[0]);
    settings->clears = obeys && settings->watch && !settings->json;
    if (is_terminal)
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    settings->view.width = size.ws_col ? size.ws_col : columns_of_environment();
    settings->view.height = settings->watch && size.ws_row > 1 ? size.ws_row - 1 : 0;
}

static int write_all(struct str text)
{
    while (text.len) {
        ssize_t n = write(STDOUT_FILENO, text.at, text.len);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            text = str_skip(text, (size_t)n);
    }
    return 0;
}

static int print_help(void)
{
    int r = write_all(STR(help));

    return r < 0 ? refuse("write to standard output: %s", strerror(-r)) : EXIT_CLEAR;
}

static int exit_status(const struct settings *settings, const struct status_answers *answers)
{
    if (status_blocked(answers, &settings->view))
        return EXIT_BLOCKED;
    return status_known(answers) ? EXIT_CLEAR : EXIT_ERROR;
}

/* One document or one table. 0, or a negative errno. */
static int show(struct settings *settings, const struct status_answers *answers)
{
    struct buf out;
    int r = 0;

    look_at_terminal(settings);
    settings->view.now_us = clock_now(clock_system()).wall_us;
    buf_init(&out, LIMIT_DEBUG_BODY * 2ul);
    if (settings->clears)
        buf_add(&out, STR(CLEAR_SCREEN));
    if (settings->json) {
        r = status_write_json(&out, answers, &settings->view);
    } else {
        status_write_table(&out, answers, &settings->view);
        if (settings->watch && !settings->clears)
            buf_add(&out, STR("\n")); /* one table from the next */
    }
    if (r == 0)
        r = buf_error(&out);
    if (r == 0)
        r = write_all(buf_str(&out));
    buf_done(&out);
    if (r < 0)
        refuse("write to standard output: %s", strerror(-r));
    return r;
}

static int ask_once(struct settings *settings, struct status_client *client)
{
    struct status_answers answers;
    struct err err = ERR_INIT;
    int status;

    if (status_client_ask(client, &answers, &err) < 0)
        return refuse("%s", err.text);
    status = show(settings, &answers) < 0 ? EXIT_ERROR : exit_status(settings, &answers);
    status_answers_done(&answers);
    return status;
}

/* For ever; an agent that is away may come back. */
static int watch(struct settings *settings, struct status_client *client)
{
    const struct timespec pause = { .tv_sec = WATCH_SECONDS };
    bool was_away = false;

    for (;;) {
        struct status_answers answers;
        struct err err = ERR_INIT;

        if (status_client_ask(client, &answers, &err) < 0) {
            if (!was_away)
                refuse("%s; asking again every %d s", err.text, WATCH_SECONDS);
            was_away = true;
        } else {
            int r = show(settings, &answers);

            was_away = false;
            status_answers_done(&answers);
            if (r < 0)
                return EXIT_ERROR;
        }
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

int status_command(int argc, char **argv)
{
    CLEANUP(status_client_freep) struct status_client *client = NULL;
    struct settings settings = { .help = false };
    struct err err = ERR_INIT;
    int status = settings_read(argc, argv, &settings);

    if (status != 0)
        return status;
    if (settings.help)
        return print_help();
    if (status_client_new(settings.address, &client, &err) < 0)
        return refuse("%s", err.text);
    return settings.watch ? watch(&settings, client) : ask_once(&settings, client);
}
