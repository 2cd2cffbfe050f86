/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The system calls that the agent and its libraries may make. Any other one fails as on a kernel
 * that does not have it (ENOSYS): libraries then do without it. What no library of the agent can
 * need, and an attacker would try first, ends the process; the kernel logs that (audit type 1326).
 */
#include "agent/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

/* A name that the processor does not have is skipped: arm64 has no poll, open or epoll_wait. */
static const char *const always[] = {
    /* files and descriptors */
    "read",
    "readv",
    "pread64",
    "write",
    "writev",
    "pwrite64",
    "close",
    "lseek",
    "_llseek",
    "fstat",
    "fstat64",
    "stat",
    "stat64",
    "lstat",
    "lstat64",
    "newfstatat",
    "fstatat64",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    "fcntl",
    "fcntl64",
    "dup",
    "dup2",
    "dup3",
    "pipe",
    "pipe2",
    "sendfile",
    "sendfile64",
    "fadvise64",
    "statfs",
    "fstatfs",
    /* waiting */
    "poll",
    "ppoll",
    "ppoll_time64",
    "select",
    "_newselect",
    "pselect6",
    "pselect6_time64",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "nanosleep",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "restart_syscall",
    /* time */
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_getres_time64",
    "gettimeofday",
    "time",
    "times",
    "setitimer",
    /* memory */
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "mincore",
    /* threads and signals */
    "futex",
    "futex_time64",
    "set_robust_list",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "membarrier",
    "set_tid_address",
    "exit",
    "exit_group",
    "gettid",
    "getpid",
    "getppid",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigreturn",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "sigaltstack",
    /* network */
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "socketpair",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "recvmmsg_time64",
    "shutdown",
    /* who and where it is */
    "getrandom",
    "getrlimit",
    "ugetrlimit",
    "getrusage",
    "uname",
    "sysinfo",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getuid32",
    "geteuid32",
    "getgid32",
    "getegid32",
};

/* For sockets in the file system: their folder, their mode, their end. */
static const char *const with_sockets[] = {
    "chmod", "fchmod", "fchmodat", "mkdir", "mkdirat", "unlink", "unlinkat", "umask",
};

/* Other programs and processes, the kernel, what files are where, who we are. */
static const char *const hostile[] = {
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "bpf",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "setns",
    "unshare",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "keyctl",
    "add_key",
    "request_key",
    "userfaultfd",
    "perf_event_open",
    "io_uring_setup",
    "open_by_handle_at",
    "pidfd_getfd",
    "mknod",
    "mknodat",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "capset",
};

static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const int number = seccomp_syscall_resolve_name(names[i]);
        const int r = number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, number, 0);

        if (r < 0)
            return r;
    }
    return 0;
}

/* The call `name` is allowed if argument `at`, masked, has this value. */
struct condition {
    const char *name;
    unsigned at;
    uint64_t mask, value;
};

#define ANY_BIT UINT64_MAX
#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

static const struct condition conditions[] = {
    /* Files are only read. */
    { "open", 1, WRITES, 0 },
    { "openat", 2, WRITES, 0 },
    /* Memory is never writable and executable, nor becomes executable; libraries are mapped. */
    { "mmap", 2, PROT_EXEC, 0 },
    { "mmap", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC },
    { "mmap2", 2, PROT_EXEC, 0 },
    { "mmap2", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC },
    { "mprotect", 2, PROT_EXEC, 0 },
    /* Threads, but no processes and namespaces. clone3 hides its flags; glibc does without it. */
    { "clone", 0, CLONE_THREAD | NAMESPACES, CLONE_THREAD },
    { "socket", 0, ANY_BIT, AF_UNIX },
    { "socket", 0, ANY_BIT, AF_INET },
    { "socket", 0, ANY_BIT, AF_INET6 },
    { "socket", 0, ANY_BIT, AF_NETLINK }, /* getaddrinfo() asks for the addresses of this machine */
    { "prctl", 0, ANY_BIT, PR_SET_NAME },
    { "ioctl", 1, ANY_BIT, FIONREAD },
    { "ioctl", 1, ANY_BIT, FIONBIO },
    { "ioctl", 1, ANY_BIT, TCGETS },
    { "prlimit64", 2, ANY_BIT, 0 }, /* no new limit */
};

static int add_conditions(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
        const struct condition *row = &conditions[i];
        const int number = seccomp_syscall_resolve_name(row->name);
        const struct scmp_arg_cmp cmp =
            SCMP_CMP(row->at, SCMP_CMP_MASKED_EQ, row->mask, row->value);
        int r = 0;

        if (number != __NR_SCMP_ERROR)
            r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &cmp);
        if (r < 0)
            return r;
    }
    return 0;
}

/* abort() needs it; signals to other processes are not allowed. */
static int add_own_signals(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp own = { .arg = 0,
                                      .op = SCMP_CMP_EQ,
                                      .datum_a = (scmp_datum_t)getpid() };

    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
}

static int fill(scmp_filter_ctx filter, bool makes_sockets)
{
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    if (r == 0)
        r = add_all(filter, SCMP_ACT_ALLOW, always, ARRAY_SIZE(always));
    if (r == 0 && makes_sockets)
        r = add_all(filter, SCMP_ACT_ALLOW, with_sockets, ARRAY_SIZE(with_sockets));
    if (r == 0)
        r = add_all(filter, SCMP_ACT_KILL_PROCESS, hostile, ARRAY_SIZE(hostile));
    if (r == 0)
        r = add_conditions(filter);
    return r < 0 ? r : add_own_signals(filter);
}

int sandbox_seccomp(bool makes_sockets)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int r;

    if (!filter)
        return -ENOMEM;
    r = fill(filter, makes_sockets);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}
