/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes the man page and the completions on standard output, from the tables of
 * flags that the program itself parses with. Runs at build time only.
 */

#include <stdbool.h>
#include <stdio.h>

struct command;
struct flag;

/* Copies the man page's template and fills in the flags where it asks for them. */
int docs_man(const struct command *root, FILE *template);

void docs_bash(const struct command *root);
void docs_zsh(const struct command *root);
void docs_fish(const struct command *root);

/* The name of the flag's value; NULL: it takes none. */
const char *docs_value(const struct flag *flag);
