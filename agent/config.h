/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The agent's settings: read once from the command line and the environment, then constant. */

#include <stdbool.h>
#include <stdint.h>

#include "agent/commands/flags.h"
#include "err.h"
#include "log.h"

struct config {
    const char *node_name;
    struct flag_list web_listen;
    const char *web_telemetry_path;
    const char *web_max_requests_text;
    const char *web_config_file; /* NULL: none */
    struct flag_list debug_listen;
    const char *cri_endpoint; /* NULL: try the well-known sockets; "off" */
    const char *kube_source;  /* "api", "kubelet" or "none" */
    const char *kube_server;  /* NULL: in-cluster */
    const char *kube_ca_file;
    const char *kube_token_file;
    const char *kubeconfig;
    const char *kube_context; /* NULL: the kubeconfig's current-context */
    const char *kube_events;  /* "on" or "off" */
    const char *kubelet_url;  /* NULL: https://$HOST_IP:10250 */
    const char *kubelet_insecure_text;
    const char *sandbox_text; /* "on" or "off" */
    const char *log_level_name;
    const char *log_format_name;
    const char *max_registries_text;
    const char *metrics_self_text; /* "on" or "off" */
    const char *metrics_created_text;
    const char *stall_after_text;

    bool help;
    bool version;
    bool check_only; /* --check-config */
    bool reads_runtime;
    bool reads_kube;
    bool reads_kubelet; /* reads_kube, but from the kubelet */
    bool reads_events;
    bool kubelet_insecure;
    bool sandbox;
    bool metrics_self;
    bool metrics_created;
    enum log_level log_level;
    enum log_format log_format;
    uint32_t max_registries;
    uint32_t web_max_requests; /* 0: no limit */
    int64_t stall_after_us;    /* 0: off */
};

enum config_result {
    CONFIG_RUN,
    CONFIG_EXIT, /* --help or --version was printed */
    CONFIG_BAD,
};

/* The table of flags, with the sub-commands. */
extern const struct command agent_flags;

/* The strings of `ret` point into argv and the environment, or are literals. CONFIG_BAD: `err`
 * names the flag, or tells why standard output cannot be written. */
enum config_result config_read(int argc, char **argv, struct config *ret, struct err *err);

/* Prints each setting as a flag, one a line, with its origin, on standard output. 0 or a negative
 * errno. */
int config_print(const struct config *config, struct err *err);
