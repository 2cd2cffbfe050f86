/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cri/cri_double.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define GUESTS_MAX 64u

struct rude_socket {
    struct sockaddr_un address;
    enum rude_manner manner;
    int listener;
    pthread_t thread;
    int guests[GUESTS_MAX]; /* RUDE_SILENT keeps them */
    size_t n_guests;
    size_t n_stayed; /* read after the thread has ended */
    bool joined;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t first_came;
    bool came;
};

static void speak(int guest, enum rude_manner manner)
{
    /* An empty SETTINGS frame, and the head of another that promises 6 bytes and brings 2. */
    static const char half[] = "\0\0\0\4\0\0\0\0\0"
                               "\0\0\6\4\0\0\0\0\0"
                               "\0\4";
    static const char http1[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    ssize_t sent = 0;

    if (manner == RUDE_HTTP1)
        sent = send(guest, http1, sizeof(http1) - 1, MSG_NOSIGNAL);
    if (manner == RUDE_HALF)
        sent = send(guest, half, sizeof(half) - 1, MSG_NOSIGNAL);
    (void)sent; /* a guest that has left already is fine */
}

/* Reads one byte of what the guest says; -1 where it has left. */
static int hear(int guest)
{
    unsigned char byte;

    return recv(guest, &byte, 1, 0) == 1 ? byte : -1;
}

/*
 * Up to the guest's first HEADERS frame, which is its call. Returns the frame's stream,
 * 0 where the guest has left. RFC 9113: 24 bytes of preface; a frame is 3 bytes
 * length, 1 type, 1 flags, 4 stream.
 */
static int hear_call(int guest)
{
    for (int i = 0; i < 24; i++) {
        if (hear(guest) < 0)
            return 0;
    }
    for (;;) {
        int head[9], len;

        for (int i = 0; i < 9; i++) {
            head[i] = hear(guest);
            if (head[i] < 0)
                return 0;
        }
        len = head[0] << 16 | head[1] << 8 | head[2];
        while (len-- > 0 && hear(guest) >= 0)
            ;
        if (head[3] == 1)
            return head[8];
    }
}

/* SETTINGS; then ":status: 200", "content-type: application/grpc", and of a message of 100 bytes
 * the first three. */
static void reply_half(int guest)
{
    static const char settings[] = "\0\0\0\4\0\0\0\0\0";
    char reply[] = "\0\0\x14\1\4\0\0\0\1"
                   "\x88\x0f\x10\x10"
                   "application/grpc"
                   "\0\0\x8\0\0\0\0\0\1"
                   "\0\0\0\0\x64"
                   "abc";
    int stream;

    if (send(guest, settings, sizeof(settings) - 1, MSG_NOSIGNAL) < 0)
        return;
    stream = hear_call(guest);
    reply[8] = reply[9 + 20 + 8] = (char)stream;
    if (stream && send(guest, reply, sizeof(reply) - 1, MSG_NOSIGNAL) < 0)
        return; /* it has left: just as good */
}

/* Whether the guest hangs up within `ms`; what it says meanwhile is read and forgotten. */
static bool leaves_within(int guest, int ms)
{
    struct pollfd ready = { .fd = guest, .events = POLLIN };
    char words[512];

    while (poll(&ready, 1, ms) > 0)
        if (recv(guest, words, sizeof(words), 0) <= 0)
            return true;
    return false;
}

/* A guest that is given up in time leaves before the greeting. Only the failing test waits for all
 * of these seconds. */
static bool greet_late(int guest)
{
    static const char settings[] = "\0\0\0\4\0\0\0\0\0";

    if (leaves_within(guest, 10 * 1000))
        return true;
    return send(guest, settings, sizeof(settings) - 1, MSG_NOSIGNAL) < 0 ||
           leaves_within(guest, 3000);
}

static void note_guest(struct rude_socket *host)
{
    pthread_mutex_lock(&host->lock);
    host->came = true;
    pthread_cond_signal(&host->first_came);
    pthread_mutex_unlock(&host->lock);
}

static void *receive_guests(void *arg)
{
    struct rude_socket *host = arg;

    for (;;) {
        int guest = accept(host->listener, NULL, NULL);

        if (guest < 0)
            return NULL; /* rude_free() */
        note_guest(host);
        speak(guest, host->manner);
        if (host->manner == RUDE_REPLY)
            reply_half(guest);
        if (host->manner == RUDE_LATE)
            host->n_stayed += !greet_late(guest);
        if (host->manner == RUDE_SILENT && host->n_guests < GUESTS_MAX)
            host->guests[host->n_guests++] = guest;
        else
            close(guest);
    }
}

struct rude_socket *rude_new(const char *path, enum rude_manner manner)
{
    struct rude_socket *host = calloc(1, sizeof(*host));

    assert_non_null(host);
    pthread_mutex_init(&host->lock, NULL);
    pthread_cond_init(&host->first_came, NULL);
    host->manner = manner;
    host->address.sun_family = AF_UNIX;
    snprintf(host->address.sun_path, sizeof(host->address.sun_path), "%s", path);
    unlink(path);
    host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(host->listener >= 0);
    assert_int_equal(bind(host->listener, (struct sockaddr *)&host->address, sizeof(host->address)),
                     0);
    assert_int_equal(listen(host->listener, 8), 0);
    assert_int_equal(pthread_create(&host->thread, NULL, receive_guests, host), 0);
    return host;
}

static void end_thread(struct rude_socket *host)
{
    if (host->joined)
        return;
    shutdown(host->listener, SHUT_RDWR); /* ends accept() */
    pthread_join(host->thread, NULL);
    host->joined = true;
}

size_t rude_guests_stayed(struct rude_socket *host)
{
    pthread_mutex_lock(&host->lock);
    while (!host->came)
        pthread_cond_wait(&host->first_came, &host->lock);
    pthread_mutex_unlock(&host->lock);
    end_thread(host);
    return host->n_stayed;
}

void rude_free(struct rude_socket *host)
{
    if (!host)
        return;
    end_thread(host);
    pthread_cond_destroy(&host->first_came);
    pthread_mutex_destroy(&host->lock);
    close(host->listener);
    for (size_t i = 0; i < host->n_guests; i++)
        close(host->guests[i]);
    unlink(host->address.sun_path);
    free(host);
}
