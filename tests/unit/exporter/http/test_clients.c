/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporter/http/clients.h"
#include "util.h"

#define N 3

static struct clients clients;
static struct client client[N];
static int peer[N];

/* Clients 0, 1 and 2 connect at 0, 1 and 2 seconds. */
static int begin(void **state)
{
    (void)state;
    clients_init(&clients);
    for (int i = 0; i < N; i++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
            return -1;
        client[i] = (struct client){ .fd = pair[0], .asked_us = i * SEC };
        peer[i] = pair[1];
        clients_add(&clients, &client[i]);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        close(peer[i]);
        if (client[i].fd >= 0)
            close(client[i].fd);
    }
    return 0;
}

/* The peer of a client that was cut sees the end of the connection. */
static bool is_cut(int i)
{
    char byte;

    return client[i].fd < 0 && recv(peer[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static void the_oldest_client_is_cut_first(void **state)
{
    (void)state;
    clients_cut_oldest(&clients);
    assert_true(is_cut(0));
    assert_false(is_cut(1) || is_cut(2));
    assert_int_equal(clients.n, 2);
}

static void a_request_makes_a_client_the_newest(void **state)
{
    (void)state;
    clients_refresh(&clients, &client[0], 3 * SEC);
    clients_cut_oldest(&clients);
    clients_cut_oldest(&clients);
    assert_true(is_cut(1) && is_cut(2));
    assert_false(is_cut(0));
}

/* One address cannot take the place of another one, however many connections it opens. */
static void the_address_with_most_clients_loses_one(void **state)
{
    (void)state;
    client[1].address = client[2].address = 7;
    clients_cut_oldest(&clients);
    assert_true(is_cut(1));
    assert_false(is_cut(0) || is_cut(2));
    clients_cut_oldest(&clients); /* they have one each now */
    assert_true(is_cut(0));
}

static unsigned n_cut;

static void count_cut(void *self, const struct client *which)
{
    assert_ptr_equal(self, &n_cut);
    assert_true(which->fd < 0);
    n_cut++;
}

static void every_cut_is_reported(void **state)
{
    (void)state;
    n_cut = 0;
    clients.on_cut = count_cut;
    clients.self = &n_cut;
    clients_cut_oldest(&clients);
    assert_int_equal(n_cut, 1);
    clients_cut_slow(&clients, 1, 100 * SEC);
    assert_int_equal(n_cut, N);
}

static void only_clients_over_the_timeout_are_cut(void **state)
{
    (void)state;
    clients_cut_slow(&clients, 10 * SEC, 10 * SEC);
    assert_int_equal(clients.n, 3);
    clients_cut_slow(&clients, 10 * SEC, 11 * SEC + 1);
    assert_true(is_cut(0) && is_cut(1));
    assert_false(is_cut(2));
    assert_int_equal(clients.n, 1);
}

static void a_request_restarts_the_timeout(void **state)
{
    (void)state;
    clients_refresh(&clients, &client[0], 9 * SEC);
    clients_cut_slow(&clients, 10 * SEC, 15 * SEC);
    assert_true(is_cut(1) && is_cut(2));
    assert_false(is_cut(0));
    clients_cut_slow(&clients, 10 * SEC, 19 * SEC + 1);
    assert_true(is_cut(0));
}

/* The HTTP library reports the end of a cut connection later, or its last request. */
static void a_cut_client_is_not_counted_twice(void **state)
{
    (void)state;
    clients_cut_oldest(&clients);
    clients_refresh(&clients, &client[0], 9 * SEC);
    clients_remove(&clients, &client[0]);
    assert_int_equal(clients.n, 2);
    clients_remove(&clients, &client[1]);
    assert_int_equal(clients.n, 1);
    clients_cut_oldest(&clients);
    assert_true(is_cut(2));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_client_is_cut_first),
        TEST(a_request_makes_a_client_the_newest),
        TEST(only_clients_over_the_timeout_are_cut),
        TEST(a_request_restarts_the_timeout),
        TEST(a_cut_client_is_not_counted_twice),
        TEST(the_address_with_most_clients_loses_one),
        TEST(every_cut_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
