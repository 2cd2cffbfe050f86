/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How a text becomes a struct message:
 *
 *   text      one line of valid UTF-8, without quoting and secrets      (normalise_text, redact)
 *   tokens    words, and values that no rule can match                  (normalise_tokens)
 *   phrases   wrappers are removed, phrases of rules are noted          (normalise_phrases)
 *   parts     one for each of "[e1, e2]", for "; artifact err: ...", and for each mirror
 *
 * Difficult input: a cut text (the phrase is missing, but a gRPC code may be left), a log line
 * around the message (words without a phrase; dropped when a part starts after them), and hostile
 * names (they are values).
 */
#include "agent/classify/message.h"

#include <string.h>

#include "agent/classify/normalise_phrases.h"
#include "agent/classify/normalise_text.h"
#include "agent/classify/normalise_tokens.h"
#include "agent/classify/normalise_vocabulary.h"
#include "agent/classify/redact.h"
#include "agent/classify/rules.h"
#include "agent/classify/trace.h"
#include "agent/classify/wrappers.h"
#include "number.h"
#include "util.h"

#define ELLIPSIS STR("...")
#define HTTP_STATUS_MAX 599u
#define GRPC_CODE_MAX 16u

/* containers/image puts the transport in front of a reference. */
#define TRANSPORT STR("docker://")

/* Who named the image. The best source wins; if two are equal, the first one wins. */
enum image_quality { IMAGE_NONE, IMAGE_BY_RUNTIME, IMAGE_BY_KUBELET };

struct reader {
    struct message *message;
    struct str text;
    const struct tokens *tokens;
    struct explanation *trace; /* NULL: not wanted */
    enum image_quality image_quality;
    bool mirrors;    /* inside "(Mirrors also failed: [...] [...])" */
    bool page;       /* inside HTML or XML */
    bool content;    /* the part has tokens outside of wrappers */
    size_t terminal; /* the first token after the last wrapper */
    size_t gap_end;  /* the end of a phrase with a gap: its tail is not a phrase of its own */
};

static struct message_part *current(struct reader *r)
{
    return &r->message->parts[r->message->n_parts];
}

static struct str token_text(const struct reader *r, size_t i)
{
    return (struct str){ .at = r->text.at + r->tokens->at[i].at, .len = r->tokens->at[i].len };
}

static void part_open(struct reader *r, wrapper_set bits)
{
    *current(r) = (struct message_part){
        .wrappers = bits,
        .grpc_code = -1,
        .first_hit = (uint16_t)r->message->n_hits,
    };
    r->content = false;
    r->page = false;
}

/* The present part ends in front of token `end`. */
static void part_close(struct reader *r, size_t end)
{
    struct message_part *part = current(r);

    if (r->terminal < end) {
        const struct token *last = &r->tokens->at[end - 1];

        part->terminal =
            str_span(r->text.at + r->tokens->at[r->terminal].at, r->text.at + last->at + last->len);
    }
    part->n_hits = (uint16_t)(r->message->n_hits - part->first_hit);
}

static bool names_cause(const struct reader *r, const struct message_part *part)
{
    return r->message->n_hits > part->first_hit || part->http_status != 0;
}

/*
 * The next part starts at token i. If the present one has no phrase, it was the head of a log line:
 * its wrappers belong to the next part. At the limit the last part is overwritten, so that the
 * first ones and the very last are kept.
 */
static void part_next(struct reader *r, size_t i, wrapper_set bits)
{
    struct message_part *part = current(r);

    if (!names_cause(r, part)) {
        part->wrappers |= bits;
        r->content = false;
        r->terminal = i;
        return;
    }
    part_close(r, i);
    if (r->message->n_parts + 1 < MESSAGE_PARTS_MAX)
        r->message->n_parts++;
    part_open(r, bits);
    r->terminal = i;
}

static void take_image(struct reader *r, size_t slot, enum image_quality quality)
{
    struct str name = token_text(r, slot);

    if (str_starts(name, TRANSPORT))
        name = str_skip(name, TRANSPORT.len);
    if (quality <= r->image_quality || name.len == 0)
        return;
    r->message->image = name;
    r->image_quality = quality;
}

/* The slot of such a wrapper holds three digits. */
static int status_of(struct str text)
{
    uint64_t status = 0;

    number_parse(text, HTTP_STATUS_MAX, &status);
    return (int)status;
}

/* The slot holds a name; kubelets before 1.8 wrote the number. */
static int grpc_code_of(const struct reader *r, size_t slot)
{
    int code = vocabulary_grpc_code(r->tokens->at[slot].word);
    uint64_t number;

    if (code < 0 && number_parse(token_text(r, slot), GRPC_CODE_MAX, &number))
        code = (int)number;
    return code;
}

