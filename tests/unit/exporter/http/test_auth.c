/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <crypt.h>

#include "exporter/http/auth.h"
#include "limit.h"

/* Cost 4, the minimum. */
static char hash_a[CRYPT_OUTPUT_SIZE], hash_b[CRYPT_OUTPUT_SIZE];

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned woken;
};

static struct waiter waiter = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
static struct auth *auth;

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

static int make_hashes(void **state)
{
    struct crypt_data data = { .initialized = 0 };

    (void)state;
    strcpy(hash_a, crypt_r("alpha", "$2b$04$abcdefghijklmnopqrstuu", &data));
    strcpy(hash_b, crypt_r("beta", "$2b$04$uutsrqponmlkjihgfedcbu", &data));
    return strlen(hash_a) == 60 && strlen(hash_b) == 60 ? 0 : -1;
}

static int begin(void **state)
{
    (void)state;
    waiter.woken = 0;
    return auth_new(&auth, NULL);
}

static int end(void **state)
{
    (void)state;
    auth_stop(auth);
    auth_free(auth);
    return 0;
}

static enum auth_verdict check(const char *hash, const char *password)
{
    unsigned before = waiter.woken;

    assert_int_equal(auth_check(auth, hash, password, wake, &waiter), 0);
    wait_for(before + 1);
    return auth_look_up(auth, hash, password);
}

static void a_password_is_unknown_before_its_check(void **state)
{
    (void)state;
    assert_int_equal(auth_look_up(auth, hash_a, "alpha"), AUTH_UNCHECKED);
    assert_int_equal(check(hash_a, "alpha"), AUTH_RIGHT);
    assert_int_equal(auth_look_up(auth, hash_a, "alpha"), AUTH_RIGHT);
    assert_int_equal(auth_look_up(auth, hash_b, "alpha"), AUTH_UNCHECKED);
}

static void wrong_passwords_stay_wrong(void **state)
{
    static const char *const wrong[] = { "", "alph", "alphaa", "ALPHA", "beta", "alpha\n" };

    (void)state;
    assert_int_equal(check(hash_a, "alpha"), AUTH_RIGHT);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(check(hash_a, wrong[i]), AUTH_WRONG);
    assert_int_equal(check(hash_b, "beta"), AUTH_RIGHT);
    assert_int_equal(auth_look_up(auth, hash_a, "alpha"), AUTH_RIGHT);
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
    assert_int_equal(auth_look_up(auth, hash_a, password), AUTH_WRONG);
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
    assert_int_equal(auth_look_up(auth, hash_a, "alpha"), AUTH_RIGHT);
    assert_int_equal(auth_look_up(auth, hash_a, "wrong-199"), AUTH_WRONG);
    assert_int_equal(auth_look_up(auth, hash_a, "wrong-0"), AUTH_UNCHECKED);
}

/* Cost 10 keeps the thread busy, so the queue fills up. */
static void a_full_queue_is_busy_and_stopping_wakes_all(void **state)
{
    char slow[] = "$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
    unsigned queued = 0;
    int r = 0;

    (void)state;
    for (unsigned i = 0; i < 1000 && r == 0; i++) {
        char password[16];

        snprintf(password, sizeof(password), "p-%u", i);
        r = auth_check(auth, slow, password, wake, &waiter);
        queued += r == 0;
    }
    assert_int_equal(r, -EBUSY);
    auth_stop(auth);
    assert_int_equal(waiter.woken, queued);
    assert_int_equal(auth_check(auth, hash_a, "alpha", wake, &waiter), -ESHUTDOWN);
    auth_free(auth);
    assert_int_equal(auth_new(&auth, NULL), 0); /* for end() */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_password_is_unknown_before_its_check),
        TEST(wrong_passwords_stay_wrong),
        TEST(a_password_over_the_limit_is_wrong),
        TEST(many_wrong_passwords_do_not_replace_a_right_one),
        TEST(a_full_queue_is_busy_and_stopping_wakes_all),
    };

    return cmocka_run_group_tests(tests, make_hashes, NULL);
}
