/* Any text as a partition table: what is read satisfies every rule, and comes back from its own
 * CSV and from its own bytes as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ptable_csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(const struct molt_ptable *a, const struct molt_ptable *b)
{
    uint8_t left[MOLT_PTABLE_SIZE], right[MOLT_PTABLE_SIZE];
    return molt_ptable_write(a, left) == MOLT_OK && molt_ptable_write(b, right) == MOLT_OK &&
           memcmp(left, right, sizeof left) == 0;
}

/* The first byte chooses the options. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_ptable table, again;
    struct molt_diag diag = {0};
    char text[MOLT_PTABLE_CSV_SIZE];
    uint8_t bytes[MOLT_PTABLE_SIZE];
    if (size == 0 || size > 0x10000) {
        return 0;
    }
    struct molt_csv_options options = {.table_offset = data[0] & 1 ? 0x10000 : 0,
                                       .has_bootloader = data[0] & 2,
                                       .bootloader_offset = 0x1000,
                                       .has_recovery = data[0] & 4,
                                       .recovery_offset = 0x3F0000,
                                       .no_md5 = data[0] & 8};
    int error =
        molt_ptable_from_csv(&table, (const char *)data + 1, (uint32_t)size - 1, &options, &diag);
    if (error) {
        if (diag.error != error || !diag.what) {
            abort();
        }
        return 0;
    }
    uint32_t offset = options.table_offset ? options.table_offset : MOLT_PTABLE_OFFSET;
    int length = molt_ptable_to_csv(&table, text, sizeof text, &diag);
    if (length < 0 || molt_ptable_check_at(&table, UINT32_MAX, offset, &diag) != MOLT_OK ||
        molt_ptable_from_csv(&again, text, (uint32_t)length, &options, &diag) != MOLT_OK ||
        !same(&table, &again) || molt_ptable_write(&table, bytes) != MOLT_OK ||
        molt_ptable_parse(&again, bytes, sizeof bytes, &diag) != MOLT_OK || !same(&table, &again)) {
        abort();
    }
    return 0;
}
