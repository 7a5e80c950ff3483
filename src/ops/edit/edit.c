#include "molt/ops/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/digest.h"
#include "molt/host/file.h"
#include "ops/edit/edit_work.h"

/* ---- Helpers of all parts ---- */

uint32_t edit_inside(const struct edit_work *work, uint32_t offset, uint32_t size)
{
    if (offset >= work->before_size) {
        return 0;
    }
    return size < work->before_size - offset ? size : work->before_size - offset;
}

int edit_fail_image(const struct edit_work *work, const char *kind, struct molt_info_image *found)
{
    char thing[160];
    if (found->empty || found->outside) {
        return molt_fail(work->message, MOLT_E_IMAGE_MAGIC, "%s: no %s at 0x%x (%s), expected one",
                         work->source->name, kind, found->offset,
                         found->empty ? "erased" : "the file ends before it");
    }
    found->diag.error = found->error;
    snprintf(thing, sizeof thing, "%.100s: %s at 0x%x", work->source->name, kind, found->offset);
    return molt_fail_diag(work->message, thing, &found->diag);
}

/* ---- The source ---- */

static int check_source(struct edit_work *work)
{
    const struct molt_target *source = work->source;
    if (source->kind != MOLT_TARGET_FIRMWARE && source->kind != MOLT_TARGET_DUMP &&
        source->kind != MOLT_TARGET_BOARD) {
        return molt_fail(work->message, MOLT_E_UNSUPPORTED,
                         "%s: is %s, expected a firmware file, a flash dump or a board",
                         source->name, molt_target_kind_words(source->kind));
    }
    if (source->table_error) {
        return molt_fail_diag(work->message, source->name, &source->table_diag);
    }
    return MOLT_OK;
}

static int check_flash_size(struct edit_work *work)
{
    const struct molt_target *source = work->source;
    uint32_t size =
        work->request->flash_size ? work->request->flash_size : source->header_flash_size;
    if (molt_flash_size_nibble(size) < 0) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "flash size %u bytes: expected 1, 2, 4, 8 ... 128 MB", size);
    }
    if (size > source->chip->max_flash_size) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "flash size %u MB: the %s addresses at most %u MB", size >> 20,
                         source->chip->name, source->chip->max_flash_size >> 20);
    }
    if (source->kind == MOLT_TARGET_BOARD && size > source->flash.size) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "flash size %u MB: the chip of %s has %u MB: expected at most that",
                         size >> 20, source->name, source->flash.size >> 20);
    }
    work->edit->flash_size = size;
    return MOLT_OK;
}

/* A file is in memory already; a board is read. */
static int load(struct edit_work *work)
{
    const struct molt_target *source = work->source;
    struct molt_edit *edit = work->edit;
    edit->base = source->base;
    edit->size = work->before_size = source->flash.size;
    if (source->kind != MOLT_TARGET_BOARD) {
        work->before = edit->flash = source->bytes;
        return MOLT_OK;
    }
    work->before = edit->flash = edit->read = malloc(edit->size);
    if (!edit->read) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "no memory for %u bytes", edit->size);
    }
    int error = molt_flash_read(&source->flash, 0, edit->read, edit->size);
    return error ? molt_fail(work->message, error, "%s: cannot be read: %s", source->name,
                             molt_strerror(error))
                 : MOLT_OK;
}

static int check_bootloader(struct edit_work *work)
{
    uint32_t offset = work->source->chip->bootloader_offset;
    molt_info_read_image(&work->boot, &work->source->flash, offset, MOLT_PTABLE_OFFSET - offset,
                         NULL);
    if (!work->boot.readable || work->boot.error) {
        return edit_fail_image(work, "bootloader", &work->boot);
    }
    return MOLT_OK;
}

