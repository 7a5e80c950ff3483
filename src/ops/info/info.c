#include "molt/ops/info.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "molt/uf2.h"

static void finding(struct molt_info *info, enum molt_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void finding(struct molt_info *info, enum molt_severity severity, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    info->wrong |= severity == MOLT_WRONG;
    molt_finding_add(info->finding, &info->finding_count, MOLT_INFO_FINDINGS, severity, format,
                     list);
    va_end(list);
}

/* Names in hostile tables must not reach a terminal as they are. */
void molt_info_plain(char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

/* What a person can do about an image that does not boot. */
static const char *advice(int error)
{
    switch (error) {
    case MOLT_E_IMAGE_MERGED:
        return "only the app part of a downloaded firmware belongs into a slot: take it out first";
    case MOLT_E_IMAGE_CHIP: return "use a build for this chip";
    case MOLT_E_IMAGE_TRUNCATED: return "the file or its download is not whole: fetch it again";
    case MOLT_E_IMAGE_TOO_LARGE: return "use a layout with larger slots";
    case MOLT_E_IMAGE_CHECKSUM:
    case MOLT_E_IMAGE_HASH: return "it was changed or damaged: write it again";
    default: return "write a whole app there";
    }
}

static void judge_image(struct molt_info *info, const struct molt_info_image *found,
                        const char *kind, const char *name)
{
    struct molt_message message = {0};
    if (found->error) {
        char thing[64];
        snprintf(thing, sizeof thing, "%s%s%s at 0x%x", kind, name[0] ? " " : "", name,
                 found->offset);
        struct molt_diag diag = found->diag;
        diag.error = found->error;
        molt_fail_diag(&message, thing, &diag);
        finding(info, MOLT_WRONG, "%.250s: it would not boot; %s", message.text,
                advice(found->error));
    }
}

/* ---- Bootloader ---- */

static void gather_bootloader(struct molt_info *info, const struct molt_target *target)
{
    struct molt_info_image *boot = &info->bootloader;
    if (!target->chip || target->kind == MOLT_TARGET_APP || target->kind == MOLT_TARGET_TABLE ||
        target->kind == MOLT_TARGET_FILES) {
        return;
    }
    uint32_t offset = target->chip->bootloader_offset;
    info->has_bootloader = true;
    molt_info_read_image(boot, &target->flash, offset, MOLT_PTABLE_OFFSET - offset, NULL);
    if (boot->empty) {
        finding(info, MOLT_WRONG, "there is no bootloader at 0x%x: nothing boots; flash a firmware",
                offset);
        return;
    }
    judge_image(info, boot, "bootloader", "");
    if (boot->readable && boot->image.header.chip_id != target->chip->chip_id) {
        finding(
            info, MOLT_WRONG,
            "the bootloader is for the chip with id 0x%x, this is an %s: nothing boots; flash a "
            "firmware for %s",
            boot->image.header.chip_id, target->chip->name, target->chip->name);
    }
    if (target->header_flash_size && target->flash_size &&
        target->header_flash_size > target->flash_size) {
        finding(info, MOLT_WRONG,
                "the bootloader's header says %u MB of flash, the chip has %u MB: applications "
                "report a failed probe; set the size with 'molt edit --flash-size'",
                target->header_flash_size >> 20, target->flash_size >> 20);
    }
}

/* ---- Table ---- */

static void table_finding(struct molt_info *info, const struct molt_target *target,
                          const struct molt_diag *diag)
{
    if (diag->offset >= target->table.count) {
        finding(info, MOLT_WRONG, "partition table: %s: %s", molt_strerror(diag->error),
                diag->what);
        return;
    }
    const struct molt_partition *row = &target->table.row[diag->offset];
    if (diag->error == MOLT_E_TABLE_OVERLAP) {
        const struct molt_partition *other = &target->table.row[diag->expected];
        finding(info, MOLT_WRONG,
                "partitions '%s' (0x%x to 0x%x) and '%s' (0x%x to 0x%x) overlap: one destroys the "
                "other; give the device another table",
                other->label, other->offset, other->offset + other->size, row->label, row->offset,
                row->offset + row->size);
    } else if (diag->has_values) {
        finding(info, MOLT_WRONG,
                "partition '%.16s' (row %u): %s: %s, expected 0x%x, found 0x%x; give the device "
                "another table",
                row->label, diag->offset, molt_strerror(diag->error), diag->what, diag->expected,
                diag->found);
    } else {
        finding(info, MOLT_WRONG,
                "partition '%.16s' (row %u): %s: %s; give the device another table", row->label,
                diag->offset, molt_strerror(diag->error), diag->what);
    }
}

static void odd_table(struct molt_info *info, const struct molt_target *target, uint32_t size)
{
    const struct molt_ptable *table = &target->table;
    uint32_t end = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->row[i].offset + table->row[i].size > end) {
            end = table->row[i].offset + table->row[i].size;
        }
    }
    if (!table->has_md5) {
        finding(info, MOLT_ODD,
                "the table has no MD5 row: ESP-IDF 4.4 and later applications "
                "abort when they look at it");
    }
    if (molt_ptable_slot_count(table) < 2) {
        finding(info, MOLT_ODD,
                "there are no two app slots: updates over the air need them; 'molt doctor' says "
                "which layout has them");
    }
    if (target->flash_size && end < size) {
        finding(
            info, MOLT_ODD,
            "the last partition ends at 0x%x, the flash at 0x%x: the rest is unused, unless the "
            "firmware (MicroPython 1.26 and later) puts its file system there",
            end, size);
    }
}

