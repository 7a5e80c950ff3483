#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "host/simrun_internal.h"
#include "molt/host/file.h"
#include "molt/ptable.h"

/* docs/spec/simulator-protocol.md */
enum {
    OP_HELLO = 1,
    OP_READ,
    OP_PROGRAM,
    OP_ERASE,
    OP_STORE_GET,
    OP_STORE_PUT,
    OP_RESET,
    OP_WATCHDOG,
    OP_FEED,
    OP_OPERATIONS,
    OP_LOADED,
    OP_END,
    OP_SCRATCH_GET,
    OP_SCRATCH_PUT,
    OP_DEEP_SLEEP,
    OP_CLOCK_GET,
    OP_CLOCK_SET
};

struct request {
    uint8_t op;
    uint32_t a, b;
};

static int read_all(int fd, uint8_t *bytes, uint32_t n)
{
    while (n) {
        ssize_t got = read(fd, bytes, n);
        if (got > 0) {
            bytes += got;
            n -= (uint32_t)got;
        } else if (got == 0 || errno != EINTR) {
            return MOLT_E_TRUNCATED;
        }
    }
    return MOLT_OK;
}

static int write_all(int fd, const uint8_t *bytes, uint32_t n)
{
    while (n) {
        ssize_t put = write(fd, bytes, n);
        if (put >= 0) {
            bytes += put;
            n -= (uint32_t)put;
        } else if (errno != EINTR) {
            return MOLT_E_TRUNCATED;
        }
    }
    return MOLT_OK;
}

static int reply(struct simrun_session *session, int status, uint32_t n)
{
    uint8_t head[8];
    molt_put_le32(head, (uint32_t)status);
    molt_put_le32(head + 4, n);
    int result = write_all(session->child.replies, head, sizeof head);
    return result == MOLT_OK ? write_all(session->child.replies, session->buffer, n) : result;
}

/* FNV-1a over the folder's name. */
void molt_simrun_unique_id(const struct molt_board *board, char text[MOLT_SIMRUN_ID_SIZE])
{
    uint64_t hash = 0xCBF29CE484222325u;
    const char *name = strrchr(board->path, '/');
    for (const char *c = name ? name + 1 : board->path; *c; c++) {
        hash = (hash ^ (uint8_t)*c) * 0x100000001B3u;
    }
    snprintf(text, MOLT_SIMRUN_ID_SIZE, "%012llx", (unsigned long long)(hash & 0xFFFFFFFFFFFFu));
}

static int hello(struct simrun_session *session)
{
    const struct molt_board_facts *facts = &session->board->facts;
    char id[MOLT_SIMRUN_ID_SIZE];
    molt_simrun_unique_id(session->board, id);
    uint32_t table = facts->boot.table_offset ? facts->boot.table_offset : MOLT_PTABLE_OFFSET;
    json_t *root =
        json_pack("{s:s,s:s,s:s,s:I,s:s,s:I,s:I,s:b,s:s,s:I,s:I,s:s}", "chip", facts->chip, "board",
                  facts->name, "running", session->result->boot.label, "running_offset",
                  (json_int_t)session->result->boot.offset, "reset_cause", session->cause,
                  "flash_size", (json_int_t)facts->flash_size, "table_offset", (json_int_t)table,
                  "rollback", facts->boot.rollback, "unique_id", id, "chip_id",
                  (json_int_t)facts->boot.chip_id, "bootloader", (json_int_t)facts->min_bootloader,
                  "fs", session->options->fat ? "fat" : "littlefs");
    size_t n = root ? json_dumpb(root, (char *)session->buffer, SIMRUN_PIECE, JSON_COMPACT) : 0;
    json_decref(root);
    return n && n <= SIMRUN_PIECE ? reply(session, MOLT_OK, (uint32_t)n)
                                  : reply(session, MOLT_E_FORMAT, 0);
}

/* ESP-IDF aborts on a write to what runs, the table and the bootloader
 * (CONFIG_SPI_FLASH_DANGEROUS_WRITE_ABORTS). */
static bool forbidden(const struct simrun_session *session, uint32_t offset, uint32_t n)
{
    const struct molt_boot_outcome *boot = &session->result->boot;
    uint32_t table = session->board->facts.boot.table_offset;
    uint32_t low_end = (table ? table : MOLT_PTABLE_OFFSET) + 0x1000;
    uint64_t end = (uint64_t)offset + n;
    return offset < low_end || (offset < (uint64_t)boot->offset + boot->size && end > boot->offset);
}

static int aborted(struct simrun_session *session, const struct request *request,
                   enum simrun_next *next)
{
    simrun_event(session,
                 "the chip aborts: %s of 0x%x bytes at 0x%x, in the running slot, the "
                 "table or the bootloader",
                 request->op == OP_ERASE ? "erase" : "write", request->b, request->a);
    session->cause = "reset";
    *next = SIMRUN_RESET;
    return MOLT_OK;
}

/* Sends a result, but not when power failed: the caller then never hears of it. */
static int answer(struct simrun_session *session, int status, enum simrun_next *next)
{
    if (status == MOLT_E_POWER) {
        *next = SIMRUN_POWER_OFF;
        return MOLT_OK;
    }
    return reply(session, status < 0 ? status : MOLT_OK, 0);
}

static int serve_flash(struct simrun_session *session, const struct request *request,
                       enum simrun_next *next)
{
    const struct molt_flash *flash = &session->board->flash;
    if (request->op == OP_READ) {
        if (request->b > SIMRUN_PIECE) {
            return reply(session, MOLT_E_ARGUMENT, 0);
        }
        int status = molt_flash_read(flash, request->a, session->buffer, request->b);
        return reply(session, status, status == MOLT_OK ? request->b : 0);
    }
    if (request->b && forbidden(session, request->a, request->b)) {
        return aborted(session, request, next);
    }
    return answer(session,
                  request->op == OP_ERASE
                      ? molt_flash_erase(flash, request->a, request->b)
                      : molt_flash_program(flash, request->a, session->buffer, request->b),
                  next);
}

