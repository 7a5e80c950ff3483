/* File systems inside of what is edited: they grow with their partition, and go over into a smaller
 * one file by file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/memflash.h"
#include "molt/host/fs.h"
#include "molt/ops/fs.h"
#include "ops/edit/edit_work.h"

#define PATH_MOST 2048

/* A partition's bytes in memory of their own. */
struct scratch {
    uint8_t *bytes;
    uint32_t size;
    struct molt_flash flash;
    struct molt_region region;
};

static int scratch_make(struct scratch *scratch, uint32_t size, const struct edit_work *work,
                        const struct edit_old *from)
{
    scratch->size = size;
    scratch->bytes = malloc(size);
    if (!scratch->bytes) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "no memory for %u bytes", size);
    }
    memset(scratch->bytes, 0xFF, size);
    if (from) {
        uint32_t n = from->used < size ? from->used : size;
        memcpy(scratch->bytes, work->before + from->p.offset, n);
    }
    memflash_init(&scratch->flash, &scratch->region, scratch->bytes, size);
    return MOLT_OK;
}

bool edit_file_system_at(const struct edit_work *work, uint32_t offset, uint32_t size)
{
    const uint8_t *p = work->before + offset;
    if (size < 2 * EDIT_SECTOR) {
        return false;
    }
    return memcmp(p + 8, "littlefs", 8) == 0 || memcmp(p + EDIT_SECTOR + 8, "littlefs", 8) == 0 ||
           (p[510] == 0x55 && p[511] == 0xAA);
}

/* ---- From one file system into another ---- */

struct carry {
    struct molt_fs *from, *to;
    char path[PATH_MOST];
    uint32_t files;
};

static int carry_folder(struct carry *carry, size_t n);

static int carry_entry(struct carry *carry, size_t n, const struct molt_fs_entry *entry)
{
    size_t more = strlen(entry->name) + 1;
    uint8_t *bytes = NULL;
    uint32_t size = 0;
    if (n + more >= sizeof carry->path) {
        return MOLT_E_ARGUMENT;
    }
    carry->path[n] = '/';
    memcpy(carry->path + n + 1, entry->name, more);
    if (entry->is_folder) {
        int error = molt_fs_mkdir(carry->to, carry->path);
        return error ? error : carry_folder(carry, n + more);
    }
    int error = molt_fs_read_file(carry->from, carry->path, &bytes, &size);
    if (!error) {
        error = molt_fs_write_file(carry->to, carry->path, bytes, size);
        carry->files++;
    }
    free(bytes);
    return error;
}

/* carry->path[0 .. n) is the folder's path, "" for the root. Depth is bounded by its length. */
static int carry_folder(struct carry *carry, size_t n)
{
    struct molt_fs_dir *dir;
    struct molt_fs_entry entry;
    carry->path[n] = 0;
    int error = molt_fs_dir_open(carry->from, n ? carry->path : "/", &dir);
    if (error) {
        return error;
    }
    while (!error && (error = molt_fs_dir_next(dir, &entry)) == 1) {
        error = carry_entry(carry, n, &entry);
        carry->path[n] = 0;
    }
    molt_fs_dir_close(dir);
    return error;
}

/* All files of `from` in a new file system of the same kind. MOLT_E_NO_SPACE when they do not fit;
 * messages of that are for the caller. */
static int rebuild(struct scratch *to, struct molt_fs *from, const struct molt_fs_facts *facts,
                   uint32_t *files)
{
    bool lfs = facts->kind == MOLT_FS_LITTLEFS;
    const struct molt_fs_options options = {facts->kind, lfs ? facts->version : 0,
                                            facts->block_size};
    struct carry *carry = calloc(1, sizeof *carry);
    if (!carry) {
        return MOLT_E_NO_MEMORY;
    }
    carry->from = from;
    int error = molt_fs_format(&to->flash, 0, to->size, &options, NULL);
    if (!error) {
        error = molt_fs_mount(&carry->to, &to->flash, 0, to->size, false, NULL);
    }
    if (!error) {
        error = carry_folder(carry, 0);
        int closing = molt_fs_unmount(carry->to, NULL);
        error = error ? error : closing;
    }
    *files = carry->files;
    free(carry);
    return error;
}

/* The least size that holds all files, between one that does not and one that may. */
static uint32_t size_that_does(const struct edit_work *work, struct molt_fs *from,
                               const struct molt_fs_facts *facts, uint32_t low, uint32_t high)
{
    while (high - low > EDIT_SECTOR) {
        struct scratch scratch;
        uint32_t size = low + (high - low) / 2 / EDIT_SECTOR * EDIT_SECTOR, files;
        if (scratch_make(&scratch, size, work, NULL) != MOLT_OK) {
            break;
        }
        if (rebuild(&scratch, from, facts, &files) == MOLT_OK) {
            high = size;
        } else {
            low = size;
        }
        free(scratch.bytes);
    }
    return high;
}

