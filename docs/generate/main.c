/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/config.h"
#include "docs/generate/docs.h"

const char *docs_value(const struct flag *flag)
{
    return flag->value ? flag->value : flag->choices;
}

static int usage(void)
{
    fputs("Usage: write_docs man TEMPLATE | bash | zsh | fish\n", stderr);
    return 2;
}

static int write_man(const char *path)
{
    FILE *template = fopen(path, "re");
    int r;

    if (!template) {
        perror(path);
        return 1;
    }
    r = docs_man(&agent_flags, template);
    fclose(template);
    return r < 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int status = 0;

    if (strcmp(what, "man") == 0 && argc == 3)
        status = write_man(argv[2]);
    else if (strcmp(what, "bash") == 0)
        docs_bash(&agent_flags);
    else if (strcmp(what, "zsh") == 0)
        docs_zsh(&agent_flags);
    else if (strcmp(what, "fish") == 0)
        docs_fish(&agent_flags);
    else
        return usage();
    return status || fflush(stdout) || ferror(stdout);
}
