/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/explain.h"

#include "agent/classify/trace.h"

struct verdict explain(struct str waiting_reason, struct str text, struct message *ret_message,
                       struct explanation *ret)
{
    struct verdict verdict;

    ret->n_steps = 0;
    ret->n_runners_up = 0;
    normalise_traced(waiting_reason, text, ret_message, ret);
    verdict = classify(ret_message);
    ret->part = verdict.part;
    classify_runners_up(ret_message, &verdict, ret);
    return verdict;
}
