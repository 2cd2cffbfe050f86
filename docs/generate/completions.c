/* SPDX-License-Identifier: Apache-2.0 */

/* Completions for bash, zsh and fish. */

#include "docs/generate/docs.h"

#include <string.h>

#include "agent/commands/flags.h"

#define PROGRAM "imagepull-exporter"
#define FUNCTION "_imagepull_exporter"

/* Calls `visit` for the agent itself, whose name is then "", and for each sub-command. */
static void for_each_command(const struct command *root,
                             void (*visit)(const struct command *root,
                                           const struct command *command, const char *name))
{
    visit(root, root, "");
    for (size_t i = 0; root->commands[i]; i++)
        visit(root, root->commands[i], root->commands[i]->name);
}

static bool is_file(const char *value)
{
    return strcmp(value, "FILE") == 0 || strcmp(value, "SOCKET") == 0;
}

/* "a|b|c" with other separators. */
static void put_choices(const char *choices)
{
    for (; *choices; choices++)
        putchar(*choices == '|' ? ' ' : *choices);
}

/* The first sentence of `text`, inside single quotes of a shell. `special` get a backslash. */
static void put_sentence(const char *text, const char *special)
{
    for (; *text && strncmp(text, ". ", 2) != 0 && strcmp(text, ".") != 0; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
            continue;
        }
        if (strchr(special, *text))
            putchar('\\');
        putchar(*text);
    }
}

/* --- bash --------------------------------------------------------------------------------------
 */

static void bash_flags(const struct command *root, const struct command *command, const char *name)
{
    (void)root;
    printf("    '%s') words='", name);
    for (size_t i = 0; i < command->n_flags; i++)
        printf("%s%s%s", i ? " " : "", command->flags[i].name,
               docs_value(&command->flags[i]) ? "=" : "");
    fputs("' ;;\n", stdout);
}

static void bash_values(const struct command *root, const struct command *command, const char *name)
{
    (void)root;
    for (size_t i = 0; i < command->n_flags; i++) {
        const struct flag *flag = &command->flags[i];

        if (!docs_value(flag))
            continue;
        printf("    '%s %s') values='", name, flag->name);
        if (flag->choices)
            put_choices(flag->choices);
        else
            fputs(is_file(flag->value) ? "@file" : "@text", stdout);
        fputs("' ;;\n", stdout);
    }
}

static void bash_names(const struct command *root)
{
    for (size_t i = 0; root->commands[i]; i++)
        printf("%s%s", i ? " " : "", root->commands[i]->name);
}

void docs_bash(const struct command *root)
{
    fputs("# bash completion for " PROGRAM "\n"
          "# Generated from its tables of flags. Do not edit.\n\n" FUNCTION "() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command= commands='",
          stdout);
    bash_names(root);
    fputs("' words= values=\n\n"
          "    if (( COMP_CWORD > 1 )) && [[ \" $commands \" == *\" ${COMP_WORDS[1]} \"* ]]; then\n"
          "        command=${COMP_WORDS[1]}\n"
          "    fi\n"
          "    # readline splits --flag=value into three words\n"
          "    if [[ $cur == = ]]; then\n"
          "        cur=\n"
          "    elif [[ $flag == = ]] && (( COMP_CWORD > 2 )); then\n"
          "        flag=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    fi\n"
          "    case \"$command $flag\" in\n",
          stdout);
    for_each_command(root, bash_values);
    fputs("    esac\n"
          "    case $values in\n"
          "    @text) COMPREPLY=(); return ;;\n"
          "    @file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); "
          "return ;;\n"
          "    ?*) mapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"$cur\"); return ;;\n"
          "    esac\n"
          "    case $command in\n",
          stdout);
    for_each_command(root, bash_flags);
    fputs("    esac\n"
          "    (( COMP_CWORD == 1 )) && words+=\" $commands\"\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "    if [[ $command == classify && $cur != -* ]]; then\n"
          "        compopt -o filenames\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
          "    fi\n"
          "    [[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace\n"
          "}\n\n"
          "complete -F " FUNCTION " " PROGRAM "\n",
          stdout);
}

/* --- zsh ---------------------------------------------------------------------------------------
 */

