/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/channel.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>

#include "buf.h"
#include "cri/unpack_text.h"
#include "limit.h"
#include "log.h"
#include "mem.h"
#include "sift.h"

/* A call in progress checks `stop` this often. */
#define STOP_SLICE_US (100 * MSEC)

/* "unix:" and a path, with each byte escaped. */
#define TARGET_MAX 512u

struct channel {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    const atomic_bool *stop;
    uint64_t received_bytes;
    unsigned status; /* gRPC status of the last call */
};

/* gRPC would write to stderr in its own format. Errors that matter are also statuses of calls. */
static void forward_log(gpr_log_func_args *args)
{
    log_debug("cri", "gRPC: %s", args->message);
}

/* absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle), by the name that the Makefile gives
 * it; null where gRPC is linked as a shared library. */
extern void absl_set_mutex_deadlock_detection_mode(int mode) __attribute__((weak));
#define ABSL_IGNORE 0

void channel_library_init(void)
{
    /* Debian builds abseil with its search for deadlocks. It needs 1 MiB and some time at each
     * lock, and ends the process when two locks are taken in another order than before. */
    if (absl_set_mutex_deadlock_detection_mode)
        absl_set_mutex_deadlock_detection_mode(ABSL_IGNORE);
    gpr_set_log_function(forward_log);
    grpc_init();
}

void channel_library_done(void)
{
    grpc_shutdown();
}

/* gRPC parses "unix:<path>" as a URI, so special bytes must be escaped. */
static void write_target(struct buf *buf, const char *path)
{
    buf_add_text(buf, "unix:");
    for (; *path; path++) {
        if (isalnum((unsigned char)*path) || strchr("/._-~", *path))
            buf_add_byte(buf, *path);
        else
            buf_printf(buf, "%%%02X", (unsigned char)*path);
    }
}

