#include "molt/dfu_descriptor.h"

#include <stddef.h>
#include <string.h>

#include "core/bytes.h"

/* Descriptor types (USB 2.0, 9.4) and the functional descriptor's (USB DFU 1.1, 4.1.3) */
#define CONFIGURATION   2
#define INTERFACE       4
#define FUNCTIONAL      0x21
#define CLASS_SPECIFIC  0xFE
#define SUBCLASS_DFU    1
#define HEADER_SIZE     9u
#define INTERFACE_SIZE  9u
#define FUNCTIONAL_SIZE 7u /* DFU 1.0's, without the version */
#define FOUND_MAX       255u

struct found {
    struct molt_dfu_interface *entry;
    uint32_t capacity, count;
    uint32_t first; /* of the interface under way */
    bool in_dfu;    /* the descriptor before was one of its */
};

static void add_interface(struct found *f, uint8_t configuration, const uint8_t *p)
{
    f->in_dfu = p[5] == CLASS_SPECIFIC && p[6] == SUBCLASS_DFU && f->count < FOUND_MAX;
    if (!f->in_dfu) {
        return;
    }
    struct molt_dfu_interface i = {.configuration = configuration,
                                   .interface_number = p[2],
                                   .alternate = p[3],
                                   .name_index = p[8],
                                   .run_time = p[7] == 1};
    if (f->count == 0 || f->count > f->capacity ||
        f->entry[f->count - 1].interface_number != i.interface_number) {
        f->first = f->count;
    }
    if (f->count < f->capacity) {
        f->entry[f->count] = i;
    }
    f->count++;
}

/* For the alternates so far that have none. */
static void add_functional(struct found *f, const uint8_t *p, uint32_t length)
{
    for (uint32_t i = f->first; i < f->count && i < f->capacity; i++) {
        struct molt_dfu_interface *e = &f->entry[i];
        if (!e->has_functional) {
            e->has_functional = true;
            e->attributes = p[2];
            e->detach_timeout_ms = molt_get_le16(p + 3);
            e->transfer_size = molt_get_le16(p + 5);
            e->version = length >= 9 ? molt_get_le16(p + 7) : 0;
        }
    }
}

/* One in front of the alternates that come behind it: each takes what its sibling has. */
static void share_functional(struct found *f)
{
    uint32_t count = f->count < f->capacity ? f->count : f->capacity;
    for (uint32_t i = 1; i < count; i++) {
        const struct molt_dfu_interface *before = &f->entry[i - 1];
        struct molt_dfu_interface *e = &f->entry[i];
        if (!e->has_functional && before->has_functional &&
            e->interface_number == before->interface_number && e->run_time == before->run_time) {
            e->has_functional = true;
            e->attributes = before->attributes;
            e->detach_timeout_ms = before->detach_timeout_ms;
            e->transfer_size = before->transfer_size;
            e->version = before->version;
        }
    }
}

int molt_dfu_interfaces(struct molt_dfu_interface *interfaces, uint32_t capacity,
                        const uint8_t *configuration, uint32_t n, struct molt_diag *diag)
{
    struct found f = {interfaces, capacity, 0, 0, false};
    if (n < HEADER_SIZE) {
        return molt_diag_at(diag, MOLT_E_TRUNCATED, "configuration descriptor", n);
    }
    if (configuration[0] < HEADER_SIZE || configuration[1] != CONFIGURATION) {
        return molt_diag_at(diag, MOLT_E_FORMAT, "configuration descriptor", 0);
    }
    uint32_t total = molt_get_le16(configuration + 2);
    if (total < n) {
        n = total;
    }
    for (uint32_t at = configuration[0]; at < n && n - at >= 2;) {
        const uint8_t *p = configuration + at;
        uint32_t length = p[0];
        if (length < 2) {
            return molt_diag_at(diag, MOLT_E_FORMAT, "descriptor's length", at);
        }
        if (length > n - at) {
            break; /* cut: what is whole counts */
        }
        if (p[1] == INTERFACE && length >= INTERFACE_SIZE) {
            add_interface(&f, configuration[5], p);
        } else if (p[1] == FUNCTIONAL && length >= FUNCTIONAL_SIZE && f.in_dfu) {
            add_functional(&f, p, length);
        }
        at += length;
    }
    share_functional(&f);
    return (int)f.count;
}
