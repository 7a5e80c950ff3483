/* cmocka with what it needs before it, in its order. */
#ifndef TESTING_H
#define TESTING_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

/* 1, or MOLT_FAULT_EVERY of the environment: sweeps over faults try every n-th transfer only. For
 * sanitized runs; the optimized programs try them all. */
uint32_t testing_fault_step(void);

#endif
