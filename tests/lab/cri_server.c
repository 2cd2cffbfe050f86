/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * A container runtime that tests control, for tests with the whole agent:
 *
 *     cri_server SOCKET
 *
 * Serves CRI at SOCKET from its first line of output ("ready") until its input ends, then
 * removes the socket. It starts as a healthy containerd without images, pods and blobs in flight.
 * Commands, one a line. The answer to each is "ok" or "error: ...":
 *
 *     version NAME VERSION          e.g. version cri-o 1.37.0
 *     condition TYPE true|false     e.g. condition RuntimeReady false
 *     image present SIZE            every image is present ...
 *     image absent                  ... or absent
 *     image-fs PATH BYTES           the folder of the images, and the bytes in it
 *     sandbox UID ...               the pods that have a ready sandbox
 *     container UID NAME            the only container, created now; without arguments: none
 *     ingest DIGEST BYTES TOTAL     the only blob in flight, with progress just now; without
 *                                   arguments: none
 *     owner DIGEST HOST REPO        the repository of that blob
 *     hang METHOD                   no longer answer METHOD, or "all"
 *     half METHOD                   answer with a message but without a status
 *     flood METHOD                  answer with a message over LIMIT_CRI_MESSAGE
 *     file METHOD PATH              answer with the bytes of a file
 *     refuse METHOD CODE            answer with the gRPC status CODE
 *     serve METHOD                  answer again as before
 *     calls METHOD                  the answer is "ok N", the number of calls so far; for
 *                                   "unknown": calls of any other method
 *     gone                          remove the socket and close all connections
 *     back                          start a new server at the same path
 *
 * METHOD is Version, Status, ImageStatus, ImageFsInfo, ListPodSandbox, ListContainers,
 * ListStatuses or List. "back" resets the counts.
 */
/* clang-format on */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limit.h"
#include "proto/content.pb-c.h"
#include "proto/cri.pb-c.h"
#include "runtime_calls.h"
#include "tests/unit/cri/cri_double.h"
#include "util.h"

#define ANSWER_MAX 4096u
#define WORDS_MAX 32u
#define FLOOD_BYTES (LIMIT_CRI_MESSAGE + 1u)

#define IMAGE_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct server {
    const char *path;
    struct cri_double *runtime; /* NULL after "gone" */
    struct {
        uint8_t bytes[ANSWER_MAX];
        size_t len;
        struct double_answer fault;
        bool faulty;
        struct str whole; /* half an answer's message */
    } methods[METHOD_MAX];
};

/* --- answers ---------------------------------------------------------------------------------- */

