/* What is in the slots, and where apps should not be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "ops/doctor/doctor_internal.h"

#define SLOT_ALIGNMENT 0x10000u
#define IMAGE_MAGIC    0xE9
#define SECTOR         0x1000u

/* ---- One app ---- */

/* The whole image, where its slot cuts it; false when it is none even so. */
static bool read_beyond(const struct doctor_work *work, const struct molt_info_image *app,
                        struct molt_info_image *whole)
{
    const struct molt_target *target = work->target;
    memset(whole, 0, sizeof *whole);
    molt_info_read_image(whole, &target->flash, app->offset, target->flash.size - app->offset,
                         target->chip);
    return whole->readable && !whole->error;
}

static void too_large(struct doctor_work *work, const struct molt_info_image *app)
{
    struct molt_info_image *whole = malloc(sizeof *whole);
    if (!whole || !read_beyond(work, app, whole)) {
        doctor_found(work->doctor, DOCTOR_APP_TOO_LARGE,
                     "the app in '%s' at 0x%x runs over its slot of 0x%x bytes, and what lies "
                     "behind has destroyed its end: write it again, into a larger slot",
                     app->label, app->offset, app->room);
    } else {
        uint32_t length = whole->image.length;
        uint32_t fits = (length + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
        struct molt_finding *found =
            doctor_found(work->doctor, DOCTOR_APP_TOO_LARGE,
                         "the app in '%s' has %u bytes (0x%x), its slot 0x%x: the bootloader "
                         "refuses it; a slot of 0x%x would fit",
                         app->label, length, length, app->room, fits);
        uint32_t before = work->app_length;
        work->app_length = length > before ? length : before;
        doctor_fix_layout(work, found, molt_ptable_slot_count(&work->target->table) > 1 ? 2 : 0);
        if (!found->fix[0] && work->target->flash_size) {
            char end[200];
            size_t n = strlen(found->text);
            snprintf(end, sizeof end, "; %u MB of flash hold no %s of that size",
                     work->target->flash_size >> 20,
                     molt_ptable_slot_count(&work->target->table) > 1 ? "two slots" : "slot");
            snprintf(found->text + n, sizeof found->text - n, "%s", end);
        }
        work->app_length = before;
    }
    free(whole);
}

static void merged(struct doctor_work *work, const struct molt_info_image *app)
{
    struct molt_finding *found = doctor_found(
        work->doctor, DOCTOR_APP_MERGED,
        "'%s' at 0x%x holds a whole firmware file, or a bootloader: ESP-IDF accepts it as an "
        "update, but no bootloader starts it; only the app in it belongs there",
        app->label, app->offset);
    char label[DOCTOR_WORD], name[200];
    doctor_word(app->label, label);
    if (molt_shell_word(name, sizeof name, work->target->name)[0] && label[0]) {
        molt_finding_fix(found, "molt read %s %s=merged.bin && molt write %s %s=merged.bin", name,
                         label, name, label);
    }
}

static void broken(struct doctor_work *work, const struct molt_info_image *app)
{
    struct molt_message message = {0};
    struct molt_diag diag = app->diag;
    char thing[64];
    snprintf(thing, sizeof thing, "the app%s%s%s at 0x%x", app->label[0] ? " in '" : "", app->label,
             app->label[0] ? "'" : "", app->offset);
    diag.error = app->error;
    molt_fail_diag(&message, thing, &diag);
    doctor_found(work->doctor, DOCTOR_APP_BROKEN,
                 "%.250s: it does not start; write a whole app for %s there", message.text,
                 work->target->chip ? work->target->chip->name : "this chip");
}

static void wrong_chip(struct doctor_work *work, const struct molt_info_image *app)
{
    uint16_t id = app->image.header.chip_id;
    const struct molt_chip *chip = molt_chip_by_id(id);
    doctor_found(work->doctor, DOCTOR_APP_CHIP,
                 "the app in '%s' is for %s (chip id 0x%x), this is an %s: write a build for %s",
                 app->label, chip ? chip->name : "a chip that is not known", id,
                 work->target->chip->name, work->target->chip->name);
}

/* Only a board says what it is. */
static void revision(struct doctor_work *work, const struct molt_info_image *app)
{
    const struct molt_target *target = work->target;
    const struct molt_image_header *header = &app->image.header;
    if (!target->board) {
        return;
    }
    uint32_t is = target->board->facts.boot.revision;
    bool has_most = header->max_rev_full != 0 && header->max_rev_full != 0xFFFF;
    if (header->min_rev_full > is || (has_most && header->max_rev_full < is)) {
        doctor_found(work->doctor, DOCTOR_APP_REVISION,
                     "the app in '%s' is for revisions from %u.%u%s, this chip is %u.%u: the "
                     "bootloader refuses it; write a build for this revision",
                     app->label, header->min_rev_full / 100u, header->min_rev_full % 100u,
                     has_most ? " up to a greatest one" : "", is / 100, is % 100);
    }
}

static void judge(struct doctor_work *work, const struct molt_info_image *app)
{
    if (app->empty || app->outside) {
        return;
    }
    switch (app->error) {
    case MOLT_OK: break;
    case MOLT_E_IMAGE_TOO_LARGE: too_large(work, app); return;
    case MOLT_E_IMAGE_MERGED: merged(work, app); return;
    case MOLT_E_IMAGE_CHIP: wrong_chip(work, app); return;
    default: broken(work, app); return;
    }
    revision(work, app);
    if (app->label[0] && app->room - app->image.length < app->room / 20) {
        doctor_found(work->doctor, DOCTOR_APP_FULL,
                     "the app fills '%s' to %u %% (%u of %u bytes): a later version may not fit",
                     app->label, (unsigned)((uint64_t)app->image.length * 100 / app->room),
                     app->image.length, app->room);
    }
}

/* ---- All apps ---- */

static void secure_versions(struct doctor_work *work)
{
    const struct molt_info_image *high = NULL, *low = NULL;
    for (uint32_t i = 0; i < work->info.app_count; i++) {
        const struct molt_info_image *app = &work->info.app[i];
        if (!app->readable || app->error || !app->image.app.present) {
            continue;
        }
        uint32_t version = app->image.app.secure_version;
        high = !high || version > high->image.app.secure_version ? app : high;
        low = !low || version < low->image.app.secure_version ? app : low;
    }
    if (!high || high->image.app.secure_version == 0) {
        return;
    }
    uint32_t most = high->image.app.secure_version, least = low->image.app.secure_version;
    if (most != least) {
        doctor_found(work->doctor, DOCTOR_SECURE_VERSION,
                     "the app in '%s' has secure version %u, that in '%s' %u: with anti-rollback "
                     "on, once the first is confirmed the second never starts again: no way back",
                     high->label, most, low->label, least);
    } else {
        doctor_found(work->doctor, DOCTOR_SECURE_VERSION,
                     "the app%s%s has secure version %u: with anti-rollback on, apps with a lower "
                     "one (MicroPython's have 0) do not start",
                     high->label[0] ? " in " : "", high->label, most);
    }
}

/* An app's header at a place where only an app can be meant: followed by a descriptor. */
static bool app_begins(const struct molt_target *target, uint32_t offset)
{
    uint8_t bytes[MOLT_APP_DESCRIPTOR_OFFSET + 4];
    if (offset > target->flash.size || target->flash.size - offset < sizeof bytes ||
        molt_flash_read(&target->flash, offset, bytes, sizeof bytes) != MOLT_OK) {
        return false;
    }
    return bytes[0] == IMAGE_MAGIC && molt_get_le16(bytes + 12) == target->chip->chip_id &&
           molt_get_le32(bytes + MOLT_APP_DESCRIPTOR_OFFSET) == 0xABCD5432;
}

static const struct molt_partition *row_at(const struct molt_ptable *table, uint32_t offset)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->row[i].offset <= offset && offset - table->row[i].offset < table->row[i].size) {
            return &table->row[i];
        }
    }
    return NULL;
}

