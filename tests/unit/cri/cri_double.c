/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cri/cri_double.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "cri/timeouts.h"

/* Replaces the agent's timeouts (cri/timeouts.c). */
const struct cri_timeouts cri_timeouts = {
    .connect_us = NEVER_REACHED,
    .call_us = NEVER_REACHED,
    .list_us = NEVER_REACHED,
};

#define METHODS_MAX 16u
#define CALLS_MAX 16u /* at one time */
#define LAST_MAX 65536u

struct method {
    char name[32];
    struct double_answer answer;
    unsigned calls;
};

/*
 * One call, from the moment the double waits for it. Its address is the tag of its operations.
 * Those that send have the address of `sending`, because the operation that waits for the end of
 * the call runs beside them.
 */
struct served {
    enum { FREE, AWAITED, READING, ANSWERING } state;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request;
    struct double_answer answer;
    size_t n_sent;
    bool begun;    /* the initial metadata is sent */
    bool sending;  /* an operation that sends is in flight */
    bool finished; /* the call is over */
    int cancelled;
};

struct cri_double {
    char path[108];
    grpc_server *server;
    grpc_completion_queue *queue;
    pthread_t thread;
    struct served served[CALLS_MAX];

    pthread_mutex_t lock; /* guards the fields below */
    struct method methods[METHODS_MAX];
    unsigned unknown_calls;
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
    abort(); /* no test makes so many calls at one time */
}

static void forget_call(struct served *served)
{
    grpc_byte_buffer_destroy(served->request);
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
    if (!method) {
        runtime->unknown_calls++;
        return unknown;
    }
    method->calls++;
    return method->answer;
}

/* The next message; false if there is none. */
static bool next_message(const struct served *served, struct str *ret)
{
    const struct double_answer *answer = &served->answer;

    if (answer->n_messages > 0) {
        if (served->n_sent >= answer->n_messages && !answer->endless)
            return false;
        *ret = answer->messages[served->n_sent % answer->n_messages];
        return true;
    }
    *ret = answer->message;
    return served->n_sent == 0 && !answer->hangs && !answer->no_message &&
           answer->status == GRPC_STATUS_OK;
}

/* Sends the next message or the status. Sends nothing after the status, or if the answer hangs. */
static void send_next(struct served *served)
{
    const struct double_answer *answer = &served->answer;
    grpc_slice details = grpc_slice_from_copied_string(answer->details ? answer->details : "");
    grpc_byte_buffer *sent = NULL;
    struct str message;
    grpc_op ops[2];
    size_t n = 0;

    if (!served->begun)
        ops[n++] = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
    if (next_message(served, &message)) {
        grpc_slice bytes = grpc_slice_from_copied_buffer(message.at, message.len);

        sent = grpc_raw_byte_buffer_create(&bytes, 1);
        grpc_slice_unref(bytes);
        ops[n++] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = sent };
        served->n_sent++;
    } else if (!answer->hangs) {
        ops[n++] = (grpc_op){
            .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
            .data.send_status_from_server = { .status = (grpc_status_code)answer->status,
                                              .status_details = &details },
        };
        served->answer.hangs = true; /* nothing follows */
    } else {
        n = 0;
    }
    served->begun = true;
    served->sending = n > 0;
    if (n > 0)
        grpc_call_start_batch(served->call, ops, n, &served->sending, NULL);
    grpc_byte_buffer_destroy(sent); /* gRPC keeps a copy */
    grpc_slice_unref(details);
}

static void begin_answer(struct served *served, const struct double_answer *answer)
{
    const grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                         .data.recv_close_on_server.cancelled = &served->cancelled };

    served->answer = *answer;
    served->state = ANSWERING;
    grpc_call_start_batch(served->call, &op, 1, served, NULL);
    send_next(served);
}

/* The call that sends with this tag; NULL if the tag is of another operation. */
static struct served *sender(struct cri_double *runtime, void *tag)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (tag == &runtime->served[i].sending)
            return &runtime->served[i];
    }
    return NULL;
}

static void sent(struct served *served, bool go_on)
{
    served->sending = false;
    if (go_on && !served->finished)
        send_next(served);
    if (served->finished && !served->sending)
        forget_call(served);
}

static void finish(struct served *served)
{
    served->finished = true;
    if (!served->sending)
        forget_call(served);
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
    begin_answer(served, &answer);
}

/*
 * One event of a call. `closing`: the queue is shut down, so gRPC takes no further operation. It
 * reports that the server is down when its connections have ended, which can be before the last
 * events of their calls.
 */
static void step(struct cri_double *runtime, const grpc_event *event, bool closing)
{
    struct served *served = event->tag;

    if (sender(runtime, event->tag))
        sent(sender(runtime, event->tag), event->success && !closing);
    else if (served->state == ANSWERING)
        finish(served);
    else if (closing || (served->state == AWAITED && !event->success))
        forget_call(served);
    else if (served->state == READING)
        answer_call(runtime, served);
    else {
        read_request(served);
        await_call(runtime);
    }
}

static void *serve(void *arg)
{
    struct cri_double *runtime = arg;
    bool closing = false;

    await_call(runtime);
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(runtime->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.tag == runtime) { /* double_free() */
            closing = true;
            grpc_completion_queue_shutdown(runtime->queue);
        } else {
            step(runtime, &event, closing);
        }
    }
}

/* Also linked into programs without cmocka, so it does not use assert_true(). */
static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "the double of the runtime: %s\n", what);
    abort();
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

    require(runtime != NULL, "no memory");
    grpc_init();
    snprintf(runtime->path, sizeof(runtime->path), "%s", path);
    pthread_mutex_init(&runtime->lock, NULL);
    unlink(path);
    runtime->queue = grpc_completion_queue_create_for_next(NULL);
    runtime->server = grpc_server_create(&args, NULL);
    grpc_server_register_completion_queue(runtime->server, runtime->queue, NULL);
    credentials = grpc_insecure_server_credentials_create();
    snprintf(target, sizeof(target), "unix:%s", path);
    require(grpc_server_add_http2_port(runtime->server, target, credentials) != 0,
            "cannot listen on its socket");
    grpc_server_credentials_release(credentials);
    grpc_server_start(runtime->server);
    require(pthread_create(&runtime->thread, NULL, serve, runtime) == 0, "no thread");
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
    require(method != NULL, "more methods than METHODS_MAX");
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

unsigned double_unknown_calls(struct cri_double *runtime)
{
    unsigned calls;

    pthread_mutex_lock(&runtime->lock);
    calls = runtime->unknown_calls;
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
