/* Release files: a new directory, file by file; the old one goes only with its slot. */
#include <string.h>

#include "engine/internal.h"

static const struct molt_files *files_of(const struct molt_engine *e)
{
    return e->port->files;
}

/* ---- Removing what belongs to no slot any more ---- */

static bool is_bound(const struct molt_release_binding *bindings, int count, const char *name)
{
    char directory[MOLT_RELEASE_DIR_SIZE];
    for (int i = 0; i < count; i++) {
        molt_release_directory(bindings[i].release, directory);
        if (memcmp(directory + 5, name, MOLT_RELEASE_DIR_SIZE - 5) == 0) {
            return true;
        }
    }
    return false;
}

/* A directory that we made: 16 hex digits. */
static bool is_ours(const char *name)
{
    uint32_t n = 0;
    while ((name[n] >= '0' && name[n] <= '9') || (name[n] >= 'a' && name[n] <= 'f')) {
        n++;
    }
    return n == 16 && !name[n];
}

/* Those that this update leaves alone, their number; *gone = of the others: the target slot's, and
 * a candidate that nobody confirmed. */
static int staying(const struct molt_engine *e, struct molt_release_binding *bindings, int *gone)
{
    int count = molt_releases_load(e->port->store, bindings), kept = 0;
    for (int i = 0; i < count; i++) {
        if (bindings[i].slot_offset != MOLT_CANDIDATE &&
            (!e->app || bindings[i].slot_offset != e->target->offset)) {
            bindings[kept++] = bindings[i];
        }
    }
    *gone = count - kept;
    return count < 0 ? count : kept;
}

/* The target slot loses its release, before its first erase. */
static int unbind_target(struct molt_engine *e)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    int gone, count = staying(e, bindings, &gone);
    return count < 0 || !gone ? count
                              : molt_releases_save(e->port->store, bindings, (uint32_t)count);
}

/* Finds the next directory below /rel, from entry *index on, that no slot but the target and not
   this update needs; its path goes to e->path. 1 = found. */
static int find_orphan(struct molt_engine *e, uint32_t *index)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    char own[MOLT_RELEASE_DIR_SIZE] = "";
    const struct molt_files *files = files_of(e);
    int gone, count = staying(e, bindings, &gone);
    if (count < 0) {
        return count;
    }
    if (e->release) {
        molt_release_directory(e->release->sha256, own);
    }
    for (;;) {
        char *name = e->path + 5;
        memcpy(e->path, MOLT_RELEASE_ROOT "/", 6);
        int code = files->ops->list(files->context, MOLT_RELEASE_ROOT, (*index)++, name,
                                    (uint32_t)sizeof e->path - 5);
        if (code <= 0) {
            return code == MOLT_E_NOT_FOUND ? 0 : code;
        }
        if (is_ours(name) && memcmp(own + 5, name, 17) != 0 && !is_bound(bindings, count, name)) {
            return 1;
        }
    }
}

#define ROOM_FOR_WORK                                                                              \
    (6 * SECTOR)            /* /rel, the release's directory, what a rewrite holds for a while */
#define ROOM_FOR_ENTRY 512u /* of a file in its directory, which is kept twice */

/* One file or empty directory a step. What cannot be removed stays: an application's own files
 * never stop an update. `at` - 1 is the entry of /rel to look at. */
int molt_engine_prune(struct molt_engine *e)
{
    if (e->at == 0) {
        int code = unbind_target(e);
        e->at = 1;
        if (code < 0 || files_of(e)) {
            return code < 0 ? code : MOLT_OK;
        }
    }
    uint32_t index = e->at - 1;
    int code = files_of(e) ? find_orphan(e, &index) : 0;
    if (code > 0) {
        code = files_of(e)->ops->prune(files_of(e)->context, e->path);
        if (code == MOLT_OK || code == MOLT_E_POWER) {
            return code;
        }
        e->at = index + 1;
        return MOLT_OK;
    }
    e->pruned = code == 0;
    if (!e->app) {
        molt_engine_enter(e, MOLT_STATE_LIST);
    }
    return code < 0 ? code : MOLT_DONE;
}

/* ---- Staging ---- */

