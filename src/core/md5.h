/* MD5 (RFC 1321) of short inputs in memory: the partition table's own checksum, nothing else. */
#ifndef MOLT_CORE_MD5_H
#define MOLT_CORE_MD5_H

#include <stdint.h>

#define MOLT_MD5_SIZE 16

void molt_md5(const void *bytes, uint32_t n, uint8_t digest[MOLT_MD5_SIZE]);

#endif
