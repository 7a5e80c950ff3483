/* The numeric limits that MicroPython's headers use, from what every gcc predefines. */
#ifndef NATIVE_LIMITS_H
#define NATIVE_LIMITS_H
#define CHAR_BIT  __CHAR_BIT__
#define INT_MAX   __INT_MAX__
#define INT_MIN   (-INT_MAX - 1)
#define UINT_MAX  (2u * INT_MAX + 1u)
#define LONG_MAX  __LONG_MAX__
#define LONG_MIN  (-LONG_MAX - 1l)
#define ULONG_MAX (2ul * LONG_MAX + 1ul)
#endif
