/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/auth.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <crypt.h>
#include <gnutls/crypto.h>

#include "limit.h"
#include "mem.h"
#include "util.h"

#define KEY_LEN 32u
#define HASH_SIZE 64u /* a bcrypt hash has 60 bytes; web_file.c accepts nothing else */

struct digest {
    unsigned char bytes[KEY_LEN];
};

/* The oldest is replaced first. */
struct verdicts {
    struct digest digests[LIMIT_PASSWORD_CACHE];
    size_t n, next;
};

struct job {
    struct digest digest;
    char hash[HASH_SIZE]; /* "": no such user */
    int cost;
    char password[LIMIT_PASSWORD + 1];
    uint64_t client;
    uint64_t turn; /* the lowest is next; of several, the one that came first */
    void (*wake)(void *self);
    void *self;
};

struct auth {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stopping;
    unsigned char key[KEY_LEN];   /* random: a digest from memory is useless elsewhere */
    struct verdicts right, wrong; /* apart: a flood of wrong ones must not replace right ones */
    struct job jobs[LIMIT_PASSWORD_CHECKS]; /* they wait, in the order in which they came */
    size_t n_jobs;
    uint64_t turn;            /* of the check that began last */
    struct crypt_data *crypt; /* only the thread uses it */
};

static int add_text(gnutls_hmac_hd_t mac, const char *text)
{
    return gnutls_hmac(mac, text, strlen(text) + 1);
}

static bool make_digest(const struct auth *auth, const struct auth_login *login, struct digest *ret)
{
    gnutls_hmac_hd_t mac;
    bool made;

    if (strlen(login->password) > LIMIT_PASSWORD ||
        gnutls_hmac_init(&mac, GNUTLS_MAC_SHA256, auth->key, KEY_LEN) < 0)
        return false;
    made = add_text(mac, login->user) == 0 && add_text(mac, login->hash ? login->hash : "") == 0 &&
           add_text(mac, login->password) == 0;
    gnutls_hmac_deinit(mac, ret->bytes);
    return made;
}

static bool holds(const struct verdicts *verdicts, const struct digest *digest)
{
    for (size_t i = 0; i < verdicts->n; i++)
        if (gnutls_memcmp(verdicts->digests[i].bytes, digest->bytes, KEY_LEN) == 0)
            return true;
    return false;
}

static void keep(struct verdicts *verdicts, const struct digest *digest)
{
    if (holds(verdicts, digest))
        return;
    verdicts->digests[verdicts->next] = *digest;
    verdicts->next = (verdicts->next + 1) % LIMIT_PASSWORD_CACHE;
    if (verdicts->n < LIMIT_PASSWORD_CACHE)
        verdicts->n++;
}

static enum auth_verdict verdict_of(const struct auth *auth, const struct digest *digest)
{
    if (holds(&auth->right, digest))
        return AUTH_RIGHT;
    return holds(&auth->wrong, digest) ? AUTH_WRONG : AUTH_UNCHECKED;
}

enum auth_verdict auth_look_up(struct auth *auth, const struct auth_login *login)
{
    enum auth_verdict verdict;
    struct digest digest;

    if (!make_digest(auth, login, &digest))
        return AUTH_WRONG;
    pthread_mutex_lock(&auth->lock);
    verdict = verdict_of(auth, &digest);
    pthread_mutex_unlock(&auth->lock);
    return verdict;
}

/* --- the thread --------------------------------------------------------------------------------
 */

static int cost_of(const char *hash)
{
    return (hash[4] - '0') * 10 + (hash[5] - '0');
}

/* Takes as long as a check of this cost. */
static void spend(struct crypt_data *crypt, const char *password, int cost)
{
    char setting[] = "$2b$00$abcdefghijklmnopqrstuu";

    setting[4] = (char)('0' + cost / 10);
    setting[5] = (char)('0' + cost % 10);
    crypt_rn(password, setting, crypt, sizeof(*crypt));
}

