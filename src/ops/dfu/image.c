/* Files for DFU devices: read, told by their bytes, and given to the reader of their format. */
#include "molt/ops/dfu_image.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "host/filekind.h"
#include "molt/host/input.h"
#include "ops/dfu/image_internal.h"

const char *molt_dfu_image_kind_name(enum molt_dfu_image_kind kind)
{
    switch (kind) {
    case MOLT_DFU_IMAGE_DFUSE: return "DfuSe";
    case MOLT_DFU_IMAGE_PLAIN: return "DFU";
    case MOLT_DFU_IMAGE_ELF: return "ELF";
    case MOLT_DFU_IMAGE_HEX: return "Intel HEX";
    case MOLT_DFU_IMAGE_BIN: return "raw";
    }
    return "raw";
}

void molt_dfu_image_free(struct molt_dfu_image *image)
{
    free(image->element);
    free(image->bytes);
    free(image->joined);
    free(image->names);
    memset(image, 0, sizeof *image);
}

/* ---- where to leave to ---- */

#define TABLES_LOOKED_AT 256u /* no firmware has more; a hostile file is not to keep us busy */
#define TABLE_ALIGNMENT  128u /* of VTOR, at the least (Armv7-M ARM, B3.2.5) */

static bool in_an_element(const struct molt_dfu_image *image, uint32_t address)
{
    for (uint32_t i = 0; i < image->count; i++) {
        if (address - image->element[i].address < image->element[i].size) {
            return true;
        }
    }
    return false;
}

/* Flash of STM32 and its kin, its alias on the ITCM bus of an F7, mapped serial flash. */
static bool in_flash(uint32_t address)
{
    return (address >= 0x08000000u && address <= 0x0FFFFFFFu) ||
           (address >= 0x00200000u && address <= 0x003FFFFFu) ||
           (address >= 0x90000000u && address <= 0x9FFFFFFFu);
}

static bool is_table(const struct molt_dfu_element *element)
{
    if (element->size < 8 || element->address % TABLE_ALIGNMENT) {
        return false;
    }
    uint32_t stack = molt_get_le32(element->bytes), reset = molt_get_le32(element->bytes + 4);
    return stack >= 0x10000000u && stack <= 0x3FFFFFFFu && stack % 4 == 0 && reset % 2 == 1;
}

/* How well the reset vector of what looks like a table fits the image: 0 not at all. */
static int table_score(const struct molt_dfu_image *image, const struct molt_dfu_element *element)
{
    uint32_t reset = molt_get_le32(element->bytes + 4);
    bool inside = in_an_element(image, reset - 1);
    return inside && image->has_start && (image->start | 1) == reset ? 3
           : inside                                                  ? 2
           : in_flash(reset)                                         ? 1
                                                                     : 0;
}

int molt_dfu_image_entry(const struct molt_dfu_image *image, uint32_t *entry)
{
    int best = 0;
    uint32_t tables = 0;
    *entry = 0;
    for (uint32_t i = 0; image->has_addresses && !image->packed && i < image->count; i++) {
        const struct molt_dfu_element *element = &image->element[i];
        if (!is_table(element)) {
            continue;
        }
        if (++tables > TABLES_LOOKED_AT) {
            break;
        }
        int score = table_score(image, element);
        if (score > best || (score && score == best && element->address < *entry)) {
            best = score;
            *entry = element->address;
        }
    }
    return best ? 1 : 0;
}

/* ---- raw ---- */

static const char HEX_DIGITS[] = "0123456789ABCDEFabcdef";

/* A line of Intel HEX, with or without its colon, or of Motorola's S-records. */
static bool is_record(const uint8_t *bytes, uint32_t n)
{
    uint32_t at = n && (bytes[0] == ':' || bytes[0] == 'S') ? 1 : 0, digits = 0;
    while (at + digits < n && memchr(HEX_DIGITS, bytes[at + digits], 22)) {
        digits++;
    }
    return digits >= 8;
}

/* What is surely no content of a flash: its name. A vector table says more than two letters do, and
 * a text is content for those who say where it goes. */
