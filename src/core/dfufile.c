#include "molt/dfufile.h"

#include <string.h>

#include "core/bytes.h"

#define PREFIX  11u
#define TARGET  274u
#define ELEMENT 8u

int molt_dfu_parse_suffix(struct molt_dfu_suffix *suffix, const uint8_t *bytes, uint32_t n,
                          struct molt_diag *diag)
{
    if (n < MOLT_DFU_SUFFIX_SIZE) {
        return molt_diag_at(diag, MOLT_E_TRUNCATED, "DFU suffix", n);
    }
    const uint8_t *p = bytes + n - MOLT_DFU_SUFFIX_SIZE;
    if (memcmp(p + 8, "UFD", 3) != 0 || p[11] < MOLT_DFU_SUFFIX_SIZE || p[11] > n) {
        return molt_diag_at(diag, MOLT_E_FORMAT, "DFU suffix", n - MOLT_DFU_SUFFIX_SIZE);
    }
    suffix->device = molt_get_le16(p);
    suffix->product = molt_get_le16(p + 2);
    suffix->vendor = molt_get_le16(p + 4);
    suffix->version = molt_get_le16(p + 6);
    suffix->length = p[11];
    suffix->crc = molt_get_le32(p + 12);
    suffix->crc_computed = ~molt_crc32(0, bytes, n - 4); /* zlib's without its last inversion */
    return MOLT_OK;
}

int molt_dfuse_begin(struct molt_dfuse *dfuse, const uint8_t *bytes, uint32_t n, uint32_t end,
                     struct molt_diag *diag)
{
    memset(dfuse, 0, sizeof *dfuse);
    if (n < PREFIX || end < PREFIX || end > n) {
        return molt_diag_at(diag, MOLT_E_TRUNCATED, "DfuSe prefix", 0);
    }
    if (memcmp(bytes, "DfuSe", 5) != 0 || bytes[5] != 1) {
        return molt_diag_at(diag, MOLT_E_FORMAT, "DfuSe prefix", 0);
    }
    dfuse->image_size = molt_get_le32(bytes + 6);
    dfuse->target_count = bytes[10];
    dfuse->suffix_counted = dfuse->image_size == n && n != end;
    if (dfuse->image_size != end && dfuse->image_size != n) {
        return molt_diag_values(diag, dfuse->image_size > n ? MOLT_E_TRUNCATED : MOLT_E_FORMAT,
                                "size in the DfuSe prefix", 6, end, dfuse->image_size);
    }
    dfuse->bytes = bytes;
    dfuse->end = end;
    dfuse->at = PREFIX;
    dfuse->target_end = PREFIX;
    dfuse->targets_left = dfuse->target_count;
    return MOLT_OK;
}

int molt_dfuse_next_target(struct molt_dfuse *dfuse, struct molt_dfuse_target *target,
                           struct molt_diag *diag)
{
    const uint8_t *p = dfuse->bytes + dfuse->at;
    if (dfuse->at != dfuse->target_end) {
        return molt_diag_values(diag, MOLT_E_FORMAT, "end of a DfuSe target", dfuse->at,
                                dfuse->target_end, dfuse->at);
    }
    if (dfuse->targets_left == 0) {
        return dfuse->at == dfuse->end
                   ? 0
                   : molt_diag_values(diag, MOLT_E_FORMAT, "bytes behind the last DfuSe target",
                                      dfuse->at, dfuse->end, dfuse->at);
    }
    if (dfuse->end - dfuse->at < TARGET) {
        return molt_diag_at(diag, MOLT_E_TRUNCATED, "DfuSe target", dfuse->at);
    }
    if (memcmp(p, "Target", 6) != 0) {
        return molt_diag_at(diag, MOLT_E_FORMAT, "DfuSe target", dfuse->at);
    }
    memset(target, 0, sizeof *target);
    target->alternate = p[6];
    if (molt_get_le32(p + 7)) {
        memcpy(target->name, p + 11, sizeof target->name - 1);
    }
    target->size = molt_get_le32(p + 266);
    target->element_count = molt_get_le32(p + 270);
    if (dfuse->end - dfuse->at - TARGET < target->size) {
        return molt_diag_values(diag, MOLT_E_TRUNCATED, "size of a DfuSe target", dfuse->at + 266,
                                dfuse->end - dfuse->at - TARGET, target->size);
    }
    dfuse->at += TARGET;
    dfuse->target_end = dfuse->at + target->size;
    dfuse->elements_left = target->element_count;
    dfuse->targets_left--;
    return 1;
}

int molt_dfuse_next_element(struct molt_dfuse *dfuse, struct molt_dfuse_element *element,
                            struct molt_diag *diag)
{
    if (dfuse->elements_left == 0) {
        return 0;
    }
    if (dfuse->target_end - dfuse->at < ELEMENT) {
        return molt_diag_at(diag, MOLT_E_TRUNCATED, "DfuSe element", dfuse->at);
    }
    element->address = molt_get_le32(dfuse->bytes + dfuse->at);
    element->size = molt_get_le32(dfuse->bytes + dfuse->at + 4);
    element->offset = dfuse->at + ELEMENT;
    if (dfuse->target_end - element->offset < element->size) {
        return molt_diag_values(diag, MOLT_E_TRUNCATED, "size of a DfuSe element", dfuse->at + 4,
                                dfuse->target_end - element->offset, element->size);
    }
    dfuse->at = element->offset + element->size;
    dfuse->elements_left--;
    return 1;
}
