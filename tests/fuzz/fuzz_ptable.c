/* Any bytes as a partition table: what parses is written back to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ptable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_ptable table;
    struct molt_diag diag;
    uint8_t bytes[MOLT_PTABLE_SIZE];
    if (size > 0x2000 || molt_ptable_parse(&table, data, (uint32_t)size, &diag) != MOLT_OK) {
        return 0;
    }
    if (molt_ptable_write(&table, bytes) != MOLT_OK) {
        abort();
    }
    for (uint32_t i = 0; i < table.count; i++) {
        if (memcmp(bytes + 32 * i, data + 32 * i, 32) != 0) {
            abort();
        }
        if (!molt_ptable_find_label(&table, table.row[i].label)) {
            abort();
        }
    }
    if (molt_ptable_check(&table, 4u << 20, &diag) != MOLT_OK && diag.what == NULL) {
        abort();
    }
    return 0;
}
