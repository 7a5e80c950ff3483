/*
 * As much of CMake as the files of MicroPython's boards use: set, list(APPEND, PREPEND,
 * REMOVE_ITEM), if and its kin, include, get_filename_component. Nothing is run.
 */
#ifndef OPS_CMAKE_READ_H
#define OPS_CMAKE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"

struct cmake_variable {
    char *name, *value; /* a list: items between ';' */
};

struct cmake {
    const char *source_folder; /* to which included files are relative; the caller's */
    struct cmake_variable *variable;
    uint32_t variable_count;
    char not_followed[320]; /* the first command that was passed over: "FILE:LINE: foreach"; "" */
    uint32_t depth;         /* of includes */
};

/* NULL when it is not set. */
const char *cmake_get(const struct cmake *cmake, const char *name);
int cmake_set(struct cmake *cmake, const char *name, const char *value);

/* Reads a file as include() does. MOLT_E_NOT_FOUND, MOLT_E_FORMAT, MOLT_E_RANGE, MOLT_E_NO_MEMORY,
 * MOLT_E_IO; the message names file and line. */
int cmake_include(struct cmake *cmake, const char *path, struct molt_message *message);

void cmake_free(struct cmake *cmake);

#endif
