/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/commands/classify.h"
#include "agent/commands/status.h"
#include "agent/config.h"
#include "log.h"
#include "util.h"

#define EXIT_BAD_INPUT 2

static int check_config(const struct config *config, struct err *err)
{
    if (config_print(config, err) == 0 && agent_check(config, err) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "imagepull-exporter: %s\n", err->text);
    return EXIT_BAD_INPUT;
}

int main(int argc, char **argv)
{
    CLEANUP(agent_freep) struct agent *agent = NULL;
    struct err err = ERR_INIT;
    struct config config;

    if (argc > 1 && strcmp(argv[1], "classify") == 0)
        return classify_command(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "status") == 0)
        return status_command(argc - 1, argv + 1);

    switch (config_read(argc, argv, &config, &err)) {
    case CONFIG_EXIT:
        return EXIT_SUCCESS;
    case CONFIG_BAD:
        fprintf(stderr, "imagepull-exporter: %s\n", err.text);
        return EXIT_BAD_INPUT;
    case CONFIG_RUN:
        break;
    }
    log_init(config.log_level, config.log_format);
    if (config.check_only)
        return check_config(&config, &err);

    if (agent_new(&config, &agent, &err) < 0) {
        fprintf(stderr, "imagepull-exporter: %s\n", err.text);
        return EXIT_BAD_INPUT;
    }
    if (agent_run(agent, &err) < 0) {
        log_error("agent", "%s", err.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
