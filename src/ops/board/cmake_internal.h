/* What the files of the CMake reader share. */
#ifndef OPS_CMAKE_INTERNAL_H
#define OPS_CMAKE_INTERNAL_H

#include "ops/board/cmake_read.h"

#define CMAKE_ARGUMENTS 256
#define CMAKE_NESTING   32

struct cmake_argument {
    char *text; /* variables are put in already */
    bool quoted;
};

/* Letters of either case are the same, in ASCII. n: at most so many are looked at. */
bool cmake_same(const char *a, const char *b, uint32_t n);

/* The condition of an if: true, false. */
bool cmake_condition(const struct cmake *cmake, const struct cmake_argument *argument,
                     uint32_t count);

#endif
