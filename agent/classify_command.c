/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "failure.h"
#include "image_ref.h"
#include "mem.h"
#include "util.h"

#define EXIT_NO_OUTPUT 1
#define EXIT_BAD_INPUT 2

/* A longer line is cut here; what follows up to the next line is skipped. */
#define LINE_MAX_BYTES LIMIT_CLASSIFY_BODY

#define WRITE_AT (64u << 10) /* output is handed over in pieces of about this size */
#define OUTPUT_MAX (1u << 20)
#define ADVICE_MAX 4096u

struct settings {
    bool json;
    bool explain;
    bool help;
    char delimiter;
    const char *path; /* NULL: standard input */
};

struct output {
    const struct settings *settings;
    struct buf text;
    struct buf advice;
    bool header_done;
    int error; /* 0, or the negative errno of the write that failed */
};

static const char help[] =
    "Usage: imagepull-exporter classify [--null] [--explain] [--output=table|json] [FILE]\n"
    "\n"
    "Says why an image could not be pulled, for each message in FILE or on standard input:\n"
    "events, waiting messages of pods, lines of the kubelet's or a runtime's log.\n"
    "\n"
    "  --null           messages end with a NUL byte instead of a line break\n"
    "  --explain        also show the rule that decided, and how the message was taken apart\n"
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

static void flush(struct output *out)
{
    struct str rest = buf_str(&out->text);

    if (buf_error(&out->text) && !out->error)
        out->error = buf_error(&out->text);
    while (rest.len > 0 && !out->error) {
        ssize_t n = write(STDOUT_FILENO, rest.at, rest.len);

        if (n < 0 && errno != EINTR)
            out->error = -errno;
        if (n > 0)
            rest = str_skip(rest, (size_t)n);
    }
    buf_reset(&out->text);
}

/* ---- JSON: a few fixed keys, written without a library, which would be the slowest part ---- */

/* `text` is valid UTF-8 without control bytes (normalise() saw to it). */
static void json_text(struct buf *to, struct str text)
{
    buf_add_byte(to, '"');
    while (text.len > 0) {
        size_t n = 0;

        while (n < text.len && text.at[n] != '"' && text.at[n] != '\\')
            n++;
        buf_add(to, str_head(text, n));
        text = str_skip(text, n);
        if (text.len > 0) {
            buf_add_byte(to, '\\');
            buf_add_byte(to, text.at[0]);
            text = str_skip(text, 1);
        }
    }
    buf_add_byte(to, '"');
}

static void json_text_or_null(struct buf *to, const char *key, struct str text)
{
    buf_add_text(to, key);
    if (text.len > 0)
        json_text(to, text);
    else
        buf_add(to, STR("null"));
}

static void json_causes(struct buf *to, uint32_t set)
{
    bool first = true;

    buf_add(to, STR(",\"ambiguous_with\":["));
    for (unsigned i = 0; i < CAUSE_MAX; i++) {
        if (!(set & (UINT32_C(1) << i)))
            continue;
        if (!first)
            buf_add_byte(to, ',');
        json_text(to, str_from(cause_name((enum cause)i)));
        first = false;
    }
    buf_add_byte(to, ']');
}

static void json_explanation(struct buf *to, const struct failure *f, const struct verdict *v)
{
    json_text_or_null(to, ",\"rule\":", str_from(v->rule));
    json_text_or_null(to, ",\"message\":", f->message);
    buf_printf(to, ",\"back_off\":%s,\"attempts\":[", f->back_off ? "true" : "false");
    for (size_t i = 0; i < f->n_attempts; i++) {
        const struct attempt *a = &f->attempts[i];

        json_text_or_null(to, i > 0 ? ",{\"terminal\":" : "{\"terminal\":", a->terminal);
        buf_printf(to, ",\"grpc_code\":%d,\"http_status\":%d}", a->grpc_code, a->http_status);
    }
    buf_add_byte(to, ']');
}

static void write_json(struct output *out, const struct failure *f, const struct verdict *v,
                       struct str registry)
{
    struct buf *to = &out->text;

