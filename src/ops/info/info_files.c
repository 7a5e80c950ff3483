/* File systems and the boot record, as far as info shows them. */
#include <string.h>

#include "molt/ops/info.h"
#include "molt/ops/place.h"
#include "molt/otadata.h"

static void take(struct molt_info *info, const struct molt_target *target, const char *label,
                 uint32_t offset, uint32_t size)
{
    struct molt_info_files *files = &info->files[info->files_count];
    struct molt_fs *fs;
    if (info->files_count == MOLT_INFO_FILES || offset >= target->flash.size) {
        return;
    }
    for (uint32_t i = 0; i < info->files_count; i++) {
        if (info->files[i].offset == offset) {
            return;
        }
    }
    uint32_t there = target->flash.size - offset;
    memset(files, 0, sizeof *files);
    files->offset = offset;
    files->size = size < there ? size : there;
    if (molt_fs_probe(&files->facts, &target->flash, offset, files->size) != MOLT_OK ||
        files->facts.kind == MOLT_FS_NONE) {
        return;
    }
    memcpy(files->label, label, strlen(label) + 1);
    molt_info_plain(files->label);
    info->files_count++;
    files->error = molt_fs_mount(&fs, &target->flash, offset, files->size, true, NULL);
    if (files->error) {
        return;
    }
    files->error = molt_fs_space(fs, &files->space);
    molt_fs_unmount(fs, NULL);
}

void molt_info_gather_files(struct molt_info *info, const struct molt_target *target)
{
    struct molt_place place;
    if (target->kind == MOLT_TARGET_APP || target->kind == MOLT_TARGET_TABLE ||
        target->kind == MOLT_TARGET_BOOTLOADER) {
        return;
    }
    if (target->kind == MOLT_TARGET_FILES) {
        take(info, target, "", 0, target->flash.size);
        return;
    }
    for (uint32_t i = 0; !target->table_error && i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        if (row->type == MOLT_PARTITION_DATA &&
            (row->subtype >= MOLT_DATA_FAT || strcmp(row->label, "vfs") == 0)) {
            take(info, target, row->label, row->offset, row->size);
        }
    }
    if (!target->table_error && molt_place_files(&place, target, NULL) == MOLT_OK) {
        take(info, target, place.label, place.offset, place.size);
    }
}

void molt_info_gather_boot(struct molt_info *info, const struct molt_target *target)
{
    const struct molt_partition *row =
        target->table_error
            ? NULL
            : molt_ptable_find(&target->table, MOLT_PARTITION_DATA, MOLT_DATA_OTADATA);
    struct molt_otadata_facts facts = {.rollback = true};
    struct molt_otadata pair;
    struct molt_otadata_choice choice;
    struct molt_info_boot *boot = &info->boot;
    facts.slot_count = row ? molt_ptable_slot_count(&target->table) : 0;
    if (!row || row->size < MOLT_OTADATA_SIZE || facts.slot_count == 0 || facts.slot_count > 16 ||
        row->offset > target->flash.size ||
        molt_otadata_read(&pair, &target->flash, row->offset) != MOLT_OK) {
        return;
    }
    facts.has_factory = molt_ptable_find(&target->table, MOLT_PARTITION_APP, MOLT_APP_FACTORY);
    molt_otadata_choose(&pair, &facts, &choice);
    boot->known = true;
    boot->record = choice.record;
    if (choice.record >= 0) {
        boot->seq = pair.record[choice.record].seq;
        boot->state = pair.record[choice.record].state;
    }
    uint8_t subtype = choice.slot == MOLT_OTADATA_FACTORY ? (uint8_t)MOLT_APP_FACTORY
                                                          : (uint8_t)(MOLT_APP_OTA_0 + choice.slot);
    const struct molt_partition *slot =
        molt_ptable_find(&target->table, MOLT_PARTITION_APP, subtype);
    if (slot) {
        memcpy(boot->label, slot->label, sizeof boot->label);
        molt_info_plain(boot->label);
    }
}
