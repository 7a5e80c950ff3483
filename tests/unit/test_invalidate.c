/*
 * `ota invalidate` over every pair of records, with and without factory, on boards and on files:
 * power is cut at each of its flash operations. Then boots what did before, what is to boot
 * afterwards, or factory; the same command again goes on to the same end.
 */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fast_digest.h"
#include "make_image.h"
#include "molt/host/board.h"
#include "molt/ops/bootchoice.h"
#include "molt/sim/bootmodel.h"
#include "molt/sim/nor.h"

#define FLASH   (1u << 20)
#define OTADATA 0xE000u

struct record {
    uint32_t seq, state;
    bool bad_crc;
};

/* Slot 0 has odd seqs, slot 1 even ones. */
static const struct record records[] = {
    {0xFFFFFFFF, MOLT_OTA_UNDEFINED, false},
    {5, MOLT_OTA_VALID, true},
    {1, MOLT_OTA_VALID, false},
    {3, MOLT_OTA_VALID, false},
    {3, MOLT_OTA_NEW, false},
    {1, MOLT_OTA_PENDING_VERIFY, false},
    {1, MOLT_OTA_ABORTED, false},
    {1, MOLT_OTA_UNDEFINED, false},
    {2, MOLT_OTA_VALID, false},
    {4, MOLT_OTA_VALID, false},
    {2, MOLT_OTA_NEW, false},
    {2, MOLT_OTA_PENDING_VERIFY, false},
    {2, MOLT_OTA_INVALID, false},
    {4, MOLT_OTA_UNDEFINED, false},
};
#define RECORDS (sizeof records / sizeof records[0])

struct bench {
    uint8_t bytes[FLASH];
    uint8_t start[MOLT_OTADATA_SIZE]; /* otadata before the command */
    struct molt_nor nor;
    struct molt_flash flash;
    struct molt_board board;
    struct molt_target target;
    struct molt_boot_state state;
    struct molt_boot_change change;
    bool is_board;
    unsigned images;
    const char *slot;
    char now[17], next[17]; /* what boots without the command, and after it */
    int planned, refused, nothing, cuts;
};

static int empty_store(void *context, int record, void *buffer, uint32_t capacity)
{
    (void)context, (void)record, (void)buffer, (void)capacity;
    return MOLT_E_NOT_FOUND;
}

static void add_row(struct bench *b, uint8_t type, uint8_t subtype, uint32_t offset, uint32_t size,
                    const char *label)
{
    struct molt_partition *row = &b->target.table.row[b->target.table.count++];
    *row =
        (struct molt_partition){.type = type, .subtype = subtype, .offset = offset, .size = size};
    snprintf(row->label, sizeof row->label, "%s", label);
}

static void make_flash(struct bench *b, bool factory, unsigned images)
{
    static const uint8_t header[4] = {0xE9, 1, 2, 0}; /* 1 MB */
    memset(b->bytes, 0xFF, sizeof b->bytes);
    memcpy(b->bytes + 0x1000, header, sizeof header);
    memset(&b->target.table, 0, sizeof b->target.table);
    b->target.table.has_md5 = true;
    add_row(b, 1, MOLT_DATA_OTADATA, OTADATA, MOLT_OTADATA_SIZE, "otadata");
    if (factory) {
        add_row(b, 0, MOLT_APP_FACTORY, 0x10000, 0x10000, "factory");
        assert_true(make_image(b->bytes + 0x10000, 0x10000, &make_image_esp32) > 0);
    }
    add_row(b, 0, MOLT_APP_OTA_0, 0x20000, 0x10000, "ota_0");
    add_row(b, 0, MOLT_APP_OTA_0 + 1, 0x30000, 0x10000, "ota_1");
    for (uint32_t i = 0; i < 2; i++) {
        if (images & 1u << i) {
            uint8_t *at = b->bytes + 0x20000 + i * 0x10000;
            assert_true(make_image(at, 0x10000, &make_image_esp32) > 0);
        }
    }
    assert_int_equal(molt_ptable_write(&b->target.table, b->bytes + MOLT_PTABLE_OFFSET), MOLT_OK);
}

static void put_record(uint8_t *sector, const struct record *from)
{
    struct molt_otadata_record record = {.seq = from->seq, .state = from->state};
    memset(record.label, 0xFF, sizeof record.label);
    record.crc = from->seq == 0xFFFFFFFF ? 0xFFFFFFFF : molt_otadata_crc(from->seq);
    record.crc ^= from->bad_crc;
    memset(sector, 0xFF, MOLT_OTADATA_SECTOR);
    molt_otadata_serialize(&record, sector);
}

