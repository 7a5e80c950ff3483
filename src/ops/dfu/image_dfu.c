/* DfuSe files and plain ones with a suffix. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "ops/dfu/image_internal.h"

/* What mboot_pack_dfu.py makes of each element: a head, bytes, a signature (mboot/pack.h). */
#define PACKED_HEAD      12u
#define PACKED_SIGNATURE 64u
#define PACKED_FORMATS   3u

#define NAME_ROOM 256u

int image_check_crc(struct image_file *file)
{
    struct molt_dfu_image *image = file->image;
    if (image->suffix.crc == image->suffix.crc_computed) {
        return MOLT_OK;
    }
    if (file->request->accept_bad_crc) {
        image->crc_wrong = true;
        return MOLT_OK;
    }
    const char *option = file->request->accept_option;
    return molt_fail(file->message, MOLT_E_VERIFY,
                     "%s: wrong CRC in the DFU suffix, expected 0x%08x, found 0x%08x: the file was "
                     "changed or damaged: fetch it again%s%s",
                     file->name, image->suffix.crc_computed, image->suffix.crc,
                     option ? ", or take it as it is with " : "", option ? option : "");
}

/* ---- plain ---- */

int image_read_plain(struct image_file *file)
{
    struct molt_dfu_image *image = file->image;
    const struct molt_dfu_image_request *request = file->request;
    uint32_t size = file->n - image->suffix.length;
    int error = image_check_crc(file);
    if (!error && image->suffix.version == 0x011A) {
        error = molt_fail(file->message, MOLT_E_FORMAT,
                          "%s: its suffix says DfuSe, but it does not begin as such a file: "
                          "expected 'DfuSe' and version 1",
                          file->name);
    }
    if (!error && size == 0) {
        error = molt_fail(file->message, MOLT_E_FORMAT,
                          "%s: holds a DFU suffix and nothing else: nothing to write", file->name);
    }
    if (!error && request->has_address && request->address > 0xFFFFFFFFu - size) {
        error = molt_fail(file->message, MOLT_E_RANGE,
                          "%s: %u bytes at 0x%08x end behind 4 GB, the end of memory", file->name,
                          size, request->address);
    }
    if (!error) {
        error = image_room(file, 1);
    }
    if (error) {
        return error;
    }
    molt_dfu_parse_prefix(&image->prefix, image->bytes, size);
    image->has_addresses = request->has_address;
    image->element[0] =
        (struct molt_dfu_element){.address = request->has_address ? request->address : 0,
                                  .size = size,
                                  .bytes = image->bytes,
                                  .target_name = ""};
    image->count = 1;
    return MOLT_OK;
}

/* ---- DfuSe ---- */

/* Both walks over the file: the first counts, the second (with elements to fill) takes. */
struct walk {
    struct image_file *file;
    struct molt_dfuse dfuse;
    struct molt_diag diag;
    uint32_t count, skipped, targets;
};

static int take_element(struct walk *walk, const struct molt_dfuse_target *target,
                        const struct molt_dfuse_element *element)
{
    struct molt_dfu_image *image = walk->file->image;
    if (element->size == 0) {
        walk->skipped++;
        return MOLT_OK;
    }
    if (element->address > 0xFFFFFFFFu - element->size) {
        return molt_fail(
            walk->file->message, MOLT_E_RANGE,
            "%s: the element of %u bytes at 0x%08x ends behind 4 GB, the end of memory",
            walk->file->name, element->size, element->address);
    }
    if (image->element) {
        image->element[walk->count] = (struct molt_dfu_element){
            .address = element->address,
            .size = element->size,
            .bytes = image->bytes + element->offset,
            .alternate = target->alternate,
            .has_alternate = true,
            .target_name = image->names + walk->targets * NAME_ROOM,
        };
    }
    walk->count++;
    return walk->count <= MOLT_DFU_IMAGE_ELEMENTS ? MOLT_OK : image_room(walk->file, walk->count);
}

