#include "ops/table/layout_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_APP   0x10000u
#define LEAST_FILES (2 * LAYOUT_SECTOR) /* littlefs has two superblocks */

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
    .fs_subtype = MOLT_DATA_SPIFFS, .lobo_least = true

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

uint32_t layout_round_up(uint32_t length)
{
    return length > UINT32_MAX - LAYOUT_APP_UNIT
               ? UINT32_MAX / LAYOUT_APP_UNIT * LAYOUT_APP_UNIT
               : (length + LAYOUT_APP_UNIT - 1) / LAYOUT_APP_UNIT * LAYOUT_APP_UNIT;
}

/* Of this request in a flash of that size. */
static uint32_t slot_size_for(const struct layout_work *work, uint32_t flash_size)
{
    uint32_t size = slot_row(work->layout, flash_size)->slot_size;
    if (work->request->slot_size) {
        return work->request->slot_size;
    }
    if (work->layout->slot_grows && work->request->app_length > size) {
        return layout_round_up(work->request->app_length);
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
static int choose(struct layout_work *work)
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

static int check_slots(struct layout_work *work)
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

static int check_files(struct layout_work *work)
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
        work->least_files = !layout->lobo_least           ? LEAST_FILES
                            : subtype == MOLT_DATA_SPIFFS ? 256u << 10
                                                          : 512u << 10;
    }
    if (request->fs_size && request->fs_size < work->least_files) {
        return molt_fail(work->message, MOLT_E_ARGUMENT,
                         "layout %s: %u bytes for files, expected %u KB or more", layout->name,
                         request->fs_size, work->least_files >> 10);
    }
    work->fs_size = request->fs_size ? request->fs_size / LAYOUT_SECTOR * LAYOUT_SECTOR
                                     : slot_row(layout, work->flash_size)->fs_size;
    return MOLT_OK;
}

static int check_places(struct layout_work *work)
{
    const struct molt_layout_request *request = work->request;
    const char *name = work->layout->name;
    uint32_t slot = request->slot_size, down = slot / LAYOUT_APP_UNIT * LAYOUT_APP_UNIT;
    if (work->flash_size > LAYOUT_LARGEST) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "layout %s: %u MB of flash, expected up to "
                         "128 MB",
                         name, work->flash_size >> 20);
    }
    work->app_offset = request->app_offset ? request->app_offset : FIRST_APP;
    if (work->app_offset < FIRST_APP || work->app_offset % LAYOUT_APP_UNIT ||
        work->app_offset >= work->flash_size) {
        return molt_fail(work->message, MOLT_E_ALIGNMENT,
                         "layout %s: the app lies at 0x%x, expected a multiple of 64 KB from "
                         "0x10000 on",
                         name, work->app_offset);
    }
    if (slot != down) {
        return molt_fail(work->message, MOLT_E_ALIGNMENT,
                         "layout %s: slots of 0x%x, expected a multiple of 64 KB: 0x%x or 0x%x",
                         name, slot, down ? down : LAYOUT_APP_UNIT, layout_round_up(slot));
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

bool layout_fits(const struct layout_work *work, uint32_t flash_size, uint32_t slot_size)
{
    uint64_t end = work->app_offset + (uint64_t)work->app_count * slot_size + work->behind;
    return end + work->least_files <= flash_size && slot_size >= work->request->app_length;
}

/* Slots of the layout's size, or the asked for, in a larger flash; 0 = in none. */
static uint32_t larger_flash(const struct layout_work *work)
{
    for (uint32_t size = work->flash_size * 2; size && size <= LAYOUT_LARGEST; size *= 2) {
        if (layout_fits(work, size, slot_size_for(work, size))) {
            return size;
        }
    }
    return 0;
}

bool layout_needs_flash(const struct layout_work *work)
{
    return larger_flash(work) != 0;
}

/* The largest slots that do in this flash; 0 = none that hold the firmware. */
static uint32_t largest_slot(const struct layout_work *work)
{
    uint64_t fixed = (uint64_t)work->app_offset + work->behind + work->least_files;
    if (fixed >= work->flash_size) {
        return 0;
    }
    uint32_t size =
        (uint32_t)(work->flash_size - fixed) / work->app_count / LAYOUT_APP_UNIT * LAYOUT_APP_UNIT;
    return size && size >= work->request->app_length ? size : 0;
}

/* "; slots of ... would fit", "; ... 8 MB of flash": what a person can do. */
void layout_advise(const struct layout_work *work, char *text, size_t size, bool slots)
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

int layout_no_room(const struct layout_work *work, const char *label, uint64_t offset)
{
    char advice[200];
    layout_advise(work, advice, sizeof advice, true);
    return molt_fail(work->message, MOLT_E_NO_SPACE,
                     "layout %s: partition '%s' at 0x%llx has no room in %u MB of flash%s",
                     work->layout->name, label, (unsigned long long)offset, work->flash_size >> 20,
                     advice);
}

/* So that no sum below passes 32 bits. */
static int check_slot_size(struct layout_work *work)
{
    work->slot_size = slot_size_for(work, work->flash_size);
    if (work->slot_size > work->flash_size - work->app_offset) {
        return layout_no_room(work, "app", work->app_offset);
    }
    return MOLT_OK;
}

int molt_layout_make(struct molt_ptable *table, const struct molt_layout_request *request,
                     struct molt_message *message)
{
    struct layout_work work = {
        .request = request, .message = message, .table = table, .flash_size = request->flash_size};
    int (*const steps[])(struct layout_work *) = {
        choose,           check_slots,     check_files,      check_places, check_slot_size,
        layout_add_fixed, layout_add_apps, layout_add_files, layout_check};
    int error = MOLT_OK;
    memset(table, 0, sizeof *table);
    table->has_md5 = true;
    for (size_t i = 0; !error && i < sizeof steps / sizeof steps[0]; i++) {
        error = steps[i](&work);
    }
    return error;
}