/* ---- What a row's file system becomes ---- */

static int damaged(struct edit_work *work, struct edit_row *row, const struct edit_old *old,
                   const char *why)
{
    if (work->request->force) {
        return edit_drop(work, row, old, old->used, "a damaged file system");
    }
    return molt_fail(work->message, MOLT_E_FORMAT,
                     "the file system of '%s' cannot be carried over (%.300s): expected one that "
                     "can be read; --force makes the partition without it",
                     old->p.label, why);
}

static int carry_over(struct edit_work *work, struct edit_row *row, const struct edit_old *old,
                      struct scratch *was, const struct molt_fs_facts *facts)
{
    struct molt_fs *from;
    struct molt_message message = {0};
    struct scratch to;
    uint32_t files = 0;
    if (molt_fs_mount(&from, &was->flash, 0, was->size, true, &message) != MOLT_OK) {
        return damaged(work, row, old, message.text);
    }
    int error = scratch_make(&to, row->p.size, work, NULL);
    if (!error) {
        error = rebuild(&to, from, facts, &files);
        if (!error) {
            row->image = to.bytes;
            row->files = files;
        } else {
            free(to.bytes);
        }
    }
    uint32_t need = 0;
    if (error == MOLT_E_NO_SPACE || error == MOLT_E_ALIGNMENT) { /* ALIGNMENT: under two blocks */
        need = size_that_does(work, from, facts, row->p.size, old->p.size);
    }
    molt_fs_unmount(from, NULL);
    if (need) {
        return edit_drop(work, row, old, need, "its files");
    }
    return error ? damaged(work, row, old, molt_strerror(error)) : MOLT_OK;
}

/* The superblock gets to know of the room that was added. */
static int grow(struct edit_work *work, struct edit_row *row, const struct edit_old *old)
{
    struct scratch to;
    struct molt_fs *fs;
    int error = scratch_make(&to, row->p.size, work, old);
    if (error) {
        return error;
    }
    struct molt_message message = {0};
    error = molt_fs_mount(&fs, &to.flash, 0, to.size, false, &message);
    if (!error) {
        error = molt_fs_grow(fs, to.size, &message);
        int closing = molt_fs_unmount(fs, error ? NULL : &message);
        error = error ? error : closing;
    }
    if (error) {
        free(to.bytes);
        molt_plan_add(&work->edit->plan, MOLT_STEP_NOTE, 0, 0, row->p.label,
                      "its file system does not grow (%.150s); it stays as it is", message.text);
        return MOLT_OK;
    }
    row->image = to.bytes;
    return MOLT_OK;
}

/* The old partition's bytes where they are, when the file has all of them; else a copy. */
static int look_at(const struct edit_work *work, const struct edit_old *old, struct scratch *was,
                   bool *copied)
{
    uint32_t most = work->source->chip->max_flash_size; /* of a table that is not right, too */
    uint32_t size = old->p.size < most ? old->p.size : most;
    *copied = edit_inside(work, old->p.offset, size) < size;
    if (*copied) {
        return scratch_make(was, size, work, old);
    }
    was->size = size;
    was->bytes = work->edit->flash + old->p.offset; /* as it is yet */
    memflash_init(&was->flash, &was->region, was->bytes, size);
    return MOLT_OK;
}

int edit_fit_files(struct edit_work *work, struct edit_row *row, const struct edit_old *old)
{
    struct molt_fs_facts facts;
    struct scratch was;
    bool copied;
    row->fate = EDIT_KEPT;
    row->keep = old->used;
    int error = look_at(work, old, &was, &copied);
    if (error) {
        return error;
    }
    error = molt_fs_probe(&facts, &was.flash, 0, was.size);
    uint64_t bytes = (uint64_t)facts.block_size * facts.block_count;
    bool known = !error && facts.kind != MOLT_FS_NONE;
    bool larger = row->p.size > old->p.size && bytes < row->p.size;
    if (known && (bytes > row->p.size || (larger && facts.kind == MOLT_FS_FAT))) {
        error = carry_over(work, row, old, &was, &facts);
    } else if (known && larger) {
        error = grow(work, row, old);
    } else if (known && row->keep > bytes) {
        row->keep = (uint32_t)bytes;
    } else if (row->keep > row->p.size) {
        error = edit_drop(work, row, old, row->keep, "what it holds");
    }
    if (copied) {
        free(was.bytes);
    }
    if (row->image) {
        row->fate = EDIT_REBUILT;
        row->keep = molt_used(row->image, row->p.size);
    }
    return error;
}

