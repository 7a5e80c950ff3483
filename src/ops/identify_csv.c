#include "ops/identify_internal.h"

bool identify_is_csv(const uint8_t *bytes, uint32_t n)
{
    (void)bytes;
    (void)n;
    return false;
}

int identify_csv(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message)
{
    (void)identity;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "%s: a table in words", file->name);
}
