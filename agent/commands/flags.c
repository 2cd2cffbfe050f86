/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/flags.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/commands/show.h"
#include "buf.h"

#define FLAGS_MAX 40
#define FIRST_FLAG 256  /* getopt_long's result for flags[0]; larger than any character */
#define OPERAND 1       /* getopt_long's result for a word that is not a flag */
#define SHOWN_MAX 80    /* bytes of a bad word that a message shows */
#define ALLOWED_MAX 256 /* bytes of the list of choices in a message */

bool flag_takes_value(const struct flag *flag)
{
    return flag->kind == FLAG_VALUE || flag->kind == FLAG_LIST;
}

static void *field_of(const struct flag *flag, const void *settings)
{
    return (char *)settings + flag->offset;
}

static const char **value_of(const struct flag *flag, const void *settings)
{
    void *field = field_of(flag, settings);

    return flag->kind == FLAG_LIST ? &((struct flag_list *)field)->last : field;
}

const char *flag_text(const struct flag *flag, const void *settings)
{
    if (flag->kind == FLAG_LIST)
        return ((struct flag_list *)field_of(flag, settings))->text;
    return *value_of(flag, settings);
}

/* flags_read() stores values without a copy, so the pointer shows where a value is from. */
const char *flag_origin(const struct flag *flag, const void *settings)
{
    const char *value = *value_of(flag, settings);

    if (value == flag->dflt)
        return "default";
    return flag->env && value == getenv(flag->env) ? flag->env : "flag";
}

/* --- values ------------------------------------------------------------------------------------
 */

/* `word` for a message: printable ASCII, cut where it is long. Returns `ret`. */
static const char *shown(const char *word, char ret[SHOWN_MAX + sizeof("...")])
{
    struct buf plain;

    buf_init(&plain, SHOWN_MAX);
    show_plain(&plain, str_head(str_from(word), SHOWN_MAX));
    snprintf(ret, SHOWN_MAX + sizeof("..."), "%.*s%s", STR_ARG(buf_str(&plain)),
             strlen(word) > SHOWN_MAX ? "..." : "");
    buf_done(&plain);
    return ret;
}

int flag_refuse(struct err *err, const char *name, const char *value, const char *allowed)
{
    char text[SHOWN_MAX + sizeof("...")];

    return err_set(err, -EINVAL, "%s is '%s'; it must be %s", name, shown(value, text), allowed);
}

/* Removes the first choice from "a|b|c". False if none is left. */
static bool next_choice(const char **choices, struct str *ret)
{
    const char *from = *choices;
    const size_t len = from ? strcspn(from, "|") : 0;

    if (!from)
        return false;
    *ret = (struct str){ .at = from, .len = len };
    *choices = from[len] == '|' ? from + len + 1 : NULL;
    return true;
}

static int check_choice(const struct flag *flag, const char *name, const char *value,
                        struct err *err)
{
    const char *rest = flag->choices;
    char allowed[ALLOWED_MAX] = "one of";
    size_t used = strlen(allowed);
    struct str choice;

    while (next_choice(&rest, &choice)) {
        if (str_eq(choice, str_from(value)))
            return 0;
        if (used < sizeof(allowed))
            used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, " %.*s%s",
                                     STR_ARG(choice), rest ? "," : "");
    }
    return flag_refuse(err, name, value, allowed);
}

/* `name` for messages: of the flag or of its environment variable. */
static int check_value(const struct flag *flag, const char *name, const char *value,
                       struct err *err)
{
    if (value[0] == '\0')
        return err_set(err, -EINVAL, "%s needs a value: %s", name,
                       flag->value ? flag->value : flag->choices);
    return flag->choices ? check_choice(flag, name, value, err) : 0;
}

static int add_to_list(struct flag_list *list, const struct flag *flag, const char *value,
                       struct err *err)
{
    const size_t used = strlen(list->text);
    const size_t size = sizeof(list->text);

    if (used + strlen(value) + 2 > size)
        return err_set(err, -EINVAL, "%s: the values have more than %zu bytes together", flag->name,
                       size);
    snprintf(list->text + used, size - used, "%s%s", used ? "," : "", value);
    list->last = value;
    return 0;
}

/* A later value replaces an earlier one, except in a list. */
static int set_value(const struct flag *flag, const char *value, void *settings, struct err *err)
{
    if (flag->kind == FLAG_LIST)
        return add_to_list(field_of(flag, settings), flag, value, err);
    *value_of(flag, settings) = value;
    return 0;
}

/* --- command line ------------------------------------------------------------------------------
 */

