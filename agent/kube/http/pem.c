/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/pem.h"

#include <errno.h>

#include "agent/kube/http/base64.h"
#include "agent/kube/http/credentials.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define DER_SEQUENCE 0x30

struct block {
    struct str label; /* "CERTIFICATE", "EC PRIVATE KEY" */
    struct str body;
    bool closed;
};

/* Takes the next block off the front of `rest`; what is not closed reaches to the end. */
static bool next_block(struct str *rest, struct block *ret)
{
    const char *begin = str_find(*rest, STR(BEGIN));
    const char *label_end, *end;

    if (!begin)
        return false;
    *rest = str_skip(str_span(begin, rest->at + rest->len), strlen(BEGIN));
    label_end = str_find(*rest, STR(DASHES));
    if (!label_end)
        return false;
    ret->label = str_span(rest->at, label_end);
    *rest = str_skip(*rest, ret->label.len + strlen(DASHES));
    end = str_find(*rest, STR(END));
    ret->body = end ? str_span(rest->at, end) : *rest;
    *rest = end ? str_skip(*rest, ret->body.len + strlen(END)) : str_skip(*rest, rest->len);
    ret->closed = end && str_starts(*rest, ret->label) &&
                  str_starts(str_skip(*rest, ret->label.len), STR(DASHES));
    return true;
}

/* Blanks at a line's end are common in files that went through a mail or a web page. */
static int decode(struct str body, struct buf *ret)
{
    struct buf packed;
    int r;

    buf_init(&packed, body.len + 1);
    for (size_t i = 0; i < body.len; i++)
        if (body.at[i] != ' ' && body.at[i] != '\t')
            buf_add_byte(&packed, body.at[i]);
    r = buf_error(&packed) ? -ENOMEM : base64_decode(buf_str(&packed), ret);
    credential_forget(&packed);
    return r < 0 ? r : buf_error(ret) ? -ENOMEM : 0;
}

/* One sequence in DER (X.690, 8.1) and nothing behind it. */
static bool is_one_sequence(struct str der)
{
    const unsigned char *at = (const unsigned char *)der.at;
    size_t octets, len = 0;

    if (der.len < 2 || at[0] != DER_SEQUENCE)
        return false;
    if (at[1] < 0x80)
        return der.len == 2u + at[1];
    octets = at[1] & 0x7fu;
    if (octets == 0 || octets > 4 || der.len < 2 + octets)
        return false;
    for (size_t i = 0; i < octets; i++)
        len = len << 8 | at[2 + i];
    return der.len == 2 + octets + len;
}

static int check_body(struct str body, const char *what, struct err *err)
{
    struct buf der;
    int r;

    buf_init(&der, body.len + 1);
    r = decode(body, &der);
    if (r == -ENOMEM)
        err_set(err, r, "cannot be checked: no memory");
    else if (r < 0)
        err_set(err, r, "holds a PEM %s that is no base64", what);
    else if (!is_one_sequence(buf_str(&der)))
        r = err_set(err, -EINVAL, "holds a PEM %s that is none inside", what);
    credential_forget(&der);
    return r;
}

static bool is_of_kind(struct str label, enum pem_kind kind)
{
    if (kind == PEM_PRIVATE_KEY)
        return str_ends(label, STR("PRIVATE KEY"));
    return str_eq(label, STR("CERTIFICATE"));
}

static bool is_encrypted(const struct block *block)
{
    return str_starts(block->label, STR("ENCRYPTED ")) ||
           str_find(block->body, STR("Proc-Type: 4,ENCRYPTED"));
}

int pem_check(struct str text, enum pem_kind kind, struct err *err)
{
    const char *what = kind == PEM_PRIVATE_KEY ? "private key" : "certificate";
    struct block block = { .closed = false };
    size_t n = 0;
    int r;

    while (next_block(&text, &block)) {
        if (!is_of_kind(block.label, kind))
            continue;
        n++;
        if (!block.closed)
            return err_set(err, -EINVAL, "holds a PEM %s without its END line", what);
        if (kind == PEM_PRIVATE_KEY && is_encrypted(&block))
            return err_set(err, -EINVAL, "is encrypted, and nobody is here to type a passphrase");
        r = check_body(block.body, what, err);
        if (r < 0)
            return r;
    }
    return n ? 0 : err_set(err, -EINVAL, "holds no PEM %s", what);
}
