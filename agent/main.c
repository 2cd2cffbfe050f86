/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/classify/redact.h"
#include "agent/commands/classify.h"
#include "agent/commands/status.h"
#include "agent/config.h"
#include "log.h"
#include "util.h"

#define EXIT_BAD_INPUT 2

static int refuse(const struct err *err)
{
    fprintf(stderr, "imagepull-exporter: %s\n", err->text);
    return EXIT_BAD_INPUT;
}

static int check(const struct config *config)
{
    struct err err = ERR_INIT;

    if (config_print(config, &err) < 0 || agent_check(config, &err) < 0)
        return refuse(&err);
    return EXIT_SUCCESS;
}

static int run(const struct config *config)
{
    CLEANUP(agent_freep) struct agent *agent = NULL;
    struct err err = ERR_INIT;

    if (agent_new(config, &agent, &err) < 0)
        return refuse(&err);
    if (agent_run(agent, &err) < 0) {
        log_error("agent", "%s", err.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    struct err err = ERR_INIT;
    struct config config;

    if (strcmp(word, "classify") == 0)
        return classify_command(argc - 1, argv + 1);
    if (strcmp(word, "status") == 0)
        return status_command(argc - 1, argv + 1);
    switch (config_read(argc, argv, &config, &err)) {
    case CONFIG_EXIT:
        return EXIT_SUCCESS;
    case CONFIG_BAD:
        return refuse(&err);
    case CONFIG_RUN:
        break;
    }
    log_init(config.log_level, config.log_format);
    log_filter(redact);
    return config.check_only ? check(&config) : run(&config);
}
