/*
 * Every operation of src/wire with every fault at every control transfer: it ends in bounded time,
 * with an error that names the fault's kind or with what it promised, and a second run repairs.
 */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "dfu_rig.h"

#define BYTES    5000u /* two whole blocks of 2048 and a part */
#define LIMIT_US 200000000u

static uint8_t data[BYTES], buffer[2 * BYTES];

struct operation {
    const char *name, *profile;
    void (*prepare)(struct dfu_rig *rig); /* what the flash is before; NULL = nothing */
    int (*run)(struct dfu_rig *rig);
    bool (*right)(struct dfu_rig *rig); /* what success promises */
};

/* Sector 1 of the F405. */
#define SECTOR 0x08008000u

static uint8_t *sector(struct dfu_rig *rig)
{
    return rig->flash + (SECTOR - 0x08000000u);
}

static void fill(struct dfu_rig *rig)
{
    memset(rig->flash, 0x5A, rig->flash_size);
}

static int erase_pages(struct dfu_rig *rig, uint32_t n)
{
    const struct molt_sim_dfu_region *r = &rig->sim.profile->regions[0];
    for (uint32_t at = 0; at < n; at += r->sector_size) {
        int code = molt_dfuse_erase_page(&rig->dfu, SECTOR + at, r->sector_size, NULL);
        if (code < 0) {
            return code;
        }
    }
    return MOLT_OK;
}

static int write_it(struct dfu_rig *rig)
{
    int code = erase_pages(rig, BYTES);
    return code < 0 ? code : molt_dfuse_write(&rig->dfu, SECTOR, data, BYTES, NULL);
}

static bool is_written(struct dfu_rig *rig)
{
    return memcmp(sector(rig), data, BYTES) == 0 && sector(rig)[BYTES] == 0xFF;
}

static void fill_data(struct dfu_rig *rig)
{
    memcpy(sector(rig), data, BYTES);
}

static int read_it(struct dfu_rig *rig)
{
    memset(buffer, 0xA5, sizeof buffer);
    return molt_dfuse_read(&rig->dfu, SECTOR, buffer, BYTES, NULL);
}

static bool is_read(struct dfu_rig *rig)
{
    (void)rig;
    return memcmp(buffer, data, BYTES) == 0 && buffer[BYTES] == 0xA5;
}

static int erase_it(struct dfu_rig *rig)
{
    return molt_dfuse_erase_page(&rig->dfu, SECTOR, 0x4000, NULL);
}

static bool blank(const uint8_t *p, uint32_t n)
{
    return p[0] == 0xFF && memcmp(p, p + 1, n - 1) == 0;
}

static bool is_erased(struct dfu_rig *rig)
{
    return blank(sector(rig), 0x4000);
}

/* Where an H743 sticks. */
static int erase_past(struct dfu_rig *rig)
{
    return molt_dfuse_erase_page(&rig->dfu, 0x08120000, 0x20000, NULL);
}

static bool is_erased_past(struct dfu_rig *rig)
{
    return blank(rig->flash + 0x120000, 0x20000);
}

static int erase_all(struct dfu_rig *rig)
{
    return molt_dfuse_erase_all(&rig->dfu, rig->flash_size, NULL);
}

static bool is_all_erased(struct dfu_rig *rig)
{
    return blank(rig->flash, rig->flash_size);
}

static void protect(struct dfu_rig *rig)
{
    fill(rig);
    rig->sim.read_protected = true;
}

static int unprotect(struct dfu_rig *rig)
{
    return molt_dfuse_unprotect(&rig->dfu, NULL);
}

static bool is_unprotected(struct dfu_rig *rig)
{
    return !rig->sim.read_protected && blank(rig->flash, rig->flash_size);
}

static int leave(struct dfu_rig *rig)
{
    return molt_dfuse_leave(&rig->dfu, 0x08004000, NULL);
}

/* A leave that was answered by nothing counts as done: then it is gone, or who waits for that sees
 * it. */