static int serve_store(struct simrun_session *session, const struct request *request,
                       enum simrun_next *next)
{
    const struct molt_store *store = &session->board->store;
    if (request->a < 1 || request->a > MOLT_RECORD_LAST) {
        return reply(session, MOLT_E_ARGUMENT, 0);
    }
    if (request->op == OP_STORE_PUT) {
        return answer(session,
                      store->ops->put(store->context, (int)request->a, session->buffer, request->b),
                      next);
    }
    int n = store->ops->get(store->context, (int)request->a, session->buffer, SIMRUN_PIECE);
    return n < 0 ? reply(session, n, 0) : reply(session, MOLT_OK, (uint32_t)n);
}

static void feed(struct simrun_session *session)
{
    uint32_t scale = session->options->time_scale ? session->options->time_scale : 1;
    session->watchdog_at_ms = simrun_now_ms() + session->watchdog_ms / scale;
}

static int loaded(struct simrun_session *session, uint32_t n)
{
    char *text = session->result->modules_loaded;
    size_t at = strlen(text), room = sizeof session->result->modules_loaded - at;
    if (n + 2u <= room) {
        snprintf(text + at, room, "%s%.*s", at ? " " : "", (int)n, (const char *)session->buffer);
    }
    return reply(session, MOLT_OK, 0);
}

/* What NVS holds besides the store: it survives a power cycle. No operation of its own: no power
 * cut is tried inside. */
static int scratch_get(struct simrun_session *session)
{
    char path[4200];
    uint8_t *bytes = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/scratch.bin", session->board->path);
    int status = molt_file_read(path, SIMRUN_SCRATCH, &bytes, &n, NULL);
    if (status == MOLT_E_NOT_FOUND) {
        status = MOLT_OK;
        n = 0;
    }
    if (status >= 0 && n) {
        memcpy(session->buffer, bytes, n);
    }
    free(bytes);
    return reply(session, status < 0 ? status : MOLT_OK, status < 0 ? 0 : (uint32_t)n);
}

static int scratch_put(struct simrun_session *session, uint32_t n)
{
    char path[4200];
    if (n > SIMRUN_SCRATCH) {
        return reply(session, MOLT_E_NO_SPACE, 0);
    }
    snprintf(path, sizeof path, "%s/scratch.bin", session->board->path);
    int status = molt_file_write(path, session->buffer, n, 0666, MOLT_FILE_REPLACE, NULL);
    return reply(session, status < 0 ? status : MOLT_OK, 0);
}

static int serve_rest(struct simrun_session *session, const struct request *request,
                      enum simrun_next *next)
{
    switch (request->op) {
    case OP_HELLO: return hello(session);
    case OP_RESET:
        session->cause = "reset";
        *next = SIMRUN_RESET;
        return MOLT_OK;
    case OP_WATCHDOG:
        session->watchdog_ms = request->a;
        feed(session);
        return reply(session, MOLT_OK, 0);
    case OP_FEED: feed(session); return reply(session, MOLT_OK, 0);
    case OP_OPERATIONS:
        molt_put_le64(session->buffer, session->board->nor.operations - session->first_operation);
        return reply(session, MOLT_OK, 8);
    case OP_LOADED: return loaded(session, request->b);
    case OP_END:
        session->result->exit_code = (int)(request->a & 0xFF);
        *next = SIMRUN_ENDED;
        return reply(session, MOLT_OK, 0);
    case OP_SCRATCH_GET: return scratch_get(session);
    case OP_SCRATCH_PUT: return scratch_put(session, request->b);
    case OP_DEEP_SLEEP:
        simrun_event(session, "deep sleep");
        simrun_clock_set(session, simrun_clock(session) + request->a / 1000);
        session->cause = SIMRUN_DEEP_SLEEP;
        *next = SIMRUN_RESET;
        return MOLT_OK;
    case OP_CLOCK_GET:
        molt_put_le64(session->buffer, (uint64_t)simrun_clock(session));
        return reply(session, MOLT_OK, 8);
    case OP_CLOCK_SET: simrun_clock_set(session, request->a); return reply(session, MOLT_OK, 0);
    default: return reply(session, MOLT_E_UNSUPPORTED, 0);
    }
}

int simrun_serve(struct simrun_session *session, enum simrun_next *next,
                 struct molt_message *message)
{
    uint8_t head[12];
    struct request request;
    *next = SIMRUN_GO_ON;
    int result = read_all(session->child.requests, head, sizeof head);
    if (result != MOLT_OK) {
        return result;
    }
    request.op = head[0];
    request.a = molt_get_le32(head + 4);
    request.b = molt_get_le32(head + 8);
    bool payload = request.op == OP_PROGRAM || request.op == OP_STORE_PUT ||
                   request.op == OP_LOADED || request.op == OP_SCRATCH_PUT;
    if (payload) {
        if (request.b > SIMRUN_PIECE) {
            return molt_fail(message, MOLT_E_FORMAT,
                             "the application sent a request of %u bytes, at most %u are allowed",
                             request.b, SIMRUN_PIECE);
        }
        result = read_all(session->child.requests, session->buffer, request.b);
        if (result != MOLT_OK) {
            return result;
        }
    }
    switch (request.op) {
    case OP_READ:
    case OP_PROGRAM:
    case OP_ERASE: return serve_flash(session, &request, next);
    case OP_STORE_GET:
    case OP_STORE_PUT: return serve_store(session, &request, next);
    default: return serve_rest(session, &request, next);
    }
}
