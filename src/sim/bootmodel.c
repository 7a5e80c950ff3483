/* Which partition boots, and what the bootloader writes back (ESP-IDF 4.4 and 5.0:
 * bootloader_utility.c). */
#include "molt/sim/bootmodel.h"

#include <stdio.h>
#include <string.h>

#include "sim/bootmodel_internal.h"

#define SECTOR 0x1000u
#define BLANK  0xFFFFFFFFu

enum { FACTORY = -1, NOTHING = -2 }; /* beside the slots: molt_boot_outcome.chosen */

enum { STATE_NEW = 0, STATE_PENDING = 1, STATE_VALID = 2, STATE_INVALID = 3, STATE_ABORTED = 4 };

struct boot {
    const struct molt_flash *flash;
    const struct molt_bootmodel_facts *facts;
    struct boot_table table;
    uint8_t entry[2][32]; /* the records */
    bool first_write;     /* nothing usable anywhere: what really loads is recorded */
    char wrote[120];
};

static uint32_t seq_of(const uint8_t *entry)
{
    return boot_le32(entry);
}

static uint32_t state_of(const uint8_t *entry)
{
    return boot_le32(entry + 24);
}

/* CRC-32 of the sequence number with start register 0 and final complement (the ROM's
 * crc32_le(UINT32_MAX, ..)). */
static uint32_t crc_of(const uint8_t *entry)
{
    uint32_t crc = 0;
    for (int i = 0; i < 4; i++) {
        crc ^= entry[i];
        for (int k = 0; k < 8; k++) {
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
        }
    }
    return ~crc;
}

static bool crc_right(const uint8_t *entry)
{
    return boot_le32(entry + 28) == crc_of(entry);
}

