/* Any bytes as an ELF file: every segment that is read lies in it. */
#include <stdint.h>
#include <stdlib.h>

#include "molt/elf32.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_elf elf;
    struct molt_elf_segment segment;
    struct molt_diag diag;
    uint32_t n = (uint32_t)size;
    if (size > 1u << 20 || molt_elf_parse(&elf, data, n, &diag) != MOLT_OK) {
        return 0;
    }
    for (uint32_t i = 0; i < elf.header_count; i++) {
        if (molt_elf_segment(&elf, data, n, i, &segment, &diag) == MOLT_OK &&
            (segment.offset > n || n - segment.offset < segment.file_size)) {
            abort();
        }
    }
    return 0;
}
