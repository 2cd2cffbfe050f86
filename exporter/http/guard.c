/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/guard.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "exporter/http/auth.h"
#include "exporter/http/tls.h"
#include "exporter/http/web_file.h"
#include "log.h"
#include "mem.h"
#include "util.h"

#define FILES 4u /* the file itself, certificate, key, CA */

/* Tells whether a file has changed. All zero for a file that does not exist. */
struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct stamps {
    struct file_stamp files[FILES];
};

struct guard_rules {
    atomic_uint references;
    struct web_file file;
    struct tls *tls; /* NULL: plain HTTP */
};

struct guard {
    const char *path;
    bool has_tls;
    struct auth *auth;
    /* Guards the fields below. Held while the files are read, about a millisecond. */
    pthread_mutex_t lock;
    struct guard_rules *rules;
    struct stamps stamps; /* stamps of the files that `rules` were read from */
    struct err refused;   /* the last logged error of the files; "" if there is none */
};

/* --- rules -------------------------------------------------------------------------------------
 */

void guard_rules_put(struct guard_rules *rules)
{
    if (!rules || atomic_fetch_sub(&rules->references, 1) != 1)
        return;
    tls_free(rules->tls);
    web_file_done(&rules->file);
    mem_free(rules);
}

static void guard_rules_putp(struct guard_rules **rules)
{
    guard_rules_put(*rules);
}

static void stamp(const char *path, struct file_stamp *ret)
{
    struct stat found;

    memset(ret, 0, sizeof(*ret)); /* also the padding: refresh() compares bytes */
    if (!path || stat(path, &found) < 0)
        return;
    ret->device = found.st_dev;
    ret->inode = found.st_ino;
    ret->size = found.st_size;
    ret->modified = found.st_mtim;
}

static void stamp_named(const struct web_file *file, struct stamps *ret)
{
    stamp(file->cert_file, &ret->files[1]);
    stamp(file->key_file, &ret->files[2]);
    stamp(file->client_ca_file, &ret->files[3]);
}

/* The stamps are taken before the files are read, so a change in between is noticed next time. */
static int rules_read(const char *path, struct guard_rules **ret, struct stamps *ret_stamps,
                      struct err *err)
{
    struct guard_rules *rules = mem_zalloc(sizeof(*rules));
    struct stamps stamps;
    int r;

    if (!rules)
        return err_set(err, -ENOMEM, "no memory for the rules of '%s'", path);
    atomic_store(&rules->references, 1);
    stamp(path, &stamps.files[0]);
    r = web_file_read(path, &rules->file, err);
    if (r == 0) {
        stamp_named(&rules->file, &stamps);
        if (rules->file.tls && (r = tls_new(&rules->file, &rules->tls, err)) < 0)
            err_wrap(err, "'%s'", path);
    }
    if (r < 0) {
        guard_rules_put(rules);
        return r;
    }
    *ret = rules;
    *ret_stamps = stamps;
    return 0;
}

/* Logs each error once, not at every request. */
static void refuse(struct guard *guard, const struct err *err)
{
    if (strcmp(guard->refused.text, err->text) == 0)
        return;
    guard->refused = *err;
    log_warn("web", "--web.config.file: %s; keeping the settings read before", err->text);
}

/* Returns 0 if the new rules can replace the old ones. */
static int read_again(const struct guard *guard, struct guard_rules **ret,
                      struct stamps *ret_stamps, struct err *err)
{
    CLEANUP(guard_rules_putp) struct guard_rules *fresh = NULL;
    int r = rules_read(guard->path, &fresh, ret_stamps, err);

    if (r < 0)
        return r;
    assert(fresh);
    if (!fresh->tls != !guard->has_tls)
        return err_set(err, -EINVAL,
                       "'%s' %s tls_server_config, which takes effect after a restart", guard->path,
                       fresh->tls ? "now has a" : "no longer has a");
    *ret = TAKE_PTR(fresh);
    return 0;
}

/*
 * Called with the lock held. After an error it reads the files every time: the cause may be a lack
 * of memory, which the stamps do not show.
 */
