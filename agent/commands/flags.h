/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flags of the command line and their environment variables. Each command has
 * one table of them. The parser, --help, the man page and the completions of
 * bash, zsh and fish are made from these tables.
 */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "limit.h"

struct buf;

enum flag_kind {
    FLAG_VALUE,  /* takes a value; stored as a `const char *`, NULL if there is none */
    FLAG_LIST,   /* as FLAG_VALUE, but may be repeated; stored as a struct flag_list */
    FLAG_SWITCH, /* takes no value; stored as a bool */
    FLAG_STOP,   /* as FLAG_SWITCH, but ends the reading, as --help does */
};

struct flag_list {
    char text[LIMIT_FLAG_LIST]; /* all values, separated by commas */
    const char *last;           /* the last value, unchanged; NULL: no value */
};

struct flag {
    const char *name;    /* with its dashes */
    const char *value;   /* the value's name in --help; NULL: `choices` */
    const char *choices; /* "a|b": the only values allowed; NULL: any text */
    const char *env;     /* NULL: none */
    const char *dflt;    /* NULL: none */
    const char *group;   /* its heading in --help; flags of one group stand together */
    const char *help;    /* sentences; the first one alone is shown by completions */
    enum flag_kind kind;
    size_t offset; /* into the struct that flags_read() fills */
};

struct command {
    const char *name;    /* "status"; NULL: the agent itself */
    const char *summary; /* one sentence */
    const char *notes;   /* printed after the flags, one paragraph a line; NULL: none */
    const char *operand; /* name of the one argument it takes; NULL: it takes none */
    size_t operand_offset;
    const struct flag *flags;
    size_t n_flags;
    const struct command *const *commands; /* its sub-commands; ends with NULL; may be NULL */
};

/*
 * Reads argv[1] and up into `settings`, which must be zeroed: from the flags,
 * else from the environment, else from the defaults. An empty environment
 * variable counts as unset. Flags are accepted as `--flag value` and
 * `--flag=value`, before and after the operand, and only by their full name.
 * The strings in `settings` point into argv and the environment, or are literals.
 *
 * -EINVAL: `err` names the flag or variable, its value and what is allowed.
 * Not thread-safe (getopt_long).
 */
int flags_read(const struct command *command, int argc, char **argv, void *settings,
               struct err *err);

bool flag_takes_value(const struct flag *flag);

/* The value of `flag` in `settings`; NULL if there is none. Not for a switch. */
const char *flag_text(const struct flag *flag, const void *settings);

/* Where this value comes from: "flag", "default" or the name of the environment variable. */
const char *flag_origin(const struct flag *flag, const void *settings);

/*
 * Sets -EINVAL: "NAME is 'VALUE'; it must be ALLOWED". The value is shown as
 * printable ASCII and cut where it is long.
 */
int flag_refuse(struct err *err, const char *name, const char *value, const char *allowed);

/* Writes --help, at most `width` columns wide. Errors stick in `out`. */
void flags_write_help(struct buf *out, const struct command *command, size_t width);

/* Prints --help at the terminal's width on standard output; 0 or a negative errno. */
int flags_print_help(const struct command *command, struct err *err);