static void gather_table(struct molt_info *info, const struct molt_target *target)
{
    struct molt_diag diag = target->table_diag;
    info->table_error = target->table_error;
    if (target->kind == MOLT_TARGET_APP || target->kind == MOLT_TARGET_FILES ||
        target->kind == MOLT_TARGET_BOOTLOADER) {
        return;
    }
    if (target->table_error) {
        struct molt_message message = {0};
        molt_fail_diag(&message, "partition table", &diag);
        finding(info, MOLT_WRONG, "%.300s: nothing boots; flash a firmware", message.text);
        return;
    }
    uint32_t size = target->flash_size ? target->flash_size : 128u << 20;
    if (target->header_flash_size && target->header_flash_size < size) {
        size = target->header_flash_size; /* the bootloader goes by its own header */
    }
    info->table_error = molt_ptable_check(&target->table, size, &diag);
    if (info->table_error) {
        table_finding(info, target, &diag);
    } else {
        odd_table(info, target, size);
    }
}

/* ---- Apps ---- */

static int add_app(struct molt_info *info, const struct molt_target *target, const char *label,
                   uint32_t offset, uint32_t room)
{
    if (info->app_count == MOLT_INFO_APPS) {
        return MOLT_OK;
    }
    struct molt_info_image *app = &info->app[info->app_count++];
    memcpy(app->label, label, strlen(label) + 1);
    molt_info_plain(app->label);
    molt_info_read_image(app, &target->flash, offset, room, target->chip);
    int error = app->readable ? molt_info_find_micropython(app, &target->flash) : MOLT_OK;
    judge_image(info, app, "app", label);
    if (app->readable && !app->error && !app->micropython[0]) {
        finding(info, MOLT_ODD, "app%s%s: no MicroPython version found in it", label[0] ? " " : "",
                label);
    }
    if (app->readable && !app->error && target->chip && !molt_chip_memory_known(target->chip)) {
        finding(info, MOLT_ODD,
                "app%s%s: the memory of an %s is not known, load addresses are not judged",
                label[0] ? " " : "", label, target->chip->name);
    }
    if (room && app->readable && !app->error && room - app->image.length < room / 20) {
        finding(info, MOLT_ODD, "app%s%s fills its slot to %u %%: a later version may not fit",
                label[0] ? " " : "", label, (unsigned)((uint64_t)app->image.length * 100 / room));
    }
    return error;
}

static int gather_apps(struct molt_info *info, const struct molt_target *target)
{
    int error = MOLT_OK;
    if (target->kind == MOLT_TARGET_APP) {
        return add_app(info, target, "", 0, 0);
    }
    if (target->kind == MOLT_TARGET_TABLE || target->table_error) {
        return MOLT_OK;
    }
    bool any = false;
    for (uint32_t i = 0; i < target->table.count && !error; i++) {
        const struct molt_partition *row = &target->table.row[i];
        if (row->type != MOLT_PARTITION_APP) {
            continue;
        }
        error = add_app(info, target, row->label, row->offset, row->size);
        const struct molt_info_image *app = &info->app[info->app_count - 1];
        any = any || (!app->empty && !app->outside);
    }
    if (!any && !error) {
        finding(info, MOLT_WRONG, "no app partition holds an app: nothing boots; flash a firmware");
    }
    return error;
}

/* A board of one family takes the file, and then an image of another chip does not start. */
static void judge_family(struct molt_info *info, const struct molt_target *target)
{
    const struct molt_uf2_family *family = molt_uf2_family_by_id(target->uf2_family);
    if (target->container == MOLT_CONTAINER_UF2 && target->chip && family && family->chip[0] &&
        strcmp(family->chip, target->chip->name) != 0) {
        finding(info, MOLT_WRONG,
                "the UF2 file is for family %s, what it writes is for %s: the board takes it and "
                "does not start; convert the image again",
                family->name, target->chip->name);
    }
}

int molt_info_gather(struct molt_info *info, const struct molt_target *target,
                     struct molt_message *message)
{
    memset(info, 0, sizeof *info);
    judge_family(info, target);
    gather_bootloader(info, target);
    gather_table(info, target);
    molt_info_gather_boot(info, target);
    molt_info_gather_files(info, target);
    int error = gather_apps(info, target);
    if (error) {
        return molt_fail(message, error, "%s: reading its apps: %s", target->name,
                         molt_strerror(error));
    }
    return MOLT_OK;
}
