/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A client that misbehaves on purpose: it sends half a request, reads slowly or opens too many
 * connections. Each call fails the test after a minute; only a hang takes so long.
 */

#include <stddef.h>
#include <stdint.h>

struct buf;

/* Connected sockets; the caller closes them. */
int probe_tcp(uint16_t port);                        /* on 127.0.0.1 */
int probe_tcp_from(uint16_t port, uint32_t address); /* the own address, such as 0x7f000002 */
int probe_unix(const char *path);

void probe_send(int fd, const char *bytes, size_t len);
void probe_send_text(int fd, const char *text);

/* Appends everything until the other side closes or resets. */
void probe_read_all(int fd, struct buf *ret);

/* Appends until `part` has arrived. Fails if the other side closes first. */
void probe_read_until(int fd, struct buf *ret, const char *part);

/* Waits until the other side closes or resets; ignores the bytes that it sends. */
void probe_wait_closed(int fd);