/* The bootloader's own write-backs included; "" = nothing. */
static void boot(struct bench *b, char label[17])
{
    struct molt_boot_outcome outcome;
    assert_int_equal(molt_bootmodel_boot(&b->flash, &b->board.facts.boot, &rig_digest, &outcome),
                     MOLT_OK);
    memcpy(label, outcome.result == MOLT_BOOT_RUNS ? outcome.label : "", 17);
    label[16] = 0;
}

static int plan(struct bench *b)
{
    assert_int_equal(molt_boot_read(&b->state, &b->target, NULL), MOLT_OK);
    return molt_boot_plan_invalidate(&b->state, b->slot, &b->change, NULL);
}

/* MOLT_OK, or MOLT_E_POWER at the cut. */
static int carry_out(struct bench *b)
{
    int code = MOLT_OK;
    for (uint32_t p = 0; p < b->change.part_count && code >= 0; p++) {
        struct molt_otadata_writer writer;
        molt_otadata_writer_start(&writer, &b->change.part[p], OTADATA);
        do {
            code = molt_otadata_writer_step(&writer, &b->flash);
        } while (code == MOLT_OK);
    }
    return code < 0 ? code : MOLT_OK;
}

static void restore(struct bench *b, const uint8_t otadata[MOLT_OTADATA_SIZE])
{
    molt_nor_free(&b->nor);
    molt_nor_init(&b->nor, b->bytes, FLASH, 7);
    molt_nor_flash(&b->nor, &b->flash);
    b->target.flash = b->flash;
    memcpy(b->bytes + OTADATA, otadata, MOLT_OTADATA_SIZE);
}

static void check_end(struct bench *b)
{
    char runs[17];
    assert_int_equal(molt_boot_read(&b->state, &b->target, NULL), MOLT_OK);
    for (uint32_t i = 0; i < 2; i++) {
        int named = molt_otadata_slot_of(&b->state.otadata.record[i], &b->state.facts);
        assert_string_not_equal(molt_boot_label(&b->state, named), b->slot);
    }
    boot(b, runs);
    assert_string_equal(runs, b->next);
}

static void tell(const struct bench *b, const uint8_t *otadata)
{
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t *r = otadata + i * MOLT_OTADATA_SECTOR;
        printf("record %u: seq %u, state %u, CRC %02x\n", i, r[0], r[24], r[28]);
    }
    printf("%s, images %u, invalidating %s\n", b->is_board ? "board" : "file", b->images, b->slot);
}

/* One cut: what boots, and the command again. */
static bool cut(struct bench *b, uint64_t n, enum molt_cut how)
{
    char runs[17];
    uint8_t left[MOLT_OTADATA_SIZE];
    restore(b, b->start);
    assert_int_equal(plan(b), MOLT_OK);
    b->nor.cut_at = b->nor.operations + n;
    b->nor.cut = how;
    b->nor.random = n * 7 + (uint64_t)how;
    if (carry_out(b) == MOLT_OK) {
        return false;
    }
    b->cuts++;
    molt_nor_power_up(&b->nor);
    memcpy(left, b->bytes + OTADATA, sizeof left);
    boot(b, runs);
    /* Where no record led to the slot that runs (a fallback did), factory may come in between. */
    if (strcmp(runs, b->now) != 0 && strcmp(runs, b->next) != 0 && strcmp(runs, "factory") != 0) {
        tell(b, b->start);
        fail_msg("cut %d at operation %d of invalidating: '%s' boots, expected %s or %s", how,
                 (int)n, runs, b->now, b->next);
    }
    restore(b, left);
    if (plan(b) == MOLT_OK) { /* refused: what the cut left boots something else already */
        assert_int_equal(carry_out(b), MOLT_OK);
        boot(b, runs);
        if (!runs[0] || strcmp(runs, b->slot) == 0) {
            tell(b, b->start);
            tell(b, left);
            fail_msg("cut %d at operation %d and again: '%s' boots", how, (int)n, runs);
        }
    }
    return true;
}

static void try_state(struct bench *b)
{
    static const enum molt_cut ways[] = {MOLT_CUT_BEFORE, MOLT_CUT_TORN};
    restore(b, b->start);
    boot(b, b->now);
    restore(b, b->start);
    int code = plan(b);
    if (code || b->change.part_count == 0) {
        b->refused += code != 0;
        b->nothing += code == 0;
        return;
    }
    b->planned++;
    snprintf(b->next, sizeof b->next, "%s", molt_boot_label(&b->state, b->change.next));
    assert_string_not_equal(b->next, b->slot);
    assert_string_not_equal(b->next, "nothing");
    assert_int_equal(carry_out(b), MOLT_OK);
    check_end(b);
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        for (uint64_t n = 1; cut(b, n, ways[w]); n++) {
            assert_true(n < 32);
        }
    }
}

