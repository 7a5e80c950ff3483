/* The DFU model: states, status codes, pointer rules, flash, time. */
#include "molt/sim/dfu.h"

#include <stdlib.h>
#include <string.h>

#include "testing.h"

#define OUT 0x21
#define IN  0xA1
enum { DETACH, DNLOAD, UPLOAD, GETSTATUS, CLRSTATUS, GETSTATE, ABORT };

struct rig {
    struct molt_sim_dfu sim;
    struct molt_usb usb;
    uint8_t *flash;
    uint8_t status[6];
};

static struct rig *plug(const char *profile)
{
    const struct molt_sim_dfu_profile *p = molt_sim_dfu_profile_named(profile);
    assert_non_null(p);
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->flash = malloc(molt_sim_dfu_flash_size(p));
    assert_non_null(rig->flash);
    memset(rig->flash, 0xFF, molt_sim_dfu_flash_size(p));
    molt_sim_dfu_init(&rig->sim, p, rig->flash);
    molt_sim_dfu_usb(&rig->sim, &rig->usb);
    return rig;
}

static void unplug(struct rig *rig)
{
    free(rig->flash);
    free(rig);
}

static int request(struct rig *rig, uint8_t type, uint8_t code, uint16_t value, const void *data,
                   uint16_t length)
{
    uint8_t copy[4096];
    memset(copy, 0xA5, sizeof copy);
    if (data) {
        memcpy(copy, data, length);
    }
    return rig->usb.ops->control(rig->usb.context, type, code, value, 0, copy, length, 5000);
}

static int state_of(struct rig *rig)
{
    uint8_t state = 0xEE;
    assert_int_equal(rig->usb.ops->control(rig->usb.context, IN, GETSTATE, 0, 0, &state, 1, 1000),
                     1);
    return state;
}

/* GETSTATUS; returns status << 8 | state */
static int ask(struct rig *rig)
{
    memset(rig->status, 0xEE, 6);
    int n = rig->usb.ops->control(rig->usb.context, IN, GETSTATUS, 0, 0, rig->status, 6, 50000);
    return n == 6 ? rig->status[0] << 8 | rig->status[4] : n;
}

static void idle(struct rig *rig)
{
    if (ask(rig) != 2) {
        assert_int_equal(request(rig, OUT, CLRSTATUS, 0, NULL, 0), 0);
    }
    assert_int_equal(ask(rig), 2);
}

static int send(struct rig *rig, uint16_t block, const void *data, uint16_t length)
{
    int n = request(rig, OUT, DNLOAD, block, data, length);
    if (n != length) {
        return n;
    }
    assert_int_equal(ask(rig), 4);
    return ask(rig);
}

static int command(struct rig *rig, uint8_t code, uint32_t address)
{
    uint8_t bytes[5] = {code, (uint8_t)address, (uint8_t)(address >> 8), (uint8_t)(address >> 16),
                        (uint8_t)(address >> 24)};
    return send(rig, 0, bytes, 5);
}

static void test_powers_up_in_error(void **state)
{
    (void)state;
    struct rig *rig = plug("stm32f405");
    assert_int_equal(ask(rig), 0x0A0A); /* errFIRMWARE, dfuERROR */
    assert_int_equal(request(rig, OUT, CLRSTATUS, 0, NULL, 0), 0);
    assert_int_equal(ask(rig), 2);
    unplug(rig);
}

static void test_writes_and_reads(void **state)
{
    (void)state;
    uint8_t block[2048], back[2048];
    struct rig *rig = plug("stm32f405");
    idle(rig);
    for (unsigned i = 0; i < sizeof block; i++) {
        block[i] = (uint8_t)(i * 7);
    }
    memset(rig->flash + 0x20000, 0, 0x20000);
    assert_int_equal(command(rig, 0x41, 0x08020400), 5);
    assert_int_equal(rig->flash[0x20000], 0xFF);
    assert_int_equal(rig->flash[0x3FFFF], 0xFF);
    assert_int_equal(rig->sim.erases[5], 1);
    assert_int_equal(command(rig, 0x21, 0x08020000), 5);
    assert_int_equal(send(rig, 3, block, 2048), 5); /* at pointer + 1 block */
    assert_int_equal(rig->flash[0x20000], 0xFF);
    assert_memory_equal(rig->flash + 0x20800, block, 2048);
    assert_int_equal(request(rig, OUT, ABORT, 0, NULL, 0), 0);
    assert_int_equal(state_of(rig), 2);
    assert_int_equal(rig->usb.ops->control(rig->usb.context, IN, UPLOAD, 3, 0, back, 2048, 1000),
                     2048);
    assert_memory_equal(back, block, 2048);
    assert_int_equal(state_of(rig), 9);
    unplug(rig);
}

static void test_leaves(void **state)
{
    (void)state;
    struct rig *rig = plug("stm32f405");
    idle(rig);
    assert_int_equal(command(rig, 0x21, 0x08020000), 5);
    assert_int_equal(request(rig, OUT, DNLOAD, 0, NULL, 0), 0);
    assert_int_equal(ask(rig), 7);
    assert_int_equal(ask(rig), MOLT_E_USB_GONE);
    assert_true(rig->sim.jumped);
    assert_int_equal(rig->sim.jumped_to, 0x08020000);
    molt_sim_dfu_replug(&rig->sim, true);
    assert_int_equal(ask(rig), MOLT_E_USB_GONE); /* the old handle */
    molt_sim_dfu_usb(&rig->sim, &rig->usb);
    idle(rig);
    unplug(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_powers_up_in_error),
        cmocka_unit_test(test_writes_and_reads),
        cmocka_unit_test(test_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