/* The hosts in a wrapper that covers `n` tokens, starting at i. */
static void take_hosts(struct reader *r, const struct wrapper *w, size_t i, size_t n, size_t slot)
{
    struct hosts *hosts = &current(r)->hosts;
    struct str last = token_text(r, i + n - 1);

    if (w->flags & WRAPPER_HOST)
        hosts->place = token_text(r, slot);
    else if (w->flags & WRAPPER_DIAL)
        hosts->dialled = token_text(r, slot);
    else if (w->flags & WRAPPER_LOOKUP)
        hosts->looked_up = token_text(r, slot);
    else
        hosts->place = last;
    if ((w->flags & WRAPPER_LOOKUP) && (w->flags & WRAPPER_PLACE))
        hosts->name_server = last;
}

static void take_wrapper(struct reader *r, const struct wrapper *w, size_t i, size_t n, size_t slot)
{
    struct message_part *part;

    if ((w->flags & WRAPPER_STARTS) && r->content)
        part_next(r, i, 0);
    part = current(r);
    part->wrappers |= w->bits;
    r->message->back_off |= (w->bits & W_BACK_OFF) != 0;
    r->message->pull |= (w->bits & W_PULL) != 0;
    if (w->flags & WRAPPER_IMAGE)
        take_image(r, slot, IMAGE_BY_KUBELET);
    if (w->flags & WRAPPER_INNER_IMAGE)
        take_image(r, slot, IMAGE_BY_RUNTIME);
    if ((w->flags & WRAPPER_GRPC) && part->grpc_code < 0)
        part->grpc_code = grpc_code_of(r, slot);
    if ((w->flags & WRAPPER_STATUS) && part->http_status == 0)
        part->http_status = status_of(token_text(r, slot));
    if (w->flags & WRAPPER_MIRRORS)
        r->mirrors = true;
    if (w->flags & (WRAPPER_HOST | WRAPPER_PLACE | WRAPPER_LOOKUP | WRAPPER_DIAL))
        take_hosts(r, w, i, n, slot);
}

/* The wrapper covers `n` tokens, starting at i. */
static void trace_wrapper(struct reader *r, size_t i, size_t n)
{
    struct explanation *trace = r->trace;
    struct str last = token_text(r, i + n - 1);
    const char *end = last.at + last.len;

    end += *end == '"'; /* the text is followed by spaces */
    if (trace->n_steps == EXPLAIN_STEPS_MAX)
        return;
    trace->steps[trace->n_steps++] = (struct explain_step){
        .text = str_span(token_text(r, i).at, end),
        .part = (unsigned)r->message->n_parts,
    };
}

static void take_hit(struct reader *r, size_t row)
{
    struct message *m = r->message;

    r->content = true;
    if (m->n_hits == MESSAGE_HITS_MAX)
        return;
    m->hits[m->n_hits++] = (struct hit){
        .rule = (uint16_t)row,
        .in_answer = current(r)->http_status != 0,
        .in_page = r->page,
    };
}

/* What a URL such as ".../blobs/sha256:..." or ".../manifests/tag" asks for. */
static wrapper_set bits_of_url(struct str url)
{
    const char *query = url.len > 0 ? memchr(url.at, '?', url.len) : NULL;
    const char *last;
    struct str path = query ? str_span(url.at, query) : url;

    last = path.len > 0 ? memrchr(path.at, '/', path.len) : NULL;
    if (!last)
        return 0;
    path = str_span(path.at, last);
    if (str_ends(path, STR("/blobs")))
        return W_BLOB;
    return str_ends(path, STR("/manifests")) ? W_MANIFEST : 0;
}

/* A unix socket, or a named pipe on Windows. */
static bool is_socket(struct str path)
{
    if (path.len == 0)
        return false;
    if (path.at[path.len - 1] == 'k')
        return str_ends(path, STR(".sock"));
    return (path.at[0] == '/' && str_starts(path, STR("//./pipe/"))) ||
           (path.at[0] == '\\' && str_starts(path, STR("\\.\\pipe\\")));
}

/* A file that says which registries, mirrors, certificates and signatures the runtime uses. */
static bool is_config(struct str path)
{
    static const struct str ends[] = { STR(".conf"), STR(".cert"), STR(".key"),
                                       STR(".crt"),  STR(".pem"),  STR(".d") };

    if (str_ends(path, STR("/policy.json")) || str_ends(path, STR("/hosts.toml")))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (str_ends(path, ends[i]))
            return str_find(path, STR("/certs.d")) || str_find(path, STR("/registries."));
    return false;
}

/* `requested`: the value belongs to a phrase, so a URL is not one for people to read. */
static void take_value(struct reader *r, size_t i, bool requested)
{
    struct message_part *part = current(r);
    struct str value = token_text(r, i);

    if (value.len == 0)
        return;
    if (r->tokens->at[i].flags & TOKEN_URL) {
        part->wrappers |= bits_of_url(value);
        if (requested)
            part->hosts.url = value;
    } else if (is_socket(value)) {
        part->wrappers |= W_SOCKET;
    } else if (*value.at == '/' && is_config(value)) {
        part->wrappers |= W_CONFIG;
        part->file = value;
    } else if (*value.at == 'a' && str_starts(value, STR("application/vnd."))) {
        part->wrappers |= W_MEDIA_TYPE;
    } else if (*value.at == 'd' && str_starts(value, STR("docker-credential-"))) {
        part->wrappers |= W_CREDENTIALS;
    }
}

