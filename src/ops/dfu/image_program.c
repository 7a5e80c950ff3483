/* What compilers make: ELF programs and Intel HEX files. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "molt/elf32.h"
#include "molt/ihex.h"
#include "ops/dfu/image_internal.h"

/* ---- ELF ---- */

#define ELF_EXECUTABLE 2u
#define ELF_HEAD       52u

/* Section headers (System V ABI, chapter 4): offsets of the fields, and of those in the head. */
#define SECTION        40u
#define SECTION_NOBITS 8u
#define SECTION_ALLOC  2u

static int check_elf(struct image_file *file, const struct molt_elf *elf)
{
    const char *machine = molt_elf_machine_name(elf->machine);
    if (elf->is_64 || elf->big_endian) {
        return molt_fail(file->message, MOLT_E_UNSUPPORTED,
                         "%s: is a %s%s-bit ELF program%s%s, expected a 32-bit little-endian one "
                         "for Arm: it is not for a microcontroller",
                         file->name, elf->big_endian ? "big-endian " : "", elf->is_64 ? "64" : "32",
                         machine ? " for " : "", machine ? machine : "");
    }
    if (elf->machine != MOLT_ELF_ARM) {
        return molt_fail(file->message, MOLT_E_UNSUPPORTED,
                         "%s: is an ELF program for %s (machine %u), expected one for Arm (%u): "
                         "is it for another chip? If this device does run it, make an Intel HEX "
                         "file of it with its objcopy",
                         file->name, machine ? machine : "an unknown machine", elf->machine,
                         (unsigned)MOLT_ELF_ARM);
    }
    if (elf->type != ELF_EXECUTABLE) {
        return molt_fail(file->message, MOLT_E_UNSUPPORTED,
                         "%s: is %s, expected a linked program (ELF type 2, found %u): addresses "
                         "are not settled yet",
                         file->name, elf->type == 1 ? "an object file" : "no program", elf->type);
    }
    return MOLT_OK;
}

struct elf_reading {
    struct image_file *file;
    struct image_runs runs;
    uint32_t content; /* offset of the first section that is loaded; the file's end = none */
};

/*
 * Where the program begins in the file. Linkers may let the first segment begin with the ELF head
 * itself when there is room before the program within a page: bytes that are no part of it, and
 * would overwrite what is in flash before it. What is loaded begins with the first section, as
 * objcopy has it.
 */
static uint32_t find_content(const struct image_file *file)
{
    const uint8_t *bytes = file->image->bytes;
    uint32_t table = molt_get_le32(bytes + 32), first = file->n;
    uint16_t size = molt_get_le16(bytes + 46), count = molt_get_le16(bytes + 48);
    if (size < SECTION || table > file->n || file->n - table < (uint32_t)size * count) {
        return file->n;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *p = bytes + table + i * size;
        uint32_t offset = molt_get_le32(p + 16);
        bool loaded = (molt_get_le32(p + 8) & SECTION_ALLOC) &&
                      molt_get_le32(p + 4) != SECTION_NOBITS && molt_get_le32(p + 20) > 0;
        if (loaded && offset >= ELF_HEAD && offset < first) {
            first = offset;
        }
    }
    return first;
}

static int add_segment(struct elf_reading *elf, const struct molt_elf_segment *s, uint32_t i)
{
    struct image_file *file = elf->file;
    struct molt_dfu_image *image = file->image;
    if (s->file_size == 0) {
        image->skipped++;
        return MOLT_OK;
    }
    if (s->file_size > s->memory_size) {
        return molt_fail(file->message, MOLT_E_FORMAT,
                         "%s: segment %u has %u bytes for %u bytes of memory: the file is damaged",
                         file->name, i, s->file_size, s->memory_size);
    }
    if (s->load_address > 0xFFFFFFFFu - s->file_size) {
        return molt_fail(file->message, MOLT_E_RANGE,
                         "%s: segment %u, %u bytes at 0x%08x, ends behind 4 GB, the end of memory",
                         file->name, i, s->file_size, s->load_address);
    }
    uint32_t head = s->offset < ELF_HEAD ? elf->content - s->offset : 0;
    if (head >= s->file_size) {
        return molt_fail(file->message, MOLT_E_FORMAT,
                         "%s: segment %u begins with the head of the ELF file, and no section "
                         "tells where the program begins: make an Intel HEX file with objcopy",
                         file->name, i);
    }
    return image_runs_add(file, &elf->runs, s->load_address + head, image->bytes + s->offset + head,
                          s->file_size - head);
}