static bool has_left(struct dfu_rig *rig)
{
    return rig->sim.gone && (!rig->sim.jumped || rig->sim.jumped_to == 0x08004000);
}

static int download(struct dfu_rig *rig)
{
    int code = molt_dfu_download(&rig->dfu, data, BYTES, NULL);
    return code < 0 ? code : molt_dfu_manifest(&rig->dfu, NULL);
}

static bool is_downloaded(struct dfu_rig *rig)
{
    return memcmp(rig->flash, data, BYTES) == 0;
}

static void fill_plain(struct dfu_rig *rig)
{
    dfu_rig_pattern(rig->flash, rig->flash_size, 7);
}

static uint8_t whole[64 * 1024 + 1];
static uint32_t got;

static int upload(struct dfu_rig *rig)
{
    got = 0;
    return molt_dfu_upload(&rig->dfu, whole, sizeof whole, &got, NULL);
}

static bool is_uploaded(struct dfu_rig *rig)
{
    return got == rig->flash_size && memcmp(whole, rig->flash, got) == 0;
}

static int detach(struct dfu_rig *rig)
{
    int code = molt_dfu_detach(&rig->dfu, 1000, NULL);
    if (code == MOLT_OK && !(rig->dfu.attributes & MOLT_DFU_WILL_DETACH)) {
        rig->dfu.usb.ops->reset(rig->dfu.usb.context);
    }
    return code;
}

static bool any(struct dfu_rig *rig)
{
    (void)rig;
    return true; /* whether it comes back as a loader is seen by who waits for it */
}

static int commands(struct dfu_rig *rig)
{
    memset(buffer, 0, 4);
    return molt_dfuse_commands(&rig->dfu, buffer, 16, NULL);
}

static bool has_commands(struct dfu_rig *rig)
{
    (void)rig;
    return buffer[1] == 0x21 && buffer[2] == 0x41 && buffer[3] == 0x92;
}

static const struct operation operations[] = {
    {"write", "stm32f405", fill, write_it, is_written},
    {"write", "stm32l476", fill, write_it, is_written},
    {"write", "mboot", fill, write_it, is_written},
    {"write", "gd32", fill, write_it, is_written},
    {"read", "stm32f405", fill_data, read_it, is_read},
    {"read", "mboot", fill_data, read_it, is_read},
    {"read", "stm32c5", fill_data, read_it, is_read},
    {"erase", "stm32f405", fill, erase_it, is_erased},
    {"erase", "mboot", fill, erase_it, is_erased},
    {"erase", "stm32h743", fill, erase_past, is_erased_past},
    {"mass erase", "stm32f405", fill, erase_all, is_all_erased},
    {"mass erase", "stm32l476", fill, erase_all, is_all_erased},
    {"unprotect", "stm32f405", protect, unprotect, is_unprotected},
    {"leave", "stm32f405", fill, leave, has_left},
    {"leave", "mboot", fill, leave, any},
    {"leave", "gd32", fill, leave, any},
    {"commands", "stm32f405", NULL, commands, has_commands},
    {"download", "plain", fill, download, is_downloaded},
    {"download", "plain-intolerant", fill, download, is_downloaded},
    {"upload", "plain", fill_plain, upload, is_uploaded},
    {"detach", "runtime", NULL, detach, any},
    {"detach", "runtime-reset", NULL, detach, any},
};

static bool right_class(enum molt_sim_fault kind, int code, bool executed)
{
    /* The answer that said why was the one that was lost; or the device did as it was told, and
     * went. */
    bool acted = executed || kind == MOLT_SIM_FAULT_SHORT;
    if (acted && (code == MOLT_E_DFU_UNKNOWN || code == MOLT_E_USB_GONE)) {
        return true;
    }
    switch (kind) {
    case MOLT_SIM_FAULT_STALL: return code == MOLT_E_USB_STALL;
    case MOLT_SIM_FAULT_TIMEOUT: return code == MOLT_E_TIMEOUT;
    case MOLT_SIM_FAULT_GONE: return code == MOLT_E_USB_GONE;
    case MOLT_SIM_FAULT_IO: return code == MOLT_E_IO;
    case MOLT_SIM_FAULT_SHORT: return code == MOLT_E_IO || code == MOLT_E_TRUNCATED;
    case MOLT_SIM_FAULT_NONE: break;
    }
    return false;
}

