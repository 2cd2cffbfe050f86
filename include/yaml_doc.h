/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A small YAML file, parsed as a whole: mappings, lists and texts. A null value counts as missing.
 * One thread at a time. */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

struct yaml_doc;
struct yaml_node; /* lives as long as its struct yaml_doc */

/* Returns 0, -ENOMEM, or -EINVAL: `err` names the line and the error. The top must be a mapping. */
int yaml_doc_parse(struct str text, struct yaml_doc **ret, struct err *err);

/* Accepts NULL. */
void yaml_doc_free(struct yaml_doc *yaml);

const struct yaml_node *yaml_doc_top(const struct yaml_doc *yaml);

/* The value of `key`; NULL if it is missing or `node` is not a mapping. `node` may be NULL. */
const struct yaml_node *yaml_doc_member(const struct yaml_doc *yaml, const struct yaml_node *node,
                                        const char *key);

/* The item at `i`; NULL after the last one or if `node` is not a list. `node` may be NULL. */
const struct yaml_node *yaml_doc_item(const struct yaml_doc *yaml, const struct yaml_node *node,
                                      size_t i);

enum yaml_kind { YAML_NOTHING, YAML_TEXT, YAML_LIST, YAML_MAPPING };

enum yaml_kind yaml_doc_kind(const struct yaml_node *node);

/* The text of a YAML_TEXT; empty for other kinds. */
struct str yaml_doc_text(const struct yaml_node *node);

/* The member at `i` of a mapping, in the order of the file. Returns false after the last one or if
 * `node` is not a mapping. A null value is a node too. */
bool yaml_doc_pair(const struct yaml_doc *yaml, const struct yaml_node *node, size_t i,
                   const struct yaml_node **ret_key, const struct yaml_node **ret_value);

/* The line where `node` begins; the first is 1. `node` must not be NULL. */
size_t yaml_doc_line(const struct yaml_node *node);
