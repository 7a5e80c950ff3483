/* ECDSA over P-256 for devices: p256-m behind molt_verifier. */
#ifndef MOLT_PORT_P256_VERIFY_H
#define MOLT_PORT_P256_VERIFY_H

#include "molt/crypto.h"

/* Needs no context. */
extern const struct molt_verifier molt_p256_verifier;

#endif
