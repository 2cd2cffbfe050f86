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

#define CLIENTS_MAX 64u

struct rude_socket {
    struct sockaddr_un address;
    enum rude_manner manner;
    int listener;
    pthread_t thread;
    int clients[CLIENTS_MAX]; /* kept open for RUDE_SILENT */
    size_t n_clients;
    size_t n_stayed; /* valid after the thread has ended */
    bool joined;
    pthread_mutex_t lock; /* guards the fields below */
    pthread_cond_t first_client;
    bool connected;
};

static void send_greeting(int client, enum rude_manner manner)
{
    /* An empty SETTINGS frame, and the head of another one of 6 bytes with only 2 of them. */
    static const char half[] = "\0\0\0\4\0\0\0\0\0"
                               "\0\0\6\4\0\0\0\0\0"
                               "\0\4";
    static const char http1[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    ssize_t sent = 0;

    if (manner == RUDE_HTTP1)
        sent = send(client, http1, sizeof(http1) - 1, MSG_NOSIGNAL);
    if (manner == RUDE_HALF)
        sent = send(client, half, sizeof(half) - 1, MSG_NOSIGNAL);
    (void)sent; /* the client may have closed already */
}

/* Reads one byte; -1 if the client has closed. */
static int read_byte(int client)
{
    unsigned char byte;

    return recv(client, &byte, 1, 0) == 1 ? byte : -1;
}

/* Reads up to the first HEADERS frame, which begins a call. Returns its stream, or 0 if the client
 * has closed. RFC 9113: a preface of 24 bytes; the head of a frame has 3 bytes of length, 1 of
 * type, 1 of flags and 4 of stream. */
static int read_call(int client)
{
    for (int i = 0; i < 24; i++) {
        if (read_byte(client) < 0)
            return 0;
    }
    for (;;) {
        int head[9], len;

        for (int i = 0; i < 9; i++) {
            head[i] = read_byte(client);
            if (head[i] < 0)
                return 0;
        }
        len = head[0] << 16 | head[1] << 8 | head[2];
        while (len-- > 0 && read_byte(client) >= 0)
            ;
        if (head[3] == 1)
            return head[8];
    }
}

/* Sends SETTINGS, then ":status: 200", "content-type: application/grpc" and the first 3 bytes of a
 * message of 100 bytes. */
static void reply_half(int client)
{
    static const char settings[] = "\0\0\0\4\0\0\0\0\0";
    char reply[] = "\0\0\x14\1\4\0\0\0\1"
                   "\x88\x0f\x10\x10"
                   "application/grpc"
                   "\0\0\x8\0\0\0\0\0\1"
                   "\0\0\0\0\x64"
                   "abc";
    int stream;

    if (send(client, settings, sizeof(settings) - 1, MSG_NOSIGNAL) < 0)
        return;
    stream = read_call(client);
    reply[8] = reply[9 + 20 + 8] = (char)stream;
    if (stream && send(client, reply, sizeof(reply) - 1, MSG_NOSIGNAL) < 0)
        return; /* the client has closed, which is fine too */
}

/* Whether the client closes within `ms`. Reads and ignores what it sends. */
static bool closes_within(int client, int ms)
{
    struct pollfd ready = { .fd = client, .events = POLLIN };
    char bytes[512];

    while (poll(&ready, 1, ms) > 0)
        if (recv(client, bytes, sizeof(bytes), 0) <= 0)
            return true;
    return false;
}

/* A client with a working timeout closes before the greeting. Only a test that fails waits for all
 * these seconds. */
static bool greet_late(int client)
{
    static const char settings[] = "\0\0\0\4\0\0\0\0\0";

    if (closes_within(client, 10 * 1000))
        return true;
    return send(client, settings, sizeof(settings) - 1, MSG_NOSIGNAL) < 0 ||
           closes_within(client, 3000);
}

static void note_client(struct rude_socket *rude)
{
    pthread_mutex_lock(&rude->lock);
    rude->connected = true;
    pthread_cond_signal(&rude->first_client);
    pthread_mutex_unlock(&rude->lock);
}

static void *serve_clients(void *arg)
{
    struct rude_socket *rude = arg;

    for (;;) {
        int client = accept(rude->listener, NULL, NULL);

        if (client < 0)
            return NULL; /* rude_free() */
        note_client(rude);
        send_greeting(client, rude->manner);
        if (rude->manner == RUDE_REPLY)
            reply_half(client);
        if (rude->manner == RUDE_LATE)
            rude->n_stayed += !greet_late(client);
        if (rude->manner == RUDE_SILENT && rude->n_clients < CLIENTS_MAX)
            rude->clients[rude->n_clients++] = client;
        else
            close(client);
    }
}

struct rude_socket *rude_new(const char *path, enum rude_manner manner)
{
    struct rude_socket *rude = calloc(1, sizeof(*rude));

    assert_non_null(rude);
    pthread_mutex_init(&rude->lock, NULL);
    pthread_cond_init(&rude->first_client, NULL);
    rude->manner = manner;
    rude->address.sun_family = AF_UNIX;
    snprintf(rude->address.sun_path, sizeof(rude->address.sun_path), "%s", path);
    unlink(path);
    rude->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(rude->listener >= 0);
    assert_int_equal(bind(rude->listener, (struct sockaddr *)&rude->address, sizeof(rude->address)),
                     0);
    assert_int_equal(listen(rude->listener, 8), 0);
    assert_int_equal(pthread_create(&rude->thread, NULL, serve_clients, rude), 0);
    return rude;
}

static void end_thread(struct rude_socket *rude)
{
    if (rude->joined)
        return;
    shutdown(rude->listener, SHUT_RDWR); /* ends accept() */
    pthread_join(rude->thread, NULL);
    rude->joined = true;
}

size_t rude_clients_stayed(struct rude_socket *rude)
{
    pthread_mutex_lock(&rude->lock);
    while (!rude->connected)
        pthread_cond_wait(&rude->first_client, &rude->lock);
    pthread_mutex_unlock(&rude->lock);
    end_thread(rude);
    return rude->n_stayed;
}

void rude_free(struct rude_socket *rude)
{
    if (!rude)
        return;
    end_thread(rude);
    pthread_cond_destroy(&rude->first_client);
    pthread_mutex_destroy(&rude->lock);
    close(rude->listener);
    for (size_t i = 0; i < rude->n_clients; i++)
        close(rude->clients[i]);
    unlink(rude->address.sun_path);
    free(rude);
}
