/* What the first bytes of a file that is no firmware say it is, for the message. */
#ifndef MOLT_HOST_FILEKIND_H
#define MOLT_HOST_FILEKIND_H

#include <stddef.h>
#include <stdint.h>

/* "a JPEG picture", "a ZIP archive", "text", ..., or "nothing that Molt knows". Static. */
const char *filekind_of(const uint8_t *bytes, size_t n);

#endif
