/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is kept of the bytes of the API server while they arrive: rules for include/sift.h. */

#include "err.h"
#include "sift.h"

enum kube_resource { KUBE_PODS, KUBE_EVENTS };

/* For a watch event of the resource: what is kept is for kube_change_open(). The rules for a list
 * differ in `complete`, which the caller sets; it must call kept_complete() itself. */
struct sift_rules kept_rules(enum kube_resource resource, void *self, const char *what);

/* For sift_begin(). */
const struct ProtobufCMessageDescriptor *kept_watch_event(void);
const struct ProtobufCMessageDescriptor *kept_list(void); /* without the "k8s\0" */

/* Pod or Event. */
const struct ProtobufCMessageDescriptor *kept_object(enum kube_resource resource);

/* Drops labels, annotations, owners that are no controller, entries of managedFields and volumes
 * that nobody reads. */
int kept_complete(void *self, const struct ProtobufCMessageDescriptor *type, struct str kept,
                  struct err *err);