static bool matches(struct crypt_data *crypt, const struct job *job)
{
    const char *made = crypt_rn(job->password, job->hash, crypt, sizeof(*crypt));
    size_t len = strlen(job->hash);

    return made && strlen(made) == len && gnutls_memcmp(made, job->hash, len) == 0;
}

/* Takes a tenth of a second, and the same work for every user: bcrypt does 2^cost steps, and
 * 2^c + 2^c + 2^(c+1) + ... + 2^(cost-1) is 2^cost. */
static bool is_right(struct crypt_data *crypt, const struct job *job)
{
    bool right;

    if (!job->hash[0]) {
        spend(crypt, job->password, job->cost);
        return false;
    }
    right = matches(crypt, job);
    for (int cost = cost_of(job->hash); cost < job->cost; cost++)
        spend(crypt, job->password, cost);
    return right;
}

static void take_job(struct auth *auth, size_t i, struct job *ret)
{
    *ret = auth->jobs[i];
    auth->n_jobs--;
    memmove(&auth->jobs[i], &auth->jobs[i + 1], (auth->n_jobs - i) * sizeof(auth->jobs[0]));
    explicit_bzero(&auth->jobs[auth->n_jobs], sizeof(auth->jobs[0]));
}

static void take_next(struct auth *auth, struct job *ret)
{
    size_t next = 0;

    for (size_t i = 1; i < auth->n_jobs; i++)
        if (auth->jobs[i].turn < auth->jobs[next].turn)
            next = i;
    take_job(auth, next, ret);
    auth->turn = ret->turn;
}

/* Called with the lock held; releases it while it computes. If several jobs have the same password,
 * only the first one is computed. */
static void check_next(struct auth *auth, struct job *job)
{
    bool right;

    take_next(auth, job);
    if (verdict_of(auth, &job->digest) != AUTH_UNCHECKED)
        return;
    pthread_mutex_unlock(&auth->lock);
    right = is_right(auth->crypt, job);
    pthread_mutex_lock(&auth->lock);
    keep(right ? &auth->right : &auth->wrong, &job->digest);
}

static void wake(struct job *job)
{
    job->wake(job->self);
    explicit_bzero(job, sizeof(*job));
}

static void *check_passwords(void *arg)
{
    struct auth *auth = arg;
    struct job job = { .wake = NULL };

    pthread_mutex_lock(&auth->lock);
    while (!auth->stopping) {
        if (!auth->n_jobs) {
            pthread_cond_wait(&auth->changed, &auth->lock);
            continue;
        }
        check_next(auth, &job);
        pthread_mutex_unlock(&auth->lock);
        wake(&job);
        pthread_mutex_lock(&auth->lock);
    }
    pthread_mutex_unlock(&auth->lock);
    return NULL;
}

/* --- the queue ---------------------------------------------------------------------------------
 */

static size_t count_of(const struct auth *auth, uint64_t client)
{
    size_t n = 0;

    for (size_t i = 0; i < auth->n_jobs; i++)
        n += auth->jobs[i].client == client;
    return n;
}

/* One turn after the last check of the same client; a client that has none is next. */
static uint64_t turn_for(const struct auth *auth, uint64_t client)
{
    uint64_t last = auth->turn;

    for (size_t i = 0; i < auth->n_jobs; i++)
        if (auth->jobs[i].client == client && auth->jobs[i].turn > last)
            last = auth->jobs[i].turn;
    return last + 1;
}

/* Makes room by taking the newest check of the client that has most, if it has more than `client`
 * will have. */
static bool make_room(struct auth *auth, uint64_t client, struct job *ret)
{
    size_t most = count_of(auth, client) + 1, newest = SIZE_MAX;

    for (size_t i = 0; i < auth->n_jobs; i++) {
        const size_t n = count_of(auth, auth->jobs[i].client);

        if (n > most || (newest != SIZE_MAX && auth->jobs[i].client == auth->jobs[newest].client)) {
            most = n;
            newest = i;
        }
    }
    if (newest == SIZE_MAX)
        return false;
    take_job(auth, newest, ret);
    return true;
}

