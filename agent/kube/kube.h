/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reads the pods of this node, and the events of the namespaces that the core wants, from the API
 * server (or the pods from the kubelet) and hands them to a sink. Runs on its own thread.
 */

#include <stdbool.h>

#include "agent/kube/settings.h"
#include "clock.h"
#include "err.h"
#include "sink.h"

struct kube;

/*
 * Copies `config`, and fills in the defaults: kube_on_node() with from_kubelet, kube_in_cluster()
 * with neither server nor kubeconfig. `sink` and `clock` must outlive the result. The error names
 * a setting that cannot work: a malformed URL, a CA or token file that is missing, unreadable or
 * damaged. Makes no request. Call before other threads start (client_new()).
 */
int kube_new(const struct kube_config *config, const struct sink *sink, const struct clock *clock,
             struct kube **ret, struct err *err);

/* Calls `file` for each file that is read again while the agent runs. */
void kube_files(const struct kube *kube, void (*file)(void *self, const char *path), void *self);

/* Whether a name must be looked up to reach the server: its own, or that of a proxy. */
bool kube_needs_names(const struct kube *kube);

/* The body of the thread. Returns within a fraction of a second after kube_stop(). Call once. */
void kube_run(struct kube *kube);

/* Any thread, any number of times, also before kube_run(). */
void kube_stop(struct kube *kube);

/* After kube_run() has returned, or without it. NULL is fine. */
void kube_free(struct kube *kube);
