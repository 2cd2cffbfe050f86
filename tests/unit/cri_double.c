/* SPDX-License-Identifier: Apache-2.0 */
#include "cri_double.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#define METHODS_MAX 8u
#define CALLS_MAX 16u /* at a time, each in one state */
#define LAST_MAX 4096u

struct method {
    char name[32];
    struct double_answer answer;
    unsigned calls;
};

/* One call, from the moment we are ready for it. Its address is the tag of all its operations. */
struct served {
    enum { FREE, AWAITED, READING, ANSWERING } state;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request;
    grpc_byte_buffer *reply;
    int cancelled;
};

struct cri_double {
    char path[108];
    grpc_server *server;
    grpc_completion_queue *queue;
    pthread_t thread;
    struct served served[CALLS_MAX];

    pthread_mutex_t lock; /* what follows */
    struct method methods[METHODS_MAX];
    char last_request[LAST_MAX];
    size_t last_request_len;
    char last_metadata[256];
    void (*hook)(void *arg);
    void *hook_arg;
};

static void await_call(struct cri_double *runtime)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct served *served = &runtime->served[i];

        if (served->state != FREE)
            continue;
        *served = (struct served){ .state = AWAITED };
        grpc_call_details_init(&served->details);
        grpc_metadata_array_init(&served->metadata);
        grpc_server_request_call(runtime->server, &served->call, &served->details,
                                 &served->metadata, runtime->queue, runtime->queue, served);
        return;
    }
    abort(); /* a test holds more calls than any of ours makes */
}

static void forget_call(struct served *served)
{
    grpc_byte_buffer_destroy(served->request);
    grpc_byte_buffer_destroy(served->reply);
    grpc_metadata_array_destroy(&served->metadata);
    grpc_call_details_destroy(&served->details);
    if (served->call)
        grpc_call_unref(served->call);
    *served = (struct served){ .state = FREE };
}

static void read_request(struct served *served)
{
    const grpc_op op = { .op = GRPC_OP_RECV_MESSAGE,
                         .data.recv_message.recv_message = &served->request };

    served->state = READING;
    grpc_call_start_batch(served->call, &op, 1, served, NULL);
}

static void note_request(struct cri_double *runtime, const struct served *served)
{
    grpc_byte_buffer_reader reader;

    runtime->last_request_len = 0;
    if (served->request && grpc_byte_buffer_reader_init(&reader, served->request)) {
        grpc_slice all = grpc_byte_buffer_reader_readall(&reader);

        runtime->last_request_len = GRPC_SLICE_LENGTH(all) < LAST_MAX ? GRPC_SLICE_LENGTH(all) : 0;
        memcpy(runtime->last_request, GRPC_SLICE_START_PTR(all), runtime->last_request_len);
        grpc_slice_unref(all);
        grpc_byte_buffer_reader_destroy(&reader);
    }
    runtime->last_metadata[0] = '\0';
    for (size_t i = 0; i < served->metadata.count; i++) {
        const grpc_metadata *pair = &served->metadata.metadata[i];

        if (grpc_slice_str_cmp(pair->key, "containerd-namespace") == 0)
            snprintf(runtime->last_metadata, sizeof(runtime->last_metadata), "%.*s",
                     (int)GRPC_SLICE_LENGTH(pair->value),
                     (const char *)GRPC_SLICE_START_PTR(pair->value));
    }
}

static struct method *find_method(struct cri_double *runtime, const char *name, size_t len)
{
    for (size_t i = 0; i < METHODS_MAX; i++) {
        struct method *method = &runtime->methods[i];

        if (strlen(method->name) == len && memcmp(method->name, name, len) == 0)
            return method;
    }
    return NULL;
}

static struct double_answer choose_answer(struct cri_double *runtime, const struct served *served)
{
    struct double_answer unknown = { .status = GRPC_STATUS_UNIMPLEMENTED,
                                     .details = "unknown service or method" };
    const char *path = (const char *)GRPC_SLICE_START_PTR(served->details.method);
    size_t len = GRPC_SLICE_LENGTH(served->details.method);
    const char *slash = memrchr(path, '/', len);
    struct method *method = find_method(runtime, slash + 1, len - (size_t)(slash + 1 - path));

    note_request(runtime, served);
    if (!method)
        return unknown;
    method->calls++;
    return method->answer;
}

static void send_answer(struct served *served, const struct double_answer *answer)
{
    grpc_slice details = grpc_slice_from_copied_string(answer->details ? answer->details : "");
    grpc_op ops[4] = { { .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                         .data.recv_close_on_server.cancelled = &served->cancelled } };
    size_t n = 1;

    if (!answer->hangs) {
        ops[n++] = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
        ops[n++] = (grpc_op){
            .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
            .data.send_status_from_server = { .status = (grpc_status_code)answer->status,
                                              .status_details = &details },
        };
    }
    if (!answer->hangs && answer->status == GRPC_STATUS_OK && !answer->no_message) {
        grpc_slice bytes = grpc_slice_from_copied_buffer(answer->message.at, answer->message.len);

        served->reply = grpc_raw_byte_buffer_create(&bytes, 1);
        grpc_slice_unref(bytes);
        ops[n++] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE,
                              .data.send_message.send_message = served->reply };
    }
    served->state = ANSWERING;
    grpc_call_start_batch(served->call, ops, n, served, NULL);
    grpc_slice_unref(details);
}

