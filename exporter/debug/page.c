/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/debug/page.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "exporter/http/http.h"
#include "version.h"

/* The assembler reads the file. Its path is relative to the folder where make runs. */
__asm__(".pushsection .rodata\n"
        "page_html:\n"
        ".incbin \"exporter/debug/status.html\"\n"
        "page_html_end:\n"
        ".popsection\n");
extern const char page_html[] __attribute__((visibility("hidden")));
extern const char page_html_end[] __attribute__((visibility("hidden")));

#define NONCE_BYTES 16

/* The placeholders in the file. */
#define NONCE_PLACEHOLDER "{{NONCE}}"
#define VERSION_PLACEHOLDER "{{VERSION}}"

static int make_nonce(char ret[2 * NONCE_BYTES + 1], struct err *err)
{
    unsigned char bytes[NONCE_BYTES];

    /* Up to 256 bytes it is never short and never interrupted: getrandom(2). */
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return err_set_errno(err, -errno, "get random bytes");
    for (size_t i = 0; i < NONCE_BYTES; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

static void fill_placeholders(struct buf *out, struct str rest, const char *nonce)
{
    const char *found;

    while ((found = str_find(rest, STR("{{")))) {
        struct str from_here = str_span(found, rest.at + rest.len);

        buf_add(out, str_span(rest.at, found));
        if (str_starts(from_here, STR(NONCE_PLACEHOLDER))) {
            buf_add_text(out, nonce);
            rest = str_skip(from_here, sizeof(NONCE_PLACEHOLDER) - 1);
        } else if (str_starts(from_here, STR(VERSION_PLACEHOLDER))) {
            http_add_html(out, IMAGEPULL_VERSION);
            rest = str_skip(from_here, sizeof(VERSION_PLACEHOLDER) - 1);
        } else {
            buf_add(out, STR("{{"));
            rest = str_skip(from_here, 2);
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
    fill_placeholders(&response->body, str_span(page_html, page_html_end), nonce);
    snprintf(response->content_policy, sizeof(response->content_policy),
             "default-src 'none'; connect-src 'self'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    response->content_type = HTTP_HTML;
    return 0;
}