static const char *foreign(const struct image_file *file)
{
    static const char *const content[] = {"an erased flash (all bytes FF)", "all zero bytes",
                                          "nothing that Molt knows"};
    const uint8_t *bytes = file->image->bytes;
    const char *kind = filekind_of(bytes, file->n);
    uint32_t stack = file->n >= 8 ? molt_get_le32(bytes) : 0;
    bool vectors = stack >= 0x10000000u && stack <= 0x3FFFFFFFu && stack % 4 == 0;
    bool text = strcmp(kind, "a text file") == 0; /* digits look like an address in RAM */
    if (file->request->raw || (vectors && !text)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof content / sizeof content[0]; i++) {
        if (strcmp(kind, content[i]) == 0) {
            return NULL;
        }
    }
    return text && file->request->has_address && !is_record(bytes, file->n) ? NULL : kind;
}

static int read_raw(struct image_file *file)
{
    struct molt_dfu_image *image = file->image;
    const struct molt_dfu_image_request *request = file->request;
    const char *kind = foreign(file);
    if (kind) {
        return molt_fail(file->message, MOLT_E_FORMAT,
                         "%s: is %s, expected a DFU, ELF, Intel HEX or raw firmware file%s%s%s",
                         file->name, kind, request->raw_option ? "; " : "",
                         request->raw_option ? request->raw_option : "",
                         request->raw_option ? " takes it byte by byte" : "");
    }
    if (request->has_address && request->address > 0xFFFFFFFFu - file->n) {
        return molt_fail(file->message, MOLT_E_RANGE,
                         "%s: %u bytes at 0x%08x end behind 4 GB, the end of memory", file->name,
                         file->n, request->address);
    }
    int error = image_room(file, 1);
    if (!error) {
        image->has_addresses = request->has_address;
        image->element[0] =
            (struct molt_dfu_element){.address = request->has_address ? request->address : 0,
                                      .size = file->n,
                                      .bytes = image->bytes,
                                      .target_name = ""};
        image->count = 1;
    }
    return error;
}

/* ---- telling them apart ---- */

static const char ELF[] = "\x7F"
                          "ELF";

static bool is_hex(const struct image_file *file)
{
    const uint8_t *bytes = file->image->bytes;
    uint32_t at = 0, n = file->n;
    while (at < n && (bytes[at] == '\r' || bytes[at] == '\n')) {
        at++;
    }
    if (n - at < 11 || bytes[at] != ':') { /* the shortest record */
        return false;
    }
    for (uint32_t i = 1; i < 11; i++) {
        if (!memchr(HEX_DIGITS, bytes[at + i], 22)) {
            return false;
        }
    }
    return true;
}

static bool begins(const struct image_file *file, const char *magic, uint32_t n)
{
    return file->n >= n && memcmp(file->image->bytes, magic, n) == 0;
}

/* A suffix of which only the letters are right is a broken file, not a raw one. */
static int look_for_suffix(struct image_file *file)
{
    struct molt_dfu_image *image = file->image;
    struct molt_diag diag;
    int error = molt_dfu_parse_suffix(&image->suffix, image->bytes, file->n, &diag);
    image->has_suffix = error == MOLT_OK;
    if (error == MOLT_E_FORMAT && memcmp(image->bytes + file->n - 8, "UFD", 3) == 0) {
        return molt_fail(file->message, MOLT_E_FORMAT,
                         "%s: its DFU suffix says that it is %u bytes long, expected 16 to %u",
                         file->name, image->bytes[file->n - 5], file->n > 255 ? 255 : file->n);
    }
    return MOLT_OK;
}