static ProtobufCBinaryData binary(const char *text)
{
    return (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
}

/* Sets the answer from now on. */
static void publish(struct server *server, enum runtime_method method)
{
    struct double_answer answer = {
        .message = { .at = (const char *)server->methods[method].bytes,
                     .len = server->methods[method].len },
    };

    if (server->methods[method].faulty)
        answer = server->methods[method].fault;
    if (server->runtime)
        double_set(server->runtime, runtime_method_name(method), &answer);
}

/* The double's thread reads the bytes while it answers. So the method hangs while they change. */
static bool set(struct server *server, enum runtime_method method, const ProtobufCMessage *message)
{
    const struct double_answer silence = { .hangs = true };

    if (protobuf_c_message_get_packed_size(message) > ANSWER_MAX)
        return false;
    if (server->runtime)
        double_set(server->runtime, runtime_method_name(method), &silence);
    server->methods[method].len = protobuf_c_message_pack(message, server->methods[method].bytes);
    publish(server, method);
    return true;
}

static bool set_version(struct server *server, char **words, size_t n)
{
    Runtime__V1__VersionResponse answer = RUNTIME__V1__VERSION_RESPONSE__INIT;

    if (n != 2)
        return false;
    answer.version = binary("0.1.0");
    answer.runtime_name = binary(words[0]);
    answer.runtime_version = binary(words[1]);
    answer.runtime_api_version = binary("v1");
    return set(server, METHOD_VERSION, &answer.base);
}

static bool set_condition(struct server *server, char **words, size_t n)
{
    Runtime__V1__StatusResponse answer = RUNTIME__V1__STATUS_RESPONSE__INIT;
    Runtime__V1__RuntimeStatus status = RUNTIME__V1__RUNTIME_STATUS__INIT;
    Runtime__V1__RuntimeCondition condition = RUNTIME__V1__RUNTIME_CONDITION__INIT;
    Runtime__V1__RuntimeCondition *conditions = &condition;

    if (n != 2)
        return false;
    condition.type = binary(words[0]);
    condition.status = strcmp(words[1], "true") == 0;
    status.conditions = &conditions;
    status.n_conditions = 1;
    answer.status = &status;
    return set(server, METHOD_STATUS, &answer.base);
}

static bool set_image(struct server *server, char **words, size_t n)
{
    Runtime__V1__ImageStatusResponse answer = RUNTIME__V1__IMAGE_STATUS_RESPONSE__INIT;
    Runtime__V1__Image image = RUNTIME__V1__IMAGE__INIT;

    if (n == 2 && strcmp(words[0], "present") == 0) {
        image.id = binary("sha256:" IMAGE_ID);
        image.size = strtoull(words[1], NULL, 10);
        answer.image = &image;
    } else if (n != 1 || strcmp(words[0], "absent") != 0) {
        return false;
    }
    return set(server, METHOD_IMAGE_STATUS, &answer.base);
}

static bool set_sandboxes(struct server *server, char **words, size_t n)
{
    Runtime__V1__ListPodSandboxResponse answer = RUNTIME__V1__LIST_POD_SANDBOX_RESPONSE__INIT;
    Runtime__V1__PodSandbox sandboxes[WORDS_MAX], *all[WORDS_MAX];
    Runtime__V1__PodSandboxMetadata metadata[WORDS_MAX];

    for (size_t i = 0; i < n; i++) {
        runtime__v1__pod_sandbox__init(&sandboxes[i]);
        runtime__v1__pod_sandbox_metadata__init(&metadata[i]);
        metadata[i].uid = binary(words[i]);
        sandboxes[i].id = binary(words[i]);
        sandboxes[i].metadata = &metadata[i];
        all[i] = &sandboxes[i];
    }
    answer.items = all;
    answer.n_items = n;
    return set(server, METHOD_LIST_POD_SANDBOX, &answer.base);
}

static bool set_container(struct server *server, char **words, size_t n)
{
    Runtime__V1__ListContainersResponse answer = RUNTIME__V1__LIST_CONTAINERS_RESPONSE__INIT;
    Runtime__V1__Container container = RUNTIME__V1__CONTAINER__INIT, *all = &container;
    Runtime__V1__ContainerMetadata metadata = RUNTIME__V1__CONTAINER_METADATA__INIT;
    struct timespec now;

    if (n != 0 && n != 2)
        return false;
    if (n == 2) {
        clock_gettime(CLOCK_REALTIME, &now);
        metadata.name = binary(words[1]);
        container.id = container.pod_sandbox_id = binary(words[0]); /* as in set_sandboxes() */
        container.metadata = &metadata;
        container.created_at = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
        answer.containers = &all;
        answer.n_containers = 1;
    }
    return set(server, METHOD_LIST_CONTAINERS, &answer.base);
}

static bool set_image_fs(struct server *server, char **words, size_t n)
{
    Runtime__V1__ImageFsInfoResponse answer = RUNTIME__V1__IMAGE_FS_INFO_RESPONSE__INIT;
    Runtime__V1__FilesystemUsage usage = RUNTIME__V1__FILESYSTEM_USAGE__INIT, *usages = &usage;
    Runtime__V1__FilesystemIdentifier id = RUNTIME__V1__FILESYSTEM_IDENTIFIER__INIT;
    Runtime__V1__UInt64Value used = RUNTIME__V1__UINT64_VALUE__INIT;

    if (n != 2)
        return false;
    id.mountpoint = binary(words[0]);
    used.value = strtoull(words[1], NULL, 10);
    usage.fs_id = &id;
    usage.used_bytes = &used;
    answer.image_filesystems = &usages;
    answer.n_image_filesystems = 1;
    return set(server, METHOD_IMAGE_FS_INFO, &answer.base);
}

static bool set_ingest(struct server *server, char **words, size_t n)
{
    Containerd__Content__V1__ListStatusesResponse answer =
        CONTAINERD__CONTENT__V1__LIST_STATUSES_RESPONSE__INIT;
    Containerd__Content__V1__Status status = CONTAINERD__CONTENT__V1__STATUS__INIT, *all = &status;
    Containerd__Content__V1__Timestamp now = CONTAINERD__CONTENT__V1__TIMESTAMP__INIT;
    char ref[256];

    if (n != 0 && n != 3)
        return false;
    if (n == 3) {
        snprintf(ref, sizeof(ref), "layer-%s", words[0]);
        now.seconds = time(NULL);
        status.ref = binary(ref);
        status.offset = strtoll(words[1], NULL, 10);
        status.total = strtoll(words[2], NULL, 10);
        status.started_at = status.updated_at = &now;
        answer.statuses = &all;
        answer.n_statuses = 1;
    }
    return set(server, METHOD_LIST_STATUSES, &answer.base);
}

static bool set_owner(struct server *server, char **words, size_t n)
{
    Containerd__Content__V1__ListContentResponse answer =
        CONTAINERD__CONTENT__V1__LIST_CONTENT_RESPONSE__INIT;
    Containerd__Content__V1__Info info = CONTAINERD__CONTENT__V1__INFO__INIT, *infos = &info;
    Containerd__Content__V1__Label names = CONTAINERD__CONTENT__V1__LABEL__INIT, source = names;
    Containerd__Content__V1__Label *labels[] = { &names, &source };
    char key[256];

    if (n != 3)
        return false;
    snprintf(key, sizeof(key), "containerd.io/distribution.source.%s", words[1]);
    names.key = binary("containerd.io/gc.ref.content.l.0");
    names.value = binary(words[0]);
    source.key = binary(key);
    source.value = binary(words[2]);
    info.labels = labels;
    info.n_labels = 2;
    answer.info = &infos;
    answer.n_info = 1;
    return set(server, METHOD_LIST_CONTENT, &answer.base);
}

/* --- faults ----------------------------------------------------------------------------------- */

static bool is_meant(const char *word, enum runtime_method method)
{
    return strcmp(word, "all") == 0 || strcmp(word, runtime_method_name(method)) == 0;
}

static bool set_fault(struct server *server, const char *word, const struct double_answer *fault)
{
    bool found = false;

    for (size_t method = 0; method < METHOD_MAX; method++) {
        if (!is_meant(word, (enum runtime_method)method))
            continue;
        found = true;
        server->methods[method].faulty = fault != NULL;
        if (fault)
            server->methods[method].fault = *fault;
        publish(server, (enum runtime_method)method);
    }
    return found;
}

static bool hang(struct server *server, char **words, size_t n)
{
    const struct double_answer fault = { .hangs = true };

    return n == 1 && set_fault(server, words[0], &fault);
}

/* The current message. No message is empty, and an empty one is a message, too. */
static bool halve(struct server *server, char **words, size_t n)
{
    bool found = false;

    for (size_t i = 0; n == 1 && i < METHOD_MAX; i++) {
        enum runtime_method method = (enum runtime_method)i;
        struct double_answer fault = { .hangs = true, .n_messages = 1 };

        if (!is_meant(words[0], method))
            continue;
        server->methods[i].whole = (struct str){ .at = (const char *)server->methods[i].bytes,
                                                 .len = server->methods[i].len };
        fault.messages = &server->methods[i].whole;
        found |= set_fault(server, runtime_method_name(method), &fault);
    }
    return found;
}

static bool flood(struct server *server, char **words, size_t n)
{
    static char nonsense[FLOOD_BYTES]; /* longer than any client accepts */
    const struct double_answer fault = { .message = { .at = nonsense, .len = FLOOD_BYTES } };

    return n == 1 && set_fault(server, words[0], &fault);
}

/* The memory is never freed: the double's thread may be sending it. */
static bool answer_file(struct server *server, char **words, size_t n)
{
    struct double_answer fault = { .hangs = false };
    FILE *file = n == 2 ? fopen(words[1], "rb") : NULL;
    char *bytes = NULL;
    size_t len = 0, size;

    if (!file)
        return false;
    if (fseek(file, 0, SEEK_END) == 0 && (size = (size_t)ftell(file)) > 0) {
        rewind(file);
        bytes = malloc(size);
        len = bytes ? fread(bytes, 1, size, file) : 0;
    }
    fclose(file);
    fault.message = (struct str){ .at = bytes, .len = len };
    return len > 0 && set_fault(server, words[0], &fault);
}

static bool refuse(struct server *server, char **words, size_t n)
{
    struct double_answer fault = { .details = "refused on request" };

    if (n != 2)
        return false;
    fault.status = (int)strtol(words[1], NULL, 10);
    return fault.status > 0 && set_fault(server, words[0], &fault);
}

static bool serve(struct server *server, char **words, size_t n)
{
    return n == 1 && set_fault(server, words[0], NULL);
}

static bool come_back(struct server *server, char **words, size_t n)
{
    (void)words;
    if (n != 0 || server->runtime)
        return false;
    server->runtime = double_new(server->path);
    for (size_t method = 0; method < METHOD_MAX; method++)
        publish(server, (enum runtime_method)method);
    return true;
}

static bool go(struct server *server, char **words, size_t n)
{
    (void)words;
    if (n != 0 || !server->runtime)
        return false;
    double_free(TAKE_PTR(server->runtime));
    return true;
}

/* --- commands --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool (*run)(struct server *server, char **words, size_t n);
} commands[] = {
    { "version", set_version },
    { "condition", set_condition },
    { "image", set_image },
    { "image-fs", set_image_fs },
    { "sandbox", set_sandboxes },
    { "container", set_container },
    { "ingest", set_ingest },
    { "owner", set_owner },
    { "hang", hang },
    { "half", halve },
    { "flood", flood },
    { "file", answer_file },
    { "refuse", refuse },
    { "serve", serve },
    { "gone", go },
    { "back", come_back },
};

static bool print_calls(struct server *server, char **words, size_t n)
{
    if (n != 1 || !server->runtime)
        return false;
    printf("ok %u\n", strcmp(words[0], "unknown") == 0 ? double_unknown_calls(server->runtime)
                                                       : double_calls(server->runtime, words[0]));
    return true;
}

/* Executes one line. Cuts it into words. */
static bool run_command(struct server *server, char *line, bool *ret_answered)
{
    char *words[WORDS_MAX], *rest = line, *word;
    size_t n = 0;

    while (n < WORDS_MAX && (word = strtok_r(rest, " \n", &rest)))
        words[n++] = word;
    *ret_answered =
        n > 0 && strcmp(words[0], "calls") == 0 && print_calls(server, words + 1, n - 1);
    for (size_t i = 0; n > 0 && i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, words[0]) == 0)
            return commands[i].run(server, words + 1, n - 1);
    }
    return *ret_answered;
}

static void run(struct server *server, char *line)
{
    bool answered;
    bool done = run_command(server, line, &answered);

    if (!done)
        printf("error: unknown command or wrong arguments; see the top of cri_server.c\n");
    else if (!answered)
        printf("ok\n");
}

static void begin(struct server *server)
{
    char health[][48] = { "version containerd 2.1.9",
                          "condition RuntimeReady true",
                          "image absent",
                          "image-fs /var/lib/containerd 1048576",
                          "sandbox",
                          "container",
                          "ingest" };

    for (size_t i = 0; i < ARRAY_SIZE(health); i++) {
        bool answered;

        run_command(server, health[i], &answered);
    }
    come_back(server, NULL, 0);
}

int main(int argc, char **argv)
{
    static struct server server;
    char line[1024];

    if (argc != 2) {
        fprintf(stderr, "usage: cri_server SOCKET\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    server.path = argv[1];
    begin(&server);
    printf("ready\n");
    while (fgets(line, sizeof(line), stdin))
        run(&server, line);
    double_free(server.runtime);
    return 0;
}
