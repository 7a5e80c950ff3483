#include "molt/ops/layout.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_OFFSET 0x9000u
#define FIRST_APP    0x10000u
#define SECTOR       0x1000u
#define APP_UNIT     0x10000u
#define OTADATA_SIZE 0x2000u
#define PHY_SIZE     0x1000u
#define LARGEST      (128u << 20)
#define LEAST_FILES  (2 * SECTOR) /* littlefs has two superblocks */

enum app_rows { APPS_ONE, APPS_SLOTS, APPS_FACTORY_AND_SLOTS };

/* Slot size by flash size: the first row whose flash_size is at least the real one. */
struct slot_row {
    uint32_t flash_size, slot_size;
    uint32_t fs_size; /* 0 = the rest */
};

struct layout {
    const char *name, *summary;
    enum app_rows apps;
    uint32_t app_count, most_apps;
    bool phy;
    const struct slot_row *slot;
    bool slot_grows; /* in steps of 64 KB, with the firmware */
    const char *factory_label, *slot_label;
    uint32_t first_number; /* of slot_label */
    const char *fs_label;
    uint8_t fs_subtype;
    bool fs_row_optional;
    bool fs_for_people;        /* the least file systems are LoBo's, 256 KB and 512 KB */
    uint32_t least_flash_size; /* 0 = any that it fits in */
};

static const struct slot_row ota_slots[] = {
    {4u << 20, 0x180000, 0}, {8u << 20, 0x200000, 0}, {UINT32_MAX, 0x270000, 0}};
static const struct slot_row one_app[] = {{UINT32_MAX, 0x1F0000, 0}};
/* ports/esp32/partitions-*.csv; the table for 2 MB leaves 256 KB at the end unused. */
static const struct slot_row stock_app[] = {{2u << 20, 0x160000, 0x50000},
                                            {UINT32_MAX, 0x1F0000, 0}};
static const struct slot_row stock_slots[] = {{4u << 20, 0x180000, 0}, {UINT32_MAX, 0x270000, 0}};
static const struct slot_row lobo_slots[] = {{UINT32_MAX, 1u << 20, 0}};

#define MICROPYTHON .factory_label = "factory", .slot_label = "ota_%u"
#define VFS         .fs_label = "vfs", .fs_subtype = MOLT_DATA_FAT
#define LOBO                                                                                       \
    .phy = true, .slot = lobo_slots, .slot_grows = true, .factory_label = "MicroPython",           \
    .slot_label = "MicroPython_%u", .first_number = 1, .fs_label = "internalfs",                   \
    .fs_subtype = MOLT_DATA_SPIFFS, .fs_for_people = true

static const struct layout layouts[] = {
    {.name = "ota",
     .summary = "two slots of 1.5 MB (4 MB of flash), 2 MB (8 MB) or 2.44 MB (more), vfs",
     .apps = APPS_SLOTS,
     .app_count = 2,
     .most_apps = 16,
     .slot = ota_slots,
     MICROPYTHON,
     VFS},
    {.name = "default",
     .summary = "one app of 1.94 MB, vfs",
     .app_count = 1,
     .most_apps = 1,
     .slot = one_app,
     MICROPYTHON,
     VFS},
    {.name = "original",
     .summary = "one app of 1.94 MB, phy_init, vfs",
     .app_count = 1,
     .most_apps = 1,
     .phy = true,
     .slot = one_app,
     MICROPYTHON,
     VFS},
    {.name = "micropython",
     .summary = "as MicroPython ships it: one app; vfs up to 1.25",
     .app_count = 1,
     .most_apps = 1,
     .phy = true,
     .slot = stock_app,
     MICROPYTHON,
     VFS,
     .fs_row_optional = true},
    {.name = "micropython-ota",
     .summary = "as MicroPython ships it: two slots of 1.5 MB (4 MB of flash) or 2.44 MB",
     .apps = APPS_SLOTS,
     .app_count = 2,
     .most_apps = 16,
     .phy = true,
     .slot = stock_slots,
     MICROPYTHON,
     VFS,
     .fs_row_optional = true},
    {.name = "single",
     .summary = "LoBo's: one app of the firmware's size, internalfs",
     .app_count = 1,
     .most_apps = 1,
     LOBO},
    {.name = "two-slots",
     .summary = "LoBo's: two slots of the firmware's size, internalfs",
     .apps = APPS_SLOTS,
     .app_count = 2,
     .most_apps = 2,
     LOBO},
    {.name = "three-slots",
     .summary = "LoBo's: factory and two slots of the firmware's size, internalfs; from 8 MB on",
     .apps = APPS_FACTORY_AND_SLOTS,
     .app_count = 3,
     .most_apps = 3,
     .least_flash_size = 8u << 20,
     LOBO},
    /* Stands for one of the three. */
    {.name = "lobo",
     .summary = "two-slots, from 16 MB on three-slots",
     .apps = APPS_SLOTS,
     .app_count = 2,
     .most_apps = 2,
     LOBO},
};

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof(a)[0]))

