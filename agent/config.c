/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/commands/terminal.h"
#include "buf.h"
#include "number.h"
#include "util.h"
#include "version.h"

#define MAX_REGISTRIES_MOST 1000u
#define MAX_REQUESTS_MOST 100000u
#define STALL_AFTER_MOST (24 * HOUR)
#define NODE_NAME_MAX 253
#define PRINT_COLUMN 50 /* where --check-config prints the origin of a value */
#define PRINT_MAX (64u << 10)

/* --- output ------------------------------------------------------------------------------------
 */

static int print_version(struct err *err)
{
    return terminal_write(
        STR("imagepull-exporter " IMAGEPULL_VERSION " (revision " IMAGEPULL_REVISION ")\n"), err);
}

static void print_setting(struct buf *out, const struct flag *flag, const struct config *config)
{
    const char *value = flag_text(flag, config);
    const size_t from = out->len;

    if (!value) {
        buf_printf(out, "# %s is not set\n", flag->name);
        return;
    }
    buf_printf(out, "%s=%s", flag->name, value);
    do
        buf_add_byte(out, ' ');
    while (buf_error(out) == 0 && out->len - from < PRINT_COLUMN);
    buf_printf(out, "# %s\n", flag_origin(flag, config));
}

int config_print(const struct config *config, struct err *err)
{
    struct buf out;
    int r;

    buf_init(&out, PRINT_MAX);
    for (size_t i = 0; i < agent_flags.n_flags; i++)
        if (flag_takes_value(&agent_flags.flags[i]))
            print_setting(&out, &agent_flags.flags[i], config);
    r = buf_error(&out);
    if (r < 0)
        err_set_errno(err, r, "print the settings");
    else
        r = terminal_write(buf_str(&out), err);
    buf_done(&out);
    return r;
}

/* --- checks ------------------------------------------------------------------------------------
 */

/* Report flags that contradict each other, and flags that have no effect. */
static int check_sources(const struct config *config, struct err *err)
{
    const struct {
        bool wrong;
        const char *sentence;
    } rules[] = {
        { !config->reads_runtime && !config->reads_kube,
          "--cri.endpoint=off and --kube.source=none leave nothing to read" },
        { config->kubeconfig && config->reads_kubelet,
          "--kubeconfig works only with --kube.source=api; name the kubelet with "
          "--kube.kubelet-url" },
        { config->kube_server && config->reads_kubelet,
          "--kube.server works only with --kube.source=api; name the kubelet with "
          "--kube.kubelet-url" },
        { config->kubeconfig && config->kube_server,
          "--kubeconfig and --kube.server both name an API server; use only one of them" },
        { config->kubeconfig && config->kube_ca_file,
          "--kubeconfig and --kube.ca-file both name a CA; use only one of them" },
        { config->kubeconfig && config->kube_token_file,
          "--kubeconfig and --kube.token-file both hold credentials; use only one of them" },
        { config->kube_context && !config->kubeconfig,
          "--kube.context needs --kubeconfig, which is not set" },
        { config->kubelet_url && !config->reads_kubelet,
          "--kube.kubelet-url works only with --kube.source=kubelet" },
        { config->kubelet_insecure && !config->reads_kubelet,
          "--kube.kubelet-insecure-skip-tls-verify works only with --kube.source=kubelet" },
        { config->kubelet_insecure && config->kube_ca_file,
          "--kube.kubelet-insecure-skip-tls-verify and --kube.ca-file cannot be combined" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].wrong)
            return err_set(err, -EINVAL, "%s", rules[i].sentence);
    return 0;
}

/*
 * An RFC 1123 subdomain, as the API server requires it of node names
 * (k8s.io/apimachinery/pkg/util/validation). Any other name selects no pod, and
 * the API server does not report that as an error.
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
    if (!config->node_name && config->reads_kube)
        return err_set(err, -EINVAL,
                       "--node-name (or NODE_NAME) is required to read the pods of this node; "
                       "--kube.source=none reads no pods");
    if (!config->node_name || is_node_name(config->node_name))
        return 0;
    return flag_refuse(err, "--node-name (or NODE_NAME)", config->node_name,
                       "a valid node name: at most 253 lower-case letters, digits, '-' and '.', "
                       "with a letter or digit at both ends of each part");
}

/* --- values ------------------------------------------------------------------------------------
 */

static int read_max_registries(struct config *config, struct err *err)
{
    uint64_t n;

    if (!number_parse(str_from(config->max_registries_text), MAX_REGISTRIES_MOST, &n) || n == 0)
        return flag_refuse(err, "--metrics.max-registries", config->max_registries_text,
                           "a number from 1 to 1000");
    config->max_registries = (uint32_t)n;
    return 0;
}

static int read_max_requests(struct config *config, struct err *err)
{
    uint64_t n;

    if (!number_parse(str_from(config->web_max_requests_text), MAX_REQUESTS_MOST, &n))
        return flag_refuse(err, "--web.max-requests", config->web_max_requests_text,
                           "a number from 0 to 100000; 0 means no limit");
    config->web_max_requests = (uint32_t)n;
    return 0;
}

static int read_stall_after(struct config *config, struct err *err)
{
    const char *text = config->stall_after_text;
    int64_t us = 0;

    if (strcmp(text, "off") != 0 &&
        (!number_duration(str_from(text), &us) || us < SEC || us > STALL_AFTER_MOST))
        return flag_refuse(err, "--stall-after", text,
                           "a duration from 1s to 24h, such as 90s, or off");
    config->stall_after_us = us;
    return 0;
}

/* The texts are among the choices of their flags. */
static void read_choices(struct config *config)
{
    config->reads_runtime = !config->cri_endpoint || strcmp(config->cri_endpoint, "off") != 0;
    config->reads_kube = strcmp(config->kube_source, "none") != 0;
    config->reads_kubelet = strcmp(config->kube_source, "kubelet") == 0;
    config->reads_events = strcmp(config->kube_events, "on") == 0 && !config->reads_kubelet;
    config->kubelet_insecure = strcmp(config->kubelet_insecure_text, "true") == 0;
    config->sandbox = strcmp(config->sandbox_text, "on") == 0;
    config->metrics_self = strcmp(config->metrics_self_text, "on") == 0;
    config->metrics_created = strcmp(config->metrics_created_text, "on") == 0;
    log_level_parse(config->log_level_name, &config->log_level);
    log_format_parse(config->log_format_name, &config->log_format);
}

static int read_values(struct config *config, struct err *err)
{
    int r = read_max_registries(config, err);

    read_choices(config);
    if (r == 0)
        r = read_max_requests(config, err);
    if (r == 0)
        r = read_stall_after(config, err);
    if (r == 0)
        r = check_node_name(config, err);
    return r < 0 ? r : check_sources(config, err);
}

enum config_result config_read(int argc, char **argv, struct config *ret, struct err *err)
{
    struct config config = { .node_name = NULL };

    if (flags_read(&agent_flags, argc, argv, &config, err) < 0)
        return CONFIG_BAD;
    if (config.help)
        return flags_print_help(&agent_flags, err) < 0 ? CONFIG_BAD : CONFIG_EXIT;
    if (config.version)
        return print_version(err) < 0 ? CONFIG_BAD : CONFIG_EXIT;
    if (read_values(&config, err) < 0)
        return CONFIG_BAD;
    *ret = config;
    return CONFIG_RUN;
}
