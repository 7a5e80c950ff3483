/* SHA-256 by OpenSSL: for tests that hash gigabytes. */
#ifndef TEST_FAST_DIGEST_H
#define TEST_FAST_DIGEST_H

#include "molt/crypto.h"

extern const struct molt_digest rig_digest;

#endif