/* What one table needs to know while it is made. */
struct work {
    const struct layout *layout;
    const struct molt_layout_request *request;
    struct molt_message *message;
    struct molt_ptable *table;
    uint32_t flash_size, app_offset, app_count;
    uint32_t slot_size, fs_size; /* fs_size 0 = the rest */
    bool fs_row;
    uint32_t least_files; /* bytes; 0 without such a row */
    uint32_t behind;      /* bytes of fixed rows that have no room before the apps */
};

const char *molt_layout_name(uint32_t index)
{
    return index < COUNT(layouts) ? layouts[index].name : NULL;
}

const char *molt_layout_summary(uint32_t index)
{
    return index < COUNT(layouts) ? layouts[index].summary : NULL;
}

static const struct layout *find(const char *name)
{
    for (uint32_t i = 0; i < COUNT(layouts); i++) {
        if (strcmp(layouts[i].name, name) == 0) {
            return &layouts[i];
        }
    }
    return NULL;
}

static const struct slot_row *slot_row(const struct layout *layout, uint32_t flash_size)
{
    uint32_t i = 0;
    while (layout->slot[i].flash_size < flash_size) {
        i++;
    }
    return &layout->slot[i];
}

uint32_t molt_layout_slot_size(const char *name, uint32_t flash_size)
{
    const struct layout *layout = find(name);
    return layout ? slot_row(layout, flash_size)->slot_size : 0;
}

static uint32_t round_up(uint32_t length)
{
    return length > UINT32_MAX - APP_UNIT ? UINT32_MAX / APP_UNIT * APP_UNIT
                                          : (length + APP_UNIT - 1) / APP_UNIT * APP_UNIT;
}

/* Of this request in a flash of that size. */
static uint32_t slot_size_for(const struct work *work, uint32_t flash_size)
{
    uint32_t size = slot_row(work->layout, flash_size)->slot_size;
    if (work->request->slot_size) {
        return work->request->slot_size;
    }
    if (work->layout->slot_grows && work->request->app_length > size) {
        return round_up(work->request->app_length);
    }
    return size;
}

/* ---- What was asked for ---- */

static int unknown(const char *name, struct molt_message *message)
{
    char names[256] = "";
    for (uint32_t i = 0; i < COUNT(layouts); i++) {
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", layouts[i].name);
    }
    return molt_fail(message, MOLT_E_ARGUMENT, "unknown layout '%s', expected one of: %s", name,
                     names);
}

/* "lobo" and its slots, or the flash size, say which of the three it is. */
static int choose(struct work *work)
{
    const struct molt_layout_request *request = work->request;
    static const char *const lobo[] = {"single", "two-slots", "three-slots"};
    work->layout = find(request->name);
    if (!work->layout) {
        return unknown(request->name, work->message);
    }
    if (strcmp(request->name, "lobo") != 0) {
        return MOLT_OK;
    }
    uint32_t slots = request->slots ? request->slots : request->flash_size >= 16u << 20 ? 3 : 2;
    if (slots > COUNT(lobo)) {
        return molt_fail(work->message, MOLT_E_ARGUMENT,
                         "layout lobo: %u slots, expected 1, 2 or 3; layout ota has up to 16",
                         slots);
    }
    work->layout = find(lobo[slots - 1]);
    return MOLT_OK;
}

static int check_slots(struct work *work)
{
    const struct layout *layout = work->layout;
    uint32_t slots = work->request->slots;
    work->app_count = slots ? slots : layout->app_count;
    if (work->app_count >= layout->app_count && work->app_count <= layout->most_apps) {
        return MOLT_OK;
    }
    if (layout->app_count == layout->most_apps) {
        return molt_fail(work->message, MOLT_E_ARGUMENT,
                         "layout %s has %u app partition%s, %u %s asked for; layouts ota and "
                         "micropython-ota take 2 to 16 slots",
                         layout->name, layout->app_count, layout->app_count == 1 ? "" : "s", slots,
                         slots == 1 ? "is" : "are");
    }
    return molt_fail(work->message, MOLT_E_ARGUMENT, "layout %s: %u slot%s, expected %u to %u",
                     layout->name, slots, slots == 1 ? "" : "s", layout->app_count,
                     layout->most_apps);
}

/* MicroPython makes its own file system behind the last partition from 1.26 on. A preview of 1.26
 * may be older than that change, and counts as older: a row works everywhere. */
static bool needs_no_row(const char *version)
{
    char *end;
    if (!version || version[0] != 'v') {
        return false;
    }
    unsigned long major = strtoul(version + 1, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, &end, 10) : 0;
    if (major == 1 && minor == 26 && strstr(end, "preview")) {
        return false;
    }
    return major > 1 || (major == 1 && minor >= 26);
}

