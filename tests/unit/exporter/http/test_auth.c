/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <crypt.h>

#include "exporter/http/auth.h"
#include "limit.h"
#include "tests/unit/support/crypt_gate.h"
#include "util.h"

/* Cost 4, the minimum. */
static char hash_a[CRYPT_OUTPUT_SIZE], hash_b[CRYPT_OUTPUT_SIZE];

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned woken;
};

static struct waiter waiter = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
static struct auth *auth;
static unsigned n_order;

static void wake(void *self)
{
    struct waiter *who = self;

    pthread_mutex_lock(&who->lock);
    who->woken++;
    pthread_cond_signal(&who->changed);
    pthread_mutex_unlock(&who->lock);
}

static void wait_for(unsigned n)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 120; /* only a hang takes this long */
    pthread_mutex_lock(&waiter.lock);
    while (waiter.woken < n)
        assert_int_equal(pthread_cond_timedwait(&waiter.changed, &waiter.lock, &deadline), 0);
    pthread_mutex_unlock(&waiter.lock);
}

/* With crypt_ra(): the sanitizers have a crypt_r() of their own, which would then be the only one.
 */
static bool make_hash(const char *password, const char *setting, char *ret)
{
    void *data = NULL;
    int size = 0;
    const char *made = crypt_ra(password, setting, &data, &size);
    bool good = made && strlen(made) == 60;

    if (good)
        strcpy(ret, made);
    free(data);
    return good;
}

static int make_hashes(void **state)
{
    (void)state;
    return make_hash("alpha", "$2b$04$abcdefghijklmnopqrstuu", hash_a) &&
                   make_hash("beta", "$2b$04$uutsrqponmlkjihgfedcbu", hash_b)
               ? 0
               : -1;
}

static int begin(void **state)
{
    (void)state;
    waiter.woken = 0;
    n_order = 0;
    crypt_gate_reset();
    return auth_new(&auth, NULL);
}

static int end(void **state)
{
    (void)state;
    crypt_gate_open();
    auth_stop(auth);
    auth_free(auth);
    return 0;
}

static struct auth_login login(const char *hash, const char *password)
{
    return (struct auth_login){ .user = "prom", .hash = hash, .cost = 4, .password = password };
}

static enum auth_verdict look_up(const char *hash, const char *password)
{
    const struct auth_login asked = login(hash, password);

    return auth_look_up(auth, &asked);
}

static enum auth_verdict check(const char *hash, const char *password)
{
    const struct auth_login asked = login(hash, password);
    unsigned before = waiter.woken;

    assert_int_equal(auth_check(auth, &asked, wake, &waiter), 0);
    wait_for(before + 1);
    return auth_look_up(auth, &asked);
}

static void a_password_is_unknown_before_its_check(void **state)
{
    (void)state;
    assert_int_equal(look_up(hash_a, "alpha"), AUTH_UNCHECKED);
    assert_int_equal(check(hash_a, "alpha"), AUTH_RIGHT);
    assert_int_equal(look_up(hash_a, "alpha"), AUTH_RIGHT);
    assert_int_equal(look_up(hash_b, "alpha"), AUTH_UNCHECKED);
}

static void wrong_passwords_stay_wrong(void **state)
{
    static const char *const wrong[] = { "", "alph", "alphaa", "ALPHA", "beta", "alpha\n" };

    (void)state;
    assert_int_equal(check(hash_a, "alpha"), AUTH_RIGHT);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(check(hash_a, wrong[i]), AUTH_WRONG);
    assert_int_equal(check(hash_b, "beta"), AUTH_RIGHT);
    assert_int_equal(look_up(hash_a, "alpha"), AUTH_RIGHT);
}

static void a_password_over_the_limit_is_wrong(void **state)
{
    char password[LIMIT_PASSWORD + 2];

    (void)state;
    memset(password, 'p', sizeof(password));
    password[LIMIT_PASSWORD] = '\0';
    assert_int_equal(check(hash_a, password), AUTH_WRONG);
    password[LIMIT_PASSWORD] = 'p';
    password[LIMIT_PASSWORD + 1] = '\0';
    assert_int_equal(look_up(hash_a, password), AUTH_WRONG);
}