/* ---- Files that a person puts there ---- */

/* As molt_place_files, in the table afterwards. */
static struct edit_row *row_of_files(struct edit_work *work)
{
    static const char *const names[] = {"vfs", "internalfs", "storage", "ffat"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        int i = edit_row_named(work, names[k]);
        if (i != EDIT_NONE && work->row[i].p.type == MOLT_PARTITION_DATA) {
            return &work->row[i];
        }
    }
    for (int i = 0; i < work->count; i++) {
        if (edit_class_of(&work->row[i].p) == EDIT_FILES) {
            return &work->row[i];
        }
    }
    if (work->behind) {
        return &work->row[work->count];
    }
    uint32_t end = EDIT_FIRST;
    for (int i = 0; i < work->count; i++) {
        const struct molt_partition *p = &work->row[i].p;
        end = p->offset + p->size > end ? p->offset + p->size : end;
    }
    if (end >= work->edit->flash_size) {
        return NULL;
    }
    struct edit_row *row = &work->row[work->count];
    memset(row, 0, sizeof *row);
    row->p = (struct molt_partition){.type = MOLT_PARTITION_DATA,
                                     .subtype = MOLT_DATA_FAT,
                                     .offset = end,
                                     .size = work->edit->flash_size - end,
                                     .label = "vfs"};
    row->origin = EDIT_NONE;
    row->behind = work->behind = true;
    uint32_t n = edit_inside(work, end, row->p.size);
    if (n && molt_used(work->before + end, n)) {
        edit_lose(work, "vfs", end, n, "bytes that are in no partition, where files come to lie");
    }
    return row;
}

/* What the row will hold, in memory; formatted when that is nothing. */
static int open_row(struct edit_work *work, struct edit_row *row, struct scratch *scratch)
{
    const struct edit_old *old =
        row->fate == EDIT_KEPT || row->fate == EDIT_SAME ? &work->old[row->origin] : NULL;
    if (row->image) {
        scratch->bytes = row->image;
        scratch->size = row->p.size;
        row->image = NULL;
        memflash_init(&scratch->flash, &scratch->region, scratch->bytes, scratch->size);
        return MOLT_OK;
    }
    int error = scratch_make(scratch, row->p.size, work, old);
    if (!error && !(old && old->used)) {
        const struct molt_fs_options options = {MOLT_FS_LITTLEFS,
                                                molt_fsops_lfs_version(work->source), 0};
        error = molt_fs_format(&scratch->flash, 0, scratch->size, &options, work->message);
        if (error) {
            free(scratch->bytes);
        }
    }
    return error;
}

static int put_into(struct edit_work *work, struct edit_row *row, const struct molt_edit_step *step)
{
    struct scratch scratch;
    struct molt_fs *fs;
    uint32_t files = 0;
    uint64_t bytes = 0;
    int error = open_row(work, row, &scratch);
    if (error) {
        return error;
    }
    error = molt_fs_mount(&fs, &scratch.flash, 0, scratch.size, false, work->message);
    if (!error) {
        error = molt_fsops_put_tree(fs, step->name, step->to, &files, &bytes, work->message);
        int closing = molt_fs_unmount(fs, error ? NULL : work->message);
        error = error ? error : closing;
    }
    row->image = scratch.bytes; /* freed with the row, also after an error */
    row->fate = EDIT_REBUILT;
    uint32_t used = molt_used(row->image, row->p.size);
    row->keep = (used + EDIT_SECTOR - 1) / EDIT_SECTOR * EDIT_SECTOR;
    if (!error) {
        molt_plan_add(&work->edit->plan, MOLT_STEP_WRITE, row->p.offset, row->p.size, row->p.label,
                      "%u file%s of '%.120s', %llu bytes, into %.60s", files, files == 1 ? "" : "s",
                      step->name, (unsigned long long)bytes, step->to);
    }
    return error;
}

int edit_put_files(struct edit_work *work)
{
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < work->request->step_count; i++) {
        const struct molt_edit_step *step = &work->request->step[i];
        if (step->kind != MOLT_EDIT_PUT) {
            continue;
        }
        struct edit_row *row = row_of_files(work);
        if (!row) {
            return molt_fail(work->message, MOLT_E_NO_SPACE,
                             "--put %s: no partition for files, and no room behind the last one: "
                             "expected one; --add vfs:data:fat::SIZE makes it",
                             step->name);
        }
        error = put_into(work, row, step);
    }
    return error;
}
