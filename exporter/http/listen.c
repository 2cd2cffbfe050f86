/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "str.h"
#include "util.h"

#define BACKLOG 128
#define UNIX_PREFIX "unix:"

/* --- TCP ---------------------------------------------------------------------------------------
 */

/* Splits "[host]:port". `ret_host` is without brackets, empty for every address. */
static int split_address(const char *address, char *ret_host, size_t host_size,
                         const char **ret_port, struct err *err)
{
    const char *colon = strrchr(address, ':');
    struct str host = colon ? str_span(address, colon) : STR("");

    if (!colon || str_ends(str_from(address), STR("]")))
        return err_set(err, -EINVAL, "'%s' has no port; it looks like 127.0.0.1:9917 or :9917",
                       address);
    if (str_starts(host, STR("[")) && str_ends(host, STR("]")) && host.len > 2)
        host = str_head(str_skip(host, 1), host.len - 2);
    else if (host.len && memchr(host.at, ':', host.len))
        return err_set(err, -EINVAL, "'%s': an IPv6 address needs brackets, as in [::1]:9917",
                       address);
    if (host.len >= host_size)
        return err_set(err, -EINVAL, "the host has %zu bytes, more than an IP address", host.len);
    if (str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    memcpy(ret_host, host.at, host.len);
    ret_host[host.len] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static int parse_port(const char *text, struct err *err)
{
    unsigned port = 0;

    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || port > UINT16_MAX)
            return err_set(err, -EINVAL, "'%s' is no port number", text);
        port = port * 10 + (unsigned)(*at - '0');
    }
    if (!*text || port > UINT16_MAX)
        return err_set(err, -EINVAL, "port '%s' is not between 0 and 65535", text);
    return (int)port;
}

/* Only IP addresses: a name would be looked up, and an agent that explains broken networks must not
 * need DNS to start. */
static int resolve(const char *host, struct sockaddr_storage *ret, socklen_t *ret_len,
                   struct err *err)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    struct in_addr v4;

    /* "1.2.3" is 1.2.0.3 to getaddrinfo(), as to inet_aton(), and nobody means that. */
    if (!strchr(host, ':') && inet_pton(AF_INET, host, &v4) != 1)
        return err_set(err, -EINVAL, "'%s' is no IP address", host);
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return err_set(err, -EINVAL, "'%s' is no IP address", host);
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

static uint16_t bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = { .v6 = { .sin6_family = AF_UNSPEC } };
    socklen_t len = sizeof(address);

    getsockname(fd, &address.any, &len);
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* A listening TCP socket, or a negative errno. `both` lets IPv4 in on an IPv6 address. */
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

/* `text`: both as they were given. */
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
        /* A kernel without IPv6, or with it switched off. */
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };

        memset(&address, 0, sizeof(address));
        memcpy(&address, &v4, sizeof(v4));
        r = open_tcp(&address, sizeof(v4), false);
    }
    if (r == -EADDRINUSE)
        return err_set(err, r,
                       "'%s': another process listens there already: end it, or take another port",
                       text);
    return r < 0 ? err_set_errno(err, r, "listen on '%s'", text) : r;
}

#define HOST_SIZE (INET6_ADDRSTRLEN + 32) /* room for "%interface" */

/* The port, or a negative errno. */
static int parse_address(const char *address, char ret_host[HOST_SIZE], struct err *err)
{
    const char *port = "";
    int r = split_address(address, ret_host, HOST_SIZE, &port, err);

    return r < 0 ? r : parse_port(port, err);
}

static int check_address(const char *address, struct err *err)
{
    struct sockaddr_storage found;
    char host[HOST_SIZE] = "";
    socklen_t len;
    int port = parse_address(address, host, err);

    if (port < 0)
        return port;
    return host[0] ? resolve(host, &found, &len, err) : 0;
}

static int open_address(const char *address, struct listener *ret, struct err *err)
{
    char host[HOST_SIZE] = "";
    int port = parse_address(address, host, err);
    int r;

    if (port < 0)
        return port;
    r = open_any(address, host, (uint16_t)port, err);
    if (r < 0)
        return r;
    *ret = (struct listener){ .fd = r, .port = bound_port(r) };
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
        return err_set_errno(err, -errno, "make folder '%s'", folder);
    return 0;
}

/* Removes a socket file that nobody listens on: what a killed agent leaves behind. */
static int remove_stale(const struct sockaddr_un *address, struct err *err)
{
    struct stat file;
    int fd, r;

    if (lstat(address->sun_path, &file) < 0)
        return errno == ENOENT ? 0 : err_set_errno(err, -errno, "look for '%s'", address->sun_path);
    if (!S_ISSOCK(file.st_mode))
        return err_set(err, -EEXIST, "'%s' is there and is no socket; it is left alone",
                       address->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(err, -errno, "make a unix socket");
    r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    close(fd);
    if (r != -ECONNREFUSED)
        return err_set(err, -EADDRINUSE, "somebody listens on '%s' already", address->sun_path);
    if (unlink(address->sun_path) < 0)
        return err_set_errno(err, -errno, "remove the stale socket '%s'", address->sun_path);
    return 0;
}

/* The mode is set between bind and listen: before listen() nobody can connect. */
static int bind_private(int fd, const struct sockaddr_un *address, struct stat *ret,
                        struct err *err)
{
    int r;

    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return err_set_errno(err, -errno, "make socket '%s'", address->sun_path);
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
        return err_set(err, -EINVAL, "'%s' is no absolute path", path);
    if (strlen(path) >= LISTEN_PATH_MAX)
        return err_set(err, -EINVAL, "the path has %zu bytes; a unix socket's has %u at most",
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
        return err_set_errno(err, -errno, "make a unix socket");
    r = bind_private(fd, &address, &file, err);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret = (struct listener){ .fd = fd, .file = file };
    memcpy(ret->path, address.sun_path, sizeof(address.sun_path));
    return 0;
}

int listener_check(const char *address, struct err *err)
{
    if (str_starts(str_from(address), STR(UNIX_PREFIX)))
        return check_path(address + strlen(UNIX_PREFIX), err);
    return check_address(address, err);
}

int listener_open(const char *address, struct listener *ret, struct err *err)
{
    if (str_starts(str_from(address), STR(UNIX_PREFIX)))
        return open_unix(address + strlen(UNIX_PREFIX), ret, err);
    return open_address(address, ret, err);
}

/* Inode numbers are used again at once, so the time counts too. */
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
