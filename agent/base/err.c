/* SPDX-License-Identifier: Apache-2.0 */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

PRINTF_LIKE(3, 0)
static void set_text(struct err *err, int code, const char *format, va_list args)
{
    err->code = code;
    vsnprintf(err->text, sizeof(err->text), format, args);
}

int err_set(struct err *err, int code, const char *format, ...)
{
    va_list args;

    if (!err || err->code != 0)
        return code;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    return code;
}

int err_set_errno(struct err *err, int code, const char *format, ...)
{
    va_list args;
    size_t len;

    if (!err || err->code != 0)
        return code;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);

    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(-code));
    return code;
}

int err_wrap(struct err *err, const char *format, ...)
{
    char inner[ERR_TEXT_MAX];
    va_list args;
    size_t len;

    if (!err)
        return -EIO;

    memcpy(inner, err->text, sizeof(inner));
    va_start(args, format);
    set_text(err, err->code, format, args);
    va_end(args);

    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s", inner);
    return err->code;
}

void err_clear(struct err *err)
{
    err->code = 0;
    err->text[0] = '\0';
}
