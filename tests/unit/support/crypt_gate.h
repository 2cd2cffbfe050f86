/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A second crypt_rn(), for tests of code that checks passwords: they do not depend on the speed of
 * the machine. Hashes of bcrypt cost 4 are computed. For others, "right" is the right password, and
 * the call waits while the gate is closed. A test that calls these functions is linked with it.
 */

#include <stdint.h>

/* Opens the gate, and forgets all calls. */
void crypt_gate_reset(void);

void crypt_gate_close(void);

/* Lets `n` more calls through. */
void crypt_gate_pass(unsigned n);
void crypt_gate_open(void);

/* Waits until a call waits at the gate. */
void crypt_gate_wait(void);

/* How many calls began, and how many steps of bcrypt they are: 2^cost each. */
unsigned crypt_gate_calls(void);
uint64_t crypt_gate_steps(void);
