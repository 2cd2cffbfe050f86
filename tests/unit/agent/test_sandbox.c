/* SPDX-License-Identifier: Apache-2.0 */

/* Each test shuts a child process in and tries there what the agent, or an attacker, would do. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/sandbox_internal.h"
#include "util.h"

static char folder[64]; /* may be read; has the files a/secret, b/secret and the link now -> a */
static char sockets[64];
static char other[64];

static void write_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_folders(void **state)
{
    char path[128];

    (void)state;
    strcpy(folder, "/tmp/sandbox-XXXXXX");
    strcpy(sockets, "/tmp/sandbox-XXXXXX");
    strcpy(other, "/tmp/sandbox-XXXXXX");
    if (!mkdtemp(folder) || !mkdtemp(sockets) || !mkdtemp(other))
        return -1;
    snprintf(path, sizeof(path), "%s/a", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/b", folder);
    mkdir(path, 0700);
    write_file("a/secret", "a");
    write_file("b/secret", "b");
    snprintf(path, sizeof(path), "%s/now", folder);
    return symlink("a", path);
}

static int remove_folders(void **state)
{
    static const char *const names[] = { "a/secret", "b/secret", "a", "b", "now" };
    char path[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
    return rmdir(folder) | rmdir(sockets) | rmdir(other);
}

static struct sandbox_policy policy(void)
{
    struct sandbox_policy made = { .n_readable = 0 };

    sandbox_may_read(&made, folder);
    sandbox_may_read(&made, "/does/not/exist");
    sandbox_may_make_sockets(&made, sockets);
    return made;
}

/* The status of a child that enters the sandbox and exits with what `body` returns. */
static int status_of(int (*body)(void))
{
    const struct sandbox_policy given = policy();
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        alarm(60);
        sandbox_enter(&given);
        _exit(body());
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) > 0;
}

static void assert_returns(int (*body)(void), int expected)
{
    const int status = status_of(body);

    if (WIFSIGNALED(status))
        fail_msg("the process was ended by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void assert_ended(int (*body)(void))
{
    const int status = status_of(body);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* --- what ends the process ------------------------------------------------------------------- */

static int start_a_program(void)
{
    execl("/bin/true", "true", NULL);
    return errno;
}

static int trace_the_parent(void)
{
    return (int)syscall(SYS_ptrace, 0x10 /* PTRACE_ATTACH */, getppid(), 0, 0);
}

static int read_memory_of_the_parent(void)
{
    return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static int load_a_bpf_program(void)
{
    return (int)syscall(SYS_bpf, 5, NULL, 0);
}

static int mount_something(void)
{
    return (int)syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
}

static int make_a_namespace(void)
{
    return (int)syscall(SYS_unshare, 0x10000000);
}

static int use_io_uring(void)
{
    return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static void what_only_an_attacker_does_ends_the_process(void **state)
{
    (void)state;
    assert_ended(start_a_program);
    assert_ended(trace_the_parent);
    assert_ended(read_memory_of_the_parent);
    assert_ended(load_a_bpf_program);
    assert_ended(mount_something);
    assert_ended(make_a_namespace);
    assert_ended(use_io_uring);
}

/* --- what fails ------------------------------------------------------------------------------ */

static int fork_a_process(void)
{
    const pid_t child = fork();

    if (child == 0)
        _exit(0);
    return child < 0 ? errno : 0;
}

static int kill_the_parent(void)
{
    return kill(getppid(), SIGTERM) < 0 ? errno : 0;
}

static int kill_the_parent_by_thread(void)
{
    return syscall(SYS_tgkill, getppid(), getppid(), SIGTERM) < 0 ? errno : 0;
}

static int call_what_nobody_lists(void)
{
    return syscall(SYS_vhangup) < 0 ? errno : 0;
}

static int map_writable_code(void)
{
    void *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at == MAP_FAILED ? errno : 0;
}

static int make_data_executable(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(at, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static int open_a_raw_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int write_into_a_readable_folder(void)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/new", folder);
    return open(path, O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0;
}

static void what_is_not_listed_does_not_exist(void **state)
{
    (void)state;
    assert_returns(fork_a_process, ENOSYS);
    assert_returns(kill_the_parent, ENOSYS);
    assert_returns(kill_the_parent_by_thread, ENOSYS);
    assert_returns(call_what_nobody_lists, ENOSYS);
    assert_returns(map_writable_code, ENOSYS);
    assert_returns(make_data_executable, ENOSYS);
    assert_returns(open_a_raw_socket, ENOSYS);
    assert_returns(write_into_a_readable_folder, ENOSYS);
}

/* --- files ----------------------------------------------------------------------------------- */

static int read_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte = 0;

    return fd < 0 || read(fd, &byte, 1) != 1 ? errno : 0;
}

static int read_in_folder(const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return read_path(path);
}

static int read_through_a_link(void)
{
    return read_in_folder("now/secret");
}

static int read_a_password_file(void)
{
    return read_path("/etc/shadow");
}

static int read_a_foreign_process(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
    return read_path(path);
}

static int list_another_folder(void)
{
    return open("/", O_RDONLY | O_DIRECTORY) < 0 ? errno : 0;
}

static int read_what_metrics_need(void)
{
    return read_path("/proc/self/stat") + read_path("/proc/stat");
}

static int read_what_metrics_need_much_later(void)
{
    for (int i = 0; i < 1000; i++)
        if (read_what_metrics_need() != 0)
            return errno;
    return 0;
}

static void only_what_the_policy_names_can_be_read(void **state)
{
    (void)state;
    if (!has_landlock())
        skip();
    assert_returns(read_through_a_link, 0);
    assert_returns(read_what_metrics_need, 0);
    assert_returns(read_what_metrics_need_much_later, 0);
    assert_returns(read_a_password_file, EACCES);
    assert_returns(read_a_foreign_process, EACCES);
    assert_returns(list_another_folder, EACCES);
}

/* As the kubelet changes a Secret: a new folder, and the link is replaced. */
static void a_file_that_is_replaced_later_can_be_read(void **state)
{
    const struct sandbox_policy given = policy();
    int go[2], status = 0;
    char old[128], new[128], byte = 0;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(go), 0);
    child = fork();
    if (child == 0) {
        alarm(60);
        close(go[1]);
        sandbox_enter(&given);
        _exit(read(go[0], &byte, 1) == 1 ? read_through_a_link() + read_in_folder("c/secret") : 99);
    }
    snprintf(old, sizeof(old), "%s/b", folder);
    snprintf(new, sizeof(new), "%s/c", folder);
    assert_int_equal(rename(old, new), 0);
    snprintf(old, sizeof(old), "%s/next", folder);
    snprintf(new, sizeof(new), "%s/now", folder);
    assert_int_equal(symlink("c", old), 0);
    assert_int_equal(rename(old, new), 0);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(go[0]);
    close(go[1]);
    snprintf(old, sizeof(old), "%s/b", folder);
    snprintf(new, sizeof(new), "%s/c", folder);
    assert_int_equal(rename(new, old), 0);
    assert_int_equal(status, 0);
}

/* --- what goes on working --------------------------------------------------------------------- */

static int bind_in(const char *where)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", where);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return errno;
    return listen(fd, 1) < 0 || chmod(address.sun_path, 0600) < 0 || unlink(address.sun_path) < 0
               ? errno
               : 0;
}

static int bind_in_its_folder(void)
{
    return bind_in(sockets);
}

static int bind_elsewhere(void)
{
    return bind_in(other);
}

static void a_unix_socket_is_made_in_its_folder_only(void **state)
{
    (void)state;
    assert_returns(bind_in_its_folder, 0);
    if (!has_landlock())
        skip();
    assert_returns(bind_elsewhere, EACCES);
}

static void *thread_body(void *ret)
{
    *(int *)ret = read_a_password_file() == 0 ? EPERM : call_what_nobody_lists();
    return NULL;
}

static int start_a_thread(void)
{
    pthread_t thread;
    int tried = 0;

    if (pthread_create(&thread, NULL, thread_body, &tried) != 0)
        return 99;
    pthread_setname_np(thread, "any");
    pthread_join(thread, NULL);
    return tried;
}

static void a_thread_starts_and_is_shut_in(void **state)
{
    (void)state;
    assert_returns(start_a_thread, ENOSYS);
}

static int look_up_a_name(void)
{
    struct addrinfo *found = NULL;

    return getaddrinfo("no-such-host.invalid", "443", NULL, &found) == 0;
}

static void names_are_looked_up(void **state)
{
    (void)state;
    assert_returns(look_up_a_name, 0); /* an answer or none: but it ends, and does not end us */
}

static int die(void)
{
    abort();
}

static void abort_still_ends_the_process(void **state)
{
    const int status = status_of(die);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_false(WCOREDUMP(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_an_attacker_does_ends_the_process),
        cmocka_unit_test(what_is_not_listed_does_not_exist),
        cmocka_unit_test(only_what_the_policy_names_can_be_read),
        cmocka_unit_test(a_file_that_is_replaced_later_can_be_read),
        cmocka_unit_test(a_unix_socket_is_made_in_its_folder_only),
        cmocka_unit_test(a_thread_starts_and_is_shut_in),
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(abort_still_ends_the_process),
    };

    if (HAS_SANITIZER) /* sandbox_enter() does nothing */
        return 0;
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
