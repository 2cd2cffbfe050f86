/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/classify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/commands/classify_output.h"
#include "agent/commands/flags.h"
#include "err.h"
#include "limit.h"
#include "mem.h"
#include "util.h"

#define EXIT_NO_OUTPUT 1
#define EXIT_BAD_INPUT 2

/* A longer line is cut here. The rest of it is skipped. */
#define LINE_MAX_BYTES LIMIT_CLASSIFY_BODY

struct settings {
    bool null;
    bool explain;
    bool help;
    const char *output;
    const char *path; /* NULL: standard input */
};

#define SETTING(field) .offset = offsetof(struct settings, field)

static const struct flag flags[] = {
    { .name = "--null",
      .group = "Input",
      .help = "Messages end with a NUL byte instead of a line break.",
      .kind = FLAG_SWITCH,
      SETTING(null) },
    { .name = "--output",
      .value = "FORMAT",
      .dflt = "table",
      .choices = "table|json",
      .group = "Output",
      .help = "Format of the output: table, or json with one object a line. The verdicts are in "
              "the order of the messages.",
      SETTING(output) },
    { .name = "--explain",
      .group = "Output",
      .help = "Explain each verdict. Shows the errors found in the message, the rule that decided, "
              "and other rules that match.",
      .kind = FLAG_SWITCH,
      SETTING(explain) },
    { .name = "--help",
      .group = "Output",
      .help = "Print this help and exit. -h does the same.",
      .kind = FLAG_STOP,
      SETTING(help) },
};

const struct command classify_flags = {
    .name = "classify",
    .summary = "Tells for each message in FILE, or on standard input, why the image cannot be "
               "pulled.",
    .notes = "A message is the text of an event or of a pod's status, or a log line of the kubelet "
             "or the runtime. Needs no cluster.\n"
             "Exit status: 0, 1 if the output cannot be written, 2 for a bad flag or file.",
    .operand = "FILE",
    .operand_offset = offsetof(struct settings, path),
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
};

static int refuse(const char *message)
{
    fprintf(stderr, "imagepull-exporter classify: %s\n", message);
    return EXIT_BAD_INPUT;
}

/* ---- input ------------------------------------------------------------------------------------
 */

struct input {
    int fd;
    char *at;
    size_t len;
    bool end;
    bool skipping; /* inside a line that was too long */
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

/* Classifies the complete lines and keeps the rest in the buffer. */
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

static int run(const struct settings *settings, int fd, struct err *err)
{
    CLEANUP(mem_freep) char *memory = mem_alloc(LINE_MAX_BYTES);
    struct classify_output *out =
        classify_output_new(strcmp(settings->output, "json") == 0, settings->explain);
    struct input in = { .fd = fd, .at = memory };
    int r = memory && out ? 0 : -ENOMEM;
    int written = 0;

    while (r == 0 && !in.end && !classify_output_error(out)) {
        r = input_fill(&in);
        if (r == 0)
            take_lines(&in, settings->null ? '\0' : '\n', out);
    }
    if (out)
        written = classify_output_free(out);
    if (r < 0) {
        err_set_errno(err, r, "read %s", settings->path ? settings->path : "standard input");
        return EXIT_BAD_INPUT;
    }
    if (written < 0 && written != -EPIPE)
        err_set_errno(err, written, "write to standard output");
    return written < 0 ? EXIT_NO_OUTPUT : EXIT_SUCCESS;
}

/* Opens FILE, or takes standard input. A negative errno on failure. */
static int open_input(struct settings *settings, struct err *err)
{
    int fd;

    if (settings->path && strcmp(settings->path, "-") == 0)
        settings->path = NULL;
    if (!settings->path)
        return STDIN_FILENO;
    fd = open(settings->path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_set_errno(err, -errno, "open %s", settings->path) : fd;
}

int classify_command(int argc, char **argv)
{
    struct settings settings = { .help = false };
    struct err err = ERR_INIT;
    int status;
    int fd;

    if (flags_read(&classify_flags, argc, argv, &settings, &err) < 0)
        return refuse(err.text);
    if (settings.help) {
        if (flags_print_help(&classify_flags, &err) == 0)
            return EXIT_SUCCESS;
        refuse(err.text);
        return EXIT_NO_OUTPUT;
    }
    fd = open_input(&settings, &err);
    if (fd < 0)
        return refuse(err.text);
    status = run(&settings, fd, &err);
    if (err.code)
        refuse(err.text);
    if (settings.path)
        close(fd);
    return status;
}