static void zsh_flag(const struct flag *flag)
{
    const char *value = docs_value(flag);

    printf("            '%s%s%s[", flag->kind == FLAG_LIST ? "*" : "", flag->name,
           value ? "=" : "");
    put_sentence(flag->help, "[]");
    putchar(']');
    if (flag->choices) {
        printf(":%s:(", flag->value ? flag->value : "VALUE");
        put_choices(flag->choices);
        putchar(')');
    } else if (value) {
        printf(":%s:%s", value, is_file(value) ? "_files" : " ");
    }
    fputs("'\n", stdout);
}

static void zsh_flags(const struct command *command)
{
    fputs("        flags=(\n", stdout);
    for (size_t i = 0; i < command->n_flags; i++)
        zsh_flag(&command->flags[i]);
    if (command->operand)
        printf("            ':%s:_files'\n", command->operand);
    fputs("        )\n", stdout);
}

static void zsh_commands(const struct command *root)
{
    fputs("        (( CURRENT == 2 )) && flags+=('1:command:((", stdout);
    for (size_t i = 0; root->commands[i]; i++) {
        printf("%s%s\\:\"", i ? " " : "", root->commands[i]->name);
        put_sentence(root->commands[i]->summary, "");
        putchar('"');
    }
    fputs("))')\n", stdout);
}

void docs_zsh(const struct command *root)
{
    fputs("#compdef " PROGRAM "\n"
          "# Generated from the tables of flags of " PROGRAM ". Do not edit.\n\n" FUNCTION "() {\n"
          "    local command=$words[2]\n"
          "    local -a flags\n\n"
          "    (( CURRENT > 2 )) || command=\n"
          "    case $command in\n",
          stdout);
    for (size_t i = 0; root->commands[i]; i++) {
        printf("    %s)\n"
               "        shift words\n"
               "        (( CURRENT-- ))\n",
               root->commands[i]->name);
        zsh_flags(root->commands[i]);
        fputs("        ;;\n", stdout);
    }
    fputs("    *)\n", stdout);
    zsh_flags(root);
    zsh_commands(root);
    fputs("        ;;\n"
          "    esac\n"
          "    _arguments -S $flags\n"
          "}\n\n" FUNCTION " \"$@\"\n",
          stdout);
}

/* --- fish --------------------------------------------------------------------------------------
 */

static void fish_condition(const struct command *root, const char *name)
{
    if (name[0]) {
        printf("'__fish_seen_subcommand_from %s'", name);
        return;
    }
    fputs("'not __fish_seen_subcommand_from", stdout);
    for (size_t i = 0; root->commands[i]; i++)
        printf(" %s", root->commands[i]->name);
    fputs("'", stdout);
}

static void fish_flags(const struct command *root, const struct command *command, const char *name)
{
    for (size_t i = 0; i < command->n_flags; i++) {
        const struct flag *flag = &command->flags[i];
        const char *value = docs_value(flag);

        fputs("complete -c " PROGRAM " -n ", stdout);
        fish_condition(root, name);
        printf(" -l %s", flag->name + strlen("--"));
        if (flag->choices) {
            fputs(" -x -a '", stdout);
            put_choices(flag->choices);
            fputs("'", stdout);
        } else if (value) {
            fputs(is_file(value) ? " -r -F" : " -x", stdout);
        }
        fputs(" -d '", stdout);
        put_sentence(flag->help, "\\");
        fputs("'\n", stdout);
    }
    if (command->operand) {
        fputs("complete -c " PROGRAM " -n ", stdout);
        fish_condition(root, name);
        fputs(" -F\n", stdout);
    }
}

void docs_fish(const struct command *root)
{
    fputs("# fish completion for " PROGRAM "\n"
          "# Generated from its tables of flags. Do not edit.\n\n"
          "complete -c " PROGRAM " -f\n",
          stdout);
    for (size_t i = 0; root->commands[i]; i++) {
        printf("complete -c " PROGRAM " -n __fish_use_subcommand -a %s -d '",
               root->commands[i]->name);
        put_sentence(root->commands[i]->summary, "\\");
        fputs("'\n", stdout);
    }
    for_each_command(root, fish_flags);
}
