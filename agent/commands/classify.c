/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/classify.h"
#include "agent/commands/classify_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"
#include "mem.h"
#include "util.h"

#define EXIT_NO_OUTPUT 1
#define EXIT_BAD_INPUT 2

/* A longer line is cut here; what follows up to the next line is skipped. */
#define LINE_MAX_BYTES LIMIT_CLASSIFY_BODY

struct settings {
    bool json;
    bool explain;
    bool help;
    char delimiter;
    const char *path; /* NULL: standard input */
};

static const char help[] =
    "Usage: imagepull-exporter classify [--null] [--explain] [--output=table|json] [FILE]\n"
    "\n"
    "Says why an image could not be pulled, for each message in FILE or on standard input:\n"
    "events, waiting messages of pods, lines of the kubelet's or a runtime's log.\n"
    "\n"
    "  --null           messages end with a NUL byte instead of a line break\n"
    "  --explain        also show the wrappers that were peeled, the error that was left, the "
    "rule\n"
    "                   that decided and what else the message could have been taken for\n"
    "  --output=FORMAT  table (default), or json: one object a line, in input order\n"
    "  --help           this text\n";

static PRINTF_LIKE(1, 2) int refuse(const char *format, ...)
{
    va_list arguments;

    fputs("imagepull-exporter classify: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return EXIT_BAD_INPUT;
}

static int settings_read(int argc, char **argv, struct settings *ret)
{
    struct settings s = { .delimiter = '\n' };
    bool flags = true;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];

        if (flags && strcmp(arg, "--") == 0)
            flags = false;
        else if (flags && strcmp(arg, "--null") == 0)
            s.delimiter = '\0';
        else if (flags && strcmp(arg, "--explain") == 0)
            s.explain = true;
        else if (flags && strcmp(arg, "--help") == 0)
            s.help = true;
        else if (flags && strcmp(arg, "--output=json") == 0)
            s.json = true;
        else if (flags && strcmp(arg, "--output=table") == 0)
            s.json = false;
        else if (flags && strncmp(arg, "--output", 8) == 0)
            return refuse("%s: the formats are --output=table and --output=json", arg);
        else if (flags && arg[0] == '-' && arg[1] != '\0')
            return refuse("unknown flag %s; --help lists them", arg);
        else if (s.path)
            return refuse("one file at most, and %s is the second", arg);
        else
            s.path = arg;
    }
    if (s.path && strcmp(s.path, "-") == 0)
        s.path = NULL;
    *ret = s;
    return EXIT_SUCCESS;
}

/* ---- input ------------------------------------------------------------------------------------
 */

struct input {
    int fd;
    char *at;
    size_t len;
    bool end;
    bool skipping; /* the rest of a line that was too long */
};

static int input_fill(struct input *in)
{
    ssize_t n;

    do {
        n = read(in->fd, in->at + in->len, LINE_MAX_BYTES - in->len);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    in->len += (size_t)n;
    in->end = n == 0;
    return 0;
}

/* Classifies the whole lines of what was read and keeps the rest. */
static void take_lines(struct input *in, char delimiter, struct classify_output *out)
{
    char *from = in->at;
    char *end = in->at + in->len;
    char *stop;

    while (from < end && (stop = memchr(from, delimiter, (size_t)(end - from))) != NULL) {
        if (!in->skipping)
            classify_output_line(out, str_span(from, stop));
        in->skipping = false;
        from = stop + 1;
    }
    in->len = (size_t)(end - from);
    memmove(in->at, from, in->len);
    if (in->len > 0 && (in->end || in->len == LINE_MAX_BYTES)) {
        if (!in->skipping)
            classify_output_line(out, (struct str){ .at = in->at, .len = in->len });
        in->skipping = true;
        in->len = 0;
    }
}

static int run(const struct settings *settings, int fd)
{
    CLEANUP(mem_freep) char *memory = mem_alloc(LINE_MAX_BYTES);
    struct classify_output *out = classify_output_new(settings->json, settings->explain);
    struct input in = { .fd = fd, .at = memory };
    int r = memory && out ? 0 : -ENOMEM;
    int written = 0;

    while (r == 0 && !in.end && !classify_output_error(out)) {
        r = input_fill(&in);
        if (r == 0)
            take_lines(&in, settings->delimiter, out);
    }
    if (out)
        written = classify_output_free(out);
    if (r < 0)
        return refuse("read %s: %s", settings->path ? settings->path : "standard input",
                      strerror(-r));
    if (written < 0 && written != -EPIPE)
        refuse("write the output: %s", strerror(-written));
    return written < 0 ? EXIT_NO_OUTPUT : EXIT_SUCCESS;
}

int classify_command(int argc, char **argv)
{
    struct settings settings = { .help = false };
    int status = settings_read(argc, argv, &settings);
    int fd = STDIN_FILENO;

    if (status != EXIT_SUCCESS)
        return status;
    if (settings.help)
        return fputs(help, stdout) == EOF || fflush(stdout) == EOF ? EXIT_NO_OUTPUT : EXIT_SUCCESS;
    if (settings.path) {
        fd = open(settings.path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return refuse("open %s: %s", settings.path, strerror(errno));
    }
    status = run(&settings, fd);
    if (settings.path)
        close(fd);
    return status;
}
