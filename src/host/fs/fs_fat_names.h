/*
 * Names of MicroPython on FAT. Its oofatfs takes the bytes of a name for characters of code page
 * 437, and Python's names are UTF-8: "ä", C3 A4, lies on the medium as the two characters of C3 and
 * A4. Such a name is shown as Python shows it, and made like that; names that other systems made
 * are shown as they are.
 */
#ifndef MOLT_HOST_FS_FAT_NAMES_H
#define MOLT_HOST_FS_FAT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

bool fs_fat_is_ascii(const char *name);

/* A name of n bytes as it lies on the medium, in UTF-8; false: it does not fit. */
bool fs_fat_name_to_medium(char *medium, size_t capacity, const char *name, size_t n);

/* The reverse, in place. */
void fs_fat_name_from_medium(char *name);

#endif
