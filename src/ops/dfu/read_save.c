/* Files of what was read: BIN, Intel HEX, DfuSe or plain DFU. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ops/dfu/read_job.h"

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    for (size_t i = 1; i <= m; i++) {
        if (n <= m || tolower((unsigned char)path[n - i]) != suffix[m - i]) {
            return false;
        }
    }
    return true;
}

static enum molt_dfu_read_format format_of(enum molt_dfu_read_format format, const char *path)
{
    if (format != MOLT_DFU_READ_BY_NAME || !path) {
        return format;
    }
    if (ends_with(path, ".hex") || ends_with(path, ".ihex") || ends_with(path, ".ihx")) {
        return MOLT_DFU_READ_HEX;
    }
    return ends_with(path, ".dfu") ? MOLT_DFU_READ_DFU : MOLT_DFU_READ_BIN;
}

static int copy_of(const uint8_t *bytes, uint32_t n, uint8_t **copy, uint32_t *size,
                   struct molt_message *message)
{
    *copy = malloc(n ? n : 1);
    if (!*copy) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    if (n) {
        memcpy(*copy, bytes, n);
    }
    *size = n;
    return MOLT_OK;
}

/* MicroPython joins the two ranges of such a board to one block device (its flashbdev.c): so does
 * the image of its file system. */
static int joined(const struct molt_dfu_read *job, uint8_t **bytes, uint32_t *n,
                  struct molt_message *message)
{
    *bytes = malloc(job->bytes);
    if (!*bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    *n = 0;
    for (uint32_t i = 0; i < job->count; i++) {
        memcpy(*bytes + *n, job->piece[i].bytes, job->piece[i].size);
        *n += job->piece[i].size;
    }
    return MOLT_OK;
}

static int with_addresses(const struct molt_dfu_read *job, enum molt_dfu_image_kind kind,
                          uint8_t **bytes, uint32_t *n, struct molt_message *message)
{
    const struct molt_dfu_session *session = job->session;
    struct molt_dfu_form form = {.kind = kind,
                                 .vendor = session->device.vendor,
                                 .product = session->device.product,
                                 .device = 0xFFFF,
                                 .fill = 0xFF};
    const struct molt_dfu_piece *last = &job->piece[job->count - 1];
    uint64_t span = (uint64_t)last->address + last->size - job->piece[0].address;
    struct molt_dfu_element *element = calloc(job->count, sizeof *element);
    if (!element) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < job->count; i++) {
        element[i] = (struct molt_dfu_element){.address = job->piece[i].address,
                                               .size = job->piece[i].size,
                                               .bytes = job->piece[i].bytes,
                                               .alternate = session->alternate->facts.alternate,
                                               .has_alternate = true,
                                               .target_name = ""};
    }
    int error = kind == MOLT_DFU_IMAGE_BIN && span > MOLT_DFU_IMAGE_LIMIT
                    ? molt_fail(message, MOLT_E_RANGE,
                                "%" PRIu64 " bytes from 0x%08" PRIx32
                                " to the end of what was read, which is a file of mostly FF; "
                                "expected a name that ends in .dfu or .hex, or fewer places",
                                span, job->piece[0].address)
                    : molt_dfu_render(element, job->count, &form, bytes, n, message);
    free(element);
    return error;
}

static int plain_file(const struct molt_dfu_read *job, enum molt_dfu_read_format format,
                      uint8_t **bytes, uint32_t *n, struct molt_message *message)
{
    const struct molt_dfu_piece *piece = job->piece;
    if (format == MOLT_DFU_READ_HEX) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: a device without addresses has nothing for Intel HEX; expected a "
                         "name that ends in .bin or .dfu",
                         job->session->name);
    }
    return format == MOLT_DFU_READ_DFU
               ? with_addresses(job, MOLT_DFU_IMAGE_PLAIN, bytes, n, message)
               : copy_of(piece->bytes, piece->size, bytes, n, message);
}

int molt_dfu_read_file(const struct molt_dfu_read *job, enum molt_dfu_read_format format,
                       const char *path, uint8_t **bytes, uint32_t *n, struct molt_message *message)
{
    *bytes = NULL;
    *n = 0;
    format = format_of(format, path);
    for (uint32_t i = 0; i < job->count; i++) {
        if (!job->piece[i].bytes) {
            return molt_fail(message, MOLT_E_ARGUMENT, "%s: was not read yet", job->session->name);
        }
    }
    if (job->plain) {
        return plain_file(job, format, bytes, n, message);
    }
    if (format == MOLT_DFU_READ_HEX) {
        return with_addresses(job, MOLT_DFU_IMAGE_HEX, bytes, n, message);
    }
    if (format == MOLT_DFU_READ_DFU) {
        return with_addresses(job, MOLT_DFU_IMAGE_DFUSE, bytes, n, message);
    }
    return job->files ? joined(job, bytes, n, message)
                      : with_addresses(job, MOLT_DFU_IMAGE_BIN, bytes, n, message);
}

int molt_dfu_read_save(const struct molt_dfu_read *job, enum molt_dfu_read_format format,
                       const char *path, enum molt_file_existing existing,
                       struct molt_message *message)
{
    uint8_t *bytes;
    uint32_t n;
    int error = molt_dfu_read_file(job, format, path, &bytes, &n, message);
    error = error ? error : molt_file_write(path, bytes, n, 0666, existing, message);
    free(bytes);
    return error;
}
