/* Files for DFU devices: made of elements, and of other files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/dfu/image_internal.h"
#include "ops/dfu/pack_internal.h"

#define NAME_MOST 254u /* the field has 255, and readers end at a zero */

/* ---- DfuSe ---- */

static bool same_target(const struct molt_dfu_element *a, const struct molt_dfu_element *b)
{
    return a->alternate == b->alternate && strcmp(a->target_name, b->target_name) == 0;
}

/* What the elements become: 8-byte heads, filled up; targets before them. */
static uint64_t dfuse_size(const struct pack_pieces *pieces, uint32_t *targets)
{
    uint64_t size = MOLT_DFUSE_PREFIX_SIZE;
    *targets = 0;
    for (uint32_t i = 0; i < pieces->count; i++) {
        const struct molt_dfu_element *e = &pieces->element[i];
        if (i == 0 || !same_target(e - 1, e)) {
            size += MOLT_DFUSE_TARGET_SIZE;
            ++*targets;
        }
        size += (uint64_t)MOLT_DFUSE_ELEMENT_SIZE + pieces->padded[i];
    }
    return size;
}

/* The target that begins with element i; how many elements it has. */
static uint32_t put_target(uint8_t *p, const struct pack_pieces *pieces, uint32_t i)
{
    const struct molt_dfu_element *first = &pieces->element[i];
    struct molt_dfuse_target target = {.alternate = first->alternate};
    for (; i < pieces->count && same_target(first, &pieces->element[i]); i++) {
        target.size += MOLT_DFUSE_ELEMENT_SIZE + pieces->padded[i];
        target.element_count++;
    }
    memcpy(target.name, first->target_name, strlen(first->target_name));
    molt_dfuse_write_target(p, &target);
    return target.element_count;
}

static int render_dfuse(const struct pack_pieces *pieces, const struct molt_dfu_form *form,
                        struct pack_out *out)
{
    uint32_t targets, left = 0;
    uint64_t size = dfuse_size(pieces, &targets);
    const struct molt_dfu_suffix suffix = {.device = form->device,
                                           .product = form->product,
                                           .vendor = form->vendor,
                                           .version = 0x011A};
    if (targets > 255) {
        return molt_fail(out->message, MOLT_E_RANGE,
                         "a DfuSe file has at most 255 targets, found %u: give elements of one "
                         "alternate setting one after the other",
                         targets);
    }
    int error = pack_room(out, size + MOLT_DFU_SUFFIX_SIZE);
    if (error) {
        return error;
    }
    uint32_t n = (uint32_t)size;
    molt_dfuse_write_prefix(out->bytes, n + (form->counted ? MOLT_DFU_SUFFIX_SIZE : 0),
                            (uint8_t)targets);
    uint8_t *p = out->bytes + MOLT_DFUSE_PREFIX_SIZE;
    for (uint32_t i = 0; i < pieces->count; i++, left--) {
        const struct molt_dfu_element *e = &pieces->element[i];
        if (left == 0) {
            left = put_target(p, pieces, i);
            p += MOLT_DFUSE_TARGET_SIZE;
        }
        molt_dfuse_write_element(p, e->address, pieces->padded[i]);
        p += MOLT_DFUSE_ELEMENT_SIZE;
        memcpy(p, e->bytes, e->size);
        memset(p + e->size, 0, pieces->padded[i] - e->size);
        p += pieces->padded[i];
    }
    molt_dfu_write_suffix(out->bytes, n, &suffix);
    return MOLT_OK;
}

/* ---- plain ---- */

static int prefix_of(const struct molt_dfu_element *e, const struct molt_dfu_form *form,
                     uint8_t bytes[16], struct pack_out *out)
{
    struct molt_dfu_prefix there;
    molt_dfu_parse_prefix(&there, e->bytes, e->size);
    if (form->prefix && there.kind == form->prefix) {
        return molt_fail(out->message, MOLT_E_EXISTS,
                         "the bytes begin with such a prefix already: it is not written twice");
    }
    int size = molt_dfu_write_prefix(bytes, form->prefix, form->prefix_address, e->size);
    return size >= 0 ? size
           : size == MOLT_E_ALIGNMENT
               ? molt_fail(out->message, size,
                           "address 0x%08x for the prefix: expected a multiple of 1024 (0x400)",
                           form->prefix_address)
               : molt_fail(out->message, size,
                           "a prefix of this kind cannot say address 0x%08x or %u bytes: expected "
                           "an address below 64 MB, and less than 32 MB for LPC",
                           form->prefix_address, e->size);
}

static int render_plain(const struct pack_pieces *pieces, const struct molt_dfu_form *form,
                        struct pack_out *out)
{
    const struct molt_dfu_element *e = &pieces->element[0];
    const struct molt_dfu_suffix suffix = {.device = form->device,
                                           .product = form->product,
                                           .vendor = form->vendor,
                                           .version = form->version ? form->version : 0x0100};
    uint8_t prefix[16];
    if (pieces->count != 1) {
        return molt_fail(out->message, MOLT_E_ARGUMENT,
                         "a plain DFU file holds the bytes of one file, found %u pieces: a DfuSe "
                         "file has room for them",
                         pieces->count);
    }
    int size = prefix_of(e, form, prefix, out);
    int error = size < 0 ? size : pack_room(out, (uint64_t)(uint32_t)size + e->size + 16);
    if (error) {
        return error;
    }
    memcpy(out->bytes, prefix, (uint32_t)size);
    memcpy(out->bytes + size, e->bytes, e->size);
    molt_dfu_write_suffix(out->bytes, (uint32_t)size + e->size, &suffix);
    return MOLT_OK;
}

