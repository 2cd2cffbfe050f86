/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/kube/wire/refusal.h"
#include "limits.h"
#include "util.h"
#include "version.h"

#define MAX_REGISTRIES_MOST 1000u
#define NODE_NAME_MAX 253
#define MAX_REQUESTS_MOST 100000u
#define STALL_AFTER_MOST (24 * HOUR)
#define PRINT_COLUMN 50 /* where --check-config begins to say where a value is from */

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
      "Where metrics and the probes are served; again for another address.",
      offsetof(struct config, web_listen_text) },
    { "--web.telemetry-path", "IMAGEPULL_WEB_TELEMETRY_PATH", "PATH", "/metrics", NULL,
      "Path of the metrics.", offsetof(struct config, web_telemetry_path) },
    { "--web.max-requests", "IMAGEPULL_WEB_MAX_REQUESTS", "N", "40", NULL,
      "Scrapes that may be under way at one time; those over it are answered 503. 0: no limit.",
      offsetof(struct config, web_max_requests_text) },
    { "--web.config.file", "IMAGEPULL_WEB_CONFIG_FILE", "FILE", NULL, NULL,
      "TLS, client certificates, users and headers of the metrics' addresses, as other exporters "
      "have it; read again when it changes.",
      offsetof(struct config, web_config_file) },
    { DEBUG_LISTEN_FLAG, DEBUG_LISTEN_ENV, "ADDRESS", DEBUG_LISTEN_DEFAULT, NULL,
      "Where /debug/* is served: HOST:PORT, unix:/PATH or off. It shows messages and Secret names.",
      offsetof(struct config, debug_listen) },
    { "--cri.endpoint", "IMAGEPULL_CRI_ENDPOINT", "SOCKET", NULL, NULL,
      "The container runtime's socket; without it the well-known ones are tried.",
      offsetof(struct config, cri_endpoint) },
    { "--kube.source", "IMAGEPULL_KUBE_SOURCE", "api|kubelet|none", "api", "api|kubelet|none",
      "Where pods are read: the API server, this node's kubelet (which has no events), or nowhere.",
      offsetof(struct config, kube_source) },
    { "--kube.server", "IMAGEPULL_KUBE_SERVER", "URL", NULL, NULL,
      "The API server, https://HOST:PORT[/PATH]; with neither this nor --kubeconfig the cluster's "
      "own, as given to every pod.",
      offsetof(struct config, kube_server) },
    { "--kube.ca-file", "IMAGEPULL_KUBE_CA_FILE", "FILE", NULL, NULL,
      "Certificates that may have signed the server's. Without it the pod's service account's, if "
      "neither --kube.server nor --kubeconfig is given; else the system's.",
      offsetof(struct config, kube_ca_file) },
    { "--kube.token-file", "IMAGEPULL_KUBE_TOKEN_FILE", "FILE", NULL, NULL,
      "Bearer token for the server. Without it the pod's service account's, if neither "
      "--kube.server nor --kubeconfig is given; else none. Never sent over http:// to other "
      "machines.",
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
    { "--stall-after", "IMAGEPULL_STALL_AFTER", "DURATION|off", "2m", NULL,
      "How long the bytes of a layer may stay away before its pull is called stalled, like 90s, 2m "
      "or 1h; containerd only. off: bytes in flight are not asked for.",
      offsetof(struct config, stall_after_text) },
    { "--metrics.max-registries", "IMAGEPULL_METRICS_MAX_REGISTRIES", "N", "16", NULL,
      "Registries with series of their own; all others are counted as \"other\".",
      offsetof(struct config, max_registries_text) },
    { "--log.level", "IMAGEPULL_LOG_LEVEL", "LEVEL", "info", "debug|info|warn|error",
      "The least that is logged: debug, info, warn or error.",
      offsetof(struct config, log_level_name) },
    { "--log.format", "IMAGEPULL_LOG_FORMAT", "FORMAT", "logfmt", "logfmt|json",
      "How lines are logged on standard error: logfmt or json.",
      offsetof(struct config, log_format_name) },
};

static const char **value_of(struct config *config, const struct option_row *row)
{
    return (const char **)((char *)config + row->offset);
}

/* Standard output may be a full disk or a closed pipe: half a help is none. */
static enum config_result printed(struct err *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CONFIG_EXIT;
    err_set_errno(err, errno ? -errno : -EIO, "write to standard output");
    return CONFIG_BAD;
}

static void print_help(void)
{
    printf("Tells why an image cannot be pulled on this node, to Prometheus and to people.\n\n"
           "Usage: imagepull-exporter [FLAG...]            the agent\n"
           "       imagepull-exporter classify [FILE]      explains messages; see classify --help\n"
           "       imagepull-exporter status               what fails on this node; see status "
           "--help\n\n"
           "Flags, each also as an environment variable; the flag wins:\n");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const struct option_row *row = &options[i];

        printf("  %s=%s\n      %s\n      ", row->flag, row->value, row->help);
        if (row->dflt)
            printf("Default %s. ", row->dflt);
        printf("Environment %s.\n", row->env);
    }
    printf("  --check-config\n      Reads all settings and files, prints what would be used, and "
           "ends: 0 when all is well, else 2.\n"
           "  --version\n      Prints the version.\n  --help\n      Prints this.\n");
}

/* What read the environment and argv left is the same pointer. */
static const char *origin(const struct option_row *row, const char *value)
{
    if (value == row->dflt)
        return "default";
    return value == getenv(row->env) ? row->env : "flag";
}

