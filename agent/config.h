/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The settings, read once from the command line and the environment and never
 * changed afterwards. One table in config.c makes the parser and --help.
 */

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "log.h"

struct config {
    const char *node_name;
    const char *web_listen;
    const char *debug_listen;
    const char *cri_endpoint; /* NULL: look over the well-known sockets */
    const char *kube_source;  /* "api", "kubelet" or "none" */
    const char *kube_server;  /* NULL: in-cluster */
    const char *kube_ca_file;
    const char *kube_token_file;
    const char *kubeconfig;
    const char *kube_context; /* NULL: the kubeconfig's current-context */
    const char *kube_events;  /* "on" or "off" */
    const char *kubelet_url;  /* NULL: https://$HOST_IP:10250 */
    const char *kubelet_insecure_text;
    const char *log_level_name;
    const char *max_registries_text;

    bool reads_kube;
    bool reads_kubelet; /* reads_kube, but from the kubelet */
    bool reads_events;
    bool kubelet_insecure;
    enum log_level log_level;
    uint32_t max_registries;
};

enum config_result {
    CONFIG_RUN,
    CONFIG_EXIT, /* --help or --version: already answered on standard output */
    CONFIG_BAD,  /* `err` names the flag */
};

/* Strings of `ret` point into argv and the environment, or are literals. */
enum config_result config_read(int argc, char **argv, struct config *ret, struct err *err);
