/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cri/endpoint.h"
#include "cri/timeouts.h"
#include "log.h"

void connection_init(struct connection *connection, const struct sink *sink,
                     const struct clock *clock, const char *const *paths, const atomic_bool *stop)
{
    *connection = (struct connection){
        .sink = sink,
        .paths = paths,
        .stop = stop,
        .calls = { .clock = clock },
    };
}

void connection_close(struct connection *connection)
{
    if (!connection_is_open(connection))
        return;
    connection->received_bytes += channel_received_bytes(connection->calls.channel);
    channel_free(TAKE_PTR(connection->calls.channel));
}

uint64_t connection_received_bytes(const struct connection *connection)
{
    const struct channel *channel = connection->calls.channel;

    return connection->received_bytes + (channel ? channel_received_bytes(channel) : 0);
}

static bool is_text(const char *cut, size_t size, struct str whole)
{
    return str_eq(str_from(cut), str_head(whole, size - 1));
}

/* Each new connection is reported: the runtime may have been replaced. */
static void take_runtime(struct connection *connection, const struct runtime_fact *runtime,
                         bool new_connection)
{
    struct observation observation = { .kind = OBSERVE_RUNTIME, .runtime = *runtime };
    bool known = is_text(connection->name, sizeof(connection->name), runtime->name) &&
                 is_text(connection->version, sizeof(connection->version), runtime->version);

    connection->quirks = quirks_of(runtime);
    observation.runtime.lists_blobs = connection->quirks.content_service;
    if (!known || new_connection) {
        connection->runtimes++;
        connection->sink->observe(connection->sink->self, &observation);
    }
    if (!known)
        log_info("cri", "connected to container runtime %.*s %.*s at '%s'", STR_ARG(runtime->name),
                 STR_ARG(runtime->version), connection->path);
    snprintf(connection->name, sizeof(connection->name), "%.*s", STR_ARG(runtime->name));
    snprintf(connection->version, sizeof(connection->version), "%.*s", STR_ARG(runtime->version));
}

static int ask_version(struct connection *connection, struct arena *arena, bool new_connection,
                       struct err *err)
{
    struct runtime_fact runtime;
    int r = calls_version(&connection->calls, arena, &runtime, err);

    if (r == 0)
        take_runtime(connection, &runtime, new_connection);
    return r;
}

static int open_path(struct connection *connection, const char *path, struct arena *arena,
                     struct err *err)
{
    int r = endpoint_check(path, err);

    if (r < 0)
        return r;
    r = channel_new(path, cri_timeouts.connect_us, connection->stop, &connection->calls.channel,
                    err);
    if (r < 0)
        return r;
    connection->path = path;
    r = ask_version(connection, arena, true, err);
    if (r == 0)
        return 0;
    connection_close(connection);
    err_wrap(err, "container runtime at '%s'", path);
    /* For example Docker's containerd: its configuration has disabled_plugins = ["cri"]. */
    if (r == -ENOSYS)
        err_wrap(err, "no CRI v1 on this socket (its CRI plugin is off, or the runtime is older "
                      "than CRI v1)");
    return r;
}

int connection_open(struct connection *connection, struct arena *arena, struct err *err)
{
    const char *const *paths = connection->paths;
    struct err first = ERR_INIT;

    if (!paths[1])
        return open_path(connection, paths[0], arena, err);

    for (; *paths; paths++) {
        struct err here = ERR_INIT;
        int r = open_path(connection, *paths, arena, &here);

        if (r == 0)
            return 0;
        if (r != -ENOENT && r != -ENOTSOCK && first.code == 0)
            first = here;
        if (r == -ECANCELED)
            break;
    }
    if (first.code)
        return err_set(err, first.code, "%s", first.text);
    return err_set(err, -ENOENT,
                   "no container runtime found: none of the well-known sockets exists (%s, ...)",
                   connection->paths[0]);
}

int connection_check(struct connection *connection, struct arena *arena, struct err *err)
{
    return ask_version(connection, arena, false, err);
}

/* Only the two conditions that CRI requires: others may be false on a healthy runtime (containerd 2
 * has ContainerdHasNoDeprecationWarnings). */
static bool keeps_pods_from_starting(const struct cri_condition *condition)
{
    return !condition->status && (str_eq(condition->type, STR("RuntimeReady")) ||
                                  str_eq(condition->type, STR("NetworkReady")));
}

static void append_part(char *text, struct str part)
{
    size_t len = strlen(text);

    if (part.len)
        snprintf(text + len, LIMIT_RUNTIME_TROUBLE_TEXT - len, ": %.*s", STR_ARG(part));
}

int connection_trouble(struct connection *connection, struct arena *arena,
                       char ret_trouble[LIMIT_RUNTIME_TROUBLE_TEXT], struct err *err)
{
    const struct cri_condition *conditions;
    size_t n;
    int r = calls_status(&connection->calls, arena, &conditions, &n, err);

    if (r < 0)
        return r;
    ret_trouble[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (!keeps_pods_from_starting(&conditions[i]))
            continue;
        snprintf(ret_trouble, LIMIT_RUNTIME_TROUBLE_TEXT,
                 "the container runtime reports %.*s=false", STR_ARG(conditions[i].type));
        append_part(ret_trouble, conditions[i].reason);
        append_part(ret_trouble, conditions[i].message);
        break;
    }
    return 0;
}