/* A file system behind the last partition, where no row holds files. */
static void survey_behind(struct edit_work *work)
{
    uint32_t end = EDIT_FIRST, flash = work->source->header_flash_size;
    for (int i = 0; i < work->old_count; i++) {
        const struct molt_partition *p = &work->old[i].p;
        if (edit_class_of(p) == EDIT_FILES) {
            return;
        }
        end = p->offset + p->size > end ? p->offset + p->size : end;
    }
    uint32_t n = end < flash ? edit_inside(work, end, flash - end) : 0;
    if (n < 2 * EDIT_SECTOR || !edit_file_system_at(work, end, n)) {
        return;
    }
    struct edit_old *old = &work->old[work->old_count++];
    memset(old, 0, sizeof *old);
    old->p = (struct molt_partition){.type = MOLT_PARTITION_DATA,
                                     .subtype = MOLT_DATA_FAT,
                                     .offset = end,
                                     .size = flash - end,
                                     .label = "vfs"};
    old->behind = true;
    old->heir = EDIT_NONE;
    old->used = molt_used(work->before + end, n);
}

static bool old_overlap(const struct edit_work *work)
{
    for (int i = 0; i < work->old_count; i++) {
        for (int k = 0; k < i; k++) {
            const struct molt_partition *a = &work->old[i].p, *b = &work->old[k].p;
            if (a->offset < (uint64_t)b->offset + b->size &&
                b->offset < (uint64_t)a->offset + a->size) {
                return true;
            }
        }
    }
    return false;
}

static int survey(struct edit_work *work)
{
    const struct molt_ptable *table = &work->source->table;
    for (uint32_t i = 0; i < table->count; i++) {
        struct edit_old *old = &work->old[i];
        old->p = table->row[i];
        old->heir = EDIT_NONE;
        uint32_t n = edit_inside(work, old->p.offset, old->p.size);
        if (old->p.offset < EDIT_FIRST) {
            n = 0; /* bootloader and table are nobody's content */
        }
        old->used = n ? molt_used(work->before + old->p.offset, n) : 0;
        work->row[i].p = old->p;
        work->row[i].origin = (int)i;
    }
    work->count = work->old_count = (int)table->count;
    work->has_md5 = table->has_md5;
    work->overlap = old_overlap(work);
    survey_behind(work);
    int error = edit_find_overrun(work);
    return error ? error : edit_find_boot(work);
}

/* ---- The result ---- */

static bool moves(const struct edit_work *work, const struct edit_row *row)
{
    return row->origin != EDIT_NONE && row->keep && row->fate != EDIT_SAME &&
           row->p.offset != work->old[row->origin].p.offset;
}

/* How far the result reaches, and whether it can be made in the source's own copy. */
static uint32_t needed_size(struct edit_work *work)
{
    uint32_t size = work->edit->size;
    int places = work->count + (work->behind ? 1 : 0);
    if (work->source->kind == MOLT_TARGET_DUMP && work->edit->flash_size > size) {
        size = work->edit->flash_size;
    }
    for (int i = 0; i < places; i++) {
        const struct edit_row *row = &work->row[i];
        uint32_t end = row->keep;
        work->apart =
            work->apart || work->overlap || moves(work, row) || row->fate == EDIT_NVS_PAGES;
        if (end && row->fate != EDIT_FRESH && row->p.offset + end > size) {
            size = row->p.offset + end;
        }
    }
    if (work->otadata_new && size < EDIT_APP_AT) {
        size = EDIT_APP_AT;
    }
    return size;
}

/* In-use pages of its origin, together. */
static void gather_pages(const struct edit_work *work, const struct edit_old *old, uint8_t *to)
{
    for (uint32_t at = 0; at < old->used; at += EDIT_SECTOR) {
        const uint8_t *page = work->before + old->p.offset + at;
        uint32_t n = edit_inside(work, old->p.offset + at, EDIT_SECTOR);
        if (molt_used(page, n)) {
            memcpy(to, page, n);
            to += EDIT_SECTOR;
        }
    }
}