static void many_wrong_passwords_do_not_replace_a_right_one(void **state)
{
    (void)state;
    assert_int_equal(check(hash_a, "alpha"), AUTH_RIGHT);
    for (unsigned i = 0; i < 200; i++) {
        char password[16];

        snprintf(password, sizeof(password), "wrong-%u", i);
        assert_int_equal(check(hash_a, password), AUTH_WRONG);
    }
    assert_int_equal(look_up(hash_a, "alpha"), AUTH_RIGHT);
    assert_int_equal(look_up(hash_a, "wrong-199"), AUTH_WRONG);
    assert_int_equal(look_up(hash_a, "wrong-0"), AUTH_UNCHECKED);
}

/* --- the queue ---------------------------------------------------------------------------------
 */

#define SALT_AND_SUM "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
#define COST_10 "$2b$10$" SALT_AND_SUM
#define COST_12 "$2b$12$" SALT_AND_SUM

/* The requests in the order in which they were woken. */
struct request {
    uint64_t client;
    struct auth_login login;
    char password[16];
};

static struct request requests[2 * LIMIT_PASSWORD_CHECKS];
static const struct request *order[2 * LIMIT_PASSWORD_CHECKS];

static void note_order(void *self)
{
    pthread_mutex_lock(&waiter.lock);
    order[n_order++] = self;
    waiter.woken++;
    pthread_cond_signal(&waiter.changed);
    pthread_mutex_unlock(&waiter.lock);
}

static int ask(unsigned i, uint64_t client, const char *password)
{
    struct request *request = &requests[i];

    request->client = client;
    snprintf(request->password, sizeof(request->password), "%s", password);
    request->login = (struct auth_login){
        .user = "prom", .hash = COST_10, .cost = 10, .password = request->password, .client = client
    };
    return auth_check(auth, &request->login, note_order, request);
}

/* Requests 0 to n - 1, each with another wrong password. The first one is being checked. */
static void flood(unsigned n, uint64_t client)
{
    for (unsigned i = 0; i < n; i++) {
        char password[16];

        snprintf(password, sizeof(password), "wrong-%u", i);
        assert_int_equal(ask(i, client, password), 0);
        if (i == 0)
            crypt_gate_wait();
    }
}

static void a_client_waits_for_one_check_of_another_client(void **state)
{
    (void)state;
    crypt_gate_close();
    flood(40, 1);
    assert_int_equal(ask(40, 2, "right"), 0);
    crypt_gate_pass(3);
    wait_for(3);
    assert_ptr_equal(order[0], &requests[0]);
    assert_true(order[1] == &requests[40] || order[2] == &requests[40]);
    assert_int_equal(auth_look_up(auth, &requests[40].login), AUTH_RIGHT);
}

/* 40 places were not enough when there were 32. */
static void a_right_password_of_the_same_client_is_checked_too(void **state)
{
    (void)state;
    crypt_gate_close();
    flood(72, 1);
    assert_int_equal(ask(72, 1, "right"), 0);
    crypt_gate_open();
    wait_for(73);
    assert_int_equal(auth_look_up(auth, &requests[72].login), AUTH_RIGHT);
}

static void a_full_queue_takes_a_place_from_the_client_that_has_most(void **state)
{
    const unsigned full = LIMIT_PASSWORD_CHECKS + 1; /* with the one that is being checked */

    (void)state;
    crypt_gate_close();
    flood(full, 1);
    assert_int_equal(ask(full, 1, "right"), -EBUSY);
    assert_int_equal(waiter.woken, 0);
    assert_int_equal(ask(full, 2, "right"), 0);
    assert_int_equal(waiter.woken, 1);
    assert_ptr_equal(order[0], &requests[full - 1]);
    assert_int_equal(auth_look_up(auth, &requests[full - 1].login), AUTH_UNCHECKED);
    assert_int_equal(ask(full - 1, 1, "again"), -EBUSY); /* it does not push others out */
    crypt_gate_open();
    wait_for(full + 1);
    assert_int_equal(auth_look_up(auth, &requests[full].login), AUTH_RIGHT);
}

static void clients_with_one_check_each_keep_their_places(void **state)
{
    (void)state;
    crypt_gate_close();
    assert_int_equal(ask(0, 0, "wrong"), 0);
    crypt_gate_wait();
    for (unsigned i = 1; i <= LIMIT_PASSWORD_CHECKS; i++)
        assert_int_equal(ask(i, i, "wrong"), 0);
    assert_int_equal(ask(LIMIT_PASSWORD_CHECKS + 1, 999, "right"), -EBUSY);
    assert_int_equal(waiter.woken, 0);
}