static uint32_t one(const struct operation *o, uint32_t at, uint32_t count,
                    enum molt_sim_fault kind, bool executed)
{
    struct dfu_rig rig;
    dfu_rig_open(&rig, o->profile);
    if (o->prepare) {
        o->prepare(&rig);
    }
    rig.sim.fault.at_transfer = at;
    rig.sim.fault.count = count;
    rig.sim.fault.kind = kind;
    rig.sim.fault.executed = executed;
    int code = o->run(&rig);
    uint32_t transfers = rig.sim.transfers;
    /* Silence at the last steps of a leave is taken as the end of them; who waits for the device to
     * go sees it. */
    bool right = (count > 1 && o->run == leave) || !o->right || o->right(&rig);
    if (code < 0 ? !right_class(kind, code, executed) : !right) {
        print_error("%s of %s, fault %d (%s) at %u: %s\n", o->name, o->profile, kind,
                    executed ? "executed" : "lost", at,
                    code < 0 ? molt_strerror(code) : "success that is none");
        fail();
    }
    if (rig.sim.time_us > LIMIT_US) {
        print_error("%s of %s, fault %d at %u: %u s\n", o->name, o->profile, kind, at,
                    (uint32_t)(rig.sim.time_us / 1000000));
        fail();
    }
    if (code < 0) { /* the same again, without a fault */
        dfu_rig_again(&rig);
        code = o->run(&rig);
        if (code == MOLT_E_USB_GONE) { /* it still had to finish what it was told, by a reset */
            dfu_rig_again(&rig);
            code = o->run(&rig);
        }
        if (code < 0 || (o->right && !o->right(&rig))) {
            print_error("%s of %s, after fault %d at %u: %s\n", o->name, o->profile, kind, at,
                        code < 0 ? molt_strerror(code) : "success that is none");
            fail();
        }
    }
    dfu_rig_close(&rig);
    return transfers;
}

static void sweep(uint32_t count, bool executed)
{
    uint32_t step = testing_fault_step();
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        const struct operation *o = &operations[i];
        uint32_t n = one(o, 0, 0, MOLT_SIM_FAULT_NONE, false);
        assert_true(n > 0);
        for (int kind = MOLT_SIM_FAULT_STALL; kind <= MOLT_SIM_FAULT_SHORT; kind++) {
            bool acts = kind != MOLT_SIM_FAULT_STALL && kind != MOLT_SIM_FAULT_SHORT;
            for (uint32_t at = 1 + (uint32_t)kind % step; at <= n && (acts || !executed);
                 at += step) {
                /* Of many blocks alike, a few. */
                at += at > 12 && at + 8 < n && n > 60 ? 6 : 0;
                one(o, at, count, (enum molt_sim_fault)kind, executed);
            }
        }
    }
}

static void one_lost(void **state)
{
    (void)state;
    sweep(1, false);
}

static void one_without_answer(void **state)
{
    (void)state;
    sweep(1, true);
}

/* From some transfer on, nothing works any more. */
static void all_lost(void **state)
{
    (void)state;
    sweep(1000000, false);
}

static void all_without_answer(void **state)
{
    (void)state;
    sweep(1000000, true);
}

static void three_lost(void **state)
{
    (void)state;
    sweep(3, false);
}

int main(void)
{
    dfu_rig_pattern(data, BYTES, 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_lost),
                                       cmocka_unit_test(one_without_answer),
                                       cmocka_unit_test(three_lost), cmocka_unit_test(all_lost),
                                       cmocka_unit_test(all_without_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
