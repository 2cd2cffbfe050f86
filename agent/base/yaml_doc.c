/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml_doc.h"

#include <errno.h>
#include <stdbool.h>

#include <yaml.h>

#include "limit.h"
#include "mem.h"

struct yaml_doc {
    yaml_document_t document;
};

/* struct yaml_node is libyaml's node; the name hides its header. */
static const yaml_node_t *inside(const struct yaml_node *node)
{
    return (const yaml_node_t *)(const void *)node;
}

/* libyaml takes a document that is not const, but does not change it here. */
static const struct yaml_node *node_at(const struct yaml_doc *yaml, int index)
{
    return (const struct yaml_node *)(const void *)yaml_document_get_node(
        (yaml_document_t *)&yaml->document, index);
}

static void set_input(yaml_parser_t *parser, struct str text)
{
    yaml_parser_set_input_string(parser, (const unsigned char *)(text.at ? text.at : ""), text.len);
}

static int fail(const yaml_parser_t *parser, struct err *err)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return err_set(err, -ENOMEM, "no memory for the YAML document");
    return err_set(err, -EINVAL, "line %zu: %s", parser->problem_mark.line + 1,
                   parser->problem ? parser->problem : "not YAML");
}

/*
 * libyaml's time grows with the square of the nesting depth and of the number of anchors. A first
 * pass over the events, which is cheap, refuses a file with too many of either.
 */
struct shape {
    unsigned depth, anchors;
};

static bool within_limits(const yaml_event_t *event, struct shape *shape)
{
    switch (event->type) {
    case YAML_SEQUENCE_START_EVENT:
        shape->depth++;
        shape->anchors += event->data.sequence_start.anchor != NULL;
        break;
    case YAML_MAPPING_START_EVENT:
        shape->depth++;
        shape->anchors += event->data.mapping_start.anchor != NULL;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        shape->depth--;
        break;
    case YAML_SCALAR_EVENT:
        shape->anchors += event->data.scalar.anchor != NULL;
        break;
    default:
        break;
    }
    return shape->depth <= LIMIT_YAML_DEPTH && shape->anchors <= LIMIT_YAML_ANCHORS;
}

/* Invalid YAML passes: the parser that follows has the better error text. */
static int check_shape(struct str text, struct err *err)
{
    struct shape shape = { 0 };
    yaml_parser_t parser;
    yaml_event_t event;
    bool ended = false;
    int r = 0;

    if (!yaml_parser_initialize(&parser))
        return err_set(err, -ENOMEM, "no memory for the YAML document");
    set_input(&parser, text);
    while (r == 0 && !ended && yaml_parser_parse(&parser, &event)) {
        ended = event.type == YAML_STREAM_END_EVENT;
        if (!within_limits(&event, &shape))
            r = err_set(err, -EINVAL,
                        "line %zu: more than %u nested lists and mappings, or more than %u anchors",
                        event.start_mark.line + 1, LIMIT_YAML_DEPTH, LIMIT_YAML_ANCHORS);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return r;
}

int yaml_doc_parse(struct str text, struct yaml_doc **ret, struct err *err)
{
    struct yaml_doc *yaml;
    yaml_parser_t parser;
    int r = check_shape(text, err);

    if (r < 0)
        return r;
    yaml = mem_zalloc(sizeof(*yaml));
    if (!yaml || !yaml_parser_initialize(&parser)) {
        mem_free(yaml);
        return err_set(err, -ENOMEM, "no memory for the YAML document");
    }
    set_input(&parser, text);
    if (!yaml_parser_load(&parser, &yaml->document))
        r = fail(&parser, err);
    yaml_parser_delete(&parser);
    if (r < 0) {
        mem_free(yaml); /* after a failure libyaml has freed the document */
        return r;
    }
    if (yaml_doc_kind(yaml_doc_top(yaml)) != YAML_MAPPING) {
        yaml_doc_free(yaml);
        return err_set(err, -EINVAL, "the file is empty or its top is not a mapping");
    }
    *ret = yaml;
    return 0;
}

void yaml_doc_free(struct yaml_doc *yaml)
{
    if (!yaml)
        return;
    yaml_document_delete(&yaml->document);
    mem_free(yaml);
}

const struct yaml_node *yaml_doc_top(const struct yaml_doc *yaml)
{
    return (const struct yaml_node *)(const void *)yaml_document_get_root_node(
        (yaml_document_t *)&yaml->document);
}

/* YAML 1.2, core schema: null, Null, NULL, ~ or an empty value, without quotes. */
static bool is_null(const yaml_node_t *node)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
        if (strcmp((const char *)node->data.scalar.value, nulls[i]) == 0)
            return true;
    return false;
}

enum yaml_kind yaml_doc_kind(const struct yaml_node *node)
{
    if (!node || is_null(inside(node)))
        return YAML_NOTHING;
    switch (inside(node)->type) {
    case YAML_SCALAR_NODE:
        return YAML_TEXT;
    case YAML_SEQUENCE_NODE:
        return YAML_LIST;
    case YAML_MAPPING_NODE:
        return YAML_MAPPING;
    default:
        return YAML_NOTHING;
    }
}

struct str yaml_doc_text(const struct yaml_node *node)
{
    if (yaml_doc_kind(node) != YAML_TEXT)
        return (struct str){ 0 };
    return (struct str){ .at = (const char *)inside(node)->data.scalar.value,
                         .len = inside(node)->data.scalar.length };
}

const struct yaml_node *yaml_doc_member(const struct yaml_doc *yaml, const struct yaml_node *node,
                                        const char *key)
{
    const struct yaml_node *found = NULL;

    if (yaml_doc_kind(node) != YAML_MAPPING)
        return NULL;
    for (const yaml_node_pair_t *pair = inside(node)->data.mapping.pairs.start;
         !found && pair < inside(node)->data.mapping.pairs.top; pair++)
        if (str_eq(yaml_doc_text(node_at(yaml, pair->key)), str_from(key)))
            found = node_at(yaml, pair->value);
    return yaml_doc_kind(found) == YAML_NOTHING ? NULL : found;
}

const struct yaml_node *yaml_doc_item(const struct yaml_doc *yaml, const struct yaml_node *node,
                                      size_t i)
{
    const yaml_node_item_t *start;

    if (yaml_doc_kind(node) != YAML_LIST)
        return NULL;
    start = inside(node)->data.sequence.items.start;
    return i < (size_t)(inside(node)->data.sequence.items.top - start) ? node_at(yaml, start[i])
                                                                       : NULL;
}

bool yaml_doc_pair(const struct yaml_doc *yaml, const struct yaml_node *node, size_t i,
                   const struct yaml_node **ret_key, const struct yaml_node **ret_value)
{
    const yaml_node_pair_t *pair;

    if (yaml_doc_kind(node) != YAML_MAPPING)
        return false;
    pair = inside(node)->data.mapping.pairs.start + i;
    if (pair >= inside(node)->data.mapping.pairs.top)
        return false;
    *ret_key = node_at(yaml, pair->key);
    *ret_value = node_at(yaml, pair->value);
    return true;
}

size_t yaml_doc_line(const struct yaml_node *node)
{
    return inside(node)->start_mark.line + 1;
}