int config_print(const struct config *config, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const struct option_row *row = &options[i];
        const char *value = *value_of((struct config *)config, row);
        const bool listed = row->offset == offsetof(struct config, web_listen_text);
        int column;

        if (!value) {
            printf("# %s is not set\n", row->flag);
            continue;
        }
        column = printf("%s=%s", row->flag, listed ? config->web_listen : value);
        printf("%*s# %s\n", column < PRINT_COLUMN ? PRINT_COLUMN - column : 1, "",
               origin(row, value));
    }
    return printed(err) == CONFIG_EXIT ? 0 : err->code;
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

static int add_web_listen(struct config *config, const char *value, struct err *err)
{
    const size_t used = strlen(config->web_listen), size = sizeof(config->web_listen);

    if (used + strlen(value) + 2 > size)
        return err_set(err, -EINVAL, "--web.listen-address: more than %zu bytes in all", size);
    snprintf(config->web_listen + used, size - used, "%s%s", used ? "," : "", value);
    return 0;
}

/* A flag that is given again wins over the one before, but for the one that may be repeated. */
static int set_flag(struct config *config, const struct option_row *row, const char *value,
                    struct err *err)
{
    int r = set_value(config, row, row->flag, value, err);

    if (r == 0 && row->offset == offsetof(struct config, web_listen_text))
        r = add_web_listen(config, value, err);
    return r;
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
            return set_flag(config, row, word + len + 1, err);
        if (*at + 1 >= argc)
            return err_set(err, -EINVAL, "%s needs a value: %s", row->flag, row->value);
        return set_flag(config, row, argv[++*at], err);
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

/*
 * What the API server takes for a node's name: an RFC 1123 subdomain (k8s.io/apimachinery/pkg/util/
 * validation). Anything else selects no pod, for ever and without an error.
 */
static bool is_node_name(const char *name)
{
    char before = '.';

    for (const char *at = name; *at; before = *at++) {
        const bool in_word = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        const bool joins = *at == '-' || *at == '.';

        if (!in_word && (!joins || before == '.' || (*at == '.' && before == '-')))
            return false;
    }
    return before != '.' && before != '-' && strlen(name) <= NODE_NAME_MAX;
}

static int check_node_name(const struct config *config, struct err *err)
{
    char shown[REFUSAL_TEXT_SIZE];

    if (!config->node_name && config->reads_kube)
        return err_set(err, -EINVAL,
                       "--node-name (or NODE_NAME) is needed to read this node's pods; "
                       "--kube.source=none reads none");
    if (!config->node_name || is_node_name(config->node_name))
        return 0;
    refusal_clean(str_from(config->node_name), shown);
    return err_set(err, -EINVAL,
                   "--node-name (or NODE_NAME) is '%.80s', and no node can be called that: names "
                   "have up to %d lower-case letters, digits, '-' and '.', and a letter or digit "
                   "at both ends of each part",
                   shown, NODE_NAME_MAX);
}

/* A whole number and s, m or h, as Prometheus' own flags have it. */
static int read_stall_after(struct config *config, struct err *err)
{
    static const struct {
        char letter;
        int64_t us;
    } units[] = { { 's', SEC }, { 'm', MINUTE }, { 'h', HOUR } };
    const char *text = config->stall_after_text;
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    config->stall_after_us = 0;
    if (strcmp(text, "off") == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (text[0] >= '0' && text[0] <= '9' && end[0] == units[i].letter && end[1] == '\0' &&
            n >= 1 && n <= (unsigned long)(STALL_AFTER_MOST / units[i].us)) {
            config->stall_after_us = (int64_t)n * units[i].us;
            return 0;
        }
    return err_set(err, -EINVAL, "--stall-after is '%s'; it can be 1s to 24h, like 90s, or off",
                   text);
}

/* As in exporters of the Prometheus project: a whole number, and 0 is no limit. */
static int read_max_requests(struct config *config, struct err *err)
{
    const char *text = config->web_max_requests_text;
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n > MAX_REQUESTS_MOST)
        return err_set(err, -EINVAL, "--web.max-requests is '%s'; it can be 0 to %u", text,
                       MAX_REQUESTS_MOST);
    config->web_max_requests = (uint32_t)n;
    return 0;
}

static int read_web(struct config *config, struct err *err)
{
    int r = read_max_requests(config, err);

    if (r == 0 && !config->web_listen[0])
        r = add_web_listen(config, config->web_listen_text, err);
    return r;
}

static int parse_values(struct config *config, struct err *err)
{
    char *end;
    int r;
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
    log_format_parse(config->log_format_name, &config->log_format);

    r = read_web(config, err);
    if (r == 0)
        r = read_stall_after(config, err);
    if (r == 0)
        r = check_node_name(config, err);
    return r < 0 ? r : check_kube(config, err);
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
            return printed(err);
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("imagepull-exporter %s (revision %s)\n", IMAGEPULL_VERSION, IMAGEPULL_REVISION);
            return printed(err);
        }
        if (strcmp(argv[i], "--check-config") == 0)
            config.check_only = true;
        else if (read_flag(&config, argc, argv, &i, err) < 0)
            return CONFIG_BAD;
    }
    if (parse_values(&config, err) < 0)
        return CONFIG_BAD;
    *ret = config;
    return CONFIG_RUN;
}
