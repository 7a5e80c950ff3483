/* File systems, file by file. */
#define _POSIX_C_SOURCE 200809L /* strdup */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/fs.h"
#include "ops/diff/diff_internal.h"

/* One side: its file system, when it has one, and the list of its files. */
struct side {
    struct molt_fsops session;
    bool open;
    bool readable;     /* mounted, and all folders could be listed */
    char trouble[160]; /* else why not, when there is one */
    struct molt_fs_items items;
};

static bool has_files(const struct side *side)
{
    return side->open && side->session.facts.kind != MOLT_FS_NONE;
}

static int open_side(const struct diff_work *work, struct side *side, struct molt_target *target,
                     const struct molt_place *place)
{
    char name[32];
    if (place->size == 0) {
        return MOLT_OK;
    }
    snprintf(name, sizeof name, "0x%x+0x%x", place->offset, place->size);
    int error =
        molt_fsops_open(&side->session, target, place->kind == MOLT_PLACE_WHOLE ? "all" : name,
                        MOLT_FSOPS_LOOK, work->message);
    side->open = !error;
    return error;
}

static void close_side(struct side *side)
{
    if (side->open) {
        molt_fsops_close(&side->session);
    }
    molt_fs_items_free(&side->items);
}

static int by_path(const void *a, const void *b)
{
    const struct molt_fs_item *x = a, *y = b;
    return strcmp(x->path, y->path);
}

/* A damaged folder makes it one that cannot be read, like one that cannot be mounted. */
static int list(const struct diff_work *work, struct side *side)
{
    struct molt_message why = {0};
    if (!has_files(side)) {
        return MOLT_OK;
    }
    diff_words(side->trouble, "cannot be mounted: %s", side->session.trouble);
    if (!side->session.fs) {
        return MOLT_OK;
    }
    int error = molt_fsops_list(side->session.fs, "/", true, &side->items, &why);
    if (error && error != MOLT_E_FORMAT) {
        return molt_fail(work->message, error, "%s: %s", side->session.target->name, why.text);
    }
    diff_words(side->trouble, "cannot be read: %.120s", why.text);
    side->readable = !error;
    if (!error && side->items.count) {
        qsort(side->items.item, side->items.count, sizeof *side->items.item, by_path);
    }
    return MOLT_OK;
}

/* ---- The file system as such ---- */

static void fs_words(char text[160], const struct side *side)
{
    const struct molt_fs_facts *facts = &side->session.facts;
    if (!has_files(side)) {
        return;
    }
    if (!side->readable) {
        diff_words(text, "%s that %s", facts->variant, side->trouble);
        return;
    }
    diff_words(text, "%s, %u blocks of %u bytes, %u file%s of %llu bytes", facts->variant,
               facts->block_count, facts->block_size, side->items.files,
               side->items.files == 1 ? "" : "s", (unsigned long long)side->items.bytes);
}

static bool same_kind(const struct side *a, const struct side *b)
{
    const struct molt_fs_facts *x = &a->session.facts, *y = &b->session.facts;
    return a->readable == b->readable && strcmp(x->variant, y->variant) == 0 &&
           x->block_size == y->block_size && x->block_count == y->block_count;
}

static int fs_item(struct diff_work *work, const char *place, const struct side *a,
                   const struct side *b)
{
    struct molt_diff_item *item =
        diff_add(work, MOLT_DIFF_FILE_SYSTEM, diff_by_side(has_files(a), has_files(b)), place);
    if (!item) {
        return MOLT_E_NO_MEMORY;
    }
    fs_words(item->a, a);
    fs_words(item->b, b);
    return MOLT_OK;
}

/* ---- Files ---- */

static int file_item(struct diff_work *work, const char *place, const struct molt_fs_item *a,
                     const struct molt_fs_item *b)
{
    const struct molt_fs_item *known = a ? a : b;
    struct molt_diff_item *item = diff_add(
        work, known->is_folder ? MOLT_DIFF_FOLDER : MOLT_DIFF_FILE, diff_by_side(a, b), place);
    if (!item) {
        return MOLT_E_NO_MEMORY;
    }
    item->path = strdup(known->path);
    if (!item->path) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    if (a && !a->is_folder) {
        diff_words(item->a, "%u bytes", a->size);
    }
    if (b && !b->is_folder) {
        diff_words(item->b, "%u bytes", b->size);
    }
    return MOLT_OK;
}

