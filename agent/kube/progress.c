/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/progress.h"

#include "util.h"

/* A quiet watch turns the loop a few times between two ticks. */
#define IDLE_TURNS_MOST 10000u
#define OVERDUE_MOST MINUTE

void progress_turned(struct progress *progress, unsigned called_back)
{
    progress->idle_turns = called_back ? 0 : progress->idle_turns + 1;
}

bool progress_made(struct progress *progress, int64_t due_us, struct instant now)
{
    const bool spins = progress->idle_turns > IDLE_TURNS_MOST;

    progress->idle_turns = 0;
    return !spins && now.mono_us - due_us <= OVERDUE_MOST;
}
