/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Measures how many messages the classifier gets right. Prints each wrong one and a
 * table by cause for each set. Fails if a set is below its floor, which is the best
 * result so far. With arguments: measures those files instead, without floors.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/message.h"
#include "agent/classify/party.h"
#include "util.h"

struct tally {
    unsigned right;
    unsigned all;
};

struct score {
    struct tally causes;
    struct tally by_cause[CAUSE_MAX];
    struct tally kubernetes; /* those that the kubelet writes ("origin" in field.jsonl) */
    struct tally reasons;    /* of the messages with a reason */
    struct tally images;
    struct tally hosts; /* of the messages with "failed_role" */
};

static const struct set {
    const char *path;
    double causes, kubernetes, reasons, images; /* floors in percent */
} sets[] = {
    { "tests/corpus/lab.jsonl", 100, 0, 100, 0 },
    { "tests/corpus/recordings.jsonl", 100, 0, 100, 100 },
    { "tests/corpus/variants.jsonl", 100, 0, 100, 100 },
    { "tests/corpus/field.jsonl", 100, 100, 0, 0 },
    { "tests/corpus/found.jsonl", 100, 0, 100, 0 },
    { "tests/corpus/field2.jsonl", 100, 0, 100, 0 },
};

static const char *text_of(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static struct str member(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);

    return (struct str){ .at = json_string_value(value), .len = json_string_length(value) };
}

static void count(struct tally *tally, bool right)
{
    tally->all++;
    tally->right += right;
}

static double percent(struct tally tally)
{
    return tally.all > 0 ? 100.0 * tally.right / tally.all : 100.0;
}

static enum cause cause_from(const char *name)
{
    for (unsigned i = 0; name && i < CAUSE_MAX; i++)
        if (strcmp(cause_name((enum cause)i), name) == 0)
            return (enum cause)i;
    return CAUSE_MAX;
}

static bool same_image(struct str got, struct str want)
{
    return str_eq(got, want) || image_same(got, want);
}

static void print_miss(const json_t *row, const struct message *m, const struct verdict *v)
{
    const char *reason = text_of(row, "reason");
    const char *what = text_of(row, "case");

    if (!what)
        what = text_of(row, "detail");
    printf("  MISS %s: %s/%s by rule %s, image \"%.*s\"; expected %s/%s\n       %.*s\n",
           what ? what : "", cause_name(v->cause), reason_name(v->reason), v->rule,
           STR_ARG(m->image), text_of(row, "cause"), reason ? reason : "any", STR_ARG(m->text));
}

/* Whether the right host is named, in the right role; null: none. True without a label. */
static bool right_party(const json_t *row, const struct message *message,
                        const struct verdict *verdict, struct score *score)
{
    const char *host = text_of(row, "failed_host");
    const char *role = text_of(row, "failed_role");
    char registry[LIMIT_NAME_TEXT] = "";
    struct party party;
    bool right;

    if (!json_object_get(row, "failed_role"))
        return true;
    if (message->image.len > 0)
        image_registry(message->image, registry);
    party_find(message, verdict, str_from(registry), &party);
    right = strcmp(party.host, host ? host : "") == 0 &&
            (role ? party.role < ROLE_MAX && strcmp(role_name(party.role), role) == 0
                  : party.role == ROLE_MAX);
    count(&score->hosts, right);
    if (!right)
        printf("  MISS \"%s\" in role %s; expected \"%s\" in role %s\n", party.host,
               party.role < ROLE_MAX ? role_name(party.role) : "none", host ? host : "",
               role ? role : "none");
    return right;
}

static int judge(const json_t *row, struct score *score)
{
    struct message message;
    struct verdict verdict;
    enum cause cause = cause_from(text_of(row, "cause"));
    const char *reason = text_of(row, "reason");
    const char *origin = text_of(row, "origin");
    struct str image = member(row, "expect_image");
    bool right, right_reason, right_image;

    if (cause == CAUSE_MAX || !text_of(row, "message"))
        return -1;
    normalise(member(row, "waiting_reason"), member(row, "message"), &message);
    verdict = classify(&message);
    right = verdict.cause == cause;
    right_reason = !reason || strcmp(reason, reason_name(verdict.reason)) == 0;
    right_image = image.len == 0 || same_image(message.image, image);
    count(&score->causes, right);
    count(&score->by_cause[cause], right);
    if (origin && strcmp(origin, "kubernetes") == 0)
        count(&score->kubernetes, right);
    if (reason)
        count(&score->reasons, right_reason);
    if (image.len > 0)
        count(&score->images, right_image);
    if (!right_party(row, &message, &verdict, score) || !right || !right_reason || !right_image)
        print_miss(row, &message, &verdict);
    return 0;
}

static int judge_file(const char *path, struct score *score)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    int r = file ? 0 : -1;

    while (r == 0 && getline(&line, &size, file) > 0) {
        json_error_t error;
        json_t *row = json_loads(line, 0, &error);

        r = row ? judge(row, score) : -1;
        json_decref(row);
    }
    if (r < 0)
        fprintf(stderr, "cannot read %s, or a line of it has no message or no valid cause\n", path);
    free(line);
    if (file)
        fclose(file);
    return r;
}

static void print_score(const char *path, const struct score *score)
{
    printf("%s: %u of %u causes right (%.1f %%)", path, score->causes.right, score->causes.all,
           percent(score->causes));
    if (score->kubernetes.all > 0)
        printf(", kubernetes %u of %u (%.1f %%)", score->kubernetes.right, score->kubernetes.all,
               percent(score->kubernetes));
    if (score->reasons.all > 0)
        printf(", reasons %u of %u (%.1f %%)", score->reasons.right, score->reasons.all,
               percent(score->reasons));
    if (score->images.all > 0)
        printf(", images %u of %u", score->images.right, score->images.all);
    if (score->hosts.all > 0)
        printf(", hosts %u of %u", score->hosts.right, score->hosts.all);
    printf("\n");
    for (unsigned i = 0; i < CAUSE_MAX; i++)
        if (score->by_cause[i].all > 0)
            printf("  %-15s %3u of %3u\n", cause_name((enum cause)i), score->by_cause[i].right,
                   score->by_cause[i].all);
}

static bool reaches(const struct set *set, const struct score *score)
{
    return percent(score->causes) >= set->causes && percent(score->kubernetes) >= set->kubernetes &&
           percent(score->reasons) >= set->reasons && percent(score->images) >= set->images &&
           score->hosts.right == score->hosts.all;
}

int main(int argc, char **argv)
{
    int status = EXIT_SUCCESS;

    for (int i = 1; i < argc; i++) {
        struct score score = { 0 };

        if (judge_file(argv[i], &score) < 0)
            return EXIT_FAILURE;
        print_score(argv[i], &score);
    }
    for (size_t i = 0; argc == 1 && i < ARRAY_SIZE(sets); i++) {
        struct score score = { 0 };

        if (judge_file(sets[i].path, &score) < 0)
            return EXIT_FAILURE;
        print_score(sets[i].path, &score);
        if (reaches(&sets[i], &score))
            continue;
        printf("  BELOW ITS FLOOR: causes %.1f, kubernetes %.1f, reasons %.1f, images %.1f\n",
               sets[i].causes, sets[i].kubernetes, sets[i].reasons, sets[i].images);
        status = EXIT_FAILURE;
    }
    return status;
}
