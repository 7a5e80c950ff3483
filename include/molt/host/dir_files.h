/*
 * molt_files over a folder of this computer: the root of a device's file system that is mounted
 * here, or that will be copied to one.
 */
#ifndef MOLT_HOST_DIR_FILES_H
#define MOLT_HOST_DIR_FILES_H

#include "molt/files.h"

#ifdef __cplusplus
extern "C" {
#endif

/* root (the caller's, it must outlive the use) takes the place of "/". A file appears whole or not
 * at all; nothing is appended (MOLT_E_UNSUPPORTED). Errors: those of molt_file_write. */
void molt_dir_files(const char *root, struct molt_files *files);

#ifdef __cplusplus
}
#endif
#endif
