/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages per second on one core, normalise() and classify() together, over the
 * real messages of tests/corpus/, and nanoseconds per byte for hostile text of
 * several lengths: they must not grow with it. The best of several rounds, since
 * a round can only be disturbed, never helped.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "failure.h"
#include "util.h"

#define MESSAGES_MAX 1024u
#define ROUNDS 7
#define PASSES 100
#define BUDGET 500000.0

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
    struct failure failure;
    double start = seconds();

    for (int pass = 0; pass < PASSES; pass++) {
        for (size_t i = 0; i < n_messages; i++) {
            normalise((struct str){ 0 }, messages[i], &failure);
            sink += classify(&failure).reason;
        }
    }
    return (double)n_messages * PASSES / (seconds() - start);
}

static void bench_corpus(void)
{
    size_t bytes = 0;
    double best = 0;

    for (size_t i = 0; i < n_messages; i++)
        bytes += messages[i].len;
    for (int round = 0; round < ROUNDS; round++) {
        double rate = rate_of_round();

        best = rate > best ? rate : best;
    }
    printf("classify      %9.0f messages/s on one core (%zu messages, %zu bytes on average); "
           "budget %.0f: %s\n",
           best, n_messages, bytes / n_messages, BUDGET, best >= BUDGET ? "met" : "NOT MET");
}

static void bench_hostile(const char *part, const char *name)
{
    static char text[1u << 20];
    static const size_t sizes[] = { 1u << 10, 4u << 10, 16u << 10, 1u << 20 };
    size_t n = strlen(part);
    struct failure failure;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = part[i % n];
    printf("hostile %-13s", name);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        double best = 1;

        for (int round = 0; round < 50; round++) {
            double start = seconds();
            double took;

            normalise((struct str){ 0 }, (struct str){ .at = text, .len = sizes[i] }, &failure);
            sink += classify(&failure).reason;
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
    load("tests/corpus/recordings.jsonl");
    if (n_messages == 0) {
        fprintf(stderr, "bench_classify: no messages in tests/corpus/; run it in the top folder\n");
        return EXIT_FAILURE;
    }
    bench_corpus();
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
