/* A manifest with everything in it, and bytes to make wrong. */
#ifndef SAMPLE_BUNDLE_H
#define SAMPLE_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "molt/manifest.h"

/* An app of 2 chunks (raw, deflate), a file system with a delta, a release of 1 chunk; every
 * optional field is set. */
void sample_manifest(struct molt_manifest *manifest);

/* Replaces the one place where the bytes `from` (hex) stand by `to` (hex), of any length; the new
 * size. Asserts that there is exactly one. */
size_t sample_patch(uint8_t *bytes, size_t n, size_t capacity, const char *from, const char *to);

/* Hex digits to bytes; the count. */
size_t sample_unhex(const char *hex, uint8_t *out);

/* A whole file into a caller's buffer; asserts that it fits. */
size_t sample_read(const char *path, uint8_t *out, size_t capacity);

#endif
