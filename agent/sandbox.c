/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/prctl.h>

#include "agent/sandbox_internal.h"
#include "log.h"

static void add(const char **paths, size_t *n, const char *path, bool *incomplete)
{
    if (*n < SANDBOX_FOLDERS)
        paths[(*n)++] = path;
    else
        *incomplete = true;
}

void sandbox_may_read(struct sandbox_policy *policy, const char *path)
{
    add(policy->readable, &policy->n_readable, path, &policy->incomplete);
}

void sandbox_may_make_sockets(struct sandbox_policy *policy, const char *folder)
{
    add(policy->sockets, &policy->n_sockets, folder, &policy->incomplete);
}

struct sandbox sandbox_enter(const struct sandbox_policy *policy)
{
    struct sandbox sandbox = { .tried = !HAS_SANITIZER };

    if (!sandbox.tried)
        return sandbox;
    /* Also: other processes of this user may not trace it or read its memory. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sandbox.landlock = policy->incomplete ? -E2BIG : sandbox_landlock(policy);
    sandbox.seccomp = sandbox_seccomp(policy->n_sockets > 0);
    malloc_trim(0); /* to make the filter takes 100 KiB */
    return sandbox;
}

void sandbox_log(const struct sandbox *sandbox)
{
    if (!sandbox->tried) {
        log_info("agent", HAS_SANITIZER ? "not shut in: this build has a sanitizer"
                                        : "not shut in: --sandbox=off");
        return;
    }
    if (sandbox->landlock < 0)
        log_warn("agent", "the kernel does not restrict which files the agent opens (Landlock: %s)",
                 strerror(-sandbox->landlock));
    if (sandbox->seccomp < 0)
        log_warn("agent", "the kernel does not restrict the agent's system calls (seccomp: %s)",
                 strerror(-sandbox->seccomp));
    if (sandbox->landlock >= 0 && sandbox->seccomp == 0)
        log_info("agent", "shut in: seccomp, Landlock ABI %d", sandbox->landlock);
}