/* What changes its place is taken out first, so that all the rest can stay where it is: half the
 * memory of a second copy of everything. */
static int lift(struct edit_work *work)
{
    int places = work->count + (work->behind ? 1 : 0);
    for (int i = 0; i < places; i++) {
        struct edit_row *row = &work->row[i];
        bool pages = row->fate == EDIT_NVS_PAGES;
        if (row->image || row->keep == 0 || !(pages || moves(work, row))) {
            continue;
        }
        const struct edit_old *old = &work->old[row->origin];
        row->image = malloc(row->keep);
        if (!row->image) {
            return molt_fail(work->message, MOLT_E_NO_MEMORY, "no memory for %u bytes", row->keep);
        }
        if (pages) {
            memset(row->image, 0xFF, row->keep);
            gather_pages(work, old, row->image);
        } else {
            memcpy(row->image, work->before + old->p.offset, row->keep);
        }
    }
    work->lifted = true;
    return MOLT_OK;
}

static int make_room(struct edit_work *work)
{
    struct molt_edit *edit = work->edit;
    uint32_t size = needed_size(work);
    if (!work->apart && size == edit->size) {
        return MOLT_OK; /* changed where it lies */
    }
    if (size == edit->size && !work->overlap && !work->otadata_new) {
        return lift(work);
    }
    edit->flash = edit->owned = malloc(size);
    if (!edit->flash) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "no memory for %u bytes", size);
    }
    memcpy(edit->flash, work->before, edit->size);
    memset(edit->flash + edit->size, 0xFF, size - edit->size);
    edit->size = size;
    return MOLT_OK;
}

/* Never bootloader or table, whatever an old row says of them. */
static void erase(const struct edit_work *work, uint32_t offset, uint32_t n)
{
    if (offset < EDIT_FIRST) {
        n = n > EDIT_FIRST - offset ? n - (EDIT_FIRST - offset) : 0;
        offset = EDIT_FIRST;
    }
    if (offset < work->edit->size) {
        uint32_t room = work->edit->size - offset;
        memset(work->edit->flash + offset, 0xFF, n < room ? n : room);
    }
}

/* From work->before, which is not what is changed whenever anything moves that was not lifted. */
static void put_row(const struct edit_work *work, const struct edit_row *row)
{
    uint8_t *to = work->edit->flash + row->p.offset;
    if (row->image) {
        memcpy(to, row->image, row->keep);
        return;
    }
    const struct edit_old *old = &work->old[row->origin];
    if (row->fate == EDIT_NVS_PAGES) {
        gather_pages(work, old, to);
    } else if (work->before != work->edit->flash) {
        memcpy(to, work->before + old->p.offset, row->keep);
    }
}

/* A row that changes: what is behind what it keeps becomes FF, and the plan says so when something
 * was there. */
static void say_cleared(const struct edit_work *work, const struct edit_row *row)
{
    uint32_t from = row->p.offset + row->keep;
    uint32_t n = edit_inside(work, from, row->p.size - row->keep);
    if (row->fate == EDIT_FRESH && !row->behind && n && molt_used(work->before + from, n)) {
        molt_plan_add(&work->edit->plan, MOLT_STEP_ERASE, from, n, row->p.label,
                      "starts erased; other bytes are there until now");
    }
}

static void clear_row(const struct edit_work *work, const struct edit_row *row)
{
    bool stays = row->fate == EDIT_KEPT && !moves(work, row);
    uint32_t keep = stays ? row->keep : 0;
    if (!work->lifted) {
        say_cleared(work, row);
    }
    erase(work, row->p.offset + keep, row->p.size - keep);
}

/* While work->before is what is there: the same words as of a result that is made apart. */
static void say_lifted(struct edit_work *work)
{
    int places = work->count + (work->behind ? 1 : 0);
    for (int i = 0; i < places; i++) {
        if (work->row[i].fate != EDIT_SAME) {
            say_cleared(work, &work->row[i]);
        }
    }
    edit_find_strays(work);
}