/* Slots begin on 64 KB. One behind the start of a file system may be a file in it. */
static void stale(struct doctor_work *work)
{
    const struct molt_target *target = work->target;
    for (uint32_t at = SLOT_ALIGNMENT; at < target->flash.size; at += SLOT_ALIGNMENT) {
        const struct molt_partition *row = row_at(&target->table, at);
        if ((row && (row->type == MOLT_PARTITION_APP || row->offset != at)) ||
            !app_begins(target, at)) {
            continue;
        }
        char label[17] = "";
        struct molt_finding *found = doctor_found(
            work->doctor, DOCTOR_APP_STALE,
            "an app lies at 0x%x, %s%s%s: is it a rest of an older table, or does the table name "
            "another place than the one that was written?",
            at, row ? "where the table has partition '" : "where the table has nothing",
            row ? doctor_label(row, label) : "", row ? "'" : "");
        char place[DOCTOR_WORD];
        if (row) {
            doctor_word(label, place);
        } else {
            snprintf(place, sizeof place, "0x%x+0x%x", at, SECTOR);
        }
        if (place[0]) {
            doctor_fix(found, target, "erase", place);
        }
    }
}

void doctor_apps(struct doctor_work *work)
{
    bool any = false;
    for (uint32_t i = 0; i < work->info.app_count; i++) {
        const struct molt_info_image *app = &work->info.app[i];
        judge(work, app);
        any = any || (!app->empty && !app->outside);
    }
    secure_versions(work);
    if (any && work->target->chip && !molt_chip_memory_known(work->target->chip)) {
        doctor_found(work->doctor, DOCTOR_MEMORY_UNKNOWN,
                     "the memory of an %s is not known here: that apps load to addresses that it "
                     "has, and clear of the bootloader, was not judged",
                     work->target->chip->name);
    }
    if (!doctor_has_layout(work->target) || work->target->table_error) {
        return;
    }
    if (!any) {
        doctor_found(work->doctor, DOCTOR_APP_NONE,
                     "no app partition holds an app: nothing boots; flash a firmware, or write an "
                     "app into a slot");
    }
    if (work->target->chip) {
        stale(work);
    }
}