static void a_cancelled_check_gives_its_place_up(void **state)
{
    (void)state;
    crypt_gate_close();
    flood(3, 1);
    auth_cancel(auth, &requests[1]);
    auth_cancel(auth, &requests[0]); /* it is running */
    assert_int_equal(waiter.woken, 1);
    assert_ptr_equal(order[0], &requests[1]);
    crypt_gate_open();
    wait_for(3);
    assert_int_equal(crypt_gate_calls(), 2);
    auth_cancel(auth, &requests[2]); /* it is over */
    assert_int_equal(waiter.woken, 3);
}

static void *stop(void *arg)
{
    auth_stop(auth);
    return arg;
}

static void stopping_waits_for_the_running_check_only(void **state)
{
    unsigned n = 40;
    pthread_t thread;
    int r = 0;

    (void)state;
    crypt_gate_close();
    flood(n, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop, NULL), 0);
    /* Until it stops, this is a check like all others. */
    while (r == 0 || r == -EBUSY) {
        r = n < ARRAY_SIZE(requests) ? ask(n, n, "wrong") : ask(n - 1, 1, "wrong");
        n += r == 0;
        usleep(1000);
    }
    assert_int_equal(r, -ESHUTDOWN);
    crypt_gate_open();
    pthread_join(thread, NULL);
    assert_int_equal(crypt_gate_calls(), 1);
    assert_int_equal(waiter.woken, n);
    auth_free(auth);
    assert_int_equal(auth_new(&auth, NULL), 0); /* for end() */
}

/* --- what a check tells about users ------------------------------------------------------------
 */

static uint64_t steps_for(const char *user, const char *hash, int cost)
{
    const struct auth_login asked = {
        .user = user, .hash = hash, .cost = cost, .password = "wrong"
    };
    const uint64_t before = crypt_gate_steps();
    const unsigned woken = waiter.woken;

    assert_int_equal(auth_look_up(auth, &asked), AUTH_UNCHECKED);
    assert_int_equal(auth_check(auth, &asked, wake, &waiter), 0);
    wait_for(woken + 1);
    assert_int_equal(auth_look_up(auth, &asked), AUTH_WRONG);
    return crypt_gate_steps() - before;
}

/* The same password each time: the result for one user must not be the answer for another. */
static void all_users_cost_the_same(void **state)
{
    (void)state;
    assert_int_equal(steps_for("prom", COST_12, 12), 1 << 12);
    assert_int_equal(steps_for("cheap", COST_10, 12), 1 << 12);
    assert_int_equal(steps_for("same-hash", COST_12, 12), 1 << 12);
    assert_int_equal(steps_for("nobody", NULL, 12), 1 << 12);
    assert_int_equal(steps_for("nobody-else", NULL, 12), 1 << 12);
    assert_int_equal(steps_for("other-file", NULL, 10), 1 << 10);
}

static void an_unknown_user_has_no_right_password(void **state)
{
    const struct auth_login asked = { .user = "nobody", .cost = 12, .password = "right" };

    (void)state;
    assert_int_equal(auth_check(auth, &asked, wake, &waiter), 0);
    wait_for(1);
    assert_int_equal(auth_look_up(auth, &asked), AUTH_WRONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_password_is_unknown_before_its_check),
        TEST(wrong_passwords_stay_wrong),
        TEST(a_password_over_the_limit_is_wrong),
        TEST(many_wrong_passwords_do_not_replace_a_right_one),
        TEST(a_client_waits_for_one_check_of_another_client),
        TEST(a_right_password_of_the_same_client_is_checked_too),
        TEST(a_full_queue_takes_a_place_from_the_client_that_has_most),
        TEST(clients_with_one_check_each_keep_their_places),
        TEST(a_cancelled_check_gives_its_place_up),
        TEST(stopping_waits_for_the_running_check_only),
        TEST(all_users_cost_the_same),
        TEST(an_unknown_user_has_no_right_password),
    };

    return cmocka_run_group_tests(tests, make_hashes, NULL);
}