static int read_kind(struct image_file *file)
{
    static int (*const readers[])(struct image_file *) = {
        [MOLT_DFU_IMAGE_DFUSE] = image_read_dfuse, [MOLT_DFU_IMAGE_PLAIN] = image_read_plain,
        [MOLT_DFU_IMAGE_ELF] = image_read_elf,     [MOLT_DFU_IMAGE_HEX] = image_read_hex,
        [MOLT_DFU_IMAGE_BIN] = read_raw,
    };
    struct molt_dfu_image *image = file->image;
    const struct molt_dfu_image_request *request = file->request;
    int error = request->raw ? MOLT_OK : look_for_suffix(file);
    if (error) {
        return error;
    }
    image->kind = request->raw               ? MOLT_DFU_IMAGE_BIN
                  : begins(file, "DfuSe", 5) ? MOLT_DFU_IMAGE_DFUSE
                  : image->has_suffix        ? MOLT_DFU_IMAGE_PLAIN
                  : begins(file, ELF, 4)     ? MOLT_DFU_IMAGE_ELF
                  : is_hex(file)             ? MOLT_DFU_IMAGE_HEX
                                             : MOLT_DFU_IMAGE_BIN;
    bool may_have = image->kind == MOLT_DFU_IMAGE_BIN || image->kind == MOLT_DFU_IMAGE_PLAIN;
    if (request->has_address && !may_have) {
        return molt_fail(file->message, MOLT_E_ARGUMENT,
                         "%s: is %s file and has its own addresses, expected none beside it "
                         "(found 0x%08x)",
                         file->name,
                         image->kind == MOLT_DFU_IMAGE_DFUSE ? "a DfuSe"
                         : image->kind == MOLT_DFU_IMAGE_ELF ? "an ELF"
                                                             : "an Intel HEX",
                         request->address);
    }
    return readers[image->kind](file);
}

/* A suffix behind gzip's bytes: the device gets them as they are. */
static bool is_for_a_device(const uint8_t *bytes, size_t n)
{
    struct molt_dfu_suffix suffix;
    return molt_dfu_parse_suffix(&suffix, bytes, (uint32_t)n, NULL) == MOLT_OK;
}

/* image->bytes is taken over. */
static int read_bytes(struct molt_dfu_image *image, size_t n, const char *name,
                      const struct molt_dfu_image_request *request, struct molt_message *message)
{
    struct image_file file = {.image = image, .name = name, .request = request, .message = message};
    int error = MOLT_OK;
    if (!request->raw && molt_gzip_is(image->bytes, n) && !is_for_a_device(image->bytes, n)) {
        uint8_t *unpacked;
        error = molt_gunzip(name, image->bytes, n, MOLT_DFU_IMAGE_LIMIT, &unpacked, &n, message);
        if (!error) {
            free(image->bytes);
            image->bytes = unpacked;
            image->compressed = true;
        }
    }
    if (!error && n == 0) {
        error = molt_fail(message, MOLT_E_FORMAT, "%s: is empty, expected a firmware file", name);
    }
    if (!error) {
        file.n = (uint32_t)n;
        image->file_size = file.n;
        error = read_kind(&file);
    }
    if (error) {
        molt_dfu_image_free(image);
        return error;
    }
    image->has_entry = molt_dfu_image_entry(image, &image->entry) == 1;
    return MOLT_OK;
}

int molt_dfu_image_load(struct molt_dfu_image *image, const struct molt_dfu_image_request *request,
                        struct molt_message *message)
{
    size_t n = 0;
    memset(image, 0, sizeof *image);
    int error = molt_input_read(request->path, MOLT_DFU_IMAGE_LIMIT, &image->bytes, &n, message);
    if (error) {
        return error;
    }
    const char *name = strcmp(request->path, "-") == 0 ? "standard input" : request->path;
    return read_bytes(image, n, name, request, message);
}

int molt_dfu_image_from_memory(struct molt_dfu_image *image, const uint8_t *bytes, uint32_t n,
                               const struct molt_dfu_image_request *request,
                               struct molt_message *message)
{
    memset(image, 0, sizeof *image);
    if (n > MOLT_DFU_IMAGE_LIMIT) {
        return molt_fail(message, MOLT_E_RANGE, "%s: is %u bytes, expected at most %u",
                         request->path, n, MOLT_DFU_IMAGE_LIMIT);
    }
    image->bytes = malloc(n ? n : 1);
    if (!image->bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", request->path);
    }
    if (n) {
        memcpy(image->bytes, bytes, n);
    }
    return read_bytes(image, n, request->path, request, message);
}
