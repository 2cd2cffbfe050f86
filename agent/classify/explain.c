/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/explain.h"

#include "agent/classify/trace.h"

struct verdict explain(struct str waiting_reason, struct str message, struct failure *ret_failure,
                       struct explanation *ret)
{
    struct verdict verdict;

    ret->n_steps = 0;
    ret->n_runners_up = 0;
    normalise_traced(waiting_reason, message, ret_failure, ret);
    verdict = classify_traced(ret_failure, &ret->attempt);
    classify_runners_up(ret_failure, &verdict, ret);
    return verdict;
}
