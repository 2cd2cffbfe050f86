/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/first_list.h"

#include "log.h"

static void count(struct first_list *first, enum observation_kind kind)
{
    if (kind == OBSERVE_PODS_BEGIN) {
        first->pods = 0; /* the one before broke off */
    } else if (kind == OBSERVE_POD) {
        first->pods++;
    } else if (kind == OBSERVE_PODS_END) {
        first->over = true;
        first->told = first->pods == 0;
        if (first->told)
            log_info("pods", "no %s: is --node-name right?", first->subject);
    }
}

static void observe(void *self, const struct observation *observation)
{
    struct first_list *first = self;

    if (!first->over)
        count(first, observation->kind);
    first->behind->observe(first->behind->self, observation);
}

static void limit_hit(void *self, enum limit limit)
{
    const struct first_list *first = self;

    first->behind->limit_hit(first->behind->self, limit);
}

static void wanted(void *self, struct wanted *ret)
{
    const struct first_list *first = self;

    first->behind->wanted(first->behind->self, ret);
}

void first_list_init(struct first_list *first, const struct sink *behind, const char *subject)
{
    *first = (struct first_list){ .behind = behind, .subject = subject };
    first->sink = (struct sink){
        .self = first, .observe = observe, .limit_hit = limit_hit, .wanted = wanted
    };
}
