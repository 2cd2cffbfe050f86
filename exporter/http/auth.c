/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/auth.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <crypt.h>
#include <gnutls/crypto.h>

#include "limit.h"
#include "mem.h"
#include "util.h"

#define KEY_LEN 32u
#define HASH_SIZE 64u /* a bcrypt hash has 60 bytes; web_file.c accepts no other length */

struct digest {
    unsigned char bytes[KEY_LEN];
};

/* The oldest is replaced first. */
struct verdicts {
    struct digest digests[LIMIT_PASSWORD_CACHE];
    size_t n, next;
};

struct job {
    char hash[HASH_SIZE];
    char password[LIMIT_PASSWORD + 1];
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
    struct job jobs[LIMIT_PASSWORD_CHECKS]; /* the first is being checked */
    size_t n_jobs;
    struct crypt_data *crypt; /* only the thread uses it */
};

static bool make_digest(const struct auth *auth, const char *hash, const char *password,
                        struct digest *ret)
{
    unsigned char text[HASH_SIZE + LIMIT_PASSWORD];
    size_t hash_len = strlen(hash), len = strlen(password);
    bool made;

    if (hash_len >= HASH_SIZE || len > LIMIT_PASSWORD)
        return false;
    memset(text, 0, HASH_SIZE);
    memcpy(text, hash, hash_len);
    memcpy(text + HASH_SIZE, password, len);
    made = gnutls_hmac_fast(GNUTLS_MAC_SHA256, auth->key, KEY_LEN, text, HASH_SIZE + len,
                            ret->bytes) == 0;
    explicit_bzero(text, sizeof(text));
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

enum auth_verdict auth_look_up(struct auth *auth, const char *hash, const char *password)
{
    enum auth_verdict verdict = AUTH_UNCHECKED;
    struct digest digest;

    if (!make_digest(auth, hash, password, &digest))
        return AUTH_WRONG;
    pthread_mutex_lock(&auth->lock);
    if (holds(&auth->right, &digest))
        verdict = AUTH_RIGHT;
    else if (holds(&auth->wrong, &digest))
        verdict = AUTH_WRONG;
    pthread_mutex_unlock(&auth->lock);
    return verdict;
}

/* --- the thread --------------------------------------------------------------------------------
 */

/* Takes a tenth of a second. */
static bool is_right(struct crypt_data *crypt, const struct job *job)
{
    const char *made = crypt_rn(job->password, job->hash, crypt, sizeof(*crypt));
    size_t len = strlen(job->hash);

    return made && strlen(made) == len && gnutls_memcmp(made, job->hash, len) == 0;
}

static void drop_first(struct auth *auth)
{
    auth->n_jobs--;
    memmove(&auth->jobs[0], &auth->jobs[1], auth->n_jobs * sizeof(auth->jobs[0]));
    explicit_bzero(&auth->jobs[auth->n_jobs], sizeof(auth->jobs[0]));
}

/* Called with the lock held; releases it while it computes. If several jobs have the same password,
 * only the first one is computed. */
static void check_first(struct auth *auth, struct job *job)
{
    struct digest digest;
    bool made, right;

    *job = auth->jobs[0];
    made = make_digest(auth, job->hash, job->password, &digest);
    if (made && !holds(&auth->right, &digest) && !holds(&auth->wrong, &digest)) {
        pthread_mutex_unlock(&auth->lock);
        right = is_right(auth->crypt, job);
        pthread_mutex_lock(&auth->lock);
        keep(right ? &auth->right : &auth->wrong, &digest);
    }
    drop_first(auth);
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
        check_first(auth, &job);
        pthread_mutex_unlock(&auth->lock);
        job.wake(job.self);
        explicit_bzero(&job, sizeof(job));
        pthread_mutex_lock(&auth->lock);
    }
    pthread_mutex_unlock(&auth->lock);
    return NULL;
}

int auth_check(struct auth *auth, const char *hash, const char *password, void (*wake)(void *self),
               void *self)
{
    int r = 0;

    assert(strlen(hash) < HASH_SIZE && strlen(password) <= LIMIT_PASSWORD);
    pthread_mutex_lock(&auth->lock);
    if (auth->stopping)
        r = -ESHUTDOWN;
    else if (auth->n_jobs == LIMIT_PASSWORD_CHECKS)
        r = -EBUSY;
    else if (!auth->started)
        r = -pthread_create(&auth->thread, NULL, check_passwords, auth);
    if (r == 0) {
        struct job *job = &auth->jobs[auth->n_jobs++];

        auth->started = true;
        *job = (struct job){ .wake = wake, .self = self };
        memcpy(job->hash, hash, strlen(hash) + 1);
        memcpy(job->password, password, strlen(password) + 1);
        pthread_cond_signal(&auth->changed);
    }
    pthread_mutex_unlock(&auth->lock);
    return r == -EAGAIN ? -ENOMEM : r;
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
