/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The two parts of the sandbox that the kernel may lack. Each needs no_new_privs. */

#include <stdbool.h>

#include "agent/sandbox.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

/* Returns Landlock's ABI version, or a negative errno; then files are not restricted. */
int sandbox_landlock(const struct sandbox_policy *policy);

/* 0 or a negative errno; then system calls are not restricted. */
int sandbox_seccomp(bool makes_sockets);