/* On a board the application was booted from these records, so they are as that boot left them. */
static void settle(struct bench *b, const struct record *first, const struct record *second)
{
    char runs[17];
    put_record(b->start, first);
    put_record(b->start + MOLT_OTADATA_SECTOR, second);
    b->target.board = NULL;
    if (!b->is_board) {
        return;
    }
    restore(b, b->start);
    boot(b, runs);
    memcpy(b->start, b->bytes + OTADATA, sizeof b->start);
    b->target.board = &b->board;
    memcpy(b->board.facts.running, runs, sizeof runs);
    const struct molt_partition *row = molt_ptable_find_label(&b->target.table, runs);
    assert_non_null(row);
    b->board.facts.running_offset = row->offset;
}

static struct bench *make_bench(void)
{
    static const struct molt_store_ops store_ops = {empty_store, NULL};
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->board.store = (struct molt_store){&store_ops, NULL};
    b->board.facts.boot.rollback = true;
    b->board.facts.boot.revision = 300;
    b->board.facts.boot.chip_flash_size = FLASH;
    b->target.chip = molt_chip_by_name("esp32");
    b->target.kind = MOLT_TARGET_BOARD;
    return b;
}

static void every_state_every_cut(void **unused)
{
    struct bench *b = make_bench();
    (void)unused;
    for (unsigned world = 0; world < 16; world++) {
        unsigned images = world & 3;
        if (images == 0) {
            continue;
        }
        b->is_board = world & 4;
        b->images = images;
        make_flash(b, world & 8, images);
        for (size_t pair = 0; pair < RECORDS * RECORDS; pair++) {
            if (images != 3 && (pair + world / 4) % 3) {
                continue; /* every third, for time */
            }
            settle(b, &records[pair / RECORDS], &records[pair % RECORDS]);
            b->slot = pair & 1 ? "ota_1" : "ota_0";
            try_state(b);
            b->slot = pair & 1 ? "ota_0" : "ota_1";
            settle(b, &records[pair / RECORDS], &records[pair % RECORDS]);
            try_state(b);
        }
    }
    printf("%d plans, %d cuts; %d refused, %d with nothing to write\n", b->planned, b->cuts,
           b->refused, b->nothing);
    assert_true(b->planned > 400 && b->refused > 500 && b->nothing > 100);
    molt_nor_free(&b->nor);
    free(b);
}

static struct bench *one(bool board, const struct record *first, const struct record *second)
{
    struct bench *b = make_bench();
    b->is_board = board;
    make_flash(b, false, 3);
    settle(b, first, second);
    restore(b, b->start);
    return b;
}

static void each_refusal(void **unused)
{
    (void)unused;
    struct bench *b = one(true, &records[2], &records[8]); /* ota_1 runs, ota_0 confirmed */
    struct molt_message message;
    assert_int_equal(molt_boot_read(&b->state, &b->target, &message), MOLT_OK);
    assert_int_equal(molt_boot_plan_invalidate(&b->state, "ota_1", &b->change, &message),
                     MOLT_E_BUSY);
    assert_non_null(strstr(message.text, "molt ota rollback"));
    assert_int_equal(molt_boot_plan_invalidate(&b->state, "ota_7", &b->change, &message),
                     MOLT_E_NOT_A_SLOT);
    assert_non_null(strstr(message.text, "there are: ota_0, ota_1"));
    assert_int_equal(molt_boot_plan_invalidate(&b->state, "ota_0", &b->change, &message), MOLT_OK);
    assert_int_equal(b->change.part[0].write[0].record.state, MOLT_OTA_INVALID);
    assert_int_equal(b->change.part[0].write[0].record.seq, 1);
    molt_nor_free(&b->nor);
    free(b);
    b = one(false, &records[2], &records[0]); /* a file: ota_0 is all that any record names */
    assert_int_equal(molt_boot_read(&b->state, &b->target, &message), MOLT_OK);
    assert_int_equal(molt_boot_plan_invalidate(&b->state, "ota_0", &b->change, &message),
                     MOLT_E_NO_WAY_BACK);
    molt_nor_free(&b->nor);
    free(b);
    b = one(true, &records[2], &records[10]); /* ota_1 runs on trial */
    b->slot = "ota_0";
    assert_int_equal(plan(b), MOLT_E_UNCONFIRMED);
    molt_nor_free(&b->nor);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_every_cut),
        cmocka_unit_test(each_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
