/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A small YAML file, read whole, and views into it: mappings, lists and texts, no more. What
 * is missing and what is null are the same. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

struct yaml_doc;
struct yaml_node; /* lives as long as its file */

/* -EINVAL with the line and what is wrong with it, or that it holds no mapping; -ENOMEM. */
int yaml_doc_parse(struct str text, struct yaml_doc **ret, struct err *err);

/* NULL is fine. */
void yaml_doc_free(struct yaml_doc *yaml);

const struct yaml_node *yaml_doc_top(const struct yaml_doc *yaml);

/* The value of `key`; NULL where it is not there or `node` (which may be NULL) is no mapping. */
const struct yaml_node *yaml_doc_member(const struct yaml_doc *yaml, const struct yaml_node *node,
                                        const char *key);

/* The item at `i`; NULL past the end or where `node` (which may be NULL) is no list. */
const struct yaml_node *yaml_doc_item(const struct yaml_doc *yaml, const struct yaml_node *node,
                                      size_t i);

enum yaml_kind { YAML_NOTHING, YAML_TEXT, YAML_LIST, YAML_MAPPING };

enum yaml_kind yaml_doc_kind(const struct yaml_node *node);

/* Of a YAML_TEXT; empty for everything else. */
struct str yaml_doc_text(const struct yaml_node *node);

/* The member at `i` of a mapping, in the file's order; false past the end or where `node` is none.
 * Both nodes are set then, a value that is null, too. */
bool yaml_doc_pair(const struct yaml_doc *yaml, const struct yaml_node *node, size_t i,
                   const struct yaml_node **ret_key, const struct yaml_node **ret_value);

/* Where `node`, which is not NULL, begins; the first line is 1. */
size_t yaml_doc_line(const struct yaml_node *node);