static void refresh(struct guard *guard)
{
    struct guard_rules *fresh = NULL;
    struct err err = ERR_INIT;
    struct stamps stamps;

    stamp(guard->path, &stamps.files[0]);
    stamp_named(&guard->rules->file, &stamps);
    if (!guard->refused.text[0] && memcmp(&stamps, &guard->stamps, sizeof(stamps)) == 0)
        return;
    if (read_again(guard, &fresh, &stamps, &err) < 0) {
        refuse(guard, &err);
        return;
    }
    guard_rules_put(guard->rules);
    guard->rules = fresh;
    guard->stamps = stamps;
    guard->refused = (struct err)ERR_INIT;
    log_info("web", "--web.config.file: read '%s' again", guard->path);
}

struct guard_rules *guard_rules_get(struct guard *guard)
{
    struct guard_rules *rules;

    pthread_mutex_lock(&guard->lock);
    refresh(guard);
    rules = guard->rules;
    atomic_fetch_add(&rules->references, 1);
    pthread_mutex_unlock(&guard->lock);
    return rules;
}

int guard_rules_attach(const struct guard_rules *rules, void *session)
{
    return tls_attach(rules->tls, session);
}

bool guard_rules_header(const struct guard_rules *rules, size_t i, const char **ret_name,
                        const char **ret_value)
{
    if (i >= rules->file.n_headers)
        return false;
    *ret_name = rules->file.headers[i].name;
    *ret_value = rules->file.headers[i].value;
    return true;
}

bool guard_rules_ask_password(const struct guard_rules *rules)
{
    return rules->file.n_users > 0;
}

/* --- passwords ---------------------------------------------------------------------------------
 */

static struct auth_login login_of(const struct guard_rules *rules, const struct guard_login *login)
{
    return (struct auth_login){
        .user = login->user,
        .hash = web_file_hash(&rules->file, login->user),
        .cost = rules->file.cost,
        .password = login->password,
        .client = login->client,
    };
}

enum guard_verdict guard_look_up(struct guard *guard, const struct guard_rules *rules,
                                 const struct guard_login *login)
{
    struct auth_login asked;

    if (!guard_rules_ask_password(rules))
        return GUARD_ADMITTED;
    if (!login->user || !login->password)
        return GUARD_REFUSED;
    asked = login_of(rules, login);
    switch (auth_look_up(guard->auth, &asked)) {
    case AUTH_UNCHECKED:
        return GUARD_WAITING;
    case AUTH_RIGHT:
        return GUARD_ADMITTED;
    case AUTH_WRONG:
        break;
    }
    return GUARD_REFUSED;
}

enum guard_verdict guard_check(struct guard *guard, const struct guard_rules *rules,
                               const struct guard_login *login, void (*wake)(void *self),
                               void *self)
{
    const struct auth_login asked = login_of(rules, login);

    return auth_check(guard->auth, &asked, wake, self) < 0 ? GUARD_BUSY : GUARD_WAITING;
}

void guard_cancel(struct guard *guard, const void *self)
{
    auth_cancel(guard->auth, self);
}

/* --- new and free -------------------------------------------------------------------------------
 */

int guard_new(const char *path, struct guard **ret, struct err *err)
{
    struct guard *guard = mem_zalloc(sizeof(*guard));
    int r;

    if (!guard)
        return err_set(err, -ENOMEM, "no memory for the rules of --web.config.file");
    guard->path = path;
    r = rules_read(path, &guard->rules, &guard->stamps, err);
    if (r == 0)
        r = auth_new(&guard->auth, err);
    if (r < 0) {
        guard_rules_put(guard->rules);
        mem_free(guard);
        return r;
    }
    pthread_mutex_init(&guard->lock, NULL);
    guard->has_tls = guard->rules->tls;
    *ret = guard;
    return 0;
}

void guard_stop(struct guard *guard)
{
    auth_stop(guard->auth);
}

void guard_free(struct guard *guard)
{
    if (!guard)
        return;
    guard_rules_put(guard->rules);
    auth_free(guard->auth);
    pthread_mutex_destroy(&guard->lock);
    mem_free(guard);
}

bool guard_has_tls(const struct guard *guard)
{
    return guard->has_tls;
}