static int check_files(struct work *work)
{
    const struct molt_layout_request *request = work->request;
    const struct layout *layout = work->layout;
    bool asked = request->fs_size || request->fs_label || request->fs_subtype;
    uint8_t subtype = request->fs_subtype ? request->fs_subtype : layout->fs_subtype;
    work->fs_row = true;
    if (request->files == MOLT_LAYOUT_FILES_NO_ROW) {
        if (!layout->fs_row_optional || asked) {
            return molt_fail(work->message, MOLT_E_ARGUMENT,
                             layout->fs_row_optional
                                 ? "layout %s: a partition for files and none are asked for"
                                 : "layout %s always has a partition for files; layouts "
                                   "micropython and micropython-ota can do without",
                             layout->name);
        }
        work->fs_row = false;
    } else if (request->files == MOLT_LAYOUT_FILES_AUTO && layout->fs_row_optional && !asked) {
        work->fs_row = !needs_no_row(request->micropython);
    }
    if (work->fs_row) {
        work->least_files = !layout->fs_for_people        ? LEAST_FILES
                            : subtype == MOLT_DATA_SPIFFS ? 256u << 10
                                                          : 512u << 10;
    }
    if (request->fs_size && request->fs_size < work->least_files) {
        return molt_fail(work->message, MOLT_E_ARGUMENT,
                         "layout %s: %u bytes for files, expected %u KB or more", layout->name,
                         request->fs_size, work->least_files >> 10);
    }
    work->fs_size = request->fs_size ? request->fs_size / SECTOR * SECTOR
                                     : slot_row(layout, work->flash_size)->fs_size;
    return MOLT_OK;
}

static int check_places(struct work *work)
{
    const struct molt_layout_request *request = work->request;
    const char *name = work->layout->name;
    uint32_t slot = request->slot_size, down = slot / APP_UNIT * APP_UNIT;
    if (work->flash_size > LARGEST) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "layout %s: %u MB of flash, expected up to "
                         "128 MB",
                         name, work->flash_size >> 20);
    }
    work->app_offset = request->app_offset ? request->app_offset : FIRST_APP;
    if (work->app_offset < FIRST_APP || work->app_offset % APP_UNIT ||
        work->app_offset >= work->flash_size) {
        return molt_fail(work->message, MOLT_E_ALIGNMENT,
                         "layout %s: the app lies at 0x%x, expected a multiple of 64 KB from "
                         "0x10000 on",
                         name, work->app_offset);
    }
    if (slot != down) {
        return molt_fail(work->message, MOLT_E_ALIGNMENT,
                         "layout %s: slots of 0x%x, expected a multiple of 64 KB: 0x%x or 0x%x",
                         name, slot, down ? down : APP_UNIT, round_up(slot));
    }
    if (work->flash_size < work->layout->least_flash_size) {
        return molt_fail(work->message, MOLT_E_NO_SPACE,
                         "layout %s: %u MB of flash, expected %u MB or more; layouts two-slots and "
                         "single are for less",
                         name, work->flash_size >> 20, work->layout->least_flash_size >> 20);
    }
    return MOLT_OK;
}

/* ---- What would fit ---- */

static bool fits(const struct work *work, uint32_t flash_size, uint32_t slot_size)
{
    uint64_t end = work->app_offset + (uint64_t)work->app_count * slot_size + work->behind;
    return end + work->least_files <= flash_size && slot_size >= work->request->app_length;
}

/* Slots of the layout's size, or the asked for, in a larger flash; 0 = in none. */
static uint32_t larger_flash(const struct work *work)
{
    for (uint32_t size = work->flash_size * 2; size && size <= LARGEST; size *= 2) {
        if (fits(work, size, slot_size_for(work, size))) {
            return size;
        }
    }
    return 0;
}

/* The largest slots that do in this flash; 0 = none that hold the firmware. */
static uint32_t largest_slot(const struct work *work)
{
    uint64_t fixed = (uint64_t)work->app_offset + work->behind + work->least_files;
    if (fixed >= work->flash_size) {
        return 0;
    }
    uint32_t size = (uint32_t)(work->flash_size - fixed) / work->app_count / APP_UNIT * APP_UNIT;
    return size && size >= work->request->app_length ? size : 0;
}

