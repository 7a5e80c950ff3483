/*
 * `ota status` predicts what boots next: over the recorded boots, with small images in place of the
 * genuine ones, the prediction is what the genuine bootloader started, and what the boot model
 * starts from the same flash.
 */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make_image.h"
#include "molt/crypto.h"
#include "molt/host/board.h"
#include "molt/ops/bootchoice.h"
#include "molt/sim/bootmodel.h"
#include "vectors.h"

#define FLASH (8u << 20)

struct bench {
    uint8_t *bytes;
    struct molt_board board;
    struct molt_target target;
    struct molt_boot_state state;
    uint8_t image[4096];
    uint32_t image_length;
    int compared, other_images, tables, half_otadata;
};

static int bench_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    memcpy(buffer, ((struct bench *)context)->bytes + offset, n);
    return MOLT_OK;
}

static int bench_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    const uint8_t *from = data;
    uint8_t *to = ((struct bench *)context)->bytes + offset;
    for (uint32_t i = 0; i < n; i++) {
        to[i] &= from[i];
    }
    return MOLT_OK;
}

static int bench_erase(void *context, uint32_t offset, uint32_t n)
{
    memset(((struct bench *)context)->bytes + offset, 0xFF, n);
    return MOLT_OK;
}

static int empty_store(void *context, int record, void *buffer, uint32_t capacity)
{
    (void)context, (void)record, (void)buffer, (void)capacity;
    return MOLT_E_NOT_FOUND;
}

static const struct molt_flash_ops ops = {bench_read, bench_program, bench_erase, NULL};
static const struct molt_store_ops store_ops = {empty_store, NULL};

/* false: a word whose meaning these small images cannot have. */
static bool fill_slot(struct bench *b, const struct vector_row *row)
{
    uint8_t *at = b->bytes + row->offset;
    const char *word = row->content;
    memcpy(at, b->image, b->image_length);
    if (strcmp(word, "good") == 0 || strcmp(word, "tail-garbage") == 0) {
        memset(at + b->image_length, strcmp(word, "good") == 0 ? 0xFF : 0xA5, 64);
    } else if (strcmp(word, "blank") == 0) {
        memset(at, 0xFF, b->image_length);
    } else if (strcmp(word, "badhash") == 0) {
        at[b->image_length - 1] ^= 1;
    } else if (strcmp(word, "truncated") == 0) {
        memset(at + b->image_length / 2, 0xFF, b->image_length / 2);
    } else if (strcmp(word, "badmagic") == 0) {
        at[0] = 0xE8;
    } else if (strcmp(word, "wrongchip") == 0 || strcmp(word, "chip-ffff") == 0) {
        memset(at + 12, strcmp(word, "wrongchip") == 0 ? 5 : 0xFF, 1);
        at[13] = strcmp(word, "wrongchip") == 0 ? 0 : 0xFF;
        make_image_seal(at, b->image_length);
    } else if (strcmp(word, "minrev-legacy-high") == 0) {
        at[14] = 9;
        make_image_seal(at, b->image_length);
    } else if (strcmp(word, "segs17") == 0) {
        at[1] = 17;
    } else {
        return false;
    }
    return true;
}

/* Flash and target as the case says; false when it cannot be made here. */
static bool prepare(struct bench *b, const struct vector *v)
{
    struct molt_ptable *table = &b->target.table;
    memset(b->bytes, 0xFF, FLASH);
    static const uint8_t header[4] = {0xE9, 1, 2, 0};
    memcpy(b->bytes + 0x1000, header, sizeof header);
    b->bytes[0x1003] = v->flash_mb == 8 ? 0x30 : 0x20;
    memset(table, 0, sizeof *table);
    table->has_md5 = true;
    for (uint32_t i = 0; i < v->row_count; i++) {
        const struct vector_row *from = &v->row[i];
        struct molt_partition *row = &table->row[table->count++];
        row->type = from->type;
        row->subtype = from->subtype;
        row->offset = from->offset;
        row->size = from->size;
        snprintf(row->label, sizeof row->label, "%s", from->label);
        if (row->type == MOLT_PARTITION_APP && !fill_slot(b, from)) {
            return false;
        }
        if (row->type == MOLT_PARTITION_DATA && row->subtype == MOLT_DATA_OTADATA) {
            memcpy(b->bytes + row->offset, v->before[0], 32);
            memcpy(b->bytes + row->offset + 0x1000, v->before[1], 32);
        }
    }
    assert_int_equal(molt_ptable_write(table, b->bytes + MOLT_PTABLE_OFFSET), MOLT_OK);
    b->board.facts.boot.rollback = v->world.rollback;
    b->board.facts.boot.legacy_revision = !v->world.rollback; /* the one of ESP-IDF 4.4 */
    return true;
}

static void compare(const struct vector *v, void *context)
{
    struct bench *b = context;
    struct molt_message message = {0};
    struct molt_boot_outcome outcome;
    if (strcmp(v->kind, "table") == 0) {
        b->tables++; /* other tables than the layout's */
        return;
    }
    if (!prepare(b, v)) {
        b->other_images++;
        return;
    }
    int error = molt_boot_read(&b->state, &b->target, &message);
    if (v->has_otadata && !v->whole_otadata) {
        assert_int_equal(error, MOLT_E_TABLE_SLOTS);
        b->half_otadata++;
        return;
    }
    assert_int_equal(error, v->has_otadata ? MOLT_OK : MOLT_E_OTADATA_NONE);
    assert_int_equal(b->state.has_otadata, v->has_otadata);
    int next = b->state.next == MOLT_OTADATA_NO_SLOT ? VECTORS_NO_SLOT : b->state.next;
    if (next != v->running) {
        fail_msg("%s: %s: predicted %d, genuine %d", v->file, v->id, next, v->running);
    }
    assert_int_equal(
        molt_bootmodel_boot(&b->target.flash, &b->board.facts.boot, &molt_sha256, &outcome),
        MOLT_OK);
    const char *label = molt_boot_label(&b->state, b->state.next);
    if (outcome.result == MOLT_BOOT_RUNS ? strcmp(outcome.label, label) != 0
                                         : b->state.next != MOLT_OTADATA_NO_SLOT) {
        fail_msg("%s: %s: predicted %s, the boot model runs %s (%s)", v->file, v->id, label,
                 outcome.label, outcome.why);
    }
    b->compared++;
}

static void prediction_is_what_boots(void **state)
{
    (void)state;
    static const struct molt_region region = {0, 0x1000, FLASH / 0x1000};
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->bytes = malloc(FLASH);
    assert_non_null(b->bytes);
    b->image_length = make_image(b->image, sizeof b->image, &make_image_esp32);
    assert_true(b->image_length > 0);
    b->board.store = (struct molt_store){&store_ops, NULL};
    b->board.facts.boot.chip_flash_size = FLASH;
    b->target.board = &b->board;
    b->target.chip = molt_chip_by_name("esp32");
    b->target.flash = (struct molt_flash){&ops, b, &region, 1, FLASH, 1};
    snprintf(b->target.name, sizeof b->target.name, "bench");
    assert_int_equal(vectors_cases(TEST_DATA, compare, b), 765);
    printf("%d predictions are what booted; %d tables of their own, %d images that cannot be made "
           "small, %d with half an otadata\n",
           b->compared, b->tables, b->other_images, b->half_otadata);
    assert_int_equal(b->compared + b->tables + b->other_images + b->half_otadata, 765);
    assert_int_equal(b->tables, 3 * 17);
    assert_int_equal(b->half_otadata, 3);
    assert_true(b->other_images <= 3 * 8);
    free(b->bytes);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prediction_is_what_boots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