static void make_data(struct edit_work *work)
{
    int places = work->count + (work->behind ? 1 : 0);
    for (int i = 0; i < places; i++) {
        const struct edit_row *row = &work->row[i];
        if (row->origin != EDIT_NONE && row->fate != EDIT_SAME) {
            const struct molt_partition *old = &work->old[row->origin].p;
            uint32_t keep = row->fate == EDIT_KEPT && !moves(work, row) ? row->keep : 0;
            erase(work, old->offset + keep, old->size - keep);
        }
    }
    for (int i = 0; i < places; i++) {
        const struct edit_row *row = &work->row[i];
        if (row->fate != EDIT_SAME) {
            clear_row(work, row);
        }
    }
    for (int i = 0; i < places; i++) {
        const struct edit_row *row = &work->row[i];
        if (row->keep && (row->fate != EDIT_SAME || work->overlap)) {
            put_row(work, row);
        }
    }
    if (work->otadata_new) {
        edit_write_record(work);
    }
}

static int apply_table(struct edit_work *work)
{
    struct molt_edit *edit = work->edit;
    int error = MOLT_OK;
    if (work->changed) {
        error = molt_ptable_write(&edit->table, edit->flash + MOLT_PTABLE_OFFSET);
        if (error) {
            return molt_fail(work->message, error, "the new table: %s", molt_strerror(error));
        }
        const char *layout = work->layout && work->changes == 1 ? work->layout : NULL;
        molt_plan_add(&edit->plan, MOLT_STEP_WRITE, MOLT_PTABLE_OFFSET, MOLT_PTABLE_SIZE, "table",
                      layout ? "layout %s for %u MB of flash" : "%s%u partitions",
                      layout ? layout : "", layout ? edit->flash_size >> 20 : edit->table.count);
    }
    bool apart = work->before != edit->flash;
    if (work->lifted) {
        say_lifted(work);
    } else if (!apart) {
        edit_find_strays(work);
    }
    make_data(work);
    if (apart) {
        edit_find_strays(work);
    }
    const struct edit_row *row = &work->row[work->boots_after];
    edit->app_offset = row->p.offset;
    edit->app_length = work->app.image.length;
    snprintf(edit->app_label, sizeof edit->app_label, "%s", row->p.label);
    return MOLT_OK;
}

static void apply_flash_size(struct edit_work *work)
{
    struct molt_edit *edit = work->edit;
    const struct molt_image *boot = &work->boot.image;
    uint32_t offset = work->boot.offset;
    uint8_t *header = edit->flash + offset;
    if (edit->flash_size == work->source->header_flash_size) {
        return;
    }
    header[3] =
        (uint8_t)(molt_flash_size_nibble(edit->flash_size) << 4 | boot->header.flash_freq_nibble);
    if (boot->header.hash_appended) {
        uint32_t hashed = boot->length - MOLT_SHA256_SIZE;
        struct molt_digest_state state;
        molt_host_sha256.start(&state);
        molt_host_sha256.update(&state, header, hashed);
        molt_host_sha256.finish(&state, header + hashed);
    }
    molt_plan_add(&edit->plan, MOLT_STEP_WRITE, offset, boot->length, "bootloader",
                  "flash size in its header from %u to %u MB%s",
                  work->source->header_flash_size >> 20, edit->flash_size >> 20,
                  boot->header.hash_appended ? ", its SHA-256 computed again" : "");
    if (!work->changed && !work->behind && edit->flash_size > work->source->header_flash_size) {
        molt_plan_add(&edit->plan, MOLT_STEP_NOTE, 0, 0, "table",
                      "stays as it is, so the new part of the flash is not used; --layout makes a "
                      "table for it, --resize NAME=rest gives it to the last partition");
    }
}

