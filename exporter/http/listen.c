/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hostport.h"
#include "number.h"
#include "str.h"

#define BACKLOG 128
#define UNIX_PREFIX "unix:"

/* --- TCP ---------------------------------------------------------------------------------------
 */

#define HOST_SIZE (INET6_ADDRSTRLEN + 32) /* room for "%interface" */

/* Writes the host without brackets, "" for all addresses. */
static int parse_address(const char *address, char ret_host[HOST_SIZE], uint16_t *ret_port,
                         struct err *err)
{
    struct hostport parts;

    if (!hostport_split(str_from(address), &parts))
        return err_set(err, -EINVAL,
                       "'%s' is not host:port; an IPv6 address needs brackets, as in [::1]:9917",
                       address);
    if (!parts.has_port)
        return err_set(err, -EINVAL, "'%s' has no port; write 127.0.0.1:9917 or :9917", address);
    if (!number_port(parts.port, ret_port))
        return err_set(err, -EINVAL, "port '%.*s' is not a number from 0 to 65535",
                       STR_ARG(parts.port));
    if (str_eq(parts.host, STR("localhost")))
        parts.host = STR("127.0.0.1");
    if (parts.host.len >= HOST_SIZE)
        return err_set(err, -EINVAL, "the host has %zu bytes; that is not an IP address",
                       parts.host.len);
    if (parts.host.len)
        memcpy(ret_host, parts.host.at, parts.host.len);
    ret_host[parts.host.len] = '\0';
    return 0;
}

/* Accepts IP addresses only. A name needs DNS, and the agent must start when the network is broken.
 */
static int resolve(const char *host, struct sockaddr_storage *ret, socklen_t *ret_len,
                   struct err *err)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    struct in_addr v4;

    /* getaddrinfo() reads "1.2.3" as 1.2.0.3, which is never meant. */
    if (!strchr(host, ':') && inet_pton(AF_INET, host, &v4) != 1)
        return err_set(err, -EINVAL, "'%s' is not an IP address", host);
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return err_set(err, -EINVAL, "'%s' is not an IP address", host);
    memcpy(ret, found->ai_addr, found->ai_addrlen);
    *ret_len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons(port);
}

/* Fills in the address that the kernel bound: if the port was 0, the kernel chose one. */
static void note_bound(struct listener *listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = { .v6 = { .sin6_family = AF_UNSPEC } };
    socklen_t len = sizeof(address);
    char host[HOST_SIZE] = "?";
    bool v6;

    getsockname(listener->fd, &address.any, &len);
    v6 = address.any.sa_family == AF_INET6;
    listener->port = ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port);
    getnameinfo(&address.any, len, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
    snprintf(listener->name, sizeof(listener->name), v6 ? "[%s]:%u" : "%s:%u", host,
             listener->port);
}

/* Returns a listening TCP socket or a negative errno. `both`: an IPv6 socket also accepts IPv4. */
static int open_tcp(const struct sockaddr_storage *address, socklen_t len, bool both)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, only_v6 = !both;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (address->ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6)) < 0) ||
        bind(fd, (const struct sockaddr *)address, len) < 0 || listen(fd, BACKLOG) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

/* `text` is the address as the user wrote it. */
static int open_any(const char *text, const char *host, uint16_t port, struct err *err)
{
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t len = 0;
    int r = resolve(*host ? host : "::", &address, &len, err);

    if (r < 0)
        return r;
    set_port(&address, port);
    r = open_tcp(&address, len, !*host);
    if (!*host && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) {
        /* The kernel has no IPv6, or it is switched off. */
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };

        memset(&address, 0, sizeof(address));
        memcpy(&address, &v4, sizeof(v4));
        r = open_tcp(&address, sizeof(v4), false);
    }
    if (r == -EADDRINUSE)
        return err_set(err, r, "another process listens on '%s'; stop it or choose another port",
                       text);
    return r < 0 ? err_set_errno(err, r, "listen on '%s'", text) : r;
}

static int check_address(const char *address, struct err *err)
{
    struct sockaddr_storage found;
    char host[HOST_SIZE] = "";
    socklen_t len;
    uint16_t port;
    int r = parse_address(address, host, &port, err);

    return r == 0 && host[0] ? resolve(host, &found, &len, err) : r;
}

