/* SPDX-License-Identifier: Apache-2.0 */

/* The man page: a template in roff, with the flags of each command filled in. */

#include "docs/generate/docs.h"

#include <stdlib.h>
#include <string.h>

#include "agent/commands/flags.h"
#include "version.h"

#define FLAGS_MARK "@flags "
#define VERSION_MARK "@version@"

/* A hyphen is typeset as a minus, so that it can be copied to a shell. */
static void put_roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
    }
}

static void put_flag(const struct flag *flag)
{
    const char *value = docs_value(flag);

    fputs(".TP\n.B ", stdout);
    put_roff(flag->name);
    if (value) {
        fputs("=\\fI", stdout);
        put_roff(value);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    put_roff(flag->help);
    putchar('\n');
    if (!flag->dflt && !flag->env)
        return;
    fputs(".br\n", stdout);
    if (flag->dflt) {
        fputs("Default: ", stdout);
        put_roff(flag->dflt);
        fputs(".\n", stdout);
    }
    if (flag->env) {
        fputs("Environment: ", stdout);
        put_roff(flag->env);
        fputs(".\n", stdout);
    }
}

/* A heading for each group, except where a command has few flags. */
static void put_flags(const struct command *command)
{
    const char *group = "";

    for (size_t i = 0; i < command->n_flags; i++) {
        const struct flag *flag = &command->flags[i];

        if (!command->name && strcmp(flag->group, group) != 0)
            printf(".SS %s\n", flag->group);
        group = flag->group;
        put_flag(flag);
    }
}

/* "agent" is the program itself. */
static const struct command *find(const struct command *root, const char *name)
{
    if (strcmp(name, "agent") == 0)
        return root;
    for (size_t i = 0; root->commands[i]; i++)
        if (strcmp(root->commands[i]->name, name) == 0)
            return root->commands[i];
    return NULL;
}

static int put_line(const struct command *root, char *line)
{
    const struct command *command;
    char *version = strstr(line, VERSION_MARK);

    if (strncmp(line, FLAGS_MARK, strlen(FLAGS_MARK)) == 0) {
        line[strcspn(line, "\n")] = '\0';
        command = find(root, line + strlen(FLAGS_MARK));
        if (!command) {
            fprintf(stderr, "the template names no command of the program: %s\n", line);
            return -1;
        }
        put_flags(command);
        return 0;
    }
    if (version)
        printf("%.*s%s%s", (int)(version - line), line, IMAGEPULL_VERSION,
               version + strlen(VERSION_MARK));
    else
        fputs(line, stdout);
    return 0;
}

int docs_man(const struct command *root, FILE *template)
{
    char *line = NULL;
    size_t size = 0;
    int r = 0;

    while (r == 0 && getline(&line, &size, template) >= 0)
        r = put_line(root, line);
    free(line);
    return r;
}