/* File number `wanted`; 0 is the list itself, which the buffer holds. Every path is checked before
 * the first is written. MOLT_DONE behind the last. */
static int walk(const struct molt_engine *e, uint32_t wanted, struct molt_release_file *file)
{
    struct molt_release_reader reader;
    int code =
        molt_release_start(&reader, e->port->buffer, e->release->list_size, e->release->length);
    if (wanted == 0 && code == MOLT_OK) {
        memset(file, 0, sizeof *file);
        memcpy(file->path, MOLT_RELEASE_LIST, sizeof MOLT_RELEASE_LIST);
        file->length = e->release->list_size;
        memcpy(file->sha256, e->release->list_sha256, MOLT_SHA256_SIZE);
    }
    for (uint32_t i = 0; code == MOLT_OK && i < wanted; i++) {
        code = molt_release_next(&reader, file);
    }
    return code;
}

/* Is the directory in use already, for another slot or for what runs? */
static int find_shared(struct molt_engine *e)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    char own[MOLT_RELEASE_DIR_SIZE];
    int gone, count = staying(e, bindings, &gone);
    molt_release_directory(e->release->sha256, own);
    e->shared = is_bound(bindings, count, own + 5);
    return count < 0 ? count : MOLT_DONE;
}

/* Fetches the list into the buffer and checks it, every path before anything is created. */
int molt_engine_list(struct molt_engine *e)
{
    uint8_t digest[MOLT_SHA256_SIZE];
    struct molt_release_file file;
    if (e->at == 0) {
        int code = molt_stream_open(e, e->release->first_chunk);
        if (code < 0) {
            return code;
        }
        e->at = 1;
    }
    int code = molt_stream_fill(e, e->release->list_size);
    if (code != MOLT_OK) {
        return code;
    }
    struct molt_digest_state state;
    e->port->digest->start(&state);
    e->port->digest->update(&state, e->port->buffer, e->release->list_size);
    e->port->digest->finish(&state, digest);
    if (memcmp(digest, e->release->list_sha256, MOLT_SHA256_SIZE) != 0) {
        return MOLT_E_CHUNK_HASH;
    }
    code = walk(e, 0xFFFFFFFFu, &file);
    if (code != MOLT_DONE) {
        return code < 0 ? code : MOLT_E_RELEASE;
    }
    e->pack_at = e->release->list_size;
    e->file = 0;
    e->file_open = false;
    return find_shared(e);
}

/* e->path = directory of the release + "/" + the file's path, for which there is always room. */
static void make_path(struct molt_engine *e, const struct molt_release_file *file)
{
    molt_release_directory(e->release->sha256, e->path);
    e->path[MOLT_RELEASE_DIR_SIZE - 1] = '/';
    memcpy(e->path + MOLT_RELEASE_DIR_SIZE, file->path, sizeof file->path);
}

/* Directories of the file that the one before it, whose path e->path still is, did not need. */
static uint32_t new_directories(const struct molt_engine *e, const struct molt_release_file *file)
{
    const char *last = e->path + MOLT_RELEASE_DIR_SIZE;
    uint32_t i = 0, n = 0;
    while (file->path[i] && file->path[i] == last[i]) {
        i++;
    }
    for (; file->path[i]; i++) {
        n += file->path[i] == '/';
    }
    return n;
}

/* Every directory above e->path. */
static int make_directories(struct molt_engine *e)
{
    for (uint32_t i = 1; e->path[i]; i++) {
        if (e->path[i] == '/') {
            e->path[i] = 0;
            int code = files_of(e)->ops->mkdir(files_of(e)->context, e->path);
            e->path[i] = '/';
            if (code < 0) {
                return code;
            }
        }
    }
    return MOLT_OK;
}

/* 1 = the file is there with this content, or with what the application made of its own to keep;
 * 0 = not. The window may hold decoded bytes, so a small buffer. */
