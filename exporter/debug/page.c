/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/debug/page.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "exporter/http/http.h"
#include "version.h"

/* The assembler reads the file itself; its path is relative to where make runs. */
__asm__(".pushsection .rodata\n"
        "page_html:\n"
        ".incbin \"exporter/debug/status.html\"\n"
        "page_html_end:\n"
        ".popsection\n");
extern const char page_html[] __attribute__((visibility("hidden")));
extern const char page_html_end[] __attribute__((visibility("hidden")));

#define NONCE_BYTES 16

/* What stands in the file for it. */
#define NONCE_MARK "{{NONCE}}"
#define VERSION_MARK "{{VERSION}}"

static int make_nonce(char ret[2 * NONCE_BYTES + 1], struct err *err)
{
    unsigned char bytes[NONCE_BYTES];

    /* Never short and never interrupted up to 256 bytes: getrandom(2). */
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return err_set_errno(err, -errno, "random bytes");
    for (size_t i = 0; i < NONCE_BYTES; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

static void fill_marks(struct buf *out, struct str rest, const char *nonce)
{
    const char *mark;

    while ((mark = str_find(rest, STR("{{")))) {
        struct str from_mark = str_span(mark, rest.at + rest.len);

        buf_add(out, str_span(rest.at, mark));
        if (str_starts(from_mark, STR(NONCE_MARK))) {
            buf_add_text(out, nonce);
            rest = str_skip(from_mark, sizeof(NONCE_MARK) - 1);
        } else if (str_starts(from_mark, STR(VERSION_MARK))) {
            http_add_html(out, IMAGEPULL_VERSION);
            rest = str_skip(from_mark, sizeof(VERSION_MARK) - 1);
        } else {
            buf_add(out, STR("{{"));
            rest = str_skip(from_mark, 2);
        }
    }
    buf_add(out, rest);
}

int page_write(struct http_response *response, struct err *err)
{
    char nonce[2 * NONCE_BYTES + 1];
    int r = make_nonce(nonce, err);

    if (r < 0)
        return r;
    fill_marks(&response->body, str_span(page_html, page_html_end), nonce);
    snprintf(response->content_policy, sizeof(response->content_policy),
             "default-src 'none'; connect-src 'self'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    response->content_type = HTTP_HTML;
    return 0;
}