static void answer_call(struct cri_double *runtime, struct served *served)
{
    struct double_answer answer;
    void (*hook)(void *arg);
    void *hook_arg;

    pthread_mutex_lock(&runtime->lock);
    answer = choose_answer(runtime, served);
    hook = runtime->hook;
    hook_arg = runtime->hook_arg;
    pthread_mutex_unlock(&runtime->lock);
    if (hook)
        hook(hook_arg);
    send_answer(served, &answer);
}

static void *serve(void *arg)
{
    struct cri_double *runtime = arg;
    bool closing = false;

    await_call(runtime);
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(runtime->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        struct served *served = event.tag;

        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.tag == runtime) { /* double_free(): all calls are over */
            closing = true;
            grpc_completion_queue_shutdown(runtime->queue);
        } else if (served->state == AWAITED && event.success) {
            read_request(served);
            if (!closing)
                await_call(runtime);
        } else if (served->state == READING) {
            answer_call(runtime, served);
        } else {
            forget_call(served);
        }
    }
}

struct cri_double *double_new(const char *path)
{
    struct cri_double *runtime = calloc(1, sizeof(*runtime));
    grpc_arg no_limit = { .type = GRPC_ARG_INTEGER,
                          .key = (char *)GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
                          .value.integer = -1 };
    grpc_channel_args args = { .num_args = 1, .args = &no_limit };
    grpc_server_credentials *credentials;
    char target[128];

    assert_non_null(runtime);
    grpc_init();
    snprintf(runtime->path, sizeof(runtime->path), "%s", path);
    pthread_mutex_init(&runtime->lock, NULL);
    unlink(path);
    runtime->queue = grpc_completion_queue_create_for_next(NULL);
    runtime->server = grpc_server_create(&args, NULL);
    grpc_server_register_completion_queue(runtime->server, runtime->queue, NULL);
    credentials = grpc_insecure_server_credentials_create();
    snprintf(target, sizeof(target), "unix:%s", path);
    assert_int_not_equal(grpc_server_add_http2_port(runtime->server, target, credentials), 0);
    grpc_server_credentials_release(credentials);
    grpc_server_start(runtime->server);
    assert_int_equal(pthread_create(&runtime->thread, NULL, serve, runtime), 0);
    return runtime;
}

void double_free(struct cri_double *runtime)
{
    if (!runtime)
        return;
    grpc_server_shutdown_and_notify(runtime->server, runtime->queue, runtime);
    grpc_server_cancel_all_calls(runtime->server);
    pthread_join(runtime->thread, NULL);
    grpc_server_destroy(runtime->server);
    grpc_completion_queue_destroy(runtime->queue);
    pthread_mutex_destroy(&runtime->lock);
    unlink(runtime->path);
    free(runtime);
    grpc_shutdown();
}

void double_set(struct cri_double *runtime, const char *name, const struct double_answer *answer)
{
    struct method *method;

    pthread_mutex_lock(&runtime->lock);
    method = find_method(runtime, name, strlen(name));
    if (!method)
        method = find_method(runtime, "", 0);
    if (method) {
        snprintf(method->name, sizeof(method->name), "%s", name);
        method->answer = *answer;
    }
    pthread_mutex_unlock(&runtime->lock);
    assert_non_null(method); /* METHODS_MAX */
}

void double_answers(struct cri_double *runtime, const char *method, struct str message)
{
    const struct double_answer answer = { .message = message };

    double_set(runtime, method, &answer);
}

unsigned double_calls(struct cri_double *runtime, const char *name)
{
    struct method *method;
    unsigned calls;

    pthread_mutex_lock(&runtime->lock);
    method = find_method(runtime, name, strlen(name));
    calls = method ? method->calls : 0;
    pthread_mutex_unlock(&runtime->lock);
    return calls;
}

struct str double_last_request(struct cri_double *runtime)
{
    struct str request;

    pthread_mutex_lock(&runtime->lock);
    request = (struct str){ .at = runtime->last_request, .len = runtime->last_request_len };
    pthread_mutex_unlock(&runtime->lock);
    return request;
}

struct str double_last_metadata(struct cri_double *runtime)
{
    struct str value;

    pthread_mutex_lock(&runtime->lock);
    value = str_from(runtime->last_metadata);
    pthread_mutex_unlock(&runtime->lock);
    return value;
}

void double_on_call(struct cri_double *runtime, void (*hook)(void *arg), void *arg)
{
    pthread_mutex_lock(&runtime->lock);
    runtime->hook = hook;
    runtime->hook_arg = arg;
    pthread_mutex_unlock(&runtime->lock);
}
