/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/evidence.h"

#include "shared.h"

static struct report report_of(const struct snapshot_evidence *from)
{
    return (struct report){ .witness = from->witness,
                            .reason = str_from(from->reason),
                            .text = str_from(from->text),
                            .at_us = from->at_us };
}

static bool same(const struct report *a, const struct report *b)
{
    return a->witness == b->witness &&
           str_eq(str_head(a->reason, LIMIT_NAME_TEXT), str_head(b->reason, LIMIT_NAME_TEXT)) &&
           str_eq(a->text, b->text);
}

const struct snapshot_evidence *evidence_find(const struct evidence *list,
                                              const struct report *report)
{
    for (size_t i = 0; list && i < list->n; i++) {
        const struct report known = report_of(&list->list[i]);

        if (same(&known, report))
            return &list->list[i];
    }
    return NULL;
}

/* The reports of the new list in order of arrival; returns their number. */
static size_t collect(const struct evidence *list, const struct report *report, struct report *ret)
{
    size_t n = 0;

    for (size_t i = 0; list && i < list->n; i++)
        ret[n++] = report_of(&list->list[list->arrival[i]]);
    for (size_t i = 0; i < n; i++) {
        if (!same(&ret[i], report))
            continue;
        ret[i].at_us = report->at_us;
        return n;
    }
    if (n == LIMIT_EVIDENCE_PER_INCIDENT) {
        memmove(&ret[1], &ret[2], (n - 2) * sizeof(*ret));
        n--;
    }
    ret[n++] = *report;
    return n;
}

/* Reports with the same time stay in the order of arrival. */
static void sort(struct evidence *list)
{
    for (size_t i = 1; i < list->n; i++)
        for (size_t j = i; j > 0 && list->list[j - 1].at_us > list->list[j].at_us; j--) {
            struct snapshot_evidence later = list->list[j - 1];

            list->list[j - 1] = list->list[j];
            list->list[j] = later;
        }
}

const struct evidence *evidence_add(const struct evidence *list, const struct report *report)
{
    struct report reports[LIMIT_EVIDENCE_PER_INCIDENT];
    const char *texts[LIMIT_EVIDENCE_PER_INCIDENT];
    size_t n = collect(list, report, reports);
    size_t bytes = sizeof(struct evidence);
    struct evidence *made;
    char *at;

    for (size_t i = 0; i < n; i++) {
        reports[i].reason = str_head(reports[i].reason, LIMIT_NAME_TEXT);
        bytes += reports[i].reason.len + reports[i].text.len + 2;
    }
    made = shared_alloc(bytes);
    if (!made)
        return NULL;
    at = (char *)(made + 1);
    made->n = n;
    for (size_t i = 0; i < n; i++) {
        const char *reason = shared_pack(&at, reports[i].reason);

        texts[i] = shared_pack(&at, reports[i].text);
        made->text_bytes += reports[i].text.len;
        made->list[i] = (struct snapshot_evidence){ .at_us = reports[i].at_us,
                                                    .witness = reports[i].witness,
                                                    .reason = reason,
                                                    .text = texts[i] };
    }
    sort(made);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (made->list[j].text == texts[i])
                made->arrival[i] = (unsigned char)j;
    return made;
}