static int walk_all(struct walk *walk, uint32_t end)
{
    struct image_file *file = walk->file;
    struct molt_dfuse_target target;
    struct molt_dfuse_element element;
    int error = MOLT_OK;
    int more = molt_dfuse_begin(&walk->dfuse, file->image->bytes, file->n, end, &walk->diag);
    while (more == 0 && (more = molt_dfuse_next_target(&walk->dfuse, &target, &walk->diag)) == 1) {
        if (file->image->names) {
            memcpy(file->image->names + walk->targets * NAME_ROOM, target.name, NAME_ROOM);
        }
        while (!error &&
               (more = molt_dfuse_next_element(&walk->dfuse, &element, &walk->diag)) == 1) {
            error = take_element(walk, &target, &element);
        }
        if (error) {
            return error;
        }
        walk->targets++;
    }
    return more < 0 ? molt_fail_diag(file->message, file->name, &walk->diag) : MOLT_OK;
}

/* As a packing mboot wants it: encrypted chunks whose size is not that of what they become. */
static bool is_packed_chunk(const struct molt_dfu_element *element)
{
    const uint8_t *p = element->bytes;
    if (element->size < PACKED_HEAD + PACKED_SIGNATURE || p[0] != 1 || p[1] > PACKED_FORMATS ||
        p[2] || p[3] || molt_get_le32(p + 4) != element->address) {
        return false;
    }
    uint32_t rest = element->size - PACKED_HEAD - PACKED_SIGNATURE, length = molt_get_le32(p + 8);
    return length <= rest && rest - length < 8; /* dfu.py pads to 8 */
}

static bool is_packed(const struct molt_dfu_image *image)
{
    for (uint32_t i = 0; i < image->count; i++) {
        if (!is_packed_chunk(&image->element[i])) {
            return false;
        }
    }
    return image->count > 0;
}

static int check_overlap(struct image_file *file)
{
    const struct molt_dfu_image *image = file->image;
    const struct molt_dfu_element *a, *b;
    const struct molt_dfu_element **order = malloc(image->count * sizeof *order);
    if (!order) {
        return molt_fail(file->message, MOLT_E_NO_MEMORY, "%s: out of memory", file->name);
    }
    int error = MOLT_OK;
    if (image_overlap(image->element, image->count, order, &a, &b)) {
        error = molt_fail(file->message, MOLT_E_FORMAT,
                          "%s: elements overlap: %u bytes at 0x%08x and %u bytes at 0x%08x: what "
                          "belongs there is not known; make the file again from one program only",
                          file->name, a->size, a->address, b->size, b->address);
    }
    free(order);
    return error;
}

/* Without a suffix its last bytes are missing; the prefix tells how many. */
static int check_suffix(struct image_file *file)
{
    struct molt_dfu_image *image = file->image;
    if (image->has_suffix) {
        return image_check_crc(file);
    }
    uint32_t said = file->n >= 10 ? molt_get_le32(image->bytes + 6) : 0;
    if (file->request->accept_bad_crc && said == file->n) {
        image->crc_wrong = true;
        return MOLT_OK;
    }
    return molt_fail(file->message, MOLT_E_TRUNCATED,
                     "%s: there is no DFU suffix at the end of its %u bytes (its prefix says %u "
                     "and 16 more): the file is not whole, fetch it again",
                     file->name, file->n, said);
}

int image_read_dfuse(struct image_file *file)
{
    struct molt_dfu_image *image = file->image;
    struct walk count = {.file = file}, take = {.file = file};
    uint32_t end = file->n - (image->has_suffix ? image->suffix.length : 0);
    int error = check_suffix(file);
    if (!error) {
        error = walk_all(&count, end);
    }
    if (!error && count.count == 0) {
        error = molt_fail(file->message, MOLT_E_FORMAT,
                          "%s: its %u targets have no bytes: nothing to write", file->name,
                          count.targets);
    }
    if (!error) {
        error = image_room(file, count.count);
    }
    if (error) {
        return error;
    }
    image->names = calloc(count.targets, NAME_ROOM);
    if (!image->names) {
        return molt_fail(file->message, MOLT_E_NO_MEMORY, "%s: out of memory", file->name);
    }
    error = walk_all(&take, end);
    image->count = take.count;
    image->skipped = take.skipped;
    image->target_count = take.targets;
    image->suffix_counted = take.dfuse.suffix_counted;
    image->has_addresses = true;
    image->packed = !error && is_packed(image);
    return error || image->packed ? error : check_overlap(file);
}