static int is_there(struct molt_engine *e, const struct molt_release_file *file)
{
    uint8_t piece[256], digest[MOLT_SHA256_SIZE];
    const struct molt_files *files = files_of(e);
    uint32_t size = 0;
    int kind = files->ops->stat(files->context, e->path, &size);
    if (kind == MOLT_FILE && e->shared && file->policy == MOLT_KEEP_IF_CHANGED) {
        return 1;
    }
    if (kind != MOLT_FILE || size != file->length) {
        return kind == MOLT_E_NOT_FOUND || kind >= 0 ? 0 : kind;
    }
    e->port->digest->start(&e->read);
    for (uint32_t at = 0; at < size;) {
        uint32_t n = size - at < sizeof piece ? size - at : (uint32_t)sizeof piece;
        int got = files->ops->read(files->context, e->path, at, piece, n);
        if (got != (int)n) {
            return got < 0 ? got : 0;
        }
        e->port->digest->update(&e->read, piece, n);
        at += n;
    }
    e->port->digest->finish(&e->read, digest);
    return memcmp(digest, file->sha256, MOLT_SHA256_SIZE) == 0;
}

/* Room for what is not there yet, as littlefs needs it: two blocks a directory, entries, and blocks
 * that also hold pointers. */
static int check_space(struct molt_engine *e)
{
    const struct molt_files *files = files_of(e);
    struct molt_release_file file;
    uint32_t needed = ROOM_FOR_WORK, free_bytes, index = 0;
    int code;
    e->path[MOLT_RELEASE_DIR_SIZE] = 0;
    for (uint32_t i = 0; (code = walk(e, i, &file)) == MOLT_OK; i++) {
        if (file.policy >= MOLT_KEEP_DELETE) {
            continue;
        }
        needed += new_directories(e, &file) * 2 * SECTOR + ROOM_FOR_ENTRY;
        make_path(e, &file);
        code = is_there(e, &file);
        if (code < 0) {
            return code;
        }
        needed += code ? 0 : (file.length + (file.length >> 8) + SECTOR - 1) / SECTOR * SECTOR;
    }
    if (code < 0) {
        return code;
    }
    code = files->ops->space(files->context, &free_bytes);
    /* What the target's old release occupies will be free by then. */
    while (code >= 0 && (code = find_orphan(e, &index)) > 0) {
        code = files->ops->measure(files->context, e->path, &free_bytes);
    }
    if (code < 0) {
        return code;
    }
    e->room_needed = needed;
    e->room_free = free_bytes;
    return needed > free_bytes ? MOLT_E_NO_SPACE : MOLT_DONE;
}

int molt_engine_preview(struct molt_engine *e)
{
    if (!e->release) {
        return MOLT_DONE;
    }
    int code = molt_engine_list(e);
    if (code == MOLT_DONE) {
        code = check_space(e);
        if (!e->app) {
            molt_engine_enter(e, MOLT_STATE_PRUNE);
        }
    }
    return code;
}

/* Brings the stream to the pack's offset `to`: on in this chunk, or into the one that holds it.
 * MOLT_OK, AGAIN. */
static int seek(struct molt_engine *e, uint32_t to)
{
    const struct molt_payload *pack = e->release;
    uint32_t index = to >> pack->chunk_log2, chunk = pack->first_chunk + index;
    if (e->chunk != chunk || e->pack_at > to) {
        e->pack_at = index << pack->chunk_log2;
        int code = molt_stream_open(e, chunk);
        if (code < 0) {
            return code;
        }
    }
    while (e->pack_at < to) {
        const uint8_t *bytes;
        uint32_t n;
        int code = molt_stream_peek(e, &bytes, &n);
        if (code != MOLT_OK) {
            return code == MOLT_DONE ? MOLT_E_CHUNK_DECODE : code;
        }
        n = n < to - e->pack_at ? n : to - e->pack_at;
        molt_stream_take(e, n);
        e->pack_at += n;
    }
    return MOLT_OK;
}

/* Opens a file that is not there yet: its directories, and an empty file that is a start for
 * appends. */
static int open_file(struct molt_engine *e, const struct molt_release_file *file)
{
    const struct molt_files *files = files_of(e);
    int code = make_directories(e);
    if (code < 0) {
        return code;
    }
    e->file_open = true;
    e->at = 0;
    e->port->digest->start(&e->decoded);
    return file->length ? MOLT_OK : files->ops->write(files->context, e->path, 0, "", 0);
}

