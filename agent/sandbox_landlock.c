/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

/* include/uapi/linux/landlock.h of Linux 6.12: the headers of the build may be older. */
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1
#define FS_READ_FILE (1u << 2)
#define FS_READ_DIR (1u << 3)
#define FS_REMOVE_FILE (1u << 5)
#define FS_MAKE_SOCK (1u << 9)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1u << 0)
#define SCOPE_SIGNAL (1u << 1)

struct ruleset_attr {
    uint64_t handled_fs;
    uint64_t handled_net;
    uint64_t scoped;
};

struct path_beneath_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

/* Everything that the ABI knows about files: what no rule allows is forbidden. */
static uint64_t all_rights(int abi)
{
    if (abi < 2)
        return (1u << 13) - 1;
    if (abi < 3)
        return (1u << 14) - 1;
    return abi < 5 ? (1u << 15) - 1 : (1u << 16) - 1;
}

static void allow(int ruleset, const char *path, uint64_t rights)
{
    struct path_beneath_attr rule = { .allowed = rights };
    struct stat file;

    rule.fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.fd < 0)
        return;
    /* Other rights than reading mean nothing on a file, and are refused. */
    if (fstat(rule.fd, &file) == 0 && !S_ISDIR(file.st_mode))
        rule.allowed &= FS_READ_FILE;
    syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    close(rule.fd);
}

/*
 * Of /proc only what the process_* metrics and malloc() need. A rule belongs to an inode. Under
 * memory pressure the kernel drops those of /proc and makes others later, but not while they are
 * open: so they stay open.
 */
static void allow_in_proc(int ruleset, const char *path, uint64_t rights)
{
    struct path_beneath_attr rule = { .allowed = rights };

    rule.fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.fd >= 0)
        syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
}

int sandbox_landlock(const struct sandbox_policy *policy)
{
    const int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    struct ruleset_attr attr = { 0 };
    int ruleset, r;

    if (abi < 0)
        return -errno;
    attr.handled_fs = all_rights(abi);
    /* containerd-shim and others listen on abstract sockets. */
    attr.scoped = abi < 6 ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (ruleset < 0)
        return -errno;
    for (size_t i = 0; i < policy->n_readable; i++)
        allow(ruleset, policy->readable[i], FS_READ_FILE | FS_READ_DIR);
    for (size_t i = 0; i < policy->n_sockets; i++)
        allow(ruleset, policy->sockets[i], FS_MAKE_SOCK | FS_REMOVE_FILE);
    allow_in_proc(ruleset, "/proc/self", FS_READ_FILE | FS_READ_DIR);
    allow_in_proc(ruleset, "/proc/stat", FS_READ_FILE);
    allow_in_proc(ruleset, "/proc/sys/vm/overcommit_memory", FS_READ_FILE); /* for malloc() */
    r = syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : abi;
    close(ruleset);
    return r;
}