static void fill_options(const struct command *command, struct option options[FLAGS_MAX + 1])
{
    assert(command->n_flags <= FLAGS_MAX);
    memset(options, 0, (FLAGS_MAX + 1) * sizeof(*options));
    for (size_t i = 0; i < command->n_flags; i++) {
        const struct flag *flag = &command->flags[i];

        options[i].name = flag->name + strlen("--");
        options[i].has_arg = flag_takes_value(flag) ? required_argument : no_argument;
        options[i].val = FIRST_FLAG + (int)i;
    }
}

/* getopt_long accepts unique prefixes. We do not: a new flag would break scripts that use them. */
static bool names_flag(const char *word, const struct flag *flag)
{
    const size_t len = strlen(flag->name);

    if (strcmp(word, "-h") == 0)
        return strcmp(flag->name, "--help") == 0;
    return strncmp(word, flag->name, len) == 0 && (word[len] == '=' || word[len] == '\0');
}

/* The flag that `word` names in full; NULL if there is none. */
static const struct flag *find_flag(const struct command *command, const char *word)
{
    for (size_t i = 0; i < command->n_flags; i++)
        if (names_flag(word, &command->flags[i]))
            return &command->flags[i];
    return NULL;
}

static int read_operand(const struct command *command, const char *word, void *settings,
                        struct err *err)
{
    const char **operand = (const char **)((char *)settings + command->operand_offset);
    char text[SHOWN_MAX + sizeof("...")];

    if (!command->operand)
        return err_set(err, -EINVAL, "unexpected argument '%s'; --help shows the usage",
                       shown(word, text));
    if (*operand)
        return err_set(err, -EINVAL, "unexpected argument '%s'; only one %s is allowed",
                       shown(word, text), command->operand);
    *operand = word;
    return 0;
}

/* `found` is what getopt_long returned for `word`. 1: stop reading here. */
static int read_word(const struct command *command, int found, const char *word, void *settings,
                     struct err *err)
{
    const struct flag *flag = find_flag(command, word);
    char text[SHOWN_MAX + sizeof("...")];
    int r;

    if (found == OPERAND)
        return read_operand(command, optarg, settings, err);
    if (!flag)
        return err_set(err, -EINVAL, "unknown flag '%s'; --help lists all flags",
                       shown(word, text));
    if (found == ':')
        return err_set(err, -EINVAL, "%s needs a value: %s", flag->name,
                       flag->value ? flag->value : flag->choices);
    if (found == '?')
        return err_set(err, -EINVAL, "%s takes no value", flag->name);
    if (flag_takes_value(flag)) {
        r = check_value(flag, flag->name, optarg, err);
        return r < 0 ? r : set_value(flag, optarg, settings, err);
    }
    *(bool *)field_of(flag, settings) = true;
    return flag->kind == FLAG_STOP;
}

/* The words after "--". */
static int read_operands(const struct command *command, int argc, char **argv, void *settings,
                         struct err *err)
{
    int r = 0;

    for (; r == 0 && optind < argc; optind++)
        r = read_operand(command, argv[optind], settings, err);
    return r;
}

/* 1: a FLAG_STOP was read. */
static int read_words(const struct command *command, int argc, char **argv, void *settings,
                      struct err *err)
{
    struct option options[FLAGS_MAX + 1];
    int r = 0;

    fill_options(command, options);
    opterr = 0;
    optind = 0; /* glibc: start again */
    for (int next = 1; r == 0 && next < argc; next = optind) {
        /* '-' returns words that are not flags in their place. ':' reports a missing value. */
        const int found = getopt_long(argc, argv, "-:h", options, NULL);

        r = found == -1 ? read_operands(command, argc, argv, settings, err)
                        : read_word(command, found, argv[next], settings, err);
    }
    return r;
}

/* Used if the flag is not given. The variable is checked in any case. */
static int read_environment(const struct flag *flag, void *settings, struct err *err)
{
    const char *value = flag->env ? getenv(flag->env) : NULL;
    int r;

    if (!value || value[0] == '\0')
        return 0;
    r = check_value(flag, flag->env, value, err);
    if (r == 0 && !*value_of(flag, settings))
        r = set_value(flag, value, settings, err);
    return r;
}

int flags_read(const struct command *command, int argc, char **argv, void *settings,
               struct err *err)
{
    int r = read_words(command, argc, argv, settings, err);

    if (r != 0)
        return r < 0 ? r : 0;
    for (size_t i = 0; i < command->n_flags; i++) {
        const struct flag *flag = &command->flags[i];

        if (!flag_takes_value(flag))
            continue;
        r = read_environment(flag, settings, err);
        if (r == 0 && flag->dflt && !*value_of(flag, settings))
            r = set_value(flag, flag->dflt, settings, err);
        if (r < 0)
            return r;
    }
    return 0;
}