static grpc_channel *create_channel(const char *target, int64_t connect_timeout_us)
{
#define INTEGER(name, number)                                                                      \
    { .type = GRPC_ARG_INTEGER, .key = (char *)(name), .value.integer = (number) }
    grpc_resource_quota *quota = grpc_resource_quota_create("cri");
    grpc_arg args[] = {
        INTEGER(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)LIMIT_CRI_MESSAGE),
        /* A shared subchannel would outlive this channel, with its back-off. */
        INTEGER(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        INTEGER(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100),
        /* Also the timeout of one attempt to connect (20 s by default). */
        INTEGER(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, (int)(connect_timeout_us / MSEC)),
        INTEGER(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000),
        /* A unix socket needs no proxy of the environment and no resolver. */
        INTEGER(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        INTEGER(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        INTEGER(GRPC_ARG_ENABLE_RETRIES, 0),
        /* No pings: Go servers count them and close the connection ("too_many_pings"). */
        INTEGER(GRPC_ARG_HTTP2_BDP_PROBE, 0),
        INTEGER(GRPC_ARG_ENABLE_CHANNELZ, 0),
        INTEGER(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0),
        { .type = GRPC_ARG_POINTER,
          .key = (char *)GRPC_ARG_RESOURCE_QUOTA,
          .value.pointer = { .p = quota, .vtable = grpc_resource_quota_arg_vtable() } },
    };
#undef INTEGER
    grpc_resource_quota_resize(quota, LIMIT_CRI_MEMORY);
    grpc_channel_args all = { .num_args = ARRAY_SIZE(args), .args = args };
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(target, credentials, &all);

    grpc_channel_credentials_release(credentials);
    grpc_resource_quota_unref(quota);
    return channel;
}

int channel_new(const char *path, int64_t connect_timeout_us, const atomic_bool *stop,
                struct channel **ret, struct err *err)
{
    CLEANUP(buf_done) struct buf target;
    struct channel *channel;

    buf_init(&target, TARGET_MAX);
    write_target(&target, path);
    channel = mem_zalloc(sizeof(*channel));
    if (!channel || buf_error(&target)) {
        mem_free(channel);
        return err_set_errno(err, -ENOMEM, "open a channel to '%s'", path);
    }
    channel->stop = stop;
    channel->channel = create_channel(target.at, connect_timeout_us);
    channel->queue = grpc_completion_queue_create_for_pluck(NULL);
    *ret = channel;
    return 0;
}

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    grpc_channel_destroy(channel->channel);
    grpc_completion_queue_shutdown(channel->queue);
    grpc_completion_queue_destroy(channel->queue);
    mem_free(channel);
}

uint64_t channel_received_bytes(const struct channel *channel)
{
    return channel->received_bytes;
}

unsigned channel_status(const struct channel *channel)
{
    return channel->status;
}

/* --- statuses --------------------------------------------------------------------------------- */

static const struct {
    const char *name; /* as Go prints it, to compare with the runtime's log */
    int code;
} statuses[] = {
    /* Cancelled by the runtime; see stopped_error() for our own cancellation. */
    [GRPC_STATUS_CANCELLED] = { "Canceled", -EIO },
    [GRPC_STATUS_UNKNOWN] = { "Unknown", -EIO },
    [GRPC_STATUS_INVALID_ARGUMENT] = { "InvalidArgument", -EINVAL },
    [GRPC_STATUS_DEADLINE_EXCEEDED] = { "DeadlineExceeded", -ETIMEDOUT },
    [GRPC_STATUS_NOT_FOUND] = { "NotFound", -EIO }, /* not -ENOENT, which means: no socket */
    [GRPC_STATUS_ALREADY_EXISTS] = { "AlreadyExists", -EIO },
    [GRPC_STATUS_PERMISSION_DENIED] = { "PermissionDenied", -EACCES },
    [GRPC_STATUS_RESOURCE_EXHAUSTED] = { "ResourceExhausted", -EIO },
    [GRPC_STATUS_FAILED_PRECONDITION] = { "FailedPrecondition", -EIO },
    [GRPC_STATUS_ABORTED] = { "Aborted", -EIO },
    [GRPC_STATUS_OUT_OF_RANGE] = { "OutOfRange", -EIO },
    [GRPC_STATUS_UNIMPLEMENTED] = { "Unimplemented", -ENOSYS },
    [GRPC_STATUS_INTERNAL] = { "Internal", -EIO },
    [GRPC_STATUS_UNAVAILABLE] = { "Unavailable", -ECONNREFUSED },
    [GRPC_STATUS_DATA_LOSS] = { "DataLoss", -EIO },
    [GRPC_STATUS_UNAUTHENTICATED] = { "Unauthenticated", -EACCES },
};

static int status_error(const char *method, grpc_status_code status, struct str details,
                        struct err *err)
{
    /* The status comes from the runtime: it may be undefined. */
    bool known = (size_t)status < ARRAY_SIZE(statuses) && statuses[status].name;
    int code = known ? statuses[status].code : -EIO;

    /* The runtime accepts the connection, but does not answer on it. */
    if (status == GRPC_STATUS_UNAVAILABLE && str_find(details, STR("timed out")))
        code = -ETIMEDOUT;
    /* Both sides have a limit and report it in similar words: gRPC core when it receives, grpc-go
     * when it sends. */
    if (status == GRPC_STATUS_RESOURCE_EXHAUSTED && str_find(details, STR("larger than max")))
        code = -EMSGSIZE;
    /* gRPC core over its quota: chttp2_transport.cc, destructive_reclaimer_locked(). */
    if (status == GRPC_STATUS_RESOURCE_EXHAUSTED && str_eq(details, STR("Buffers full")))
        return err_set(err, -EMSGSIZE, "%s: the answer has more than %u bytes", method,
                       LIMIT_CRI_MESSAGE);

    details = str_head(details, LIMIT_RUNTIME_ERROR_TEXT);
    if (!known)
        return err_set(err, code, "%s: status %d: %.*s", method, (int)status, STR_ARG(details));
    return err_set(err, code, "%s: %s: %.*s", method, statuses[status].name, STR_ARG(details));
}

static int stopped_error(const char *method, struct err *err)
{
    return err_set(err, -ECANCELED, "%s: cancelled, the agent is stopping", method);
}

/* --- one call --------------------------------------------------------------------------------- */

/* The state of one call; gRPC writes to it. */
struct exchange {
    struct channel *channel;
    const struct channel_request *request;
    grpc_call *call;
    grpc_byte_buffer *sent;
    grpc_metadata metadata;
    grpc_metadata_array initial_metadata;
    grpc_metadata_array trailing_metadata;
    grpc_byte_buffer *message; /* received last; NULL: the stream has ended */
    size_t received_bytes;
    grpc_status_code status;
    grpc_slice details;
    bool stopped;
};

static gpr_timespec from_now(int64_t us)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(us, GPR_TIMESPAN));
}

static void start_batch(struct exchange *exchange, const grpc_op *ops, size_t n, void *tag)
{
    grpc_call_error error = grpc_call_start_batch(exchange->call, ops, n, tag, NULL);

    GPR_ASSERT(error == GRPC_CALL_OK); /* fails only for a wrong set of operations */
}

