/* SPDX-License-Identifier: Apache-2.0 */

/* The Accept and Accept-Encoding headers, and the content of --web.config.file. */

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/http/web_file.h"
#include "exporter/metrics/negotiate.h"
#include "mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { .at = (const char *)data, .len = size };
    struct err err = ERR_INIT;
    struct web_file file;
    char *header = mem_str(text);
    int r;

    assert(header);
    negotiate_format(header);
    negotiate_gzip(header);
    mem_free(header);

    r = web_file_parse(text, STR("/etc/web/"), &file, &err);
    if (r == 0) {
        assert(!file.tls || (file.cert_file && file.key_file));
        assert(file.n_users <= LIMIT_WEB_USERS && file.n_headers <= WEB_FILE_HEADERS);
        for (size_t i = 0; i < file.n_users; i++)
            assert(web_file_hash(&file, file.users[i].name));
        web_file_done(&file);
    } else {
        assert(r == -EINVAL || r == -ENOMEM || r == -E2BIG);
        assert(err.code == r && err.text[0]);
    }
    return 0;
}
