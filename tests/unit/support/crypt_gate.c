/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support/crypt_gate.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <crypt.h>

#define EVERYBODY UINT32_MAX

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned allowed = EVERYBODY, waiting, calls;
static uint64_t steps;

static void set_allowed(unsigned n)
{
    pthread_mutex_lock(&lock);
    allowed = n;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void crypt_gate_reset(void)
{
    set_allowed(EVERYBODY);
    calls = 0;
    steps = 0;
}

void crypt_gate_close(void)
{
    set_allowed(0);
}

void crypt_gate_pass(unsigned n)
{
    set_allowed(n);
}

void crypt_gate_open(void)
{
    set_allowed(EVERYBODY);
}

void crypt_gate_wait(void)
{
    pthread_mutex_lock(&lock);
    while (!waiting)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

unsigned crypt_gate_calls(void)
{
    unsigned n;

    pthread_mutex_lock(&lock);
    n = calls;
    pthread_mutex_unlock(&lock);
    return n;
}

uint64_t crypt_gate_steps(void)
{
    uint64_t n;

    pthread_mutex_lock(&lock);
    n = steps;
    pthread_mutex_unlock(&lock);
    return n;
}

static void go_through(int cost)
{
    pthread_mutex_lock(&lock);
    calls++;
    steps += UINT64_C(1) << cost;
    waiting++;
    pthread_cond_broadcast(&changed);
    while (!allowed)
        pthread_cond_wait(&changed, &lock);
    if (allowed != EVERYBODY)
        allowed--;
    waiting--;
    pthread_mutex_unlock(&lock);
}

char *crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
    const int cost = atoi(setting + strlen("$2b$"));

    if (cost == 4)
        return crypt_r(phrase, setting, data);
    go_through(cost);
    if (strlen(setting) >= (size_t)size)
        return NULL;
    strcpy(data, strcmp(phrase, "right") == 0 ? setting : "*");
    return data;
}
