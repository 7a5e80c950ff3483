#include "molt/otadata.h"

#include <string.h>

/* The steps of one write, in the order in which the flash sees them. */
enum { ERASE, PROGRAM_LABEL_STATE, PROGRAM_CRC, PROGRAM_SEQ, READ_BACK };

/* What each program step writes of the record. seq is last: until it is whole it cannot match the
 * CRC, and without it the record is blank (docs/spec/otadata.md, "Writing"). */
static const struct {
    uint8_t at, n;
} parts[] = {[PROGRAM_LABEL_STATE] = {4, 24}, [PROGRAM_CRC] = {28, 4}, [PROGRAM_SEQ] = {0, 4}};

void molt_otadata_writer_start(struct molt_otadata_writer *writer,
                               const struct molt_otadata_plan *plan, uint32_t otadata_offset)
{
    writer->plan = *plan;
    writer->offset = otadata_offset;
    writer->write = 0;
    writer->step = ERASE;
}

static void bytes_of(const struct molt_otadata_write *write,
                     uint8_t bytes[MOLT_OTADATA_RECORD_SIZE])
{
    if (write->erase_only) {
        memset(bytes, 0xFF, MOLT_OTADATA_RECORD_SIZE);
    } else {
        molt_otadata_serialize(&write->record, bytes);
    }
}

static int read_back(const uint8_t *expected, const struct molt_flash *flash, uint32_t sector)
{
    uint8_t found[MOLT_OTADATA_RECORD_SIZE];
    int error = molt_flash_sync(flash);
    if (!error) {
        error = molt_flash_read(flash, sector, found, sizeof found);
    }
    if (error) {
        return error;
    }
    return memcmp(found, expected, sizeof found) == 0 ? MOLT_OK : MOLT_E_VERIFY;
}

int molt_otadata_writer_step(struct molt_otadata_writer *writer, const struct molt_flash *flash)
{
    if (writer->write >= writer->plan.count) {
        return MOLT_DONE;
    }
    const struct molt_otadata_write *write = &writer->plan.write[writer->write];
    uint32_t sector = writer->offset + write->sector * MOLT_OTADATA_SECTOR;
    uint8_t bytes[MOLT_OTADATA_RECORD_SIZE];
    int error;
    bytes_of(write, bytes);
    if (writer->step == ERASE) {
        error = molt_flash_erase(flash, sector, MOLT_OTADATA_SECTOR);
    } else if (writer->step == READ_BACK) {
        error = read_back(bytes, flash, sector);
    } else {
        uint8_t at = parts[writer->step].at;
        error = molt_flash_program(flash, sector + at, bytes + at, parts[writer->step].n);
    }
    if (error) {
        return error; /* a further call tries the same step again */
    }
    if (writer->step == ERASE && write->erase_only) {
        writer->step = READ_BACK;
    } else if (writer->step != READ_BACK) {
        writer->step++;
    } else {
        writer->step = ERASE;
        writer->write++;
    }
    return writer->write >= writer->plan.count ? MOLT_DONE : MOLT_OK;
}
