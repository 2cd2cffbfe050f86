/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool http_reads(const struct http_request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

void http_text(struct http_response *response, enum http_status status, const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);

    response->status = status;
    response->content_type = HTTP_TEXT;
    response->stream.next = NULL;
    buf_reset(&response->body);
    buf_add_text(&response->body, line);
    buf_add_byte(&response->body, '\n');
}

/* The value of a hexadecimal digit, or -1. */
static int hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool http_unescape(struct str segment, char *ret, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < segment.len; i++) {
        int byte = (unsigned char)segment.at[i];

        if (byte == '%') {
            int high = i + 2 < segment.len ? hex(segment.at[i + 1]) : -1;
            int low = i + 2 < segment.len ? hex(segment.at[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            byte = high * 16 + low;
            i += 2;
        }
        if (byte == '\0' || len + 1 >= size)
            return false;
        ret[len++] = (char)byte;
    }
    if (len >= size)
        return false;
    ret[len] = '\0';
    return true;
}

void http_add_html(struct buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            buf_add(out, STR("&amp;"));
            break;
        case '<':
            buf_add(out, STR("&lt;"));
            break;
        case '>':
            buf_add(out, STR("&gt;"));
            break;
        case '"':
            buf_add(out, STR("&quot;"));
            break;
        case '\'':
            buf_add(out, STR("&#39;"));
            break;
        default:
            buf_add_byte(out, *text);
        }
    }
}
