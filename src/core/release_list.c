#include <string.h>

#include "core/manifest_keys.h"
#include "molt/cbor.h"
#include "molt/manifest.h"

bool molt_release_path_ok(const char *path)
{
    const char *name = path;
    bool first = true;
    for (;; path++) {
        unsigned char c = (unsigned char)*path;
        if (c == '/' || c == 0) {
            size_t n = (size_t)(path - name);
            if (n == 0 || (name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.')))) {
                return false;
            }
            if (first && n == 5 && memcmp(name, ".list", 5) == 0) {
                return false; /* the place of the list itself */
            }
            first = false;
            if (c == 0) {
                return true;
            }
            name = path + 1;
        } else if (c < ' ' || c == 0x7F || c == '\\') {
            return false;
        }
    }
}

static int parse_field(struct molt_cbor_reader *reader, int key, struct molt_release_file *file)
{
    uint32_t policy;
    int error;
    switch (key) {
    case RELEASE_PATH: return molt_cbor_text(reader, file->path, sizeof file->path);
    case RELEASE_LENGTH: return molt_cbor_u32(reader, 0, UINT32_MAX, &file->length);
    case RELEASE_SHA256: return molt_cbor_bytes(reader, file->sha256, sizeof file->sha256);
    case RELEASE_POLICY:
        error = molt_cbor_u32(reader, MOLT_KEEP_IF_CHANGED, MOLT_KEEP_FOLDER, &policy);
        file->policy = (uint8_t)policy;
        return error;
    default: return MOLT_E_FORMAT;
    }
}

int molt_release_next(struct molt_release_reader *reader, struct molt_release_file *file)
{
    struct molt_cbor_reader cbor = {reader->at, reader->end};
    struct molt_cbor_map map;
    int key;
    if (reader->left == 0) {
        return MOLT_DONE;
    }
    memset(file, 0, sizeof *file);
    if (molt_cbor_map_start(&map, &cbor)) {
        return MOLT_E_RELEASE;
    }
    while ((key = molt_cbor_map_next(&map)) > 0) {
        if (parse_field(&cbor, key, file)) {
            return MOLT_E_RELEASE;
        }
    }
    uint32_t needed = 1u << RELEASE_PATH | 1u << RELEASE_LENGTH | 1u << RELEASE_SHA256;
    if (key < 0 || (map.seen & needed) != needed || !molt_release_path_ok(file->path) ||
        (file->policy >= MOLT_KEEP_DELETE && file->length) ||
        file->length > reader->pack_size - reader->offset) {
        return MOLT_E_RELEASE;
    }
    file->offset = reader->offset;
    reader->offset += file->length;
    reader->at = cbor.at;
    reader->left--;
    return MOLT_OK;
}

/* Does the path at b come behind the one at a? Both NUL-terminated; bytes are compared. */
static bool ascends(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a < (unsigned char)*b;
}

int molt_release_start(struct molt_release_reader *reader, const void *list, uint32_t list_size,
                       uint32_t pack_size)
{
    struct molt_cbor_reader cbor = {list, (const uint8_t *)list + list_size};
    struct molt_cbor_item item;
    struct molt_release_file file;
    char last[sizeof file.path] = "";
    int result;
    if (list_size > MOLT_RELEASE_LIST_MAX || list_size > pack_size ||
        molt_cbor_expect(&cbor, MOLT_CBOR_ARRAY, &item) || item.argument > list_size) {
        return MOLT_E_RELEASE;
    }
    reader->at = cbor.at;
    reader->end = cbor.end;
    reader->left = (uint32_t)item.argument;
    reader->offset = list_size;
    reader->pack_size = pack_size;
    struct molt_release_reader ahead = *reader;
    while ((result = molt_release_next(&ahead, &file)) == MOLT_OK) {
        if (!ascends(last, file.path)) {
            return MOLT_E_RELEASE;
        }
        memcpy(last, file.path, sizeof last);
    }
    return result == MOLT_DONE && ahead.at == ahead.end && ahead.offset == pack_size
               ? MOLT_OK
               : MOLT_E_RELEASE;
}