/* "; slots of ... would fit", "; ... 8 MB of flash": what a person can do. */
static void advise(const struct work *work, char *text, size_t size, bool slots)
{
    uint32_t slot = slots ? largest_slot(work) : 0, larger = larger_flash(work);
    size_t at = 0;
    text[0] = 0;
    if (slot && slot != work->slot_size) {
        at = (size_t)snprintf(text, size, "; slots of 0x%x would fit", slot);
    }
    if (larger && at < size) {
        snprintf(text + at, size - at,
                 "; if the chip has %u MB of flash, --flash-size %uM makes slots of 0x%x",
                 larger >> 20, larger >> 20, slot_size_for(work, larger));
    } else if (!slot && at < size) {
        snprintf(text + at, size - at, "; expected a smaller firmware");
    }
}

static int no_room(const struct work *work, const char *label, uint64_t offset)
{
    char advice[200];
    advise(work, advice, sizeof advice, true);
    return molt_fail(work->message, MOLT_E_NO_SPACE,
                     "layout %s: partition '%s' at 0x%llx has no room in %u MB of flash%s",
                     work->layout->name, label, (unsigned long long)offset, work->flash_size >> 20,
                     advice);
}

static int check_app_fits(struct work *work, const char *label)
{
    uint32_t length = work->request->app_length, wanted = round_up(length);
    uint32_t flash = work->flash_size;
    char advice[200] = "", here[80] = "";
    if (length <= work->slot_size) {
        return MOLT_OK;
    }
    while (flash && flash < LARGEST && !fits(work, flash, wanted)) {
        flash *= 2;
    }
    if (fits(work, flash, wanted)) {
        snprintf(here, sizeof here, " (%u such need %u MB of flash)", work->app_count, flash >> 20);
    }
    if (!here[0] || larger_flash(work)) {
        advise(work, advice, sizeof advice, false);
    }
    return molt_fail(work->message, MOLT_E_IMAGE_TOO_LARGE,
                     "the app (%u bytes, 0x%x) is larger than partition '%s' of layout %s for %u "
                     "MB (0x%x): a slot of 0x%x would fit%s%s",
                     length, length, label, work->layout->name, work->flash_size >> 20,
                     work->slot_size, wanted, here, advice);
}

/* So that no sum below passes 32 bits. */
static int check_slot_size(struct work *work)
{
    work->slot_size = slot_size_for(work, work->flash_size);
    if (work->slot_size > work->flash_size - work->app_offset) {
        return no_room(work, "app", work->app_offset);
    }
    return MOLT_OK;
}

/* ---- Rows ---- */

static int add(struct work *work, const char *label, uint8_t type, uint8_t subtype, uint32_t offset,
               uint32_t size)
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

static bool is_free(const struct work *work, uint32_t offset, uint32_t size)
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
static uint32_t gap(const struct work *work, uint32_t size)
{
    for (uint32_t at = FIRST_OFFSET; at + size <= work->app_offset; at += SECTOR) {
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
static int add_fixed(struct work *work)
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

static void app_row(const struct work *work, uint32_t i, char *label, size_t size, uint8_t *subtype)
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

static int add_apps(struct work *work)
{
    for (uint32_t i = 0; i < work->app_count; i++) {
        uint64_t offset = work->app_offset + (uint64_t)i * work->slot_size;
        char label[80];
        uint8_t subtype;
        app_row(work, i, label, sizeof label, &subtype);
        int error = i == 0 ? check_app_fits(work, label) : MOLT_OK;
        if (!error && offset + work->slot_size > work->flash_size) {
            error = no_room(work, label, offset);
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

static int too_few(const struct work *work, const char *label, uint32_t offset, uint32_t room)
{
    char advice[200];
    advise(work, advice, sizeof advice, true);
    return molt_fail(work->message, MOLT_E_NO_SPACE,
                     "layout %s for %u MB of flash: %u app partition%s of 0x%x leave%s 0x%x bytes "
                     "for '%s' at 0x%x, expected 0x%x or more%s",
                     work->layout->name, work->flash_size >> 20, work->app_count,
                     work->app_count == 1 ? "" : "s", work->slot_size,
                     work->app_count == 1 ? "s" : "", room, label, offset, work->least_files,
                     advice);
}

/* From the end of the apps to the end of the flash, or to an nvs that is kept there. */
static int add_files(struct work *work)
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
    uint32_t room = start < end ? (end - start) / SECTOR * SECTOR : 0;
    if (room == 0) {
        return no_room(work, label, start);
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

static int check(struct work *work)
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

int molt_layout_make(struct molt_ptable *table, const struct molt_layout_request *request,
                     struct molt_message *message)
{
    struct work work = {
        .request = request, .message = message, .table = table, .flash_size = request->flash_size};
    int (*const steps[])(struct work *) = {choose,       check_slots,     check_files,
                                           check_places, check_slot_size, add_fixed,
                                           add_apps,     add_files,       check};
    int error = MOLT_OK;
    memset(table, 0, sizeof *table);
    table->has_md5 = true;
    for (size_t i = 0; !error && i < sizeof steps / sizeof steps[0]; i++) {
        error = steps[i](&work);
    }
    return error;
}
