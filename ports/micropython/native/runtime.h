/*
 * MicroPython's API as host.c and molt_native.c use it, both ways: a dynamic native module reaches
 * the firmware through its function table, a user C module is linked with it.
 */
#ifndef MOLT_MICROPYTHON_RUNTIME_H
#define MOLT_MICROPYTHON_RUNTIME_H

#ifdef MICROPY_ENABLE_DYNRUNTIME

#include "py/dynruntime.h"

/* What dynruntime.h leaves out. */
#define mp_call_method_n_kw(count, keywords, words)                                                \
    mp_fun_table.call_method_n_kw((count), (keywords), (words))

#else

#include "py/gc.h"
#include "py/obj.h"
#include "py/runtime.h"

#if MICROPY_MALLOC_USES_ALLOCATED_SIZE
#define m_free(block) m_free((block), gc_nbytes(block))
#endif

/* The linked API may hold its texts compressed. */
#define mp_raise_ValueError(text) mp_raise_ValueError(MP_ERROR_TEXT(text))

#endif

#endif
