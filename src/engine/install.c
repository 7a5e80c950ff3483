/* Chunk by chunk: there already? else erase, decode and program, read back. */
#include <string.h>

#include "engine/internal.h"
#include "molt/espimage.h"

static uint32_t chunk_size(const struct molt_engine *e)
{
    return molt_chunk_size(e->app, e->chunk - e->app->first_chunk);
}

static uint32_t chunk_start(const struct molt_engine *e)
{
    return e->target->offset + ((e->chunk - e->app->first_chunk) << e->app->chunk_log2);
}

/* Adds a piece that was read back to what is known of the whole image: digest of all, and digest
   and sum of what its own hash covers, so that nobody has to read the slot once more for them. */
static void add_to_image(struct molt_engine *e, uint32_t at, uint32_t n)
{
    const struct molt_digest *digest = e->port->digest;
    uint32_t hashed = e->app->length > MOLT_SHA256_SIZE ? e->app->length - MOLT_SHA256_SIZE : 0;
    uint32_t before = at >= hashed ? 0 : (n < hashed - at ? n : hashed - at);
    digest->update(&e->whole, e->port->buffer, before);
    e->sum = molt_image_xor(e->sum, e->port->buffer, before);
    if (before < n && at <= hashed) {
        struct molt_digest_state so_far = e->whole;
        digest->finish(&so_far, e->image_sha256);
    }
    digest->update(&e->whole, e->port->buffer + before, n - before);
}

/* Reads the next piece of the chunk under work back into its digest and the image's. MOLT_DONE at
 * its end. */
static int read_piece(struct molt_engine *e)
{
    const struct molt_engine_port *port = e->port;
    uint32_t n = chunk_size(e) - e->at;
    n = n < MOLT_ENGINE_BUFFER ? n : MOLT_ENGINE_BUFFER;
    int code = molt_flash_read(port->flash, chunk_start(e) + e->at, port->buffer, n);
    if (code < 0) {
        return code;
    }
    if (e->at == 0) {
        port->digest->start(&e->read);
        e->before = e->whole;
        e->sum_before = e->sum;
    }
    port->digest->update(&e->read, port->buffer, n);
    add_to_image(e, chunk_start(e) - e->target->offset + e->at, n);
    e->at += n;
    return e->at == chunk_size(e) ? MOLT_DONE : MOLT_OK;
}

static bool is_blank(const uint8_t *bytes, uint32_t n)
{
    while (n && bytes[n - 1] == 0xFF) {
        n--;
    }
    return n == 0;
}

/* The chunk under work is not what it should be: what was added for it is taken back. */
static int rewrite(struct molt_engine *e)
{
    if (e->at) {
        e->whole = e->before;
        e->sum = e->sum_before;
    }
    molt_engine_enter(e, e->pruned ? MOLT_STATE_ERASE : MOLT_STATE_PRUNE);
    return MOLT_DONE;
}

static bool digest_is(const struct molt_engine *e, struct molt_digest_state *state)
{
    uint8_t digest[MOLT_SHA256_SIZE];
    e->port->digest->finish(state, digest);
    return memcmp(digest, e->manifest.chunk[e->chunk].sha256, MOLT_SHA256_SIZE) == 0;
}

int molt_engine_scan(struct molt_engine *e)
{
    if (e->port->image) {
        return molt_engine_sectors(e);
    }
    if (e->chunk == e->app->first_chunk + e->app->chunk_count) {
        if (e->release && !e->pruned) { /* nothing was erased, but new files need the room */
            molt_engine_enter(e, MOLT_STATE_PRUNE);
        }
        return MOLT_DONE;
    }
    if (e->chunk == e->update.chunk) {
        return rewrite(e); /* torn cells may read right once: the hash proves nothing here */
    }
    int code = read_piece(e);
    if (code == MOLT_OK && e->at == MOLT_ENGINE_BUFFER &&
        is_blank(e->port->buffer, MOLT_ENGINE_BUFFER)) {
        return rewrite(
            e); /* an erased slot need not be read to its end; it is erased again all the same */
    }
    if (code != MOLT_DONE) {
        return code;
    }
    if (digest_is(e, &e->read)) {
        e->chunks_kept++;
        e->chunk++;
        e->at = 0;
        return MOLT_OK;
    }
    return rewrite(e);
}

/* The store names a chunk before its first erase: MOLT_DONE when it does. One further on that a cut
 * left torn is erased before, or nobody would know of it any more. */
static int claim(struct molt_engine *e, uint32_t chunk)
{
    uint32_t size = 1u << e->app->chunk_log2, torn = (uint32_t)e->torn << e->app->chunk_log2;
    if (e->update.chunk == chunk) {
        return MOLT_DONE;
    }
    if (e->torn != MOLT_NO_CHUNK && e->torn > chunk && torn < e->target->size) {
        e->torn = MOLT_NO_CHUNK;
        return molt_flash_erase(e->port->flash, e->target->offset + torn,
                                size < e->target->size - torn ? size : e->target->size - torn);
    }
    e->update.chunk = (uint8_t)chunk;
    return molt_update_save(e->port->store, &e->update);
}