int image_read_elf(struct image_file *file)
{
    struct molt_elf elf;
    struct molt_elf_segment segment;
    struct molt_diag diag;
    struct elf_reading reading = {.file = file};
    if (molt_elf_parse(&elf, file->image->bytes, file->n, &diag) != MOLT_OK) {
        return molt_fail_diag(file->message, file->name, &diag);
    }
    int error = check_elf(file, &elf);
    reading.content = find_content(file);
    for (uint32_t i = 0; !error && i < elf.header_count; i++) {
        error = molt_elf_segment(&elf, file->image->bytes, file->n, i, &segment, &diag);
        if (error) {
            molt_fail_diag(file->message, file->name, &diag);
        } else if (segment.type == MOLT_ELF_LOAD) {
            error = add_segment(&reading, &segment, i);
        }
    }
    if (!error) {
        error = image_runs_settle(file, &reading.runs);
    }
    image_runs_free(&reading.runs);
    file->image->has_start = true;
    file->image->start = elf.entry;
    return error;
}

/* ---- Intel HEX ---- */

static int fail_record(const struct image_file *file, const struct molt_diag *diag)
{
    switch (diag->error) {
    case MOLT_E_TRUNCATED:
        return molt_fail(file->message, diag->error,
                         "%s: there is no end record behind line %u of the Intel HEX file: it is "
                         "not whole, fetch it again",
                         file->name, diag->offset);
    case MOLT_E_VERIFY:
        return molt_fail(file->message, diag->error,
                         "%s: line %u of the Intel HEX file has a wrong checksum: the file was "
                         "changed or damaged: fetch it again",
                         file->name, diag->offset);
    case MOLT_E_RANGE:
        return molt_fail(file->message, diag->error,
                         "%s: line %u of the Intel HEX file has an address behind 4 GB, the end of "
                         "memory",
                         file->name, diag->offset);
    default:
        return molt_fail(file->message, diag->error,
                         "%s: line %u of the Intel HEX file is no record (%s): the file is not "
                         "whole or damaged, fetch it again",
                         file->name, diag->offset, diag->what);
    }
}

int image_read_hex(struct image_file *file)
{
    struct molt_dfu_image *image = file->image;
    struct molt_ihex hex = {.text = (const char *)image->bytes, .n = file->n};
    struct molt_ihex_data data;
    struct molt_diag diag;
    struct image_runs runs = {0};
    uint8_t *decoded = malloc(file->n / 2 + 1); /* two digits a byte */
    uint32_t at = 0;
    int error = MOLT_OK, more = 0;
    if (!decoded) {
        return molt_fail(file->message, MOLT_E_NO_MEMORY, "%s: out of memory", file->name);
    }
    while (!error && (more = molt_ihex_next(&hex, &data, &diag)) == 1) {
        memcpy(decoded + at, data.bytes, data.length);
        error = image_runs_add(file, &runs, data.address, decoded + at, data.length);
        at += data.length;
    }
    if (more < 0) {
        error = fail_record(file, &diag);
    }
    if (!error) {
        error = image_runs_settle(file, &runs);
    }
    image_runs_free(&runs);
    free(decoded);
    image->has_start = hex.has_start;
    image->start = hex.start;
    return error;
}
