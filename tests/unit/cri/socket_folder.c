/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cri/socket_folder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cri/channel.h"

int socket_folder_new(char folder[SOCKET_FOLDER_SIZE])
{
    strcpy(folder, "/tmp/cri-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    channel_library_init();
    return 0;
}

void socket_folder_free(const char *folder)
{
    channel_library_done();
    rmdir(folder);
}
