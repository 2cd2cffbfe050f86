/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages per second on one core, with two real sets of tests/corpus/: normalise() and classify()
 * alone, and the whole `classify --output=json` over a file. Prints the median of several rounds,
 * and the best, which depends less on other load. Then the time for hostile text of several
 * lengths: it must not grow per byte.
 */

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/classify/message.h"
#include "agent/commands/classify.h"
#include "util.h"

#define MESSAGES_MAX 1024u
#define ROUNDS 9
#define PASSES 100
#define BUDGET 500000.0
#define COMMAND_PASSES 300
#define COMMAND_BUDGET 300000.0

static struct str messages[MESSAGES_MAX];
static size_t n_messages;
static volatile unsigned sink;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void load(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;

    while (file && n_messages < MESSAGES_MAX && getline(&line, &size, file) > 0) {
        json_t *row = json_loads(line, 0, NULL);
        const char *text = json_string_value(json_object_get(row, "message"));

        if (text)
            messages[n_messages++] = str_from(strdup(text));
        json_decref(row);
    }
    free(line);
    if (file)
        fclose(file);
}

static double rate_of_round(void)
{
    struct message message;
    double start = seconds();

    for (int pass = 0; pass < PASSES; pass++) {
        for (size_t i = 0; i < n_messages; i++) {
            normalise((struct str){ 0 }, messages[i], &message);
            sink += classify(&message).reason;
        }
    }
    return (double)n_messages * PASSES / (seconds() - start);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const char *what, double (*rate)(void), double budget)
{
    double rates[ROUNDS];
    double median;
    size_t bytes = 0;

    for (size_t i = 0; i < n_messages; i++)
        bytes += messages[i].len;
    for (int round = 0; round < ROUNDS; round++)
        rates[round] = rate();
    qsort(rates, ROUNDS, sizeof(rates[0]), by_size);
    median = rates[ROUNDS / 2];
    printf("%-15s %8.0f messages/s, %5.0f MB/s on one core, median of %d (best %.0f; %zu messages "
           "of %zu bytes on average); budget %.0f: %s\n",
           what, median, median * (double)bytes / (double)n_messages / 1e6, ROUNDS,
           rates[ROUNDS - 1], n_messages, bytes / n_messages, budget,
           median >= budget ? "met" : "NOT MET");
}

/* A file with the messages as lines, repeated. */
static int lines(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(dup(fd), "we") : NULL;

    for (int pass = 0; file && pass < COMMAND_PASSES; pass++) {
        for (size_t i = 0; i < n_messages; i++) {
            for (size_t k = 0; k < messages[i].len; k++)
                putc(messages[i].at[k] == '\n' ? ' ' : messages[i].at[k], file);
            putc('\n', file);
        }
    }
    if (!file || fclose(file) != 0) {
        fprintf(stderr, "bench_classify: cannot make a temporary file in /tmp\n");
        exit(EXIT_FAILURE);
    }
    return fd;
}

/* Everything except the start of the process: reads a file, writes JSON to /dev/null. */
static double rate_of_command(void)
{
    static int input = -1;
    char name[] = "classify";
    char json[] = "--output=json";
    char *arguments[] = { name, json, NULL };
    int saved[2] = { dup(STDIN_FILENO), dup(STDOUT_FILENO) };
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    double took;

    if (input < 0)
        input = lines();
    lseek(input, 0, SEEK_SET);
    fflush(stdout);
    dup2(input, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    took = -seconds();
    sink += (unsigned)classify_command(2, arguments);
    took += seconds();
    for (int i = 0; i < 2; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    close(null);
    return (double)n_messages * COMMAND_PASSES / took;
}

static void bench_hostile(const char *part, const char *name)
{
    static char text[1u << 20];
    static const size_t sizes[] = { 1u << 10, 4u << 10, 16u << 10, 1u << 20 };
    size_t n = strlen(part);
    struct message message;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = part[i % n];
    printf("hostile %-13s", name);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        double best = 1;

        for (int round = 0; round < 50; round++) {
            double start = seconds();
            double took;

            normalise((struct str){ 0 }, (struct str){ .at = text, .len = sizes[i] }, &message);
            sink += classify(&message).reason;
            took = seconds() - start;
            best = took < best ? took : best;
        }
        printf("  %4zu KiB %6.1f us", sizes[i] >> 10, best * 1e6);
    }
    printf("\n");
}

int main(void)
{
    load("tests/corpus/lab.jsonl");
    load("tests/corpus/field.jsonl");
    if (n_messages == 0) {
        fprintf(stderr, "bench_classify: no messages in tests/corpus/; run it in the top folder of "
                        "the source\n");
        return EXIT_FAILURE;
    }
    report("classify", rate_of_round, BUDGET);
    report("classify --json", rate_of_command, COMMAND_BUDGET);
    bench_hostile("\"", "quotes");
    bench_hostile("[", "brackets");
    bench_hostile("a:", "colons");
    bench_hostile("image \"", "open names");
    bench_hostile("failed to ", "phrases");
    bench_hostile("https://a?b=", "queries");
    for (size_t i = 0; i < n_messages; i++)
        free((void *)(uintptr_t)messages[i].at);
    return EXIT_SUCCESS;
}
