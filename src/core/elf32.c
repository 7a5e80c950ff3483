#include "molt/elf32.h"

#include <string.h>

#include "core/bytes.h"

#define HEAD    52u
#define SEGMENT 32u

const char *molt_elf_machine_name(uint16_t machine)
{
    switch (machine) {
    case MOLT_ELF_386: return "x86";
    case MOLT_ELF_ARM: return "Arm";
    case MOLT_ELF_X86_64: return "x86-64";
    case MOLT_ELF_XTENSA: return "Xtensa";
    case MOLT_ELF_AARCH64: return "Arm64";
    case MOLT_ELF_RISCV: return "RISC-V";
    default: return 0;
    }
}

static uint16_t get16(const struct molt_elf *elf, const uint8_t *p)
{
    return (uint16_t)(elf->big_endian ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}

int molt_elf_parse(struct molt_elf *elf, const uint8_t *bytes, uint32_t n, struct molt_diag *diag)
{
    memset(elf, 0, sizeof *elf);
    if (n < 4 || memcmp(bytes,
                        "\x7F"
                        "ELF",
                        4) != 0) {
        return molt_diag_at(diag, MOLT_E_FORMAT, "ELF magic", 0);
    }
    if (n < HEAD) {
        return molt_diag_at(diag, MOLT_E_TRUNCATED, "ELF header", n);
    }
    if (bytes[4] < 1 || bytes[4] > 2 || bytes[5] < 1 || bytes[5] > 2) {
        return molt_diag_at(diag, MOLT_E_FORMAT, "ELF class", 4);
    }
    elf->is_64 = bytes[4] == 2;
    elf->big_endian = bytes[5] == 2;
    elf->type = get16(elf, bytes + 16);
    elf->machine = get16(elf, bytes + 18);
    elf->readable = !elf->is_64 && !elf->big_endian;
    if (!elf->readable) {
        return MOLT_OK;
    }
    elf->entry = molt_get_le32(bytes + 24);
    elf->header_offset = molt_get_le32(bytes + 28);
    elf->flags = molt_get_le32(bytes + 36);
    elf->header_size = molt_get_le16(bytes + 42);
    elf->header_count = molt_get_le16(bytes + 44);
    if (elf->header_count && elf->header_size < SEGMENT) {
        return molt_diag_values(diag, MOLT_E_FORMAT, "size of an ELF program header", 42, SEGMENT,
                                elf->header_size);
    }
    uint32_t all = (uint32_t)elf->header_size * elf->header_count;
    if (elf->header_count && (elf->header_offset > n || n - elf->header_offset < all)) {
        return molt_diag_values(diag, MOLT_E_TRUNCATED, "ELF program headers", elf->header_offset,
                                all, n);
    }
    return MOLT_OK;
}

int molt_elf_segment(const struct molt_elf *elf, const uint8_t *bytes, uint32_t n, uint32_t i,
                     struct molt_elf_segment *segment, struct molt_diag *diag)
{
    if (!elf->readable || i >= elf->header_count) {
        return molt_diag_at(diag, MOLT_E_RANGE, "ELF program header", MOLT_DIAG_NONE);
    }
    uint32_t at = elf->header_offset + i * elf->header_size;
    const uint8_t *p = bytes + at;
    segment->type = molt_get_le32(p);
    segment->offset = molt_get_le32(p + 4);
    segment->address = molt_get_le32(p + 8);
    segment->load_address = molt_get_le32(p + 12);
    segment->file_size = molt_get_le32(p + 16);
    segment->memory_size = molt_get_le32(p + 20);
    segment->executable = molt_get_le32(p + 24) & 1;
    segment->writable = molt_get_le32(p + 24) & 2;
    if (segment->offset > n || n - segment->offset < segment->file_size) {
        return molt_diag_values(diag, MOLT_E_TRUNCATED, "ELF segment", at + 16,
                                n - (segment->offset > n ? n : segment->offset),
                                segment->file_size);
    }
    return MOLT_OK;
}
