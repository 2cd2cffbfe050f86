/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What each test of calls over a socket needs: a folder for the sockets, and gRPC. */

#include <stddef.h>

#define SOCKET_FOLDER_SIZE 32u

/* Makes the folder and starts gRPC. Returns 0 or -1, as cmocka's setup does. */
int socket_folder_new(char folder[SOCKET_FOLDER_SIZE]);

/* Stops gRPC and removes the folder, which must be empty. */
void socket_folder_free(const char *folder);
