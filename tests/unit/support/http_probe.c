/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support/http_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cmocka.h>

#include "buf.h"
#include "clock.h"
#include "util.h"

#define DEADLINE MINUTE

static int64_t now_us(void)
{
    return clock_now(clock_system()).mono_us;
}

/* The deadline also holds for connect() and send(). */
static int make_socket(int family)
{
    const struct timeval deadline = { .tv_sec = DEADLINE / SEC };
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline)), 0);
    return fd;
}

int probe_tcp(uint16_t port)
{
    return probe_tcp_from(port, INADDR_LOOPBACK);
}

int probe_tcp_from(uint16_t port, uint32_t from)
{
    const struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(from) };
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = make_socket(AF_INET);

    assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

int probe_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = make_socket(AF_UNIX);

    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void probe_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* the server closed; its answer can still be read */
        assert_true(sent > 0);
        bytes += sent;
        len -= (size_t)sent;
    }
}

void probe_send_text(int fd, const char *text)
{
    probe_send(fd, text, strlen(text));
}

/* Appends the next bytes; false at the end. */
static bool read_some(int fd, struct buf *ret, int64_t deadline_us)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    int64_t left_us = deadline_us - now_us();
    char part[65536];
    ssize_t len;

    if (left_us <= 0 || poll(&ready, 1, (int)(left_us / MSEC) + 1) <= 0)
        fail_msg("no answer within a minute");
    len = recv(fd, part, sizeof(part), 0);
    if (len <= 0)
        return false;
    buf_add(ret, (struct str){ .at = part, .len = (size_t)len });
    assert_int_equal(buf_error(ret), 0);
    return true;
}

void probe_read_all(int fd, struct buf *ret)
{
    int64_t deadline_us = now_us() + DEADLINE;

    while (read_some(fd, ret, deadline_us))
        ;
}

void probe_read_until(int fd, struct buf *ret, const char *part)
{
    int64_t deadline_us = now_us() + DEADLINE;

    while (!str_find(buf_str(ret), str_from(part)))
        if (!read_some(fd, ret, deadline_us))
            fail_msg("the connection ended before '%s'", part);
}

void probe_wait_closed(int fd)
{
    struct buf rest;

    buf_init(&rest, 64 << 20);
    probe_read_all(fd, &rest);
    buf_done(&rest);
}
