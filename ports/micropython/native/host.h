/*
 * Flash, store, source and file system as methods of one Python object, the host. The context of
 * each interface points at the mp_obj_t that holds the host while a call runs.
 */
#ifndef MOLT_MICROPYTHON_HOST_H
#define MOLT_MICROPYTHON_HOST_H

#include "molt/engine.h"

#include "micropython/native/runtime.h"

extern const struct molt_flash_ops molt_host_flash;
extern const struct molt_store_ops molt_host_store;
extern const struct molt_source_ops molt_host_source;
extern const struct molt_files_ops molt_host_files;

static inline mp_obj_t host_number(uint32_t value)
{
    return mp_obj_new_int_from_uint(value);
}

static inline mp_obj_t host_text(const char *s)
{
    size_t n = 0;
    while (s[n]) {
        n++;
    }
    return mp_obj_new_str(s, n);
}

#endif
