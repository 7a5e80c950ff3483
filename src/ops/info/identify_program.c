/* What compilers make: ELF programs, Intel HEX; images of the ESP8266. */
#include <stdio.h>
#include <string.h>

#include "molt/elf32.h"
#include "molt/ihex.h"
#include "ops/info/identify_internal.h"

/* ---- ELF ---- */

/* The chip whose memory holds every segment that takes room, when it is one alone. */
static void guess_chip(struct molt_identity *identity, const struct molt_elf *elf,
                       const struct identify_file *file)
{
    const struct molt_chip *found = NULL;
    uint32_t count = 0;
    bool esp = elf->machine == MOLT_ELF_XTENSA || elf->machine == MOLT_ELF_RISCV;
    for (uint32_t k = 0; esp && elf->readable && molt_chip_at(k); k++) {
        const struct molt_chip *chip = molt_chip_at(k);
        uint32_t mapped = 0, outside = 0;
        for (uint32_t i = 0; i < elf->header_count; i++) {
            struct molt_elf_segment s;
            if (molt_elf_segment(elf, file->bytes, file->size, i, &s, NULL) != MOLT_OK ||
                s.type != MOLT_ELF_LOAD || s.memory_size == 0) {
                continue;
            }
            enum molt_chip_memory memory = molt_chip_memory_at(chip, s.address);
            mapped += memory == MOLT_MEMORY_MAPPED ? 1 : 0;
            outside += memory == MOLT_MEMORY_NONE ? 1 : 0;
        }
        if (mapped && !outside) {
            found = chip;
            count++;
        }
    }
    if (count == 1) {
        identify_text(identity, "chip", "chip", "%s", found->name);
    } else {
        identify_nothing(identity, "chip");
    }
}

static void segments(struct molt_identity *identity, const struct molt_elf *elf,
                     const struct identify_file *file)
{
    identify_list(identity, "segments", "segments to be loaded");
    for (uint32_t i = 0; elf->readable && i < elf->header_count; i++) {
        struct molt_elf_segment s;
        struct molt_diag diag;
        if (molt_elf_segment(elf, file->bytes, file->size, i, &s, &diag) != MOLT_OK) {
            identify_finding(identity, MOLT_WRONG,
                             "segment %u has %u bytes at 0x%x of the file, behind its end: the "
                             "file is not whole",
                             i, s.file_size, s.offset);
            continue;
        }
        if (s.type != MOLT_ELF_LOAD) {
            continue;
        }
        if (!identify_row(identity, "segments")) {
            return;
        }
        identify_number(identity, "address", "address", MOLT_FACT_HEX, s.address);
        identify_number(identity, "load_address", "loaded at", MOLT_FACT_HEX, s.load_address);
        identify_number(identity, "size", "size", MOLT_FACT_SIZE, s.file_size);
        identify_number(identity, "memory_size", "in memory", MOLT_FACT_SIZE, s.memory_size);
        identify_number(identity, "offset", NULL, MOLT_FACT_NUMBER, s.offset);
        identify_number(identity, "executable", "code", MOLT_FACT_BOOL, s.executable);
        identify_number(identity, "writable", "written", MOLT_FACT_BOOL, s.writable);
    }
}

int identify_elf(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message)
{
    static const char *const types[] = {"none", "relocatable", "program", "shared object", "core"};
    struct molt_elf elf;
    struct molt_diag diag;
    identity->kind = MOLT_IDENTITY_ELF;
    if (molt_elf_parse(&elf, file->bytes, file->size, &diag) != MOLT_OK) {
        return molt_fail_diag(message, file->name, &diag);
    }
    const char *machine = molt_elf_machine_name(elf.machine);
    if (machine) {
        identify_text(identity, "machine", "machine", "%s", machine);
    } else {
        identify_text(identity, "machine", "machine", "number %u", elf.machine);
    }
    identify_number(identity, "bits", "bits", MOLT_FACT_NUMBER, elf.is_64 ? 64 : 32);
    identify_text(identity, "byte_order", "byte order", elf.big_endian ? "big" : "little");
    identify_text(identity, "type", "type", "%s", elf.type < 5 ? types[elf.type] : "other");
    if (elf.readable) {
        identify_number(identity, "entry", "entry", MOLT_FACT_HEX, elf.entry);
    } else {
        identify_nothing(identity, "entry");
    }
    guess_chip(identity, &elf, file);
    identify_micropython(identity, file->bytes, file->size);
    segments(identity, &elf, file);
    if (elf.machine == MOLT_ELF_XTENSA || elf.machine == MOLT_ELF_RISCV) {
        identify_finding(identity, MOLT_ODD,
                         "no device boots an ELF file: write the .bin that was made from it");
    }
    return MOLT_OK;
}

/* ---- Intel HEX ---- */

#define RANGES 64

int identify_hex(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message)
{
    struct molt_ihex hex = {.text = (const char *)file->bytes, .n = file->size};
    struct molt_ihex_data data;
    struct molt_diag diag;
    struct {
        uint32_t low, high;
    } range[RANGES];
    uint32_t count = 0, total = 0;
    int more;
    identity->kind = MOLT_IDENTITY_HEX;
    while ((more = molt_ihex_next(&hex, &data, &diag)) == 1) {
        total += data.length;
        if (count && range[count - 1].high == data.address) {
            range[count - 1].high += data.length;
        } else if (count < RANGES) {
            range[count].low = data.address;
            range[count++].high = data.address + data.length;
        }
    }
    if (more < 0 && total == 0) {
        return molt_fail(message, more, "%s: begins as Intel HEX, but line %u: %s: %s", file->name,
                         diag.offset, molt_strerror(more), diag.what);
    }
    if (more < 0) {
        identify_finding(identity, MOLT_WRONG, "line %u: %s: %s; fetch the file again", diag.offset,
                         molt_strerror(more), diag.what);
    }
    identify_number(identity, "bytes", "bytes", MOLT_FACT_SIZE, total);
    if (hex.has_start) {
        identify_number(identity, "start", "start", MOLT_FACT_HEX, hex.start);
    } else {
        identify_nothing(identity, "start");
    }
    identify_list(identity, "ranges", "ranges");
    for (uint32_t i = 0; i < count && identify_row(identity, "ranges"); i++) {
        identify_number(identity, "address", "address", MOLT_FACT_HEX, range[i].low);
        identify_number(identity, "end", "end", MOLT_FACT_HEX, range[i].high);
        identify_number(identity, "size", "size", MOLT_FACT_SIZE, range[i].high - range[i].low);
    }
    if (count == RANGES) {
        identify_finding(identity, MOLT_ODD, "there may be more ranges than are shown");
    }
    return MOLT_OK;
}
