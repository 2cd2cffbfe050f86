/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How many series a node has. The pods, the runtime and the sources of a node are observed by the
 * real incident table, and its metrics are written and counted. */

#include <stdbool.h>
#include <stddef.h>

struct buf;

struct series_case {
    const char *node;    /* for the documentation */
    unsigned registries; /* an image of each was pulled */
    unsigned blocked;    /* pods that are blocked now, of 10 namespaces and for all causes */
    bool has_failed;     /* for each cause a container was blocked, and got its image */
    bool without_self;   /* --metrics.self=off */
    size_t most;         /* the budget; 0: none */
};

extern const struct series_case series_cases[];
extern const size_t n_series_cases;

/* Appends the metrics of the node, in the text format. */
void series_write(const struct series_case *node, struct buf *out);

/* The samples of a document. */
size_t series_count(const struct buf *text);
