/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox_policy.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/config.h"
#include "agent/kube/kube.h"
#include "exporter/http/listen.h"
#include "exporter/http/web_file.h"
#include "str.h"
#include "util.h"

struct filling {
    struct sandbox_policy *policy;
    struct arena *texts;
};

/* Public on each machine: certificates, libraries that the C library loads when it needs them, what
 * it asks to find out how many processors there are. */
static const char *const everywhere[] = {
    "/etc/ssl",
    "/etc/pki",
    "/etc/crypto-policies",
    "/etc/gnutls",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/lib/ssl",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/urandom",
};

/*
 * For names of hosts. /etc as a whole: programs that change resolv.conf or hosts put a new file in
 * place of the old one, and a rule for the old file says nothing about the new one.
 */
static const char *const for_names[] = { "/etc", "/run/systemd/resolve", "/run/NetworkManager",
                                         "/run/resolvconf", "/run/nscd" };

static const char *folder_of(struct arena *texts, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ".";
    return arena_str(texts, (struct str){ .at = path, .len = (size_t)(slash - path) });
}

/*
 * The folder of the file, because a file is changed by putting another one in its place: that of a
 * Secret by changing a symbolic link. Not the root folder, which would allow everything.
 */
static void add_folder_of(const struct filling *filling, const char *path)
{
    const char *folder = folder_of(filling->texts, path);

    if (!folder)
        filling->policy->incomplete = true;
    else
        sandbox_may_read(filling->policy, *folder ? folder : path);
}

static void add_file(void *self, const char *path)
{
    const struct filling *filling = self;
    char real[PATH_MAX];

    add_folder_of(filling, path);
    if (realpath(path, real) && strcmp(real, path) != 0) {
        const char *copy = arena_str(filling->texts, str_from(real));

        if (copy)
            add_folder_of(filling, copy);
    }
}

/* If the file cannot be read, the exporter reports it. */
static void add_web_file(struct filling *filling, const char *path)
{
    struct err err = ERR_INIT;
    struct web_file file;
    const char *copy;

    add_file(filling, path);
    if (web_file_read(path, &file, &err) < 0)
        return;
    const char *const named[] = { file.cert_file, file.key_file, file.client_ca_file };

    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        copy = named[i] ? arena_str(filling->texts, str_from(named[i])) : NULL;
        if (copy)
            add_file(filling, copy);
    }
    web_file_done(&file);
}

/* `address` of a listener: "unix:/path" or another one. */
static void add_socket(const struct filling *filling, struct str address)
{
    const struct str prefix = STR("unix:");
    const char *path, *folder;

    if (!str_starts(address, prefix))
        return;
    path = arena_str(filling->texts, (struct str){ .at = address.at + prefix.len,
                                                   .len = address.len - prefix.len });
    folder = path ? folder_of(filling->texts, path) : NULL;
    if (!folder) {
        filling->policy->incomplete = true;
        return;
    }
    if (!*folder)
        folder = "/";
    (void)mkdir(folder, 0700); /* the rule needs a folder that is there */
    sandbox_may_make_sockets(filling->policy, folder);
}

static void add_sockets(const struct filling *filling, const char *addresses)
{
    while (*addresses) {
        const size_t len = strcspn(addresses, ",");

        add_socket(filling, (struct str){ .at = addresses, .len = len });
        addresses += len + (addresses[len] == ',');
    }
}

void sandbox_policy_fill(struct sandbox_policy *policy, const struct config *config,
                         const struct kube *kube, struct arena *texts)
{
    struct filling filling = { .policy = policy, .texts = texts };

    for (size_t i = 0; i < ARRAY_SIZE(everywhere); i++)
        sandbox_may_read(policy, everywhere[i]);
    if (kube && kube_needs_names(kube))
        for (size_t i = 0; i < ARRAY_SIZE(for_names); i++)
            sandbox_may_read(policy, for_names[i]);
    if (kube)
        kube_files(kube, add_file, &filling);
    if (config->web_config_file)
        add_web_file(&filling, config->web_config_file);
    add_sockets(&filling, config->web_listen.text);
    add_sockets(&filling, config->debug_listen.text);
}