/* ---- all ---- */

int pack_room(struct pack_out *out, uint64_t size)
{
    if (size > MOLT_DFU_IMAGE_LIMIT) {
        return molt_fail(out->message, MOLT_E_RANGE,
                         "the file would be %llu bytes, expected at most %u",
                         (unsigned long long)size, MOLT_DFU_IMAGE_LIMIT);
    }
    out->n = (uint32_t)size;
    out->bytes = malloc(out->n ? out->n : 1);
    return out->bytes ? MOLT_OK : molt_fail(out->message, MOLT_E_NO_MEMORY, "out of memory");
}

static int check_pieces(const struct molt_dfu_element *element, uint32_t count,
                        struct molt_message *message)
{
    if (count == 0) {
        return molt_fail(message, MOLT_E_ARGUMENT, "there is nothing to make a file of");
    }
    if (count > MOLT_DFU_IMAGE_ELEMENTS) {
        return molt_fail(message, MOLT_E_RANGE, "%u elements, expected at most %u", count,
                         MOLT_DFU_IMAGE_ELEMENTS);
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name = element[i].target_name;
        if (name && strlen(name) > NAME_MOST) {
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "the name of a target has %zu bytes, expected at most %u: '%.40s...'",
                             strlen(name), NAME_MOST, name);
        }
        if (element[i].address > 0xFFFFFFFFu - element[i].size) {
            return molt_fail(message, MOLT_E_RANGE, "%u bytes at 0x%08x end behind 4 GB",
                             element[i].size, element[i].address);
        }
    }
    return MOLT_OK;
}

/* Zeros behind an element may not reach into the next one. */
static void pad(struct pack_pieces *pieces, uint32_t multiple)
{
    for (uint32_t i = 0; i < pieces->count; i++) {
        const struct molt_dfu_element *e = pieces->order[i], *next = NULL;
        uint32_t more = multiple && e->size % multiple ? multiple - e->size % multiple : 0;
        if (i + 1 < pieces->count && pieces->order[i + 1]->alternate == e->alternate) {
            next = pieces->order[i + 1];
        }
        uint32_t room =
            next ? next->address - e->address - e->size : 0xFFFFFFFFu - e->address - e->size;
        pieces->padded[e - pieces->element] = e->size + (more < room ? more : room);
    }
}

static int sort_pieces(struct pack_pieces *pieces, const struct molt_dfu_form *form,
                       struct molt_message *message)
{
    const struct molt_dfu_element *a, *b;
    pieces->order = malloc(pieces->count * sizeof *pieces->order);
    pieces->padded = malloc(pieces->count * sizeof *pieces->padded);
    pieces->element = malloc(pieces->count * sizeof *pieces->element);
    if (!pieces->order || !pieces->padded || !pieces->element) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    memcpy(pieces->element, pieces->given, pieces->count * sizeof *pieces->element);
    for (uint32_t i = 0; i < pieces->count; i++) {
        struct molt_dfu_element *e = &pieces->element[i];
        e->target_name = e->target_name ? e->target_name : "";
        e->alternate = form->kind == MOLT_DFU_IMAGE_DFUSE ? e->alternate : 0; /* one memory */
    }
    if (image_overlap(pieces->element, pieces->count, pieces->order, &a, &b)) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%u bytes at 0x%08x and %u bytes at 0x%08x overlap: what belongs there is "
                         "not known",
                         a->size, a->address, b->size, b->address);
    }
    pad(pieces, form->pad);
    return MOLT_OK;
}

int molt_dfu_render(const struct molt_dfu_element *element, uint32_t count,
                    const struct molt_dfu_form *form, uint8_t **bytes, uint32_t *n,
                    struct molt_message *message)
{
    struct pack_pieces pieces = {.given = element, .count = count};
    struct pack_out out = {.message = message};
    *bytes = NULL;
    *n = 0;
    int error = check_pieces(element, count, message);
    if (!error) {
        error = sort_pieces(&pieces, form, message);
    }
    if (!error) {
        switch (form->kind) {
        case MOLT_DFU_IMAGE_DFUSE: error = render_dfuse(&pieces, form, &out); break;
        case MOLT_DFU_IMAGE_PLAIN: error = render_plain(&pieces, form, &out); break;
        case MOLT_DFU_IMAGE_HEX: error = pack_hex(&pieces, &out); break;
        case MOLT_DFU_IMAGE_BIN: error = pack_flat(&pieces, form->fill, &out); break;
        case MOLT_DFU_IMAGE_ELF:
            error = molt_fail(message, MOLT_E_UNSUPPORTED, "ELF files are read, not made");
            break;
        }
    }
    free(pieces.order);
    free(pieces.padded);
    free(pieces.element);
    *bytes = out.bytes;
    *n = out.n;
    return error;
}