static int close_file(struct molt_engine *e, const struct molt_release_file *file)
{
    uint8_t digest[MOLT_SHA256_SIZE];
    const struct molt_files *files = files_of(e);
    e->port->digest->finish(&e->decoded, digest);
    if (memcmp(digest, file->sha256, MOLT_SHA256_SIZE) != 0) {
        int code = files->ops->prune(files->context, e->path);
        return code == MOLT_E_POWER ? code : MOLT_E_CHUNK_HASH;
    }
    int there = is_there(e, file);
    if (there != 1) {
        return there < 0 ? there : MOLT_E_VERIFY;
    }
    e->bytes_written += file->length;
    e->file_open = false;
    e->file++;
    return MOLT_OK;
}

int molt_engine_files(struct molt_engine *e)
{
    struct molt_release_file file;
    const struct molt_files *files = files_of(e);
    const uint8_t *bytes;
    uint32_t n;
    int code = walk(e, e->file, &file);
    if (code != MOLT_OK) {
        return code; /* MOLT_DONE behind the last file */
    }
    if (file.policy >= MOLT_KEEP_DELETE) {
        e->file++;
        return MOLT_OK;
    }
    make_path(e, &file);
    if (!e->file_open) {
        code = is_there(e, &file);
        if (code == 1) {
            e->file++;
            return MOLT_OK;
        }
        return code < 0 ? code : open_file(e, &file);
    }
    if (e->at == file.length) {
        return close_file(e, &file);
    }
    if (e->file == 0) {
        code = files->ops->write(files->context, e->path, 0, e->port->buffer, file.length);
        e->port->digest->update(&e->decoded, e->port->buffer, file.length);
        e->at = file.length;
        return code;
    }
    code = seek(e, file.offset + e->at);
    if (code != MOLT_OK) {
        return code;
    }
    code = molt_stream_peek(e, &bytes, &n);
    if (code != MOLT_OK) {
        return code == MOLT_DONE ? MOLT_E_CHUNK_DECODE : code;
    }
    n = n < file.length - e->at ? n : file.length - e->at;
    /* A file may end in the next chunk; seek opens it for the next piece. */
    code = files->ops->write(files->context, e->path, e->at, bytes, n);
    if (code < 0) {
        return code;
    }
    e->port->digest->update(&e->decoded, bytes, n);
    molt_stream_take(e, n);
    e->at += n;
    e->pack_at += n;
    return MOLT_OK;
}

/* ---- Which release belongs to the target ---- */

int molt_engine_bind(struct molt_engine *e)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX], own;
    const struct molt_app_slot *running =
        molt_slot_by_number(&e->port->device, e->port->device.running);
    const uint8_t *image = e->port->device.running_image;
    int dropped, kept = staying(e, bindings, &dropped);
    if (kept < 0) {
        return kept;
    }
    memset(&own, 0, sizeof own);
    bool bound = e->release != 0;
    if (bound) {
        memcpy(own.release, e->release->sha256, MOLT_SHA256_SIZE);
    }
    for (int i = 0; i < kept && !e->release; i++) {
        if (bindings[i].slot_offset == running->offset &&
            memcmp(bindings[i].image_sha256, image, MOLT_SHA256_SIZE) == 0) {
            memcpy(own.release, bindings[i].release, MOLT_SHA256_SIZE);
            bound = true; /* a firmware without files goes on with the files that run now */
        }
    }
    if (kept == MOLT_RELEASES_MAX) { /* the oldest goes, but not the one of what runs */
        int gone = bindings[0].slot_offset == running->offset;
        kept--;
        memmove(bindings + gone, bindings + gone + 1,
                (MOLT_RELEASES_MAX - 1 - (uint32_t)gone) * sizeof bindings[0]);
    }
    if (bound) {
        own.slot_offset = e->app ? e->target->offset : MOLT_CANDIDATE;
        memcpy(own.image_sha256, e->app ? e->image_sha256 : image, MOLT_SHA256_SIZE);
        bindings[kept++] = own;
    }
    int code = molt_releases_save(e->port->store, bindings, (uint32_t)kept);
    return code < 0 ? code : MOLT_DONE;
}
