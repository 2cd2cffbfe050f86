/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A client that does what no well-behaved one would: sends half a request,
 * reads slowly, opens too many connections. Everything has a deadline of ten
 * seconds and fails the test when it passes.
 */

#include <stddef.h>
#include <stdint.h>

struct buf;

/* Connected sockets; the caller closes them. */
int probe_tcp(uint16_t port); /* on 127.0.0.1 */
int probe_unix(const char *path);

void probe_send(int fd, const char *bytes, size_t len);
void probe_send_text(int fd, const char *text);

/* Appends what comes until the other side closes or resets. */
void probe_read_all(int fd, struct buf *ret);

/* Appends until `part` has come. Fails where the other side closes before. */
void probe_read_until(int fd, struct buf *ret, const char *part);

/* Waits until the other side closed or reset; what comes before is thrown away. Returns how long
 * that took in microseconds. */
int64_t probe_wait_closed(int fd);
