#include "ref_boot.h"

uint32_t ref_crc(uint32_t seq)
{
    /* Register starts at 0 (the ROM routine inverts the 0xFFFFFFFF that it is given). */
    uint32_t value = seq;
    for (int i = 0; i < 32; i++) {
        value = value & 1 ? value >> 1 ^ 0xEDB88320u : value >> 1;
    }
    return value ^ 0xFFFFFFFFu;
}

static uint32_t word(const uint8_t *p)
{
    return p[0] + p[1] * 0x100u + p[2] * 0x10000u + p[3] * 0x1000000u;
}

struct ref_record ref_parse(const uint8_t bytes[32])
{
    uint32_t seq = word(bytes);
    return (struct ref_record){seq, word(bytes + 24), word(bytes + 28) == ref_crc(seq)};
}

static bool unusable(const struct ref_record *record)
{
    return record->seq == REF_BLANK || record->state == REF_INVALID || record->state == REF_ABORTED;
}

int ref_names(const struct ref_world *world, int record)
{
    const struct ref_record *r = &world->record[record];
    return unusable(r) || !r->crc_ok || world->slots == 0
               ? REF_NOTHING
               : (int)((r->seq - 1u) % (uint32_t)world->slots);
}

static bool loads(const struct ref_world *world, int slot)
{
    return slot == REF_FACTORY ? world->has_factory && world->factory_loads
                               : (world->loads >> slot & 1) != 0;
}

/* The choice, downwards to factory, then upwards, then test. */
static int load(const struct ref_world *world, int choice)
{
    for (int i = choice; i >= REF_FACTORY; i--) {
        if (loads(world, i)) {
            return i;
        }
    }
    for (int i = choice + 1; i < world->slots; i++) {
        if (loads(world, i)) {
            return i;
        }
    }
    return world->has_test ? REF_TEST : REF_NOTHING;
}

int ref_boot(struct ref_world *world)
{
    struct ref_record *a = &world->record[0], *b = &world->record[1];
    for (int i = 0; i < 2 && world->rollback; i++) {
        if (world->record[i].state == REF_PENDING) {
            world->record[i].state = REF_ABORTED;
        }
    }
    if ((unusable(a) && unusable(b)) || world->slots == 0) {
        bool fresh = !world->has_factory && (a->seq == REF_BLANK || !a->crc_ok) &&
                     (b->seq == REF_BLANK || !b->crc_ok);
        int runs = load(world, world->has_factory ? REF_FACTORY : 0);
        if (fresh && runs >= 0) {
            *a = (struct ref_record){(uint32_t)runs + 1, REF_VALID, true};
        }
        return runs;
    }
    bool good_a = !unusable(a) && a->crc_ok, good_b = !unusable(b) && b->crc_ok;
    if (!good_a && !good_b) {
        return load(world, world->has_factory ? REF_FACTORY : 0);
    }
    struct ref_record *best = good_a && (!good_b || a->seq >= b->seq) ? a : b;
    if (best->state == REF_NEW && world->rollback) {
        best->state = REF_PENDING;
    }
    return load(world, (int)((best->seq - 1u) % (uint32_t)world->slots));
}
