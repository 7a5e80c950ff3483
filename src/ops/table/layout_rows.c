/* The rows of a layout: fixed ones, apps, files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/table/layout_internal.h"

#define FIRST_OFFSET 0x9000u
#define OTADATA_SIZE 0x2000u
#define PHY_SIZE     0x1000u

static int add(struct layout_work *work, const char *label, uint8_t type, uint8_t subtype,
               uint32_t offset, uint32_t size)
{
    struct molt_partition *row = &work->table->row[work->table->count++];
    row->type = type;
    row->subtype = subtype;
    row->offset = offset;
    row->size = size;
    if (strlen(label) > MOLT_PARTITION_LABEL) {
        return molt_fail(work->message, MOLT_E_TABLE_NAME,
                         "partition name '%.64s': %zu characters, expected 16 at most", label,
                         strlen(label));
    }
    snprintf(row->label, sizeof row->label, "%s", label);
    return MOLT_OK;
}

static bool is_free(const struct layout_work *work, uint32_t offset, uint32_t size)
{
    for (uint32_t i = 0; i < work->table->count; i++) {
        const struct molt_partition *row = &work->table->row[i];
        if (offset < (uint64_t)row->offset + row->size && row->offset < (uint64_t)offset + size) {
            return false;
        }
    }
    return true;
}

/* A place for a fixed row between table and apps; 0 = none. */
static uint32_t gap(const struct layout_work *work, uint32_t size)
{
    for (uint32_t at = FIRST_OFFSET; at + size <= work->app_offset; at += LAYOUT_SECTOR) {
        if (is_free(work, at, size)) {
            return at;
        }
    }
    return 0;
}

struct fixed_row {
    const char *label;
    uint8_t subtype;
    uint32_t size;
};

/* nvs gets what the others leave up to the first app; around an nvs that is kept they lie where
 * there is room, else behind the apps. */
int layout_add_fixed(struct layout_work *work)
{
    const struct molt_partition *nvs = work->request->nvs;
    struct fixed_row fixed[2];
    uint32_t count = 0, total = 0;
    if (work->layout->apps != APPS_ONE) {
        fixed[count++] = (struct fixed_row){"otadata", MOLT_DATA_OTADATA, OTADATA_SIZE};
    }
    if (work->layout->phy) {
        fixed[count++] = (struct fixed_row){"phy_init", MOLT_DATA_PHY, PHY_SIZE};
    }
    for (uint32_t i = 0; i < count; i++) {
        total += fixed[i].size;
    }
    if (nvs) {
        work->table->row[work->table->count++] = *nvs;
    } else {
        add(work, "nvs", MOLT_PARTITION_DATA, MOLT_DATA_NVS, FIRST_OFFSET,
            work->app_offset - FIRST_OFFSET - total);
    }
    uint32_t apps_end = work->app_offset + work->app_count * work->slot_size;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = gap(work, fixed[i].size);
        if (!at) {
            at = apps_end + work->behind;
            work->behind += fixed[i].size;
        }
        add(work, fixed[i].label, MOLT_PARTITION_DATA, fixed[i].subtype, at, fixed[i].size);
    }
    return MOLT_OK;
}

static int check_app_fits(struct layout_work *work, const char *label)
{
    uint32_t length = work->request->app_length, wanted = layout_round_up(length);
    uint32_t flash = work->flash_size;
    char advice[200] = "", here[80] = "";
    if (length <= work->slot_size) {
        return MOLT_OK;
    }
    while (flash && flash < LAYOUT_LARGEST && !layout_fits(work, flash, wanted)) {
        flash *= 2;
    }
    if (layout_fits(work, flash, wanted)) {
        snprintf(here, sizeof here, " (%u such need %u MB of flash)", work->app_count, flash >> 20);
    }
    if (!here[0] || layout_needs_flash(work)) {
        layout_advise(work, advice, sizeof advice, false);
    }
    return molt_fail(work->message, MOLT_E_IMAGE_TOO_LARGE,
                     "the app (%u bytes, 0x%x) is larger than partition '%s' of layout %s for %u "
                     "MB (0x%x): a slot of 0x%x would fit%s%s",
                     length, length, label, work->layout->name, work->flash_size >> 20,
                     work->slot_size, wanted, here, advice);
}

static void app_row(const struct layout_work *work, uint32_t i, char *label, size_t size,
                    uint8_t *subtype)
{
    const struct layout *layout = work->layout;
    bool factory = layout->apps == APPS_ONE || (layout->apps == APPS_FACTORY_AND_SLOTS && i == 0);
    uint32_t slot = layout->apps == APPS_FACTORY_AND_SLOTS ? i - 1 : i;
    char number[8] = "";
    *subtype = MOLT_APP_FACTORY;
    if (factory) {
        snprintf(label, size, "%s", layout->factory_label);
    } else {
        const char *mark = strchr(layout->slot_label, '%');
        snprintf(number, sizeof number, "%u", (slot + layout->first_number) & 0xFF);
        snprintf(label, size, "%.*s%s", (int)(mark - layout->slot_label), layout->slot_label,
                 number);
        *subtype = (uint8_t)(MOLT_APP_OTA_0 + slot);
    }
    if (i == 0 && work->request->app_label) {
        snprintf(label, size, "%s", work->request->app_label);
    }
}