static int open_address(const char *address, struct listener *ret, struct err *err)
{
    char host[HOST_SIZE] = "";
    uint16_t port = 0;
    int r = parse_address(address, host, &port, err);

    if (r < 0)
        return r;
    r = open_any(address, host, port, err);
    if (r < 0)
        return r;
    *ret = (struct listener){ .fd = r };
    note_bound(ret);
    return 0;
}

/* --- unix sockets ------------------------------------------------------------------------------
 */

static int make_folder(const char *path, struct err *err)
{
    char folder[LISTEN_PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (slash == path)
        return 0;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, -errno, "create folder '%s'", folder);
    return 0;
}

/* Removes a socket file that no process listens on. A killed agent leaves one behind. */
static int remove_stale(const struct sockaddr_un *address, struct err *err)
{
    struct stat file;
    int fd, r;

    if (lstat(address->sun_path, &file) < 0)
        return errno == ENOENT ? 0 : err_set_errno(err, -errno, "stat '%s'", address->sun_path);
    if (!S_ISSOCK(file.st_mode))
        return err_set(err, -EEXIST, "'%s' exists and is not a socket; not replacing it",
                       address->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(err, -errno, "create a unix socket");
    r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    close(fd);
    if (r != -ECONNREFUSED)
        return err_set(err, -EADDRINUSE, "another process listens on '%s'", address->sun_path);
    if (unlink(address->sun_path) < 0)
        return err_set_errno(err, -errno, "remove the stale socket '%s'", address->sun_path);
    return 0;
}

/*
 * The mode must be right from the first moment: a path that anybody can open, even for an instant,
 * can be opened before listen() and used after it. unix(7): bind() gives the file the mode of the
 * socket, without the bits of the umask; net/unix/af_unix.c, unix_bind_bsd(). chmod() only restores
 * what an unusual umask took.
 */
static int bind_private(int fd, const struct sockaddr_un *address, struct stat *ret,
                        struct err *err)
{
    int r;

    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return err_set_errno(err, -errno, "create socket '%s'", address->sun_path);
    if (chmod(address->sun_path, 0600) == 0 && listen(fd, BACKLOG) == 0 &&
        lstat(address->sun_path, ret) == 0)
        return 0;
    r = err_set_errno(err, -errno, "listen on '%s'", address->sun_path);
    unlink(address->sun_path);
    return r;
}

static int check_path(const char *path, struct err *err)
{
    if (path[0] != '/')
        return err_set(err, -EINVAL, "'%s' is not an absolute path", path);
    if (strlen(path) >= LISTEN_PATH_MAX)
        return err_set(err, -EINVAL, "the path has %zu bytes; the maximum for a unix socket is %u",
                       strlen(path), LISTEN_PATH_MAX - 1);
    return 0;
}

static int open_unix(const char *path, struct listener *ret, struct err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat file;
    int fd, r;

    r = check_path(path, err);
    if (r < 0)
        return r;
    memcpy(address.sun_path, path, strlen(path));

    r = make_folder(path, err);
    if (r == 0)
        r = remove_stale(&address, err);
    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(err, -errno, "create a unix socket");
    r = bind_private(fd, &address, &file, err);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret = (struct listener){ .fd = fd, .file = file };
    memcpy(ret->path, address.sun_path, sizeof(address.sun_path));
    snprintf(ret->name, sizeof(ret->name), UNIX_PREFIX "%s", path);
    return 0;
}

bool listener_is_unix(const char *address)
{
    return str_starts(str_from(address), STR(UNIX_PREFIX));
}

int listener_check(const char *address, struct err *err)
{
    if (listener_is_unix(address))
        return check_path(address + strlen(UNIX_PREFIX), err);
    return check_address(address, err);
}

int listener_open(const char *address, struct listener *ret, struct err *err)
{
    if (listener_is_unix(address))
        return open_unix(address + strlen(UNIX_PREFIX), ret, err);
    return open_address(address, ret, err);
}

/* The kernel reuses an inode number at once, so the time is compared too. */
static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void listener_close(struct listener *listener)
{
    struct stat file;

    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    if (listener->path[0] && lstat(listener->path, &file) == 0 && same_file(&file, &listener->file))
        unlink(listener->path);
    listener->path[0] = '\0';
}