/* Brackets and markup in front of token i. */
static void take_flags(struct reader *r, size_t i)
{
    unsigned flags = r->tokens->at[i].flags;

    if (r->mirrors && (flags & TOKEN_MIRRORS_END)) {
        r->mirrors = false;
        part_next(r, i, 0);
        current(r)->wrappers &= ~(wrapper_set)W_MIRROR;
    } else if (r->mirrors && (flags & TOKEN_OPEN)) {
        part_next(r, i, W_MIRROR);
        current(r)->hosts.place = token_text(r, i);
    }
    if ((flags & TOKEN_MARKUP) && vocabulary_has(r->tokens->at[i].word, WORD_MARKUP)) {
        r->page = true;
        current(r)->wrappers |= W_PAGE;
    }
}

/* Has more than the kubelet's summary: an error, or how far the pull got. */
static bool is_part(const struct reader *r, const struct message_part *part)
{
    return r->content || names_cause(r, part) || part->grpc_code > 0 ||
           (part->wrappers & ~(wrapper_set)(W_PULL | W_BACK_OFF | W_SANDBOX)) != 0;
}

static void read_tokens(struct reader *r)
{
    size_t covered;

    part_open(r, 0);
    for (size_t i = 0; i < r->tokens->n; i += covered) {
        size_t slot = i;
        size_t n = 1;
        const struct phrase *p = NULL;

        if (r->tokens->at[i].flags)
            take_flags(r, i);
        if (vocabulary_has(r->tokens->at[i].word, WORD_BEGINS))
            p = phrases_match(r->tokens, i, &n, &slot);
        covered = p && p->gap == 0 ? n : 1;
        for (size_t k = i; k < i + covered && (!p || p->takes_values); k++)
            if (r->tokens->at[k].word == WORD_VALUE || r->tokens->at[k].word == WORD_URL)
                take_value(r, k, p != NULL);
        if (p && p->kind == PHRASE_WRAPPER) {
            take_wrapper(r, &wrappers[p->row], i, covered, slot);
            if (wrappers[p->row].flags & WRAPPER_STATUS) /* the status is the error itself */
                continue;
            r->terminal = i + covered;
            if (r->trace)
                trace_wrapper(r, i, covered);
        } else if (p && i + n != r->gap_end) {
            take_hit(r, p->row);
            if (p->gap > 0)
                r->gap_end = i + n;
        } else {
            r->content = true;
        }
    }
    part_close(r, r->tokens->n);
    if (is_part(r, current(r)))
        r->message->n_parts++;
}

/* The text itself if it fits, else its head and "...". */
static struct str shown_text(struct message *m, struct str text)
{
    char *to = m->buffer + LIMIT_CLASSIFY_TEXT;
    size_t n;

    while (text.len > 0 && text.at[text.len - 1] == ' ')
        text.len--;
    if (text.len <= LIMIT_MESSAGE_TEXT)
        return text;
    n = text_whole_characters(text.at, LIMIT_MESSAGE_TEXT - ELLIPSIS.len);
    memcpy(to, text.at, n);
    memcpy(to + n, ELLIPSIS.at, ELLIPSIS.len);
    return (struct str){ .at = to, .len = n + ELLIPSIS.len };
}

void normalise_traced(struct str waiting_reason, struct str text, struct message *ret,
                      struct explanation *trace)
{
    UNINITIALIZED struct tokens tokens;
    UNINITIALIZED uint64_t words[WORD_MAP_SIZE(LIMIT_CLASSIFY_TEXT)];
    struct reader r = { .message = ret, .tokens = &tokens, .trace = trace };

    ret->image = (struct str){ .at = ret->buffer };
    ret->waiting_reason = waiting_reason;
    ret->back_off = false;
    ret->pull = false;
    ret->n_parts = 0;
    ret->n_hits = 0;
    r.text.at = ret->buffer;
    r.text.len = text_plain(text, ret->buffer, LIMIT_CLASSIFY_TEXT - TEXT_PADDING, &ret->truncated);
    memset(ret->buffer + r.text.len, ' ', TEXT_PADDING);
    r.text.len = redact_and_map(ret->buffer, r.text.len, words);
    tokens_split(r.text, words, &tokens);
    read_tokens(&r);
    ret->text = shown_text(ret, r.text);
}

void normalise(struct str waiting_reason, struct str text, struct message *ret)
{
    normalise_traced(waiting_reason, text, ret, NULL);
}
