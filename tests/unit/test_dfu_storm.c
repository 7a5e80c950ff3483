/*
 * A bad cable: any transfer may fail, in any way, whether the device acted or not. What is told to
 * have worked has worked; it ends; and once the cable is good the same call works.
 */
#include "testing.h"

#include <string.h>

#include "dfu_rig.h"

#define BYTES  9008u
#define SECTOR 0x8000u /* from the start of flash: behind what mboot keeps for itself */
#define RUNS   400u

static uint8_t data[BYTES], buffer[BYTES];

struct storm {
    struct dfu_rig rig;
    struct molt_usb below;
    uint32_t seed, of; /* one transfer of so many fails; 0 = none */
    bool lossy;        /* cut answers, and blocks that were programmed though nobody heard of it */
};

static uint32_t any(struct storm *s)
{
    s->seed = s->seed * 1664525u + 1013904223u;
    return s->seed >> 8;
}

static int control(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                   uint8_t *bytes, uint16_t length, uint32_t timeout_ms)
{
    static const enum molt_sim_fault kinds[] = {MOLT_SIM_FAULT_STALL, MOLT_SIM_FAULT_TIMEOUT,
                                                MOLT_SIM_FAULT_IO, MOLT_SIM_FAULT_SHORT};
    struct storm *s = context;
    struct molt_sim_dfu *sim = &s->rig.sim;
    bool strikes = s->of && any(s) % s->of == 0;
    sim->fault.at_transfer = strikes ? sim->transfers + 1 : 0;
    sim->fault.kind = kinds[any(s) % (s->lossy ? 4 : 3)];
    sim->fault.executed = any(s) & 1;
    return s->below.ops->control(s->below.context, type, request, value, index, bytes, length,
                                 timeout_ms);
}

static int reset(void *context)
{
    struct storm *s = context;
    return s->below.ops->reset(s->below.context);
}

static uint32_t now_ms(void *context)
{
    struct storm *s = context;
    return s->below.ops->now_ms(s->below.context);
}

static void sleep_ms(void *context, uint32_t ms)
{
    struct storm *s = context;
    s->below.ops->sleep_ms(s->below.context, ms);
}

static const struct molt_usb_ops ops = {control, NULL, reset, now_ms, sleep_ms};

static void above(struct storm *s)
{
    s->below = s->rig.dfu.usb;
    s->rig.dfu.usb.ops = &ops;
    s->rig.dfu.usb.context = s;
}

static int write_it(struct storm *s)
{
    const struct molt_sim_dfu_region *r = &s->rig.sim.profile->regions[0];
    uint32_t start = s->rig.base + SECTOR;
    int code = MOLT_OK;
    for (uint32_t at = 0; code == MOLT_OK && at < BYTES; at += r->sector_size) {
        code = molt_dfuse_erase_page(&s->rig.dfu, start + at, r->sector_size, NULL);
    }
    return code < 0 ? code : molt_dfuse_write(&s->rig.dfu, start, data, BYTES, NULL);
}

static bool is_written(struct storm *s)
{
    return memcmp(s->rig.flash + SECTOR, data, BYTES) == 0;
}

static int read_it(struct storm *s)
{
    memcpy(s->rig.flash + SECTOR, data, BYTES);
    memset(buffer, 0, BYTES);
    return molt_dfuse_read(&s->rig.dfu, s->rig.base + SECTOR, buffer, BYTES, NULL);
}

static bool is_read(struct storm *s)
{
    (void)s;
    return memcmp(buffer, data, BYTES) == 0;
}

static int download(struct storm *s)
{
    int code = molt_dfu_download(&s->rig.dfu, data, BYTES, NULL);
    return code < 0 ? code : molt_dfu_manifest(&s->rig.dfu, NULL);
}

static bool is_downloaded(struct storm *s)
{
    return memcmp(s->rig.flash, data, BYTES) == 0;
}

struct operation {
    const char *profile;
    int (*run)(struct storm *s);
    bool (*right)(struct storm *s);
};

static void blow(const struct operation *o, uint32_t seed, uint32_t of, bool lossy)
{
    struct storm s = {.seed = seed, .of = of, .lossy = lossy};
    dfu_rig_open(&s.rig, o->profile);
    memset(s.rig.flash, 0, 0x10000);
    above(&s);
    int code = o->run(&s);
    if (code >= 0 && !o->right(&s)) {
        print_error("%s, seed %u, 1 of %u: success that is none\n", o->profile, seed, of);
        fail();
    }
    assert_true(s.rig.sim.time_us < 3600u * 1000000ull);
    for (uint32_t i = 0; code < 0 && i < 2; i++) { /* plain: a reset may end the run before */
        s.of = 0;
        dfu_rig_again(&s.rig);
        above(&s);
        code = o->run(&s);
        if (code >= 0 && !o->right(&s)) {
            fail();
        }
    }
    if (code < 0) {
        print_error("%s, seed %u, 1 of %u, again: %s\n", o->profile, seed, of, molt_strerror(code));
        fail();
    }
    dfu_rig_close(&s.rig);
}

static const struct operation operations[] = {
    {"stm32f405", write_it, is_written}, {"stm32l476", write_it, is_written},
    {"mboot", write_it, is_written},     {"stm32c5", write_it, is_written},
    {"stm32f405", read_it, is_read},     {"mboot", read_it, is_read},
    {"plain", download, is_downloaded},  {"plain-intolerant", download, is_downloaded},
};

static void storms(void **state)
{
    (void)state;
    static const uint32_t often[] = {3, 8, 20, 40};
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        for (uint32_t run = 0; run < RUNS; run++) {
            blow(&operations[i], run, often[run % 4], run % 8 > 3);
        }
    }
}

int main(void)
{
    dfu_rig_pattern(data, BYTES, 3);
    const struct CMUnitTest tests[] = {cmocka_unit_test(storms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
