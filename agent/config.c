/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "util.h"
#include "version.h"

#define MAX_REGISTRIES_MOST 1000u

static const struct option_row {
    const char *flag;
    const char *env;
    const char *value; /* its name in --help */
    const char *dflt;
    const char *choices; /* "a|b": nothing else is allowed */
    const char *help;
    size_t offset; /* of a const char * in struct config */
} options[] = {
    { "--node-name", "NODE_NAME", "NAME", NULL, NULL, "Name of the node whose pods are read.",
      offsetof(struct config, node_name) },
    { "--web.listen-address", "IMAGEPULL_WEB_LISTEN_ADDRESS", "ADDRESS", ":9917", NULL,
      "Where /metrics and the probes are served.", offsetof(struct config, web_listen) },
    { "--debug.listen-address", "IMAGEPULL_DEBUG_LISTEN_ADDRESS", "ADDRESS", "127.0.0.1:9918", NULL,
      "Where /debug/* is served: HOST:PORT, unix:/PATH or off. It shows messages and Secret names.",
      offsetof(struct config, debug_listen) },
    { "--cri.endpoint", "IMAGEPULL_CRI_ENDPOINT", "SOCKET", NULL, NULL,
      "The container runtime's socket; without it the well-known ones are tried.",
      offsetof(struct config, cri_endpoint) },
    { "--kube.source", "IMAGEPULL_KUBE_SOURCE", "api|kubelet|none", "api", "api|kubelet|none",
      "Where pods are read: the API server, this node's kubelet (which has no events), or nowhere.",
      offsetof(struct config, kube_source) },
    { "--kube.server", "IMAGEPULL_KUBE_SERVER", "URL", NULL, NULL,
      "The API server, https://HOST:PORT; without it the cluster's own, as given to every pod.",
      offsetof(struct config, kube_server) },
    { "--kube.ca-file", "IMAGEPULL_KUBE_CA_FILE", "FILE", NULL, NULL,
      "Certificates that may have signed the API server's; without it the service account's.",
      offsetof(struct config, kube_ca_file) },
    { "--kube.token-file", "IMAGEPULL_KUBE_TOKEN_FILE", "FILE", NULL, NULL,
      "Bearer token for the API server; without it the service account's.",
      offsetof(struct config, kube_token_file) },
    { "--kubeconfig", "IMAGEPULL_KUBECONFIG", "FILE", NULL, NULL,
      "Server and credentials as kubectl has them, in the place of the three flags before.",
      offsetof(struct config, kubeconfig) },
    { "--kube.context", "IMAGEPULL_KUBE_CONTEXT", "NAME", NULL, NULL,
      "Context of the kubeconfig; without it its current-context.",
      offsetof(struct config, kube_context) },
    { "--kube.kubelet-url", "IMAGEPULL_KUBE_KUBELET_URL", "URL", NULL, NULL,
      "The kubelet, for --kube.source=kubelet; without it https://$HOST_IP:10250.",
      offsetof(struct config, kubelet_url) },
    { "--kube.kubelet-insecure-skip-tls-verify", "IMAGEPULL_KUBE_KUBELET_INSECURE_SKIP_TLS_VERIFY",
      "true|false", "false", "true|false",
      "Whether the kubelet's certificate goes unchecked, for kubelets that sign their own.",
      offsetof(struct config, kubelet_insecure_text) },
    { "--kube.events", "IMAGEPULL_KUBE_EVENTS", "on|off", "on", "on|off",
      "Whether a namespace's events are read while a container in it fails.",
      offsetof(struct config, kube_events) },
    { "--metrics.max-registries", "IMAGEPULL_METRICS_MAX_REGISTRIES", "N", "16", NULL,
      "Registries with series of their own; all others are counted as \"other\".",
      offsetof(struct config, max_registries_text) },
    { "--log.level", "IMAGEPULL_LOG_LEVEL", "LEVEL", "info", "debug|info|warn|error",
      "The least that is logged: debug, info, warn or error.",
      offsetof(struct config, log_level_name) },
};

static const char **value_of(struct config *config, const struct option_row *row)
{
    return (const char **)((char *)config + row->offset);
}

static void print_help(void)
{
    printf(
        "Tells why an image cannot be pulled on this node, to Prometheus and to people.\n\n"
        "Usage: imagepull-exporter [FLAG...]            the agent\n"
        "       imagepull-exporter classify [FILE]      explains messages; see classify --help\n\n"
        "Flags, each also as an environment variable; the flag wins:\n");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const struct option_row *row = &options[i];

        printf("  %s=%s\n      %s\n      ", row->flag, row->value, row->help);
        if (row->dflt)
            printf("Default %s. ", row->dflt);
        printf("Environment %s.\n", row->env);
    }
    printf("  --version\n      Prints the version.\n  --help\n      Prints this.\n");
}

/* Whether `value` is one of "a|b|c". */
static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);

    if (strchr(value, '|'))
        return false;
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, value, len) == 0 && (at[len] == '|' || at[len] == '\0') && len > 0)
            return true;
    return false;
}

