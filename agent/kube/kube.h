/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reads this node's pods, and the events of namespaces that the core wants, from the API server
 * and hands them to a sink. Runs on a thread of its own.
 */

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "err.h"
#include "sink.h"

struct kube_config {
    const char *node_name;
    const char *server;     /* "https://host:port" */
    const char *ca_file;    /* NULL: the system's certificates */
    const char *token_file; /* NULL: no token */
    bool events;            /* whether to read events at all */
    const char *user_agent;

    const char *kubeconfig; /* NULL: none; else server, ca_file and token_file must be NULL */
    const char *context;    /* of the kubeconfig; NULL: its current-context */

    /* The pods from the kubelet, which has no events. */
    bool from_kubelet;
    const char *kubelet_url; /* NULL: https://$HOST_IP:10250 */
    bool kubelet_insecure;   /* its certificate is not checked */
};

#define KUBE_SERVER_SIZE 320

/*
 * Fills what is NULL in `config` as a pod finds it: the server from its environment (into
 * `server`, which must live as long as the config is used), and, only where the server comes from
 * there, the files of its service account. -ENOENT with a clear error outside a cluster.
 */
int kube_in_cluster(struct kube_config *config, char server[KUBE_SERVER_SIZE], struct err *err);

/*
 * Fills what is NULL in `config` to ask the kubelet: its URL as `server` (from kubelet_url, or from
 * HOST_IP into `server`), and the files of the service account, each where there is one: a
 * kubelet's certificate need not be the cluster CA's, and http:// gets no token. -EINVAL without
 * HOST_IP.
 */
int kube_on_node(struct kube_config *config, char server[KUBE_SERVER_SIZE], struct err *err);

struct kube;

/*
 * Copies `config`; with from_kubelet kube_on_node() fills it first, with neither server nor
 * kubeconfig kube_in_cluster(). `sink` and `clock`
 * must outlive the result. Refuses what cannot work, naming it: a malformed URL, a missing,
 * unreadable or empty CA or token file. No request is made yet. Call before other threads start
 * (curl_global_init).
 */
int kube_new(const struct kube_config *config, const struct sink *sink, const struct clock *clock,
             struct kube **ret, struct err *err);

/* The body of the thread: returns within a fraction of a second after kube_stop(). Once. */
void kube_run(struct kube *kube);

/* Any thread, any number of times, also before kube_run(). */
void kube_stop(struct kube *kube);

/* After kube_run() has returned or without it. NULL is fine. */
void kube_free(struct kube *kube);
