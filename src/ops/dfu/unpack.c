/* Elements of a file for DFU devices as files of their own, or as one. */
#define _POSIX_C_SOURCE 200809L /* lstat, strdup */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "molt/host/file.h"
#include "molt/ops/dfu_image.h"

#define PATH_ROOM 4200

struct unpacking {
    struct molt_dfu_unpacked *out;
    const struct molt_dfu_image *image;
    const struct molt_dfu_unpack_request *request;
    struct molt_dfu_element plain; /* without its prefix */
    const struct molt_dfu_element *element;
    struct molt_message *message;
};

/* firmware.dfu.gz -> "firmware" in n bytes; of standard input "dfu". */
static void stem_of(const char *name, char *stem, size_t n)
{
    const char *slash = strrchr(name, '/');
    snprintf(stem, n, "%s", strcmp(name, "-") == 0 ? "dfu" : slash ? slash + 1 : name);
    char *dot = strrchr(stem, '.');
    if (dot && dot != stem && strcmp(dot, ".gz") == 0) {
        *dot = 0;
        dot = strrchr(stem, '.');
    }
    if (dot && dot != stem) {
        *dot = 0;
    }
}

static bool several_alternates(const struct molt_dfu_image *image)
{
    for (uint32_t i = 1; i < image->count; i++) {
        if (image->element[i].alternate != image->element[0].alternate) {
            return true;
        }
    }
    return false;
}

static int add_piece(struct unpacking *unpacking, const char *path,
                     const struct molt_dfu_element *element)
{
    struct molt_dfu_part_file *piece = &unpacking->out->piece[unpacking->out->count];
    struct stat info;
    if (!unpacking->request->replace && lstat(path, &info) == 0) {
        return molt_fail(unpacking->message, MOLT_E_EXISTS,
                         "%s: is there already: remove it, choose another name with --output or "
                         "--folder, or --force to replace it; nothing was written",
                         path);
    }
    piece->path = strdup(path);
    if (!piece->path) {
        return molt_fail(unpacking->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    piece->address = element->address;
    piece->size = element->size;
    unpacking->out->count++;
    return MOLT_OK;
}

static int name_pieces(struct unpacking *unpacking)
{
    const struct molt_dfu_image *image = unpacking->image;
    const struct molt_dfu_unpack_request *request = unpacking->request;
    const char *folder = request->folder ? request->folder : "";
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] != '/' ? "/" : "";
    bool several = several_alternates(image);
    char stem[256], path[PATH_ROOM], alternate[16] = "";
    stem_of(request->name, stem, sizeof stem);
    int error = MOLT_OK;
    for (uint32_t i = 0; i < image->count && !error; i++) {
        const struct molt_dfu_element *e = &unpacking->element[i];
        if (several) {
            snprintf(alternate, sizeof alternate, "alt%u-", e->alternate);
        }
        int n = image->has_addresses
                    ? snprintf(path, sizeof path, "%s%s%s-%s0x%08x.bin", folder, slash, stem,
                               alternate, e->address)
                    : snprintf(path, sizeof path, "%s%s%s.bin", folder, slash, stem);
        error = n < (int)sizeof path
                    ? add_piece(unpacking, path, e)
                    : molt_fail(unpacking->message, MOLT_E_ARGUMENT,
                                "the folder's name is too long: '%.60s...'", folder);
    }
    return error;
}

/* What was written is taken back; what replaced something stays. */
static void take_back(const struct unpacking *unpacking, uint32_t written)
{
    for (uint32_t i = 0; i < written && !unpacking->request->replace; i++) {
        unlink(unpacking->out->piece[i].path);
    }
}

static int write_pieces(struct unpacking *unpacking)
{
    const struct molt_dfu_unpack_request *request = unpacking->request;
    enum molt_file_existing existing = request->replace ? MOLT_FILE_REPLACE : MOLT_FILE_KEEP;
    for (uint32_t i = 0; i < unpacking->out->count && !request->dry_run; i++) {
        const struct molt_dfu_element *e = &unpacking->element[i];
        int error = molt_file_write(unpacking->out->piece[i].path, e->bytes, e->size, 0666,
                                    existing, unpacking->message);
        if (error) {
            take_back(unpacking, i);
            return error;
        }
    }
    return MOLT_OK;
}

static int write_one(struct unpacking *unpacking)
{
    const struct molt_dfu_unpack_request *request = unpacking->request;
    const struct molt_dfu_form form = {.kind = request->as, .fill = request->fill};
    uint8_t *bytes;
    uint32_t n;
    int error = molt_dfu_render(unpacking->element, unpacking->image->count, &form, &bytes, &n,
                                unpacking->message);
    if (!error) {
        error = add_piece(unpacking, request->output, &unpacking->element[0]);
    }
    if (!error) {
        unpacking->out->piece[0].size = n;
    }
    if (!error && !request->dry_run) {
        error = molt_file_write(request->output, bytes, n, 0666,
                                request->replace ? MOLT_FILE_REPLACE : MOLT_FILE_KEEP,
                                unpacking->message);
    }
    free(bytes);
    return error;
}

static int leave_out_prefix(struct unpacking *unpacking)
{
    const struct molt_dfu_image *image = unpacking->image;
    if (image->prefix.kind == MOLT_DFU_PREFIX_NONE) {
        return molt_fail(unpacking->message, MOLT_E_NOT_FOUND,
                         "%s: has no prefix that is known (NXP LPC, TI Stellaris): there is none "
                         "to leave out",
                         unpacking->request->name);
    }
    unpacking->plain = image->element[0];
    unpacking->plain.bytes += image->prefix.size;
    unpacking->plain.size -= image->prefix.size;
    unpacking->element = &unpacking->plain;
    return MOLT_OK;
}

int molt_dfu_unpack(struct molt_dfu_unpacked *unpacked, const struct molt_dfu_image *image,
                    const struct molt_dfu_unpack_request *request, struct molt_message *message)
{
    struct unpacking unpacking = {unpacked, image, request, {0}, image->element, message};
    memset(unpacked, 0, sizeof *unpacked);
    if (request->without_prefix) {
        int error = leave_out_prefix(&unpacking);
        if (error) {
            return error;
        }
    }
    if (!request->output && image->count > MOLT_DFU_UNPACK_FILES) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: has %u elements, expected at most %u for a file each: --output FILE "
                         "makes one of all",
                         request->name, image->count, MOLT_DFU_UNPACK_FILES);
    }
    unpacked->piece = calloc(image->count, sizeof *unpacked->piece);
    if (!unpacked->piece) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    if (request->output) {
        return write_one(&unpacking);
    }
    int error = name_pieces(&unpacking);
    return error ? error : write_pieces(&unpacking);
}

void molt_dfu_unpacked_free(struct molt_dfu_unpacked *unpacked)
{
    for (uint32_t i = 0; i < unpacked->count; i++) {
        free(unpacked->piece[i].path);
    }
    free(unpacked->piece);
    memset(unpacked, 0, sizeof *unpacked);
}
