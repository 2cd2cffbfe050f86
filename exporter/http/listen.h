/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Listening sockets. exporter.h describes the addresses. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "err.h"

#define LISTEN_PATH_MAX 108u /* size of sun_path in struct sockaddr_un, with its NUL */
#define LISTEN_NAME_MAX (LISTEN_PATH_MAX + 8u)

struct listener {
    int fd;
    uint16_t port;              /* the one that is bound; 0 for a unix socket */
    char name[LISTEN_NAME_MAX]; /* the bound address: "127.0.0.1:9917", "unix:/path" */
    char path[LISTEN_PATH_MAX]; /* "" for TCP */
    struct stat file;           /* the socket file that was created */
};

/*
 * Binds and listens. The socket does not block and is closed on exec. Returns 0, -EINVAL for an
 * address that is not valid, or the errno of the system call; `ret` is untouched then.
 * -EADDRINUSE: another process listens on the port (SO_REUSEADDR only permits a port whose old
 * connections are still closing) or on the unix socket. -EEXIST: the path is not a socket.
 */
int listener_open(const char *address, struct listener *ret, struct err *err);

/* Whether `address` is "unix:/path". */
bool listener_is_unix(const char *address);

/* Checks the syntax of `address`. Binds nothing, so it does not find an address in use. */
int listener_check(const char *address, struct err *err);

/* Closes `fd`, unless it is negative because a server owns it now. Removes the socket file if it is
 * still the one that was created. */
void listener_close(struct listener *listener);
