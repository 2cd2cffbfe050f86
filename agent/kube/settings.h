/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where to read from: the settings, and their defaults in a pod. */

#include <stdbool.h>

#include "agent/kube/http/credentials.h"
#include "err.h"

struct kube_config {
    const char *node_name;
    const char *server;     /* "https://host:port" */
    const char *ca_file;    /* NULL: the system's certificates */
    const char *token_file; /* NULL: no token */
    bool events;            /* whether to read events at all */
    const char *user_agent;

    const char *kubeconfig; /* NULL: none; else server, ca_file and token_file must be NULL */
    const char *context;    /* a context of the kubeconfig; NULL: its current-context */

    /* Read the pods from the kubelet, which does not serve events. */
    bool from_kubelet;
    const char *kubelet_url; /* NULL: https://$HOST_IP:10250 */
    bool kubelet_insecure;   /* do not verify its certificate */
};

#define KUBE_SERVER_SIZE 320

/*
 * Fills in the defaults of a pod: the server from its environment (into `server`, which must live
 * as long as the config is used), and, only with that server, the files of its service account.
 * -ENOENT outside a cluster, with an error that says what to set.
 */
int kube_in_cluster(struct kube_config *config, char server[KUBE_SERVER_SIZE], struct err *err);

/*
 * Fills in the defaults for the kubelet: its URL as `server` (from kubelet_url, or from HOST_IP
 * into `server`), and those files of the service account that exist. The kubelet's certificate need
 * not be signed by the cluster CA, and http:// gets no token. -EINVAL without HOST_IP.
 */
int kube_on_node(struct kube_config *config, char server[KUBE_SERVER_SIZE], struct err *err);

/* Reads the credentials that `config` names, and checks that all of them can be loaded. `ret` must
 * be zeroed; call credentials_done() also on failure. */
int kube_credentials(const struct kube_config *config, struct credentials *ret, struct err *err);
