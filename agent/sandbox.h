/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The agent shuts itself in before its first thread starts, so that whoever takes it over through a
 * pod, an answer or a request can do little: no new privileges, no core dump, no other program, no
 * file but those that the agent needs (Landlock), no system call but those that it needs (seccomp).
 * It cannot be undone. The runtime's socket stays reachable: docs/security.md says what that means.
 */

#include <stdbool.h>
#include <stddef.h>

#define SANDBOX_FOLDERS 48u

/* What may be opened. The texts are borrowed. */
struct sandbox_policy {
    const char *readable[SANDBOX_FOLDERS]; /* files, and folders with everything below them */
    size_t n_readable;
    const char *sockets[SANDBOX_FOLDERS]; /* folders where sockets are made and removed */
    size_t n_sockets;
    bool incomplete; /* there were more */
};

/* Those that do not exist are left out. */
void sandbox_may_read(struct sandbox_policy *policy, const char *path);
void sandbox_may_make_sockets(struct sandbox_policy *policy, const char *folder);

/* What the kernel did. */
struct sandbox {
    bool tried;
    int landlock; /* the version of its ABI, or a negative errno: files are not restricted */
    int seccomp;  /* 0, or a negative errno: system calls are not restricted */
};

/*
 * Shuts the process in. Call it while there is only one thread. In a build with a sanitizer it does
 * nothing: those need more system calls.
 */
struct sandbox sandbox_enter(const struct sandbox_policy *policy);

/* Logs what the kernel did, and warns of what it lacks. */
void sandbox_log(const struct sandbox *sandbox);