static int set_value(struct config *config, const struct option_row *row, const char *name,
                     const char *value, struct err *err)
{
    if (value[0] == '\0')
        return err_set(err, -EINVAL, "%s needs a value: %s", name, row->value);
    if (row->choices && !is_choice(row->choices, value))
        return err_set(err, -EINVAL, "%s is '%s'; it can be %s", name, value, row->choices);
    *value_of(config, row) = value;
    return 0;
}

/* "--flag=value" or "--flag value"; *at is left at the last word used. */
static int read_flag(struct config *config, int argc, char **argv, int *at, struct err *err)
{
    const char *word = argv[*at];
    size_t len = strcspn(word, "=");

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const struct option_row *row = &options[i];

        if (strlen(row->flag) != len || strncmp(row->flag, word, len) != 0)
            continue;
        if (word[len] == '=')
            return set_value(config, row, row->flag, word + len + 1, err);
        if (*at + 1 >= argc)
            return err_set(err, -EINVAL, "%s needs a value: %s", row->flag, row->value);
        return set_value(config, row, row->flag, argv[++*at], err);
    }
    return err_set(err, -EINVAL, "unknown %s '%s'; --help lists what there is",
                   word[0] == '-' ? "flag" : "argument", word);
}

static int read_environment(struct config *config, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const char *value = getenv(options[i].env);
        int r;

        if (!value || value[0] == '\0')
            continue;
        r = set_value(config, &options[i], options[i].env, value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Two answers to one question, or an answer that nobody asked for, are mistakes to hear of. */
static int check_kube(const struct config *config, struct err *err)
{
    const struct {
        bool wrong;
        const char *sentence;
    } rules[] = {
        { config->kubeconfig && config->reads_kubelet,
          "--kubeconfig is for --kube.source=api; the kubelet is named by --kube.kubelet-url" },
        { config->kube_server && config->reads_kubelet,
          "--kube.server is for --kube.source=api; the kubelet is named by --kube.kubelet-url" },
        { config->kubeconfig && config->kube_server,
          "--kubeconfig and --kube.server both name an API server; use one of them" },
        { config->kubeconfig && config->kube_ca_file,
          "--kubeconfig and --kube.ca-file both name a CA; use one of them" },
        { config->kubeconfig && config->kube_token_file,
          "--kubeconfig and --kube.token-file both hold credentials; use one of them" },
        { config->kube_context && !config->kubeconfig,
          "--kube.context names a context of --kubeconfig, which is not set" },
        { config->kubelet_url && !config->reads_kubelet,
          "--kube.kubelet-url is for --kube.source=kubelet" },
        { config->kubelet_insecure && !config->reads_kubelet,
          "--kube.kubelet-insecure-skip-tls-verify is for --kube.source=kubelet" },
        { config->kubelet_insecure && config->kube_ca_file,
          "--kube.kubelet-insecure-skip-tls-verify and --kube.ca-file exclude each other" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].wrong)
            return err_set(err, -EINVAL, "%s", rules[i].sentence);
    return 0;
}

static int parse_values(struct config *config, struct err *err)
{
    char *end;
    unsigned long n = strtoul(config->max_registries_text, &end, 10);

    if (config->max_registries_text[0] == '-' || *end != '\0' || n < 1 || n > MAX_REGISTRIES_MOST)
        return err_set(err, -EINVAL, "--metrics.max-registries is '%s'; it can be 1 to %u",
                       config->max_registries_text, MAX_REGISTRIES_MOST);
    config->max_registries = (uint32_t)n;
    config->reads_kube = strcmp(config->kube_source, "none") != 0;
    config->reads_kubelet = strcmp(config->kube_source, "kubelet") == 0;
    config->reads_events = strcmp(config->kube_events, "on") == 0 && !config->reads_kubelet;
    config->kubelet_insecure = strcmp(config->kubelet_insecure_text, "true") == 0;
    log_level_parse(config->log_level_name, &config->log_level);

    if (config->reads_kube && !config->node_name)
        return err_set(err, -EINVAL,
                       "--node-name (or NODE_NAME) is needed to read this node's pods; "
                       "--kube.source=none reads none");
    return check_kube(config, err);
}

enum config_result config_read(int argc, char **argv, struct config *ret, struct err *err)
{
    struct config config = { .node_name = NULL };

    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        *value_of(&config, &options[i]) = options[i].dflt;
    if (read_environment(&config, err) < 0)
        return CONFIG_BAD;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return CONFIG_EXIT;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("imagepull-exporter %s (revision %s)\n", IMAGEPULL_VERSION, IMAGEPULL_REVISION);
            return CONFIG_EXIT;
        }
        if (read_flag(&config, argc, argv, &i, err) < 0)
            return CONFIG_BAD;
    }
    if (parse_values(&config, err) < 0)
        return CONFIG_BAD;
    *ret = config;
    return CONFIG_RUN;
}
