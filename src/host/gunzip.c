/* gzip in memory, with an end to what it may become. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "molt/host/input.h"

#define GZIP_WINDOW (15 + 16) /* zlib: expect gzip's head and tail */

struct unpack {
    const char *name;
    z_stream stream;
    uint8_t *out;
    size_t n, room, limit;
};

bool molt_gzip_is(const uint8_t *bytes, size_t n)
{
    return n >= 3 && bytes[0] == 0x1F && bytes[1] == 0x8B && bytes[2] == 8;
}

/* Room for at least one byte more. */
static int grow(struct unpack *unpack, struct molt_message *message)
{
    if (unpack->n < unpack->room) {
        return MOLT_OK;
    }
    if (unpack->room > unpack->limit) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: is over %zu bytes when it is unpacked, expected at most that",
                         unpack->name, unpack->limit);
    }
    size_t more = unpack->room ? unpack->room * 2 : 65536;
    more = more > unpack->limit + 1 ? unpack->limit + 1 : more;
    uint8_t *larger = realloc(unpack->out, more);
    if (!larger) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", unpack->name);
    }
    unpack->out = larger;
    unpack->room = more;
    return MOLT_OK;
}

static int say(const struct unpack *unpack, int code, struct molt_message *message)
{
    const char *why = unpack->stream.msg ? unpack->stream.msg : "";
    if (code == Z_BUF_ERROR) {
        return molt_fail(message, MOLT_E_TRUNCATED,
                         "%s: the gzip file ends too early: fetch it again", unpack->name);
    }
    if (code == Z_MEM_ERROR) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", unpack->name);
    }
    if (strcmp(why, "incorrect data check") == 0 || strcmp(why, "incorrect length check") == 0) {
        return molt_fail(message, MOLT_E_VERIFY,
                         "%s: the gzip file is damaged (%s): fetch it again", unpack->name, why);
    }
    return molt_fail(message, MOLT_E_FORMAT, "%s: the gzip file is damaged (%s): fetch it again",
                     unpack->name, why);
}

/* One member: from stream.next_in to the end of it. */
static int unpack_member(struct unpack *unpack, struct molt_message *message)
{
    int code = Z_OK, error = MOLT_OK;
    while (code != Z_STREAM_END && !error) {
        error = grow(unpack, message);
        if (!error) {
            size_t room = unpack->room - unpack->n;
            uInt piece = room > UINT_MAX / 2 ? UINT_MAX / 2 : (uInt)room;
            unpack->stream.next_out = unpack->out + unpack->n;
            unpack->stream.avail_out = piece;
            code = inflate(&unpack->stream, Z_NO_FLUSH);
            unpack->n += piece - unpack->stream.avail_out;
            bool starved =
                code == Z_OK && unpack->stream.avail_in == 0 && unpack->stream.avail_out > 0;
            if (starved || (code != Z_OK && code != Z_STREAM_END)) {
                error = say(unpack, starved ? Z_BUF_ERROR : code, message);
            }
        }
    }
    return error;
}

int molt_gunzip(const char *name, const uint8_t *bytes, size_t n, size_t limit, uint8_t **out,
                size_t *out_n, struct molt_message *message)
{
    struct unpack unpack = {.name = name, .limit = limit};
    *out = NULL;
    *out_n = 0;
    if (n > UINT_MAX) {
        return molt_fail(message, MOLT_E_RANGE, "%s: is too large to be unpacked", name);
    }
    if (inflateInit2(&unpack.stream, GZIP_WINDOW) != Z_OK) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", name);
    }
    /* zlib only reads from there; its interface is older than const. */
    unpack.stream.next_in = (Bytef *)(uintptr_t)bytes;
    unpack.stream.avail_in = (uInt)n;
    int error = unpack_member(&unpack, message);
    while (!error && molt_gzip_is(unpack.stream.next_in, unpack.stream.avail_in)) {
        inflateReset(&unpack.stream);
        error = unpack_member(&unpack, message);
    }
    if (!error && unpack.stream.avail_in) {
        error = molt_fail(message, MOLT_E_FORMAT,
                          "%s: %u bytes behind the end of the gzip file: fetch it again", name,
                          unpack.stream.avail_in);
    }
    if (!error && unpack.n > limit) {
        error = molt_fail(message, MOLT_E_RANGE,
                          "%s: is over %zu bytes when it is unpacked, expected at most that", name,
                          limit);
    }
    inflateEnd(&unpack.stream);
    if (error) {
        free(unpack.out);
        return error;
    }
    *out = unpack.out;
    *out_n = unpack.n;
    return MOLT_OK;
}
