#include "molt/otadata.h"

#include <string.h>

#include "core/bytes.h"

/* Byte offsets inside a record. */
enum { SEQ_AT = 0, LABEL_AT = 4, STATE_AT = 24, CRC_AT = 28 };

uint32_t molt_otadata_crc(uint32_t seq)
{
    uint8_t bytes[4];
    molt_put_le32(bytes, seq);
    /* esp_rom_crc32_le(UINT32_MAX, ...) of the bootloader is zlib's crc32 with that start. */
    return molt_crc32(0xFFFFFFFFu, bytes, sizeof bytes);
}

/* The three flags follow from seq, state and crc, wherever those came from. */
static void judge(struct molt_otadata_record *record)
{
    record->blank = record->seq == 0xFFFFFFFFu;
    record->crc_ok = !record->blank && record->crc == molt_otadata_crc(record->seq);
    record->usable =
        !record->blank && record->state != MOLT_OTA_INVALID && record->state != MOLT_OTA_ABORTED;
}

static void parse_record(struct molt_otadata_record *record, const uint8_t *bytes)
{
    record->seq = molt_get_le32(bytes + SEQ_AT);
    memcpy(record->label, bytes + LABEL_AT, sizeof record->label);
    record->state = molt_get_le32(bytes + STATE_AT);
    record->crc = molt_get_le32(bytes + CRC_AT);
    judge(record);
}

void molt_otadata_parse(struct molt_otadata *otadata, const uint8_t first[MOLT_OTADATA_RECORD_SIZE],
                        const uint8_t second[MOLT_OTADATA_RECORD_SIZE])
{
    parse_record(&otadata->record[0], first);
    parse_record(&otadata->record[1], second);
}

int molt_otadata_read(struct molt_otadata *otadata, const struct molt_flash *flash, uint32_t offset)
{
    uint8_t bytes[2][MOLT_OTADATA_RECORD_SIZE];
    for (uint32_t i = 0; i < 2; i++) {
        int error = molt_flash_read(flash, offset + i * MOLT_OTADATA_SECTOR, bytes[i],
                                    MOLT_OTADATA_RECORD_SIZE);
        if (error) {
            return error;
        }
    }
    molt_otadata_parse(otadata, bytes[0], bytes[1]);
    return MOLT_OK;
}

void molt_otadata_serialize(const struct molt_otadata_record *record,
                            uint8_t bytes[MOLT_OTADATA_RECORD_SIZE])
{
    molt_put_le32(bytes + SEQ_AT, record->seq);
    memcpy(bytes + LABEL_AT, record->label, sizeof record->label);
    molt_put_le32(bytes + STATE_AT, record->state);
    molt_put_le32(bytes + CRC_AT, record->crc);
}

int molt_otadata_slot_of(const struct molt_otadata_record *record,
                         const struct molt_otadata_facts *facts)
{
    if (!record->usable || !record->crc_ok || facts->slot_count == 0) {
        return MOLT_OTADATA_NO_SLOT;
    }
    return (int)((record->seq - 1) % facts->slot_count); /* unsigned: seq 0 wraps, as there */
}

/* A bootloader with rollback first turns every PENDING_VERIFY into ABORTED. */
static bool counts_at_boot(const struct molt_otadata_record *record,
                           const struct molt_otadata_facts *facts)
{
    return record->usable && !(facts->rollback && record->state == MOLT_OTA_PENDING_VERIFY);
}

void molt_otadata_choose(const struct molt_otadata *otadata, const struct molt_otadata_facts *facts,
                         struct molt_otadata_choice *choice)
{
    bool any = false;
    int best = -1;
    for (int i = 0; i < 2 && facts->slot_count > 0; i++) {
        const struct molt_otadata_record *record = &otadata->record[i];
        if (!counts_at_boot(record, facts)) {
            continue;
        }
        any = true;
        /* Not >=: of equal numbers the one in sector 0 decides. */
        if (record->crc_ok && (best < 0 || record->seq > otadata->record[best].seq)) {
            best = i;
        }
    }
    choice->record = best;
    choice->state_after = MOLT_OTA_UNDEFINED;
    if (best < 0) {
        choice->slot = facts->has_factory      ? MOLT_OTADATA_FACTORY
                       : facts->slot_count > 0 ? 0
                                               : MOLT_OTADATA_NO_SLOT;
        choice->why = any ? MOLT_WHY_NO_GOOD_CRC : MOLT_WHY_BLANK;
        return;
    }
    const struct molt_otadata_record *record = &otadata->record[best];
    choice->slot = molt_otadata_slot_of(record, facts);
    choice->why = MOLT_WHY_RECORD;
    choice->state_after =
        facts->rollback && record->state == MOLT_OTA_NEW ? MOLT_OTA_PENDING_VERIFY : record->state;
}

void molt_otadata_apply(struct molt_otadata *otadata, const struct molt_otadata_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct molt_otadata_write *write = &plan->write[i];
        struct molt_otadata_record *record = &otadata->record[write->sector];
        if (write->erase_only) {
            memset(record, 0xFF, sizeof *record);
        } else {
            *record = write->record;
        }
        judge(record);
    }
}
