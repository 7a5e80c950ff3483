/* MD5 (RFC 1321) for the boot model alone. */
#ifndef MOLT_SIM_BOOTMODEL_MD5_H
#define MOLT_SIM_BOOTMODEL_MD5_H

#include <stdint.h>

/* Of at most 3072 bytes. */
void boot_md5(const uint8_t *bytes, uint32_t n, uint8_t digest[16]);

#endif