/* Sends the request. This batch completes with the call; messages are read in other batches. */
static void begin(struct exchange *exchange, struct channel *channel,
                  const struct channel_request *request)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(request->message.at, request->message.len);

    *exchange = (struct exchange){
        .channel = channel,
        .request = request,
        .sent = grpc_raw_byte_buffer_create(&slice, 1),
        .details = grpc_empty_slice(),
    };
    grpc_slice_unref(slice);
    grpc_metadata_array_init(&exchange->initial_metadata);
    grpc_metadata_array_init(&exchange->trailing_metadata);
    if (request->metadata_key) {
        exchange->metadata.key = grpc_slice_from_static_string(request->metadata_key);
        exchange->metadata.value = grpc_slice_from_static_string(request->metadata_value);
    }
    slice = grpc_slice_from_static_string(request->method);
    exchange->call =
        grpc_channel_create_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS, channel->queue,
                                 slice, NULL, from_now(request->timeout_us), NULL);

    const grpc_op ops[] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA,
          .data.send_initial_metadata = { .count = request->metadata_key ? 1 : 0,
                                          .metadata = &exchange->metadata } },
        { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = exchange->sent },
        { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
        { .op = GRPC_OP_RECV_INITIAL_METADATA,
          .data.recv_initial_metadata.recv_initial_metadata = &exchange->initial_metadata },
        { .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
          .data.recv_status_on_client = { .trailing_metadata = &exchange->trailing_metadata,
                                          .status = &exchange->status,
                                          .status_details = &exchange->details } },
    };
    start_batch(exchange, ops, ARRAY_SIZE(ops), exchange);
}

/*
 * Waits until the batch is complete. It always completes: gRPC ends the call at its deadline,
 * whatever the runtime does, and at once when it is cancelled. The slices are only for `stop`.
 */
static void await(struct exchange *exchange, void *tag)
{
    for (;;) {
        grpc_event event = grpc_completion_queue_pluck(exchange->channel->queue, tag,
                                                       from_now(STOP_SLICE_US), NULL);

        if (event.type == GRPC_OP_COMPLETE)
            return;
        if (!exchange->stopped && atomic_load(exchange->channel->stop)) {
            exchange->stopped = true;
            grpc_call_cancel(exchange->call, NULL);
        }
    }
}

static void end(struct exchange *exchange)
{
    grpc_call_unref(exchange->call);
    grpc_byte_buffer_destroy(exchange->sent);
    grpc_byte_buffer_destroy(exchange->message);
    grpc_metadata_array_destroy(&exchange->initial_metadata);
    grpc_metadata_array_destroy(&exchange->trailing_metadata);
    grpc_slice_unref(exchange->details);
}

static int sift_slices(grpc_byte_buffer_reader *reader, struct sift *sift, struct err *err)
{
    grpc_slice slice;
    int r = 0;

    while (r == 0 && grpc_byte_buffer_reader_next(reader, &slice)) {
        r = sift_feed(sift,
                      (struct str){ .at = (const char *)GRPC_SLICE_START_PTR(slice),
                                    .len = GRPC_SLICE_LENGTH(slice) },
                      err);
        grpc_slice_unref(slice);
    }
    return r;
}

/* A copy of what is kept. The whole message is only in gRPC's memory, in slices. */
static int copy_message(const struct channel_request *request, grpc_byte_buffer *message,
                        struct arena *arena, struct str *ret, struct err *err)
{
    static const struct sift_rules rules = { .what = "an answer",
                                             .most_text = LIMIT_KEPT_TEXT,
                                             .most_kept = LIMIT_CRI_KEPT };
    const size_t len = grpc_byte_buffer_length(message);
    CLEANUP(sift_done) struct sift sift;
    struct err why = ERR_INIT;
    grpc_byte_buffer_reader reader;
    struct str kept;
    int r;

    sift_init(&sift, &rules);
    /* Fails only for a compressed message that is broken or too large. The agent does not ask for
     * compression. */
    if (!grpc_byte_buffer_reader_init(&reader, message))
        return err_set(err, -EPROTO, "%s: the answer cannot be decompressed", request->method);
    sift_begin(&sift, request->answer);
    r = sift_slices(&reader, &sift, &why);
    grpc_byte_buffer_reader_destroy(&reader);
    if (r == 0)
        r = sift_end(&sift, &kept, &why);
    if (r == -EPROTO)
        return err_set(err, r, "%s: %zu bytes are not a valid %s", request->method, len,
                       request->answer->short_name);
    if (r < 0)
        return err_set(err, r, "%s: %s", request->method, why.text);
    if (!unpack_adopt(arena, &kept))
        return err_set(err, -ENOMEM, "%s: no memory for an answer of %zu bytes", request->method,
                       kept.len);
    *ret = kept;
    return 0;
}