/* A file that is longer than the flash: only an erased end may be cut off. */
static int fit_flash(struct edit_work *work)
{
    struct molt_edit *edit = work->edit;
    if (edit->size <= edit->flash_size || work->source->kind == MOLT_TARGET_BOARD) {
        return MOLT_OK;
    }
    for (int i = 0; i < work->old_count; i++) {
        const struct edit_old *old = &work->old[i];
        if (old->heir == EDIT_NONE && old->p.offset >= edit->flash_size) {
            erase(work, old->p.offset, old->p.size); /* lost: the plan says so */
        }
    }
    if (molt_used(edit->flash + edit->flash_size, edit->size - edit->flash_size)) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "%s: reaches to 0x%x of the flash, the flash ends at 0x%x: expected a "
                         "firmware that fits",
                         work->source->name, edit->size, edit->flash_size);
    }
    edit->size = edit->flash_size;
    return MOLT_OK;
}

static int check_lost(struct edit_work *work)
{
    if (work->edit->plan.full) {
        return molt_fail(work->message, MOLT_E_NO_SPACE, "the plan has more than %d steps",
                         MOLT_PLAN_STEPS);
    }
    if (work->lost_count && !work->request->force) {
        return molt_fail(work->message, MOLT_E_EXISTS,
                         "%s: data would be lost: %s; --force does it all the same",
                         work->source->name, work->lost);
    }
    return MOLT_OK;
}

int molt_edit_prepare(struct molt_edit *edit, const struct molt_target *source,
                      const struct molt_edit_request *request, struct molt_message *message)
{
    int (*const stages[])(struct edit_work *) = {check_source,     check_flash_size, load,
                                                 check_bootloader, survey,           edit_steps,
                                                 edit_check_table, edit_plan_data,   edit_put_files,
                                                 make_room,        apply_table,      fit_flash};
    struct edit_work *work = calloc(1, sizeof *work);
    memset(edit, 0, sizeof *edit);
    if (!work) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    work->edit = edit;
    work->source = source;
    work->request = request;
    work->message = message;
    int error = MOLT_OK;
    for (size_t i = 0; !error && i < sizeof stages / sizeof stages[0]; i++) {
        error = stages[i](work);
    }
    if (!error) {
        apply_flash_size(work);
        error = source->kind == MOLT_TARGET_BOARD ? edit_plan_board(work) : MOLT_OK;
    }
    if (!error) {
        error = check_lost(work);
    }
    for (int i = 0; i < EDIT_PLACES; i++) {
        free(work->row[i].image);
    }
    free(work);
    return error;
}

static int put_file(const struct molt_edit *edit, const char *out, enum molt_file_existing existing,
                    struct molt_message *message)
{
    return molt_file_write(out, edit->flash + edit->base, edit->size - edit->base, 0666, existing,
                           message);
}

int molt_edit_write(const struct molt_edit *edit, const struct molt_target *source, const char *out,
                    struct molt_message *message)
{
    if (strncmp(out, "sim:", 4) == 0) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is a board, expected the name of a file to write: write one, then "
                         "'molt flash' it",
                         out);
    }
    if (molt_same_file(out, source->name)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is the input itself (%s); expected another name for the output, or "
                         "--in-place",
                         out, source->name);
    }
    return put_file(edit, out, MOLT_FILE_REPLACE_UNSYNCED, message);
}

int molt_edit_write_in_place(const struct molt_edit *edit, const struct molt_target *source,
                             struct molt_message *message)
{
    if (source->container != MOLT_CONTAINER_NONE) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is a UF2 file, which is not changed in place: expected --output; "
                         "'molt convert' makes a UF2 file of the result",
                         source->name);
    }
    return put_file(edit, source->name, MOLT_FILE_REPLACE, message);
}

void molt_edit_free(struct molt_edit *edit)
{
    free(edit->owned);
    free(edit->read);
    free(edit->phase);
    edit->owned = edit->read = edit->phase = edit->flash = NULL;
}
