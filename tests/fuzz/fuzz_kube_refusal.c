/* SPDX-License-Identifier: Apache-2.0 */

/* The text of an error body is always one line of printable ASCII. */

#include <stdint.h>
#include <stdlib.h>

#include "agent/kube/wire/refusal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[REFUSAL_TEXT_SIZE];

    refusal_text((struct str){ .at = (const char *)data, .len = size }, text);
    if (strnlen(text, sizeof(text)) == sizeof(text))
        abort();
    for (const char *byte = text; *byte; byte++)
        if (*byte < ' ' || *byte > '~')
            abort();
    return 0;
}
