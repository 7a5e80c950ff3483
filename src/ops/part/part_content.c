#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/flash/flashwrite.h"
#include "ops/part/appcheck.h"
#include "ops/part/part_internal.h"

static bool place_blank(const struct molt_target *target, const struct molt_place *place)
{
    uint8_t bytes[PART_SECTOR];
    uint32_t end = place->offset + place->size;
    if (target->kind != MOLT_TARGET_BOARD && end > target->flash.size) {
        end = target->flash.size;
    }
    for (uint32_t at = place->offset; at < end; at += sizeof bytes) {
        uint32_t n = end - at < sizeof bytes ? end - at : (uint32_t)sizeof bytes;
        if (molt_place_read(target, at, bytes, n) != MOLT_OK || !molt_blank(bytes, n)) {
            return false;
        }
    }
    return true;
}

static void file_system(struct part_content *content, const struct part_files *files)
{
    content->precious = !files->mounts || files->count > 0;
    if (!files->mounts) {
        snprintf(content->words, sizeof content->words, "%s that cannot be mounted",
                 files->variant);
        return;
    }
    snprintf(content->words, sizeof content->words, "%s with %s%u %s", files->variant,
             files->count == PART_MOST_FILES ? "at least " : "", files->count,
             files->count == 1 ? "file or folder" : "files and folders");
}

/* ---- By what the place is for ---- */

static void app(struct part_content *content, const struct part_view *view,
                const struct molt_place *place)
{
    struct molt_info_image *found = malloc(sizeof *found);
    struct molt_message message;
    char words[120];
    snprintf(content->words, sizeof content->words, "no app that starts");
    if (found && appcheck_read(found, &view->target.flash, place->offset, place->size, "", "app",
                               &view->target, place->offset, &message) == MOLT_OK) {
        content->app = true;
        appcheck_words(found, &view->target.flash, words, sizeof words);
        snprintf(content->words, sizeof content->words, "%s", words);
    }
    free(found);
}

void part_content(struct part_content *content, const struct molt_target *target,
                  const struct molt_place *place)
{
    struct part_view *view = malloc(sizeof *view);
    struct part_files files;
    bool is_app = place->row && place->row->type == MOLT_PARTITION_APP;
    bool is_data = place->row && place->row->type == MOLT_PARTITION_DATA;
    memset(content, 0, sizeof *content);
    content->blank = place_blank(target, place);
    snprintf(content->words, sizeof content->words, content->blank ? "erased" : "data");
    if (!content->blank && view) {
        part_view_init(view, target, NULL);
        if (is_app) {
            app(content, view, place);
        } else if (is_data && place->row->subtype == MOLT_DATA_NVS) {
            content->precious = true;
            snprintf(content->words, sizeof content->words, "settings of the device");
        } else if (is_data && place->row->subtype == MOLT_DATA_OTADATA) {
            snprintf(content->words, sizeof content->words, "which slot boots");
        } else if (place->kind == MOLT_PLACE_BOOTLOADER || place->kind == MOLT_PLACE_TABLE) {
            snprintf(content->words, sizeof content->words, "nothing boots without it");
        } else if (part_files(&files, &view->target.flash, place->offset, place->size, true) ==
                       MOLT_OK &&
                   files.found) {
            file_system(content, &files);
        }
    }
    free(view);
}

/* ---- What would be lost ---- */

void part_plan_loss(struct molt_part_job *job, const struct molt_target *target,
                    const struct molt_place *place, bool force_needed)
{
    struct part_content content;
    part_content(&content, target, place);
    if (content.blank) {
        return;
    }
    molt_plan_add(&job->plan, MOLT_STEP_LOSE, place->offset, place->size, place->label, "%s",
                  content.words);
    bool system = place->kind == MOLT_PLACE_BOOTLOADER || place->kind == MOLT_PLACE_TABLE;
    if (force_needed && (content.precious || system)) {
        part_refuse(job, MOLT_E_EXISTS, "%s: '%s' holds what would be lost: %s", target->name,
                    place->label, content.words);
    }
}

void part_guard_running(struct molt_part_job *job, const struct molt_target *target,
                        const struct molt_place *place)
{
    if (!target->board || !target->board->facts.running[0] || target->table_error) {
        return;
    }
    uint32_t running = target->board->facts.running_offset;
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        if (row->type == MOLT_PARTITION_APP && row->offset == running &&
            place->offset < row->offset + row->size && row->offset < place->offset + place->size) {
            part_refuse(job, MOLT_E_BUSY,
                        "%s: '%s' is the slot that runs: write another one and 'molt ota set-boot'",
                        target->name, target->board->facts.running);
        }
    }
}
