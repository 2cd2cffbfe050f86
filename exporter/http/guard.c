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

#define FILES 4u /* the file, certificate, key, CA */

/* How files looked. A file that is not there looks like nothing. */
struct look {
    struct file_look {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec changed;
    } files[FILES];
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
    pthread_mutex_t lock; /* of what follows; files are read under it, which takes a millisecond */
    struct guard_rules *rules;
    struct look look;   /* of the files as they were when `rules` were read */
    struct err refused; /* what was said last of files that are not used; "": they are */
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

static void look_at(const char *path, struct file_look *ret)
{
    struct stat found;

    memset(ret, 0, sizeof(*ret)); /* they are compared as bytes */
    if (!path || stat(path, &found) < 0)
        return;
    ret->device = found.st_dev;
    ret->inode = found.st_ino;
    ret->size = found.st_size;
    ret->changed = found.st_mtim;
}

static void look_at_named(const struct web_file *file, struct look *ret)
{
    look_at(file->cert_file, &ret->files[1]);
    look_at(file->key_file, &ret->files[2]);
    look_at(file->client_ca_file, &ret->files[3]);
}

/* Each file is looked at before it is read: what changes meanwhile is seen the next time. */
static int rules_read(const char *path, struct guard_rules **ret, struct look *ret_look,
                      struct err *err)
{
    struct guard_rules *rules = mem_zalloc(sizeof(*rules));
    struct look look;
    int r;

    if (!rules)
        return err_set(err, -ENOMEM, "no memory for the rules of '%s'", path);
    atomic_store(&rules->references, 1);
    look_at(path, &look.files[0]);
    r = web_file_read(path, &rules->file, err);
    if (r == 0) {
        look_at_named(&rules->file, &look);
        if (rules->file.tls && (r = tls_new(&rules->file, &rules->tls, err)) < 0)
            err_wrap(err, "'%s'", path);
    }
    if (r < 0) {
        guard_rules_put(rules);
        return r;
    }
    *ret = rules;
    *ret_look = look;
    return 0;
}

/* Says once why the files as they are now are not used. */
static void refuse(struct guard *guard, const struct err *err)
{
    if (strcmp(guard->refused.text, err->text) == 0)
        return;
    guard->refused = *err;
    log_warn("web", "--web.config.file: %s; what it said before goes on", err->text);
}

/* Reads the files; 0 where they can take the place of those before. */
static int read_again(const struct guard *guard, struct guard_rules **ret, struct look *ret_look,
                      struct err *err)
{
    CLEANUP(guard_rules_putp) struct guard_rules *fresh = NULL;
    int r = rules_read(guard->path, &fresh, ret_look, err);

    if (r < 0)
        return r;
    assert(fresh);
    if (!fresh->tls != !guard->has_tls)
        return err_set(err, -EINVAL, "'%s' %s tls_server_config, which needs a restart",
                       guard->path, fresh->tls ? "now has a" : "no longer has a");
    *ret = TAKE_PTR(fresh);
    return 0;
}

/*
 * Called with the lock held. What was refused is tried again each time: it may be
 * for want of a file that is not there yet, or of memory, which no look shows.
 */
static void refresh(struct guard *guard)
{
    struct guard_rules *fresh = NULL;
    struct err err = ERR_INIT;
    struct look look;

    look_at(guard->path, &look.files[0]);
    look_at_named(&guard->rules->file, &look);
    if (!guard->refused.text[0] && memcmp(&look, &guard->look, sizeof(look)) == 0)
        return;
    if (read_again(guard, &fresh, &look, &err) < 0) {
        refuse(guard, &err);
        return;
    }
    guard_rules_put(guard->rules);
    guard->rules = fresh;
    guard->look = look;
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

/* Somebody unknown costs the same time as somebody known, so that names cannot be guessed. */
static const char *hash_for(const struct guard_rules *rules, const char *user)
{
    const char *hash = web_file_hash(&rules->file, user);

    return hash ? hash : rules->file.users[0].value;
}

enum guard_verdict guard_look_up(struct guard *guard, const struct guard_rules *rules,
                                 const char *user, const char *password)
{
    if (!guard_rules_ask_password(rules))
        return GUARD_ADMITTED;
    if (!user || !password)
        return GUARD_REFUSED;
    switch (auth_look_up(guard->auth, hash_for(rules, user), password)) {
    case AUTH_UNCHECKED:
        return GUARD_WAITING;
    case AUTH_RIGHT:
        return web_file_hash(&rules->file, user) ? GUARD_ADMITTED : GUARD_REFUSED;
    case AUTH_WRONG:
        break;
    }
    return GUARD_REFUSED;
}

enum guard_verdict guard_check(struct guard *guard, const struct guard_rules *rules,
                               const char *user, const char *password, void (*wake)(void *self),
                               void *self)
{
    int r = auth_check(guard->auth, hash_for(rules, user), password, wake, self);

    return r < 0 ? GUARD_BUSY : GUARD_WAITING;
}

/* --- its life ----------------------------------------------------------------------------------
 */

int guard_new(const char *path, struct guard **ret, struct err *err)
{
    struct guard *guard = mem_zalloc(sizeof(*guard));
    int r;

    if (!guard)
        return err_set(err, -ENOMEM, "no memory for a guard");
    guard->path = path;
    r = rules_read(path, &guard->rules, &guard->look, err);
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