/* The bytes of a file; of a damaged one NULL. */
static int read_file(const struct diff_work *work, const struct side *side, const char *path,
                     uint8_t **bytes, uint32_t *n)
{
    int error = molt_fs_read_file(side->session.fs, path, bytes, n);
    if (error && error != MOLT_E_FORMAT) {
        return molt_fail(work->message, error, "%s: %s: '%s' cannot be read: %s",
                         side->session.target->name, side->session.place.label, path,
                         molt_strerror(error));
    }
    return MOLT_OK;
}

static int damaged_item(struct diff_work *work, const char *place, const struct molt_fs_item *x,
                        const struct molt_fs_item *y, bool in_a, bool in_b)
{
    int error = file_item(work, place, x, y);
    if (!error) {
        struct molt_diff_item *item = &work->diff->item[work->diff->count - 1];
        diff_words(item->a, "%u bytes%s", x->size, in_a ? "" : " that cannot be read");
        diff_words(item->b, "%u bytes%s", y->size, in_b ? "" : " that cannot be read");
    }
    return error;
}

/* A file that is on both sides. */
static int compare_file(struct diff_work *work, const char *place, const struct side *a,
                        const struct molt_fs_item *x, const struct side *b,
                        const struct molt_fs_item *y)
{
    uint8_t *one = NULL, *other = NULL;
    uint32_t n = 0, m = 0;
    if (x->size != y->size) {
        return file_item(work, place, x, y);
    }
    int error = read_file(work, a, x->path, &one, &n);
    if (!error) {
        error = read_file(work, b, y->path, &other, &m);
    }
    if (!error && (!one || !other)) {
        error = damaged_item(work, place, x, y, one != NULL, other != NULL);
    } else if (!error && (n != m || memcmp(one, other, n) != 0)) {
        error = file_item(work, place, x, y);
    }
    free(one);
    free(other);
    return error;
}

static int compare_item(struct diff_work *work, const char *place, const struct side *a,
                        const struct molt_fs_item *x, const struct side *b,
                        const struct molt_fs_item *y)
{
    if (!x || !y) {
        return file_item(work, place, x, y);
    }
    if (x->is_folder != y->is_folder) {
        int error = file_item(work, place, x, NULL);
        return error ? error : file_item(work, place, NULL, y);
    }
    return x->is_folder ? MOLT_OK : compare_file(work, place, a, x, b, y);
}

static int compare_lists(struct diff_work *work, const char *place, const struct side *a,
                         const struct side *b)
{
    uint32_t i = 0, k = 0;
    int error = MOLT_OK;
    while (!error && (i < a->items.count || k < b->items.count)) {
        const struct molt_fs_item *x = i < a->items.count ? &a->items.item[i] : NULL;
        const struct molt_fs_item *y = k < b->items.count ? &b->items.item[k] : NULL;
        int order = !x ? 1 : !y ? -1 : strcmp(x->path, y->path);
        x = order <= 0 ? x : NULL;
        y = order >= 0 ? y : NULL;
        error = compare_item(work, place, a, x, b, y);
        i += x != NULL;
        k += y != NULL;
        if (!error) {
            error = diff_progress(work, "compare files", i + k,
                                  a->items.count + (uint64_t)b->items.count);
        }
    }
    return error;
}

static int compare_sides(struct diff_work *work, const struct molt_place *place, struct side *a,
                         struct side *b, bool *done)
{
    int error = list(work, a);
    if (!error) {
        error = list(work, b);
    }
    *done = a->readable || b->readable; /* none, or two that nobody can read: bytes count */
    if (error || !*done) {
        return error;
    }
    if (!same_kind(a, b)) {
        error = fs_item(work, place->label, a, b);
    }
    return error || !a->readable || !b->readable ? error : compare_lists(work, place->label, a, b);
}

int diff_files(struct diff_work *work, const struct molt_place *a, const struct molt_place *b,
               bool *done)
{
    int same = diff_is_same(work, a, b);
    *done = same == 1; /* also where files are damaged, then on both sides alike */
    if (same != 0) {
        return same < 0 ? same : MOLT_OK;
    }
    struct side *side = calloc(2, sizeof *side);
    if (!side) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = open_side(work, &side[0], work->a, a);
    if (!error) {
        error = open_side(work, &side[1], work->b, b);
    }
    if (!error) {
        error = compare_sides(work, a, &side[0], &side[1], done);
    }
    close_side(&side[1]);
    close_side(&side[0]);
    free(side);
    return error;
}
