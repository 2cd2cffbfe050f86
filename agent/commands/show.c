/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/show.h"

#include "buf.h"
#include "utf8.h"
#include "util.h"

#define ELLIPSIS "..."

void show_plain(struct buf *out, struct str text)
{
    while (text.len) {
        const size_t length = utf8_length(text);
        const char byte = text.at[0];

        buf_add_byte(out, (char)(byte >= 0x20 && byte < 0x7f ? byte : '?'));
        text = str_skip(text, length ? length : 1);
    }
}

void show_cut(struct buf *out, struct str text, size_t width)
{
    size_t kept, head;

    if (text.len <= width) {
        buf_add(out, text);
        return;
    }
    if (width <= sizeof(ELLIPSIS)) {
        buf_add(out, str_head(text, width));
        return;
    }
    kept = width - strlen(ELLIPSIS);
    head = kept / 2;
    buf_add(out, str_head(text, head));
    buf_add(out, STR(ELLIPSIS));
    buf_add(out, str_skip(text, text.len - (kept - head)));
}

void show_cell(struct buf *out, struct str text, size_t width)
{
    show_cut(out, text, width);
    for (size_t i = text.len; i < width; i++)
        buf_add_byte(out, ' ');
}

/* Length of the first line of `text`: up to the last blank that fits, else `width`. */
static size_t line_length(struct str text, size_t width)
{
    const char *blank;

    if (text.len <= width)
        return text.len;
    blank = memrchr(text.at, ' ', width + 1);
    while (blank && blank != text.at && blank[-1] == ' ')
        blank--;
    return blank && blank != text.at ? (size_t)(blank - text.at) : width;
}

void show_wrap(struct buf *out, struct str text, size_t indent, size_t width)
{
    show_hang(out, text, indent, indent, width);
}

void show_hang(struct buf *out, struct str text, size_t indent, size_t hang, size_t width)
{
    const char *at = text.len ? text.at : "";
    const char *end = at + text.len;

    while (at < end) {
        size_t length = line_length(str_span(at, end), width > indent ? width - indent : 1);

        for (size_t i = 0; i < indent; i++)
            buf_add_byte(out, ' ');
        buf_add(out, (struct str){ .at = at, .len = length });
        buf_add_byte(out, '\n');
        at += length;
        while (at < end && *at == ' ')
            at++;
        indent = hang;
    }
}

void show_age(struct buf *out, int64_t us)
{
    const long long s = us > 0 ? (long long)(us / SEC) : 0;

    if (us < 2 * MINUTE)
        buf_printf(out, "%llds", s);
    else if (us < 10 * MINUTE && s % 60)
        buf_printf(out, "%lldm%llds", s / 60, s % 60);
    else if (us < 3 * HOUR)
        buf_printf(out, "%lldm", s / 60);
    else if (us < 8 * HOUR && s / 60 % 60)
        buf_printf(out, "%lldh%lldm", s / 3600, s / 60 % 60);
    else if (us < 48 * HOUR)
        buf_printf(out, "%lldh", s / 3600);
    else
        buf_printf(out, "%lldd", s / 86400);
}

void show_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double amount = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        buf_printf(out, "%llu B", (unsigned long long)bytes);
        return;
    }
    for (; amount >= 1023.95 && unit + 1 < ARRAY_SIZE(units); unit++)
        amount /= 1024;
    buf_printf(out, amount < 99.95 ? "%.1f %s" : "%.0f %s", amount, units[unit]);
}
