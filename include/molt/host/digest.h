/* SHA-256 by OpenSSL: with the processor's own instructions, many times as fast as molt_sha256,
 * which is made small for devices. */
#ifndef MOLT_HOST_DIGEST_H
#define MOLT_HOST_DIGEST_H

#include "molt/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct molt_digest molt_host_sha256;

#ifdef __cplusplus
}
#endif
#endif
