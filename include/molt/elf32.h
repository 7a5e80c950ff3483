/* ELF files (System V ABI): head and program headers of 32-bit little-endian ones; of others only
 * what they are. */
#ifndef MOLT_ELF32_H
#define MOLT_ELF32_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_elf_machine {
    MOLT_ELF_386 = 3,
    MOLT_ELF_ARM = 40,
    MOLT_ELF_X86_64 = 62,
    MOLT_ELF_XTENSA = 94,
    MOLT_ELF_AARCH64 = 183,
    MOLT_ELF_RISCV = 243
};

struct molt_elf {
    bool is_64, big_endian;
    uint16_t type; /* 1 relocatable, 2 executable, 3 shared, 4 core */
    uint16_t machine;
    bool readable; /* 32 bits, little-endian: what follows is filled in */
    uint32_t entry, flags;
    uint32_t header_offset; /* of the program headers */
    uint16_t header_size, header_count;
};

struct molt_elf_segment {
    uint32_t type; /* 1 = to be loaded */
    uint32_t offset, file_size;
    uint32_t address, load_address, memory_size;
    bool executable, writable;
};

#define MOLT_ELF_LOAD 1u

/* MOLT_E_FORMAT (no ELF), MOLT_E_TRUNCATED (ends within what the head names). */
int molt_elf_parse(struct molt_elf *elf, const uint8_t *bytes, uint32_t n, struct molt_diag *diag);

/* Program header number i (below header_count) of a readable one. MOLT_E_TRUNCATED (the segment's
 * bytes), MOLT_E_RANGE (no such header). */
int molt_elf_segment(const struct molt_elf *elf, const uint8_t *bytes, uint32_t n, uint32_t i,
                     struct molt_elf_segment *segment, struct molt_diag *diag);

/* "Arm", "RISC-V", "Xtensa", ...; NULL = not known. */
const char *molt_elf_machine_name(uint16_t machine);

#ifdef __cplusplus
}
#endif
#endif