int layout_add_apps(struct layout_work *work)
{
    for (uint32_t i = 0; i < work->app_count; i++) {
        uint64_t offset = work->app_offset + (uint64_t)i * work->slot_size;
        char label[80];
        uint8_t subtype;
        app_row(work, i, label, sizeof label, &subtype);
        int error = i == 0 ? check_app_fits(work, label) : MOLT_OK;
        if (!error && offset + work->slot_size > work->flash_size) {
            error = layout_no_room(work, label, offset);
        }
        if (!error) {
            error =
                add(work, label, MOLT_PARTITION_APP, subtype, (uint32_t)offset, work->slot_size);
        }
        if (error) {
            return error;
        }
    }
    return MOLT_OK;
}

static int too_few(const struct layout_work *work, const char *label, uint32_t offset,
                   uint32_t room)
{
    char advice[200];
    layout_advise(work, advice, sizeof advice, true);
    return molt_fail(work->message, MOLT_E_NO_SPACE,
                     "layout %s for %u MB of flash: %u app partition%s of 0x%x leave%s 0x%x bytes "
                     "for '%s' at 0x%x, expected 0x%x or more%s",
                     work->layout->name, work->flash_size >> 20, work->app_count,
                     work->app_count == 1 ? "" : "s", work->slot_size,
                     work->app_count == 1 ? "s" : "", room, label, offset, work->least_files,
                     advice);
}

/* From the end of the apps to the end of the flash, or to an nvs that is kept there. */
int layout_add_files(struct layout_work *work)
{
    const struct molt_partition *nvs = work->request->nvs;
    const char *label = work->request->fs_label ? work->request->fs_label : work->layout->fs_label;
    uint8_t subtype =
        work->request->fs_subtype ? work->request->fs_subtype : work->layout->fs_subtype;
    uint32_t start = work->app_offset + work->app_count * work->slot_size + work->behind;
    uint32_t end = work->flash_size;
    if (!work->fs_row) {
        return MOLT_OK;
    }
    if (nvs && nvs->offset >= start && nvs->offset < end) {
        uint32_t behind = nvs->size < end - nvs->offset ? nvs->offset + nvs->size : end;
        if (nvs->offset - start >= end - behind) {
            end = nvs->offset;
        } else {
            start = behind;
        }
    }
    uint32_t room = start < end ? (end - start) / LAYOUT_SECTOR * LAYOUT_SECTOR : 0;
    if (room == 0) {
        return layout_no_room(work, label, start);
    }
    if (room < work->least_files) {
        return too_few(work, label, start, room);
    }
    return add(work, label, MOLT_PARTITION_DATA, subtype, start,
               work->fs_size && work->fs_size < room ? work->fs_size : room);
}

static int by_offset(const void *a, const void *b)
{
    uint32_t left = ((const struct molt_partition *)a)->offset;
    uint32_t right = ((const struct molt_partition *)b)->offset;
    return (left > right) - (left < right);
}

int layout_check(struct layout_work *work)
{
    struct molt_ptable *table = work->table;
    struct molt_diag diag = {0};
    char thing[64];
    qsort(table->row, table->count, sizeof table->row[0], by_offset);
    int error = molt_ptable_check(table, work->flash_size, &diag);
    if (!error) {
        return MOLT_OK;
    }
    const struct molt_partition *row = &table->row[diag.offset < table->count ? diag.offset : 0];
    snprintf(thing, sizeof thing, "layout %s: partition '%.16s'", work->layout->name, row->label);
    if (error == MOLT_E_TABLE_OVERLAP) {
        const struct molt_partition *nvs = work->request->nvs;
        const struct molt_partition *other = &table->row[diag.expected];
        row = nvs && row->offset == nvs->offset ? other : row;
        return molt_fail(work->message, error,
                         "layout %s: partition '%s' (0x%x to 0x%x) would lie over '%s' (0x%x to "
                         "0x%x), which is to be kept: expected a new nvs, or other slots",
                         work->layout->name, row->label, row->offset, row->offset + row->size,
                         nvs ? nvs->label : "", nvs ? nvs->offset : 0,
                         nvs ? nvs->offset + nvs->size : 0);
    }
    diag.offset = MOLT_DIAG_NONE;
    return molt_fail_diag(work->message, thing, &diag);
}
