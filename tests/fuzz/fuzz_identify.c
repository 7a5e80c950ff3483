/* Any bytes as a file: every fact is printable, and belongs to a row that is there. */
#include <stdint.h>
#include <stdlib.h>

#include "ops/info/identify_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct identify_file file = {"file", data, (uint32_t)size};
    struct molt_message message = {0};
    struct molt_identity *identity = malloc(sizeof *identity);
    if (size == 0 || size > 1u << 20 || !identity) {
        free(identity);
        return 0;
    }
    int error = identify_bytes(identity, &file, &message);
    if (error && !message.text[0]) {
        abort();
    }
    for (uint32_t i = 0; !error && i < identity->fact_count; i++) {
        const struct molt_fact *fact = &identity->fact[i];
        if (fact->list >= (int)identity->list_count ||
            (fact->list >= 0 && fact->row >= identity->list[fact->list].row_count)) {
            abort();
        }
        for (const char *p = fact->text; *p; p++) {
            if (*p < ' ' || *p > '~') {
                abort();
            }
        }
    }
    free(identity);
    return 0;
}