/* Waits for the next message. Returns false at the end of the stream; the status tells why. */
static bool receive(struct exchange *exchange)
{
    const grpc_op next = { .op = GRPC_OP_RECV_MESSAGE,
                           .data.recv_message.recv_message = &exchange->message };

    grpc_byte_buffer_destroy(exchange->message);
    exchange->message = NULL;
    start_batch(exchange, &next, 1, &exchange->message);
    await(exchange, &exchange->message);
    if (exchange->message)
        exchange->received_bytes += grpc_byte_buffer_length(exchange->message);
    return exchange->message != NULL;
}

static int read_messages(struct exchange *exchange, struct arena *arena,
                         const struct channel_reader *reader, struct err *err)
{
    const char *method = exchange->request->method;
    struct str message = STR("");
    int r = 0;

    while (r == 0 && receive(exchange)) {
        if (exchange->received_bytes > LIMIT_CRI_MESSAGE)
            return err_set(err, -EMSGSIZE, "%s: the answer has more than %u bytes", method,
                           LIMIT_CRI_MESSAGE);
        r = copy_message(exchange->request, exchange->message, arena, &message, err);
        if (r == 0)
            r = reader->take(reader->self, message, err);
    }
    return r;
}

static int read_status(const struct exchange *exchange, struct err *err)
{
    const struct channel_request *request = exchange->request;
    struct str details = { .at = (const char *)GRPC_SLICE_START_PTR(exchange->details),
                           .len = GRPC_SLICE_LENGTH(exchange->details) };

    /* gRPC's text for our own deadline does not contain the timeout. */
    if (exchange->status == GRPC_STATUS_DEADLINE_EXCEEDED &&
        str_eq(details, STR("Deadline Exceeded")))
        return err_set(err, -ETIMEDOUT, "%s: DeadlineExceeded: no answer within %" PRId64 " ms",
                       request->method, request->timeout_us / MSEC);
    if (exchange->status != GRPC_STATUS_OK)
        return status_error(request->method, exchange->status, details, err);
    return 0;
}

/* The gRPC status for an answer that is not accepted. */
static grpc_status_code status_of_refusal(int code)
{
    return code == -EMSGSIZE || code == -ENOMEM ? GRPC_STATUS_RESOURCE_EXHAUSTED
                                                : GRPC_STATUS_INTERNAL;
}

static int exchange_messages(struct channel *channel, const struct channel_request *request,
                             struct arena *arena, const struct channel_reader *reader,
                             struct err *err)
{
    struct exchange exchange;
    int r;

    channel->status = GRPC_STATUS_CANCELLED;
    if (atomic_load(channel->stop))
        return stopped_error(request->method, err);

    begin(&exchange, channel, request);
    r = read_messages(&exchange, arena, reader, err);
    if (r < 0)
        grpc_call_cancel(exchange.call, NULL);
    await(&exchange, &exchange);
    channel->received_bytes += exchange.received_bytes;
    channel->status = r < 0 ? status_of_refusal(r) : exchange.status;
    if (r == 0)
        r = exchange.stopped ? stopped_error(request->method, err) : read_status(&exchange, err);
    end(&exchange);
    return r;
}

/* --- unary calls and streams
 * ---------------------------------------------------------------------------- */

struct only_message {
    const char *method;
    bool came;
    struct str message;
};

static int take_only(void *self, struct str message, struct err *err)
{
    struct only_message *only = self;

    if (only->came)
        return err_set(err, -EPROTO, "%s: the answer has more than one message", only->method);
    only->came = true;
    only->message = message;
    return 0;
}

int channel_call(struct channel *channel, const struct channel_request *request,
                 struct arena *arena, struct str *ret, struct err *err)
{
    struct only_message only = { .method = request->method };
    const struct channel_reader reader = { .self = &only, .take = take_only };
    int r = exchange_messages(channel, request, arena, &reader, err);

    if (r < 0)
        return r;
    if (!only.came) {
        channel->status = GRPC_STATUS_INTERNAL;
        return err_set(err, -EPROTO, "%s: status OK without a message", request->method);
    }
    *ret = only.message;
    return 0;
}

struct stream {
    struct arena arena; /* one message at a time */
    const struct channel_reader *reader;
};

static int take_next(void *self, struct str message, struct err *err)
{
    struct stream *stream = self;
    int r = stream->reader->take(stream->reader->self, message, err);

    arena_reset(&stream->arena);
    return r;
}

int channel_stream(struct channel *channel, const struct channel_request *request,
                   const struct channel_reader *reader, struct err *err)
{
    struct stream stream = { .reader = reader };
    const struct channel_reader each = { .self = &stream, .take = take_next };
    int r;

    arena_init(&stream.arena, LIMIT_CRI_ARENA);
    r = exchange_messages(channel, request, &stream.arena, &each, err);
    arena_done(&stream.arena);
    return r;
}
