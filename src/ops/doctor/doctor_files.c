/* The place for files, and the file system that is there. */
#include <stdio.h>
#include <string.h>

#include "molt/host/blank.h"
#include "molt/host/fs.h"
#include "molt/ops/fs.h"
#include "molt/ops/place.h"
#include "ops/doctor/doctor_internal.h"

#define BLOCK 4096u

/* Nothing but FF in its first blocks: MicroPython makes a file system there at its first start. */
static int is_erased(const struct molt_target *target, const struct molt_place *place, bool *erased)
{
    uint8_t bytes[256];
    *erased = true;
    for (uint32_t at = 0; at < 2 * BLOCK && at < place->size; at += sizeof bytes) {
        int error = molt_place_read(target, place->offset + at, bytes, sizeof bytes);
        if (error) {
            return error;
        }
        *erased = *erased && molt_blank(bytes, sizeof bytes);
    }
    return MOLT_OK;
}

/* The partition can be made as large without moving another. */
static bool has_room(const struct molt_target *target, const struct molt_place *place,
                     uint64_t size)
{
    const struct molt_ptable *table = &target->table;
    if (!target->flash_size || place->offset + size > target->flash_size) {
        return false;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->row[i].offset > place->offset && table->row[i].offset < place->offset + size) {
            return false;
        }
    }
    return true;
}

static void sizes(struct doctor_work *work, const struct molt_place *place,
                  const struct molt_fs_facts *facts)
{
    uint64_t size = (uint64_t)facts->block_size * facts->block_count;
    char word[DOCTOR_WORD], rest[DOCTOR_WORD + 4];
    doctor_word(place->label, word);
    if (size > place->size) {
        struct molt_finding *found = doctor_found(
            work->doctor, DOCTOR_FS_LARGER,
            "the file system (%s) in '%s' at 0x%x says that it has %u blocks of %u, 0x%llx bytes; "
            "its place has 0x%x: MicroPython does not mount it and makes a new one, all files are "
            "lost",
            facts->variant, place->label, place->offset, facts->block_count, facts->block_size,
            (unsigned long long)size, place->size);
        if (word[0] && place->row && has_room(work->target, place, size)) {
            doctor_fix_edit(found, work->target, "--resize %s=0x%x", word, (uint32_t)size);
        }
    } else if (place->size - size >= BLOCK) {
        struct molt_finding *found = doctor_found(
            work->doctor, DOCTOR_FS_SMALLER,
            "the file system (%s) in '%s' at 0x%x has 0x%llx bytes, its place 0x%x: %u KB are not "
            "used",
            facts->variant, place->label, place->offset, (unsigned long long)size, place->size,
            (uint32_t)(place->size - size) >> 10);
        if (word[0] && facts->kind == MOLT_FS_LITTLEFS) {
            snprintf(rest, sizeof rest, "-p %s", word);
            doctor_fix(found, work->target, "fs grow", rest);
        }
    }
}

/* Stock MicroPython tables call it fat and hold a littlefs: that is as it should be. */
static void kind(struct doctor_work *work, const struct molt_place *place,
                 const struct molt_fs_facts *facts)
{
    if (!place->row) {
        return;
    }
    bool fat = facts->kind == MOLT_FS_FAT;
    uint8_t subtype = place->row->subtype;
    if ((subtype == MOLT_DATA_LITTLEFS && fat) || subtype == MOLT_DATA_SPIFFS) {
        doctor_found(
            work->doctor, DOCTOR_FS_KIND,
            "'%s' is of subtype %s and holds %s: MicroPython looks at what is there, other "
            "firmware at the subtype, and may erase it",
            place->label, subtype == MOLT_DATA_SPIFFS ? "spiffs" : "littlefs", facts->variant);
    }
}