static void add_job(struct auth *auth, const struct job *job)
{
    struct job *added = &auth->jobs[auth->n_jobs];

    *added = *job;
    added->turn = turn_for(auth, job->client);
    auth->n_jobs++;
    auth->started = true;
    pthread_cond_signal(&auth->changed);
}

int auth_check(struct auth *auth, const struct auth_login *login, void (*wake_up)(void *self),
               void *self)
{
    struct job job = {
        .cost = login->cost, .client = login->client, .wake = wake_up, .self = self
    };
    struct job displaced = { .wake = NULL };
    int r = 0;

    assert(strlen(login->password) <= LIMIT_PASSWORD);
    assert(!login->hash || strlen(login->hash) < HASH_SIZE);
    if (!make_digest(auth, login, &job.digest))
        return -ENOMEM;
    snprintf(job.hash, sizeof(job.hash), "%s", login->hash ? login->hash : "");
    snprintf(job.password, sizeof(job.password), "%s", login->password);
    pthread_mutex_lock(&auth->lock);
    if (auth->stopping)
        r = -ESHUTDOWN;
    else if (!auth->started)
        r = -pthread_create(&auth->thread, NULL, check_passwords, auth);
    if (r == 0 && auth->n_jobs == LIMIT_PASSWORD_CHECKS &&
        !make_room(auth, login->client, &displaced))
        r = -EBUSY;
    if (r == 0)
        add_job(auth, &job);
    pthread_mutex_unlock(&auth->lock);
    explicit_bzero(&job, sizeof(job));
    if (displaced.wake)
        wake(&displaced);
    return r == -EAGAIN ? -ENOMEM : r;
}

void auth_cancel(struct auth *auth, const void *self)
{
    struct job job = { .wake = NULL };

    pthread_mutex_lock(&auth->lock);
    for (size_t i = 0; i < auth->n_jobs && !job.wake; i++)
        if (auth->jobs[i].self == self)
            take_job(auth, i, &job);
    pthread_mutex_unlock(&auth->lock);
    if (job.wake)
        wake(&job);
}

int auth_new(struct auth **ret, struct err *err)
{
    struct auth *auth = mem_zalloc(sizeof(*auth));

    if (auth)
        auth->crypt = mem_zalloc(sizeof(*auth->crypt));
    if (!auth || !auth->crypt) {
        mem_free(auth);
        return err_set(err, -ENOMEM, "no memory to check passwords");
    }
    if (gnutls_rnd(GNUTLS_RND_KEY, auth->key, KEY_LEN) < 0) {
        mem_free(auth->crypt);
        mem_free(auth);
        return err_set(err, -EIO, "cannot get random bytes for the password cache");
    }
    pthread_mutex_init(&auth->lock, NULL);
    pthread_cond_init(&auth->changed, NULL);
    *ret = auth;
    return 0;
}

void auth_stop(struct auth *auth)
{
    bool started;

    pthread_mutex_lock(&auth->lock);
    auth->stopping = true;
    started = auth->started;
    pthread_cond_signal(&auth->changed);
    pthread_mutex_unlock(&auth->lock);
    if (started)
        pthread_join(auth->thread, NULL);
    /* auth_check() adds no more jobs. */
    for (size_t i = 0; i < auth->n_jobs; i++)
        auth->jobs[i].wake(auth->jobs[i].self);
    auth->n_jobs = 0;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    pthread_cond_destroy(&auth->changed);
    pthread_mutex_destroy(&auth->lock);
    explicit_bzero(auth->crypt, sizeof(*auth->crypt));
    mem_free(auth->crypt);
    explicit_bzero(auth, sizeof(*auth));
    mem_free(auth);
}
