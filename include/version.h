/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Set by the Makefile; "unknown" in builds that do not. */
#ifndef IMAGEPULL_VERSION
#define IMAGEPULL_VERSION "unknown"
#endif
#ifndef IMAGEPULL_REVISION
#define IMAGEPULL_REVISION "unknown"
#endif