/* Before 1.22 MicroPython mounts littlefs 2.0 only, and makes a new one where it cannot mount. */
static void version(struct doctor_work *work, const struct molt_place *place,
                    const struct molt_fs_facts *facts)
{
    const char *oldest = NULL;
    for (int i = 0; i < (int)work->info.app_count; i++) {
        const char *found = work->info.app[i].micropython;
        if (found[0] && (!oldest || molt_fsops_lfs_version_of(found) == 0x00020000)) {
            oldest = found;
        }
    }
    if (facts->kind == MOLT_FS_LITTLEFS && oldest &&
        facts->version > molt_fsops_lfs_version_of(oldest)) {
        doctor_found(
            work->doctor, DOCTOR_FS_NEWER,
            "'%s' at 0x%x holds %s, MicroPython %s mounts no more than 2.0 (1.22 and later "
            "do): it makes a new file system there, the files are lost; save them with "
            "'molt fs get', then 'molt fs mkfs --force' and 'molt fs put'",
            place->label, place->offset, facts->variant, oldest);
    }
}

static int file_system(struct doctor_work *work, const struct molt_place *place)
{
    const struct molt_target *target = work->target;
    struct molt_fs_facts facts = {0};
    bool erased = true;
    if (place->offset >= target->flash.size) {
        return MOLT_OK; /* the file ends before: erased on the device */
    }
    uint32_t inside = target->flash.size - place->offset;
    int error = molt_fs_probe(&facts, &target->flash, place->offset,
                              inside < place->size ? inside : place->size);
    if (error) {
        return error;
    }
    if (facts.kind != MOLT_FS_NONE) {
        sizes(work, place, &facts);
        kind(work, place, &facts);
        version(work, place, &facts);
        return MOLT_OK;
    }
    error = is_erased(target, place, &erased);
    if (!error && !erased) {
        char word[DOCTOR_WORD];
        struct molt_finding *found = doctor_found(
            work->doctor, DOCTOR_FS_UNKNOWN,
            "'%s' at 0x%x holds neither littlefs nor FAT and is not erased: MicroPython makes a "
            "new file system there at its next start, what is there is lost (and encrypted flash "
            "reads like this)",
            place->label, place->offset);
        if (doctor_word(place->label, word)[0]) {
            doctor_fix(found, target, "erase", word);
        }
    }
    return error;
}

/* It finds its partition by the name (flashbdev.py, _boot.py). */
static void name(struct doctor_work *work, const struct molt_place *place)
{
    const struct molt_ptable *table = &work->target->table;
    const char *found = work->info.app_count ? work->info.app[0].micropython : "";
    char word[DOCTOR_WORD];
    if (!place->row || !found[0] || molt_ptable_find_label(table, "vfs") ||
        molt_ptable_find_label(table, "ffat")) {
        return;
    }
    struct molt_finding *finding = doctor_found(
        work->doctor, DOCTOR_FILES_NAME,
        "the partition for files is called '%s', MicroPython %s looks for 'vfs': it starts without "
        "the files in it",
        place->label, found);
    if (doctor_word(place->label, word)[0]) {
        doctor_fix_edit(finding, work->target, "--rename %s=vfs", word);
    }
}

int doctor_files(struct doctor_work *work)
{
    struct molt_place place;
    struct molt_message unused;
    const struct molt_target *target = work->target;
    if (target->kind == MOLT_TARGET_FILES) {
        return molt_place_files(&place, target, &unused) ? MOLT_OK : file_system(work, &place);
    }
    if (!doctor_has_layout(target) || target->table_error) {
        return MOLT_OK;
    }
    int error = molt_place_files(&place, target, &unused);
    if (error && error != MOLT_E_NOT_FOUND) {
        return MOLT_OK; /* a row that is wrong: said of the table */
    }
    if (error) {
        doctor_found(work->doctor, DOCTOR_FILES_NONE,
                     "the table has no partition for files, and nothing is free behind the last "
                     "one: MicroPython starts without boot.py and main.py");
        return MOLT_OK;
    }
    /* Before 1.26 MicroPython only looks for a partition. */
    unsigned minor = 26;
    if (place.kind == MOLT_PLACE_BEHIND && work->info.app_count &&
        sscanf(work->info.app[0].micropython, "v1.%4u", &minor) == 1 && minor < 26) {
        struct molt_finding *found = doctor_found(
            work->doctor, DOCTOR_FILES_NONE,
            "the table has no partition for files, and MicroPython %s does not use what is free "
            "behind the last one (1.26 and later do): it starts without boot.py and main.py",
            work->info.app[0].micropython);
        doctor_fix_edit(found, target, "--add vfs:data:fat::rest");
        return MOLT_OK;
    }
    name(work, &place);
    return file_system(work, &place);
}