    json_text_or_null(to, "{\"cause\":", str_from(cause_name(v->cause)));
    json_text_or_null(to, ",\"reason\":", str_from(reason_name(v->reason)));
    json_text_or_null(to, ",\"stage\":", str_from(stage_name(v->stage)));
    buf_add(to, STR(",\"http_status\":"));
    if (v->http_status > 0)
        buf_add_uint(to, (uint64_t)v->http_status);
    else
        buf_add(to, STR("null"));
    json_text_or_null(to, ",\"image\":", f->image);
    json_text_or_null(to, ",\"registry\":", registry);
    json_causes(to, v->ambiguous_with);
    json_text_or_null(to, ",\"advice\":", buf_str(&out->advice));
    if (out->settings->explain)
        json_explanation(to, f, v);
    buf_add(to, STR("}\n"));
}

/* ---- a table for people --------------------------------------------------------------------- */

static void write_table(struct output *out, const struct failure *f, const struct verdict *v)
{
    struct buf *to = &out->text;
    const char *stage = stage_name(v->stage);
    char status[16] = "-";

    if (!out->header_done)
        buf_printf(to, "%-14s %-26s %-8s %-4s %s\n", "CAUSE", "REASON", "STAGE", "HTTP", "IMAGE");
    out->header_done = true;
    if (v->http_status > 0)
        snprintf(status, sizeof(status), "%d", v->http_status);
    buf_printf(to, "%-14s %-26s %-8s %-4s ", cause_name(v->cause), reason_name(v->reason),
               stage ? stage : "-", status);
    buf_add(to, f->image.len > 0 ? f->image : STR("-"));
    buf_add(to, STR("\n    "));
    buf_add(to, buf_str(&out->advice));
    buf_add_byte(to, '\n');
    if (!out->settings->explain)
        return;
    buf_printf(to, "    rule: %s\n    message: ", v->rule);
    buf_add(to, f->message);
    buf_add_byte(to, '\n');
    for (size_t i = 0; i < f->n_attempts; i++) {
        buf_printf(to, "    attempt %zu: ", i + 1);
        buf_add(to, f->attempts[i].terminal);
        buf_add_byte(to, '\n');
    }
}

static void classify_line(struct output *out, struct str line)
{
    struct failure failure;
    struct verdict verdict;
    char registry[LIMIT_NAME_TEXT] = "";
    struct advice_facts facts = { .pull_secrets_known = false };

    normalise((struct str){ 0 }, line, &failure);
    verdict = classify(&failure);
    if (failure.image.len > 0)
        image_registry(failure.image, registry);
    if (verdict.reason != REASON_INVALID_REFERENCE)
        facts.registry = str_from(registry);
    buf_reset(&out->advice);
    advice_write(&out->advice, &verdict, &facts);
    if (out->settings->json)
        write_json(out, &failure, &verdict, str_from(registry));
    else
        write_table(out, &failure, &verdict);
    if (out->text.len >= WRITE_AT || buf_error(&out->text))
        flush(out);
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
static void take_lines(struct input *in, struct output *out)
{
    char delimiter = out->settings->delimiter;
    char *from = in->at;
    char *end = in->at + in->len;
    char *stop;

    while (from < end && (stop = memchr(from, delimiter, (size_t)(end - from))) != NULL) {
        if (!in->skipping)
            classify_line(out, str_span(from, stop));
        in->skipping = false;
        from = stop + 1;
    }
    in->len = (size_t)(end - from);
    memmove(in->at, from, in->len);
    if (in->len > 0 && (in->end || in->len == LINE_MAX_BYTES)) {
        if (!in->skipping)
            classify_line(out, (struct str){ .at = in->at, .len = in->len });
        in->skipping = true;
        in->len = 0;
    }
}

static int run(const struct settings *settings, int fd)
{
    CLEANUP(mem_freep) char *memory = mem_alloc(LINE_MAX_BYTES);
    struct input in = { .fd = fd, .at = memory };
    struct output out = { .settings = settings };
    int r = memory ? 0 : -ENOMEM;

    buf_init(&out.text, OUTPUT_MAX);
    buf_init(&out.advice, ADVICE_MAX);
    while (r == 0 && !in.end && !out.error) {
        r = input_fill(&in);
        if (r == 0)
            take_lines(&in, &out);
    }
    flush(&out);
    buf_done(&out.text);
    buf_done(&out.advice);
    if (r < 0)
        return refuse("read %s: %s", settings->path ? settings->path : "standard input",
                      strerror(-r));
    if (out.error && out.error != -EPIPE)
        refuse("write the output: %s", strerror(-out.error));
    return out.error ? EXIT_NO_OUTPUT : EXIT_SUCCESS;
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