int molt_engine_erase(struct molt_engine *e)
{
    uint32_t size = (chunk_size(e) + SECTOR - 1) / SECTOR * SECTOR;
    int code = claim(e, e->chunk);
    if (code == MOLT_DONE && e->at == 0) {
        /* Asked for first, so that the network works while the flash is busy. */
        code = molt_stream_open(e, e->chunk);
        code = code < 0 ? code : MOLT_DONE;
    }
    if (code != MOLT_DONE) {
        return code;
    }
    e->erased = 0;
    if (e->port->by_sector) {
        e->port->digest->start(&e->decoded);
        return MOLT_DONE;
    }
    uint32_t n = size - e->at < 0x10000u ? size - e->at : 0x10000u;
    code = molt_flash_erase(e->port->flash, chunk_start(e) + e->at, n);
    if (code < 0) {
        return code;
    }
    e->at += n;
    if (e->at < size) {
        return MOLT_OK;
    }
    e->port->digest->start(&e->decoded);
    return MOLT_DONE;
}

static int finish_chunk(struct molt_engine *e)
{
    const uint8_t *bytes;
    uint32_t n;
    int code = molt_stream_peek(e, &bytes, &n);
    if (code != MOLT_DONE) {
        return code == MOLT_OK ? MOLT_E_CHUNK_DECODE : code; /* goes on behind its size */
    }
    return digest_is(e, &e->decoded) ? MOLT_DONE : MOLT_E_CHUNK_HASH;
}

/* The buffer's n bytes. */
static int program(struct molt_engine *e, uint32_t offset, uint32_t n)
{
    uint32_t padded = (n + PROGRAM_ALIGN_MAX - 1) & ~(PROGRAM_ALIGN_MAX - 1);
    memset(e->port->buffer + n, 0xFF, padded - n);
    e->bytes_written += n;
    return molt_flash_program(e->port->flash, offset, e->port->buffer, padded);
}

int molt_engine_write(struct molt_engine *e)
{
    const struct molt_engine_port *port = e->port;
    uint32_t left = chunk_size(e) - e->at;
    if (left == 0) {
        return finish_chunk(e);
    }
    if (port->by_sector && e->erased == e->at) {
        e->erased += SECTOR;
        return molt_flash_erase(port->flash, chunk_start(e) + e->at, SECTOR);
    }
    uint32_t n = left < MOLT_ENGINE_BUFFER ? left : MOLT_ENGINE_BUFFER;
    int code = molt_stream_fill(e, n);
    if (code != MOLT_OK) {
        return code;
    }
    port->digest->update(&e->decoded, port->buffer, n);
    code = program(e, chunk_start(e) + e->at, n);
    e->at += n;
    e->filled = 0;
    return code;
}

int molt_engine_check(struct molt_engine *e)
{
    int code = read_piece(e);
    if (code != MOLT_DONE) {
        return code;
    }
    if (!digest_is(e, &e->read)) {
        return MOLT_E_VERIFY;
    }
    e->chunks_written++;
    e->chunk++;
    return MOLT_DONE;
}

/* 1 = what came, n bytes in the buffer, is what stands at this place of the slot; 0 = not. */
static int sector_is(struct molt_engine *e, uint32_t start, uint32_t n)
{
    for (uint32_t at = 0, piece; at < n; at += piece) {
        piece = n - at < sizeof e->input ? n - at : (uint32_t)sizeof e->input;
        int code = molt_flash_read(e->port->flash, start + at, e->input, piece);
        if (code < 0) {
            return code;
        }
        if (memcmp(e->input, e->port->buffer + at, piece) != 0) {
            return 0;
        }
    }
    return 1;
}

/* An unsigned image brings no hashes to compare with: sector by sector, what came against what is
 * there. `at` counts the operations on one sector; PROBE has opened the stream. */
int molt_engine_sectors(struct molt_engine *e)
{
    const struct molt_engine_port *port = e->port;
    uint32_t start = e->target->offset + e->pack_at, n = e->app->length - e->pack_at;
    uint8_t chunk = (uint8_t)(e->pack_at >> e->app->chunk_log2);
    if (n == 0) {
        return MOLT_DONE;
    }
    n = n < SECTOR ? n : SECTOR;
    int code = molt_stream_fill(e, n);
    if (code != MOLT_OK) {
        return code;
    }
    if (e->at == 1) {
        e->at++;
        return molt_flash_erase(port->flash, start, SECTOR);
    }
    if (e->at == 2) {
        e->at++;
        return program(e, start, n);
    }
    code = sector_is(e, start, n);
    if (code < 0) {
        return code;
    }
    if (e->at == 0 && (!code || chunk == e->torn)) {
        if (!e->pruned) {
            molt_engine_enter(e, MOLT_STATE_PRUNE);
            return MOLT_DONE;
        }
        code = claim(e, chunk);
        e->at = code == MOLT_DONE;
        return code < 0 ? code : MOLT_OK;
    }
    if (!code) {
        return MOLT_E_VERIFY;
    }
    add_to_image(e, e->pack_at, n);
    e->at ? e->chunks_written++ : e->chunks_kept++;
    e->pack_at += n;
    e->at = 0;
    e->filled = 0;
    return MOLT_OK;
}
