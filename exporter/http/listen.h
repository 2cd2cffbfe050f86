/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Listening sockets: exporter.h says what an address looks like. */

#include <stdint.h>
#include <sys/stat.h>

#include "err.h"

#define LISTEN_PATH_MAX 108u /* sockaddr_un's, with the terminator */

struct listener {
    int fd;
    uint16_t port;              /* 0 for a unix socket */
    char path[LISTEN_PATH_MAX]; /* "" for TCP */
    struct stat file;           /* the socket file as it was made */
};

/*
 * Binds and listens. The socket does not block and is closed on exec. Returns 0,
 * -EINVAL for an address that is none, or what the system said; `ret` is
 * untouched then. A port with a listener is -EADDRINUSE (SO_REUSEADDR only
 * forgives connections that are on their way out), and so is a unix socket that
 * somebody answers on; a file there that is no socket is -EEXIST and stays.
 */
int listener_open(const char *address, struct listener *ret, struct err *err);

/* Whether listener_open() would understand `address`; nothing is bound, so it may be taken. */
int listener_check(const char *address, struct err *err);

/* Closes `fd` unless it is negative (somebody else took it over) and removes the socket file if it
 * still is the one that was made. */
void listener_close(struct listener *listener);
