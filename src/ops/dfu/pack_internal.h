/* What the writers of molt_dfu_render share. */
#ifndef MOLT_OPS_DFU_PACK_INTERNAL_H
#define MOLT_OPS_DFU_PACK_INTERNAL_H

#include "molt/ops/dfu_image.h"

/* Elements that were checked: at least one, none overlaps another. */
struct pack_pieces {
    const struct molt_dfu_element *given;
    uint32_t count;
    struct molt_dfu_element *element;      /* in the order given */
    const struct molt_dfu_element **order; /* into element: by alternate and address */
    uint32_t *padded;                      /* size of element[i] with zeros behind it */
};

struct pack_out {
    uint8_t *bytes;
    uint32_t n;
    struct molt_message *message;
};

/* out->bytes gets size bytes. MOLT_E_RANGE, MOLT_E_NO_MEMORY. */
int pack_room(struct pack_out *out, uint64_t size);

int pack_hex(const struct pack_pieces *pieces, struct pack_out *out);
int pack_flat(const struct pack_pieces *pieces, uint8_t fill, struct pack_out *out);

#endif