static bool unusable(const uint8_t *entry)
{
    return seq_of(entry) == BLANK || state_of(entry) == STATE_INVALID ||
           state_of(entry) == STATE_ABORTED;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

/* Erases the whole sector and programs 32 bytes, as the bootloader does. */
static int write_back(struct boot *b, int sector, const char *what)
{
    uint32_t at = b->table.otadata_offset + (uint32_t)sector * SECTOR;
    size_t used = strlen(b->wrote);
    snprintf(b->wrote + used, sizeof b->wrote - used, " It wrote record %d: %s.", sector, what);
    int code = b->flash->ops->erase(b->flash->context, at, SECTOR);
    return code < 0 ? code : b->flash->ops->program(b->flash->context, at, b->entry[sector], 32);
}

static int set_state(struct boot *b, int sector, uint32_t state, const char *what)
{
    put32(b->entry[sector] + 24, state);
    return write_back(b, sector, what);
}

/* A trial that was started once and not confirmed is over. */
static int abort_pending(struct boot *b)
{
    for (int i = 0; i < 2 && b->facts->rollback; i++) {
        if (state_of(b->entry[i]) == STATE_PENDING) {
            int code = set_state(b, i, STATE_ABORTED, "PENDING_VERIFY became ABORTED");
            if (code < 0) {
                return code;
            }
        }
    }
    return MOLT_OK;
}

/* The slot without any usable record: factory, else the first one. */
static int without_records(struct boot *b)
{
    bool nothing = true;
    for (int i = 0; i < 2; i++) {
        nothing = nothing && (seq_of(b->entry[i]) == BLANK || !crc_right(b->entry[i]));
    }
    if (b->table.factory.size != 0) {
        return -1;
    }
    b->first_write = nothing;
    return 0;
}

/* The record that counts: 0 or 1, -1 when none does. */
static int active_record(const struct boot *b)
{
    bool valid[2];
    for (int i = 0; i < 2; i++) {
        valid[i] = !unusable(b->entry[i]) && crc_right(b->entry[i]);
    }
    if (valid[0] && valid[1]) {
        return seq_of(b->entry[0]) >= seq_of(b->entry[1]) ? 0 : 1;
    }
    return valid[0] ? 0 : valid[1] ? 1 : -1;
}

static int read_records(struct boot *b)
{
    int code = MOLT_OK;
    for (uint32_t i = 0; i < 2 && code >= 0; i++) {
        code = b->flash->ops->read(b->flash->context, b->table.otadata_offset + i * SECTOR,
                                   b->entry[i], 32);
    }
    return code;
}

/* What the records choose, to o->chosen: FACTORY, NOTHING or a slot. */
static int choose(struct boot *b, struct molt_boot_outcome *o)
{
    o->chosen = FACTORY;
    if (b->table.otadata_offset == 0) {
        snprintf(o->why, sizeof o->why, "the table has no otadata");
        return MOLT_OK;
    }
    if (b->table.otadata_size < 2 * SECTOR) {
        snprintf(o->why, sizeof o->why, "otadata is smaller than two sectors: nothing boots");
        o->chosen = NOTHING;
        return MOLT_OK;
    }
    int code = read_records(b);
    if (code >= 0) {
        code = abort_pending(b);
    }
    if (code < 0) {
        return code;
    }
    if ((unusable(b->entry[0]) && unusable(b->entry[1])) || b->table.ota_count == 0) {
        snprintf(o->why, sizeof o->why, "no usable record in otadata");
        o->chosen = without_records(b);
        return MOLT_OK;
    }
    int active = active_record(b);
    if (active < 0) {
        snprintf(o->why, sizeof o->why, "no record in otadata has a right CRC");
        o->chosen = b->table.factory.size != 0 ? FACTORY : 0;
        return MOLT_OK;
    }
    uint32_t seq = seq_of(b->entry[active]);
    snprintf(o->why, sizeof o->why, "record %d has the highest usable sequence number, %u", active,
             seq);
    o->chosen = (int)((seq - 1) % b->table.ota_count);
    if (b->facts->rollback && state_of(b->entry[active]) == STATE_NEW) {
        return set_state(b, active, STATE_PENDING, "NEW became PENDING_VERIFY");
    }
    return MOLT_OK;
}

static const struct boot_part *part_at(const struct boot *b, int index)
{
    if (index == FACTORY) {
        return &b->table.factory;
    }
    return index < (int)b->table.ota_count && index < BOOT_MAX_OTA ? &b->table.ota[index] : NULL;
}

static void add_why(struct molt_boot_outcome *o, const char *format, const char *a, const char *b)
{
    size_t used = strlen(o->why);
    snprintf(o->why + used, sizeof o->why - used, format, a, b);
}

/* What was written is told even where many reasons left no room for it. */
static void add_writes(struct molt_boot_outcome *o, const char *wrote)
{
    size_t used = strlen(o->why), room = sizeof o->why - strlen(wrote) - sizeof ".";
    if (used > room) {
        used = room;
        memcpy(o->why + used - 3, "...", 3);
    }
    snprintf(o->why + used, sizeof o->why - used, ".%s", wrote);
}

/* Tries one partition; true when it runs, and the outcome says so. */
static bool try_part(struct boot *b, const struct boot_part *part, const struct molt_digest *digest,
                     struct molt_boot_outcome *o)
{
    char why[120];
    if (!part || part->size == 0) {
        return false;
    }
    if (!boot_image_loads(b->flash, part, b->facts, digest, &o->image_length, o->image_sha256, why,
                          sizeof why)) {
        add_why(o, "; %s does not load: %s", part->label, why);
        return false;
    }
    o->result = b->table.app_aborts ? MOLT_BOOT_APP_ABORTS : MOLT_BOOT_RUNS;
    memcpy(o->label, part->label, sizeof o->label);
    o->subtype = part->subtype;
    o->offset = part->offset;
    o->size = part->size;
    return true;
}

/* What loaded where nothing was recorded becomes record 0. */
static int record_first(struct boot *b, int index)
{
    if (!b->first_write || index < 0) {
        return MOLT_OK;
    }
    memset(b->entry[0], 0xFF, 32);
    put32(b->entry[0], (uint32_t)index + 1);
    put32(b->entry[0] + 24, STATE_VALID);
    put32(b->entry[0] + 28, crc_of(b->entry[0]));
    return write_back(b, 0, "the slot that runs, VALID");
}

/* From the choice down to factory, then upwards, then the test app. */
static int load(struct boot *b, const struct molt_digest *digest, struct molt_boot_outcome *o)
{
    int order[BOOT_ROWS + 1], count = 0; /* the choice may be behind the last slot */
    for (int index = o->chosen; index >= -1; index--) {
        order[count++] = index;
    }
    for (int index = o->chosen + 1; index < (int)b->table.ota_count && index < BOOT_MAX_OTA;
         index++) {
        order[count++] = index;
    }
    for (int i = 0; i < count; i++) {
        if (try_part(b, part_at(b, order[i]), digest, o)) {
            o->fell_back = i > 0;
            return record_first(b, order[i]);
        }
    }
    if (try_part(b, &b->table.test, digest, o)) {
        o->fell_back = true;
    }
    return MOLT_OK;
}

/* Flash size in the bootloader's own header, in bytes; the table is judged by it. */
static uint32_t header_flash_size(const struct molt_flash *flash, uint16_t chip_id)
{
    uint8_t header[4];
    uint32_t offset = chip_id == 0 || chip_id == 2 ? 0x1000 : 0;
    if (flash->ops->read(flash->context, offset, header, sizeof header) < 0 || header[0] != 0xE9) {
        return 0;
    }
    return header[3] >> 4 > 7 ? 0 : 0x100000u << (header[3] >> 4);
}

int molt_bootmodel_boot(const struct molt_flash *flash, const struct molt_bootmodel_facts *facts,
                        const struct molt_digest *digest, struct molt_boot_outcome *outcome)
{
    struct boot b = {.flash = flash, .facts = facts};
    memset(outcome, 0, sizeof *outcome);
    outcome->result = MOLT_BOOT_NONE;
    outcome->chosen = NOTHING;
    uint32_t flash_size = header_flash_size(flash, facts->chip_id);
    if (flash_size == 0) {
        snprintf(outcome->why, sizeof outcome->why, "there is no bootloader");
        return MOLT_OK;
    }
    if (!boot_table_read(&b.table, flash, facts->table_offset ? facts->table_offset : 0x8000,
                         flash_size, outcome->why, sizeof outcome->why)) {
        return MOLT_OK;
    }
    int code = choose(&b, outcome);
    if (code < 0) {
        return code;
    }
    if (outcome->chosen != NOTHING) {
        code = load(&b, digest, outcome);
        if (outcome->result == MOLT_BOOT_NONE) {
            add_why(outcome, "%s%s", "; nothing else loads: it resets for ever", "");
        }
    }
    add_writes(outcome, b.wrote);
    return code;
}
