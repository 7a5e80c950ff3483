/* The model of ST's loaders: every request in every state, pointer rules, flash, protection, time.
 */
#include <string.h>

#include "molt/sim/dfu.h"
#include "sim_dfu_rig.h"
#include "testing.h"

#define BASE  0x08000000u
#define GONE  MOLT_E_USB_GONE
#define STALL MOLT_E_USB_STALL

static void test_powers_up_in_error(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("stm32f405");
    assert_int_equal(sim_rig_ask(rig), 0x0A0A); /* errFIRMWARE, dfuERROR */
    assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 2);
    sim_rig_free(rig);
}

/* Leads the device into a state by requests. SYNCED: dfuDNLOAD-SYNC with the work done. */
enum { SYNCED = 33 };
static struct sim_rig *reach(int wanted)
{
    struct sim_rig *rig = sim_rig_plug("stm32f405");
    if (wanted == 10) {
        return rig;
    }
    sim_rig_idle(rig);
    if (wanted == 3 || wanted == SYNCED) {
        assert_int_equal(sim_rig_request(rig, DNLOAD, 2, NULL, 64), 64);
    }
    if (wanted == SYNCED) {
        assert_int_equal(sim_rig_ask(rig), 4);
        molt_sim_dfu_wait(&rig->sim, 10000000);
    }
    if (wanted == 5) {
        assert_int_equal(sim_rig_send(rig, 2, NULL, 64), 5);
    }
    if (wanted == 6) {
        assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 0), 0);
    }
    if (wanted == 9) {
        assert_int_equal(sim_rig_request(rig, UPLOAD, 2, NULL, 64), 64);
    }
    assert_int_equal(rig->sim.state, wanted == SYNCED ? 3 : wanted);
    return rig;
}

struct row {
    int state;
    uint8_t request;
    uint16_t value, length;
    int result; /* what the request returns */
    int after, status;
};

static const struct row rows[] = {
    /* DNLOAD with data: from dfuIDLE and dfuDNLOAD-IDLE only */
    {2, DNLOAD, 2, 64, 64, 3, 0},
    {5, DNLOAD, 2, 64, 64, 3, 0},
    {3, DNLOAD, 2, 64, STALL, 10, 15},
    {SYNCED, DNLOAD, 2, 64, STALL, 10, 15},
    {6, DNLOAD, 2, 64, STALL, 10, 15},
    {9, DNLOAD, 2, 64, STALL, 10, 15},
    {10, DNLOAD, 2, 64, STALL, 10, 15},
    /* block 1 is nothing; more than wTransferSize */
    {2, DNLOAD, 1, 64, STALL, 10, 15},
    {2, DNLOAD, 2, 2049, STALL, 10, 15},
    {2, DNLOAD, 2, 2048, 2048, 3, 0},
    /* DNLOAD without data: leave */
    {2, DNLOAD, 0, 0, 0, 6, 0},
    {5, DNLOAD, 0, 0, 0, 6, 0},
    {3, DNLOAD, 0, 0, STALL, 10, 15},
    {6, DNLOAD, 0, 0, STALL, 10, 15},
    {9, DNLOAD, 0, 0, STALL, 10, 15},
    {10, DNLOAD, 0, 0, STALL, 10, 15},
    /* UPLOAD */
    {2, UPLOAD, 2, 64, 64, 9, 0},
    {9, UPLOAD, 3, 2048, 2048, 9, 0},
    {2, UPLOAD, 0, 64, 4, 2, 0}, /* the commands: a short answer ends it */
    {2, UPLOAD, 0, 4, 4, 9, 0},
    {2, UPLOAD, 1, 64, STALL, 10, 15},
    {2, UPLOAD, 2, 2049, STALL, 10, 15},
    {2, UPLOAD, 2, 0, STALL, 10, 15},
    {3, UPLOAD, 2, 64, STALL, 10, 15},
    {SYNCED, UPLOAD, 2, 64, STALL, 10, 15},
    {5, UPLOAD, 2, 64, STALL, 10, 15},
    {6, UPLOAD, 2, 64, STALL, 10, 15},
    {10, UPLOAD, 2, 64, STALL, 10, 15},
    /* GETSTATUS */
    {2, GETSTATUS, 0, 6, 6, 2, 0},
    {3, GETSTATUS, 0, 6, 6, 4, 0},
    {SYNCED, GETSTATUS, 0, 6, 6, 5, 0},
    {5, GETSTATUS, 0, 6, 6, 5, 0},
    {6, GETSTATUS, 0, 6, 6, 7, 0},
    {9, GETSTATUS, 0, 6, 6, 9, 0},
    {10, GETSTATUS, 0, 6, 6, 10, 10},
    {2, GETSTATUS, 0, 5, STALL, 2, 0},
    /* CLRSTATUS: outside dfuERROR it leads there */
    {2, CLRSTATUS, 0, 0, 0, 10, 14},
    {3, CLRSTATUS, 0, 0, 0, 10, 14},
    {SYNCED, CLRSTATUS, 0, 0, 0, 10, 14},
    {5, CLRSTATUS, 0, 0, 0, 10, 14},
    {6, CLRSTATUS, 0, 0, 0, 10, 14},
    {9, CLRSTATUS, 0, 0, 0, 10, 14},
    {10, CLRSTATUS, 0, 0, 0, 2, 0},
    /* ABORT */
    {2, ABORT, 0, 0, 0, 2, 0},
    {3, ABORT, 0, 0, 0, 2, 0},
    {SYNCED, ABORT, 0, 0, 0, 2, 0},
    {5, ABORT, 0, 0, 0, 2, 0},
    {6, ABORT, 0, 0, 0, 2, 0},
    {9, ABORT, 0, 0, 0, 2, 0},
    {10, ABORT, 0, 0, 0, 10, 10},
    /* GETSTATE changes nothing */
    {2, GETSTATE, 0, 1, 1, 2, 0},
    {3, GETSTATE, 0, 1, 1, 3, 0},
    {5, GETSTATE, 0, 1, 1, 5, 0},
    {6, GETSTATE, 0, 1, 1, 6, 0},
    {9, GETSTATE, 0, 1, 1, 9, 0},
    {10, GETSTATE, 0, 1, 1, 10, 10},
    {2, GETSTATE, 0, 2, STALL, 2, 0},
    /* DETACH is for applications */
    {2, DETACH, 1000, 0, STALL, 10, 15},
    {5, DETACH, 1000, 0, STALL, 10, 15},
};

static void test_states(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct sim_rig *rig = reach(row->state);
        int result = sim_rig_request(rig, row->request, row->value, NULL, row->length);
        if (result != row->result || rig->sim.state != row->after ||
            rig->sim.status != row->status) {
            fail_msg("row %u: %d, state %d, status %d", i, result, rig->sim.state, rig->sim.status);
        }
        sim_rig_free(rig);
    }
}

static void test_commands(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    assert_int_equal(sim_rig_request(rig, UPLOAD, 0, NULL, 64), 4);
    assert_memory_equal(rig->data, "\x00\x21\x41\x92", 4);
    assert_int_equal(sim_rig_send(rig, 0, "\x00", 1), 5);
    static const struct {
        const char *bytes;
        uint16_t n;
    } wrong[] = {{"\x00\x00", 2}, {"\x21", 1}, {"\x41\0\0\0", 4}, {"\x92\x92", 2}, {"\x33", 1}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(sim_rig_send(rig, 0, wrong[i].bytes, wrong[i].n), 15 << 8 | 10);
        sim_rig_idle(rig);
    }
    sim_rig_free(rig);
}

static void test_pointer(void **state)
{
    (void)state;
    uint8_t block[2048];
    struct sim_rig *rig = reach(2);
    assert_int_equal(rig->sim.pointer, BASE);
    for (unsigned i = 0; i < sizeof block; i++) {
        block[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(sim_rig_command(rig, 0x21, 0x08020000), 5);
    assert_int_equal(sim_rig_send(rig, 3, block, 2048), 5); /* pointer + one block */
    assert_int_equal(rig->flash[0x20000], 0xFF);
    assert_memory_equal(rig->flash + 0x20800, block, 2048);
    assert_int_equal(rig->sim.pointer, 0x08020000); /* as it was */
    assert_int_equal(sim_rig_send(rig, 2, block, 100), 5);
    assert_memory_equal(rig->flash + 0x20000, block, 100);
    assert_int_equal(rig->flash[0x20064], 0xFF);
    assert_int_equal(sim_rig_request(rig, ABORT, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_request(rig, UPLOAD, 3, NULL, 2048), 2048);
    assert_memory_equal(rig->data, block, 2048);
    assert_int_equal(rig->sim.bytes_programmed, 2148);
    assert_int_equal(rig->sim.bytes_uploaded, 2048);
    sim_rig_free(rig);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        uint32_t address;
        int set, read; /* status << 8 | state behind it; what UPLOAD returns */
    } cases[] = {{BASE, 5, 64},
                 {0x080FFFF0, 5, 16}, /* the end of flash: short */
                 {0x08100000, 1 << 8 | 10, 0},
                 {0x07FFFFFF, 1 << 8 | 10, 0},
                 {0x1FFFC000, 5, 16},
                 {0x1FFF7800, 5, 64},
                 {0x20000000, 5, STALL}, /* RAM: to start there, not to read */
                 {0, 1 << 8 | 10, 0}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_rig *rig = reach(2);
        assert_int_equal(sim_rig_command(rig, 0x21, cases[i].address), cases[i].set);
        if (cases[i].set == 5) {
            sim_rig_request(rig, ABORT, 0, NULL, 0);
            assert_int_equal(sim_rig_request(rig, UPLOAD, 2, NULL, 64), cases[i].read);
            assert_int_equal(sim_rig_ask(rig), cases[i].read == 64      ? 9
                                               : cases[i].read == STALL ? 1 << 8 | 10
                                                                        : 2);
        } else {
            assert_int_equal(rig->sim.pointer, BASE);
        }
        sim_rig_free(rig);
    }
}

static void test_erases_a_sector(void **state)
{
    (void)state;
    static const struct {
        uint32_t address, start, size;
        int sector;
        uint32_t ms;
    } cases[] = {{0x08000000, 0, 0x4000, 0, 400},
                 {0x08007FFF, 0x4000, 0x4000, 1, 400},
                 {0x08010004, 0x10000, 0x10000, 4, 1200},
                 {0x080FFFFF, 0xE0000, 0x20000, 11, 2000}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_rig *rig = reach(2);
        memset(rig->flash, 0x5A, rig->size);
        uint64_t before = rig->sim.time_us;
        assert_int_equal(sim_rig_command(rig, 0x41, cases[i].address), 5);
        uint64_t took = rig->sim.time_us - before;
        assert_in_range(took, cases[i].ms * 1000, cases[i].ms * 1000 + 5000);
        for (uint32_t k = 0; k < rig->size; k++) {
            bool inside = k >= cases[i].start && k - cases[i].start < cases[i].size;
            assert_int_equal(rig->flash[k], inside ? 0xFF : 0x5A);
        }
        for (int k = 0; k < 15; k++) {
            assert_int_equal(rig->sim.erases[k], k == cases[i].sector);
        }
        sim_rig_free(rig);
    }
    struct sim_rig *rig = reach(2);
    assert_int_equal(sim_rig_command(rig, 0x41, 0x08100000), 1 << 8 | 10);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_command(rig, 0x41, 0x1FFFC000), 1 << 8 | 10); /* no erase there */
    sim_rig_free(rig);
}

static void test_mass_erase(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    memset(rig->flash, 0, rig->size);
    rig->sim.write_protected[3] = true;
    uint64_t before = rig->sim.time_us;
    assert_int_equal(sim_rig_send(rig, 0, "\x41", 1), 5);
    assert_in_range(rig->sim.time_us - before, 16000000, 16010000);
    assert_int_equal(rig->flash[0], 0xFF);
    assert_int_equal(rig->flash[0xFFFFF], 0xFF);
    assert_int_equal(rig->flash[0xC000], 0);
    assert_int_equal(rig->sim.mass_erases, 1);
    sim_rig_free(rig);
}

/* RM0090, 3.5.4: bits only clear, and nothing tells of it. */
static void test_programs_over(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    memset(rig->flash, 0xF0, 64);
    assert_int_equal(sim_rig_send(rig, 2, NULL, 64), 5); /* A5 */
    assert_int_equal(rig->flash[0], 0xA0);
    assert_int_equal(rig->sim.over_programmed, 64);
    sim_rig_free(rig);
    rig = sim_rig_plug("stm32l476");
    memset(rig->flash, 0xF0, 64);
    assert_int_equal(sim_rig_send(rig, 2, NULL, 64), 6 << 8 | 10); /* errPROG */
    assert_int_equal(rig->flash[0], 0xF0);
    sim_rig_free(rig);
}

static void test_granule(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        uint32_t granule;
    } cases[] = {{"stm32l476", 8}, {"stm32h743", 32}, {"stm32c5", 16}, {"gd32", 4}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_rig *rig = sim_rig_plug(cases[i].profile);
        uint16_t n = (uint16_t)(3 * cases[i].granule);
        sim_rig_idle(rig);
        assert_int_equal(sim_rig_send(rig, 2, NULL, n), 5);
        assert_int_equal(sim_rig_command(rig, 0x21, BASE + 0x200), 5);
        assert_int_equal(sim_rig_send(rig, 2, NULL, (uint16_t)(n - 1)), 6 << 8 | 10);
        sim_rig_idle(rig);
        assert_int_equal(sim_rig_command(rig, 0x21, BASE + 0x201), 5);
        assert_int_equal(sim_rig_send(rig, 2, NULL, n), 6 << 8 | 10);
        assert_int_equal(rig->flash[0x201], 0xFF);
        sim_rig_free(rig);
    }
}

static void test_read_protection(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    memset(rig->flash, 0x11, rig->size);
    rig->sim.read_protected = true;
    assert_int_equal(sim_rig_request(rig, UPLOAD, 2, NULL, 64), STALL);
    assert_int_equal(sim_rig_ask(rig), 11 << 8 | 10);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_command(rig, 0x41, BASE), 11 << 8 | 10);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_send(rig, 2, NULL, 64), 11 << 8 | 10);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_send(rig, 0, "\x41", 1), 11 << 8 | 10);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_command(rig, 0x21, BASE), 5);
    assert_int_equal(rig->flash[0], 0x11);
    /* 92: there is no second status, everything is erased, the loader comes back. */
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, "\x92", 1), 1);
    assert_int_equal(sim_rig_ask(rig), 4);
    assert_int_equal(sim_rig_ask(rig), GONE);
    assert_false(molt_sim_dfu_present(&rig->sim));
    molt_sim_dfu_wait(&rig->sim, 17000000);
    assert_true(molt_sim_dfu_present(&rig->sim));
    assert_int_equal(rig->flash[0], 0xFF);
    assert_int_equal(rig->flash[0xFFFFF], 0xFF);
    assert_false(rig->sim.read_protected);
    assert_int_equal(sim_rig_ask(rig), GONE); /* the old handle */
    molt_sim_dfu_usb(&rig->sim, &rig->usb);
    sim_rig_idle(rig);
    sim_rig_free(rig);
}

/* Nothing tells of it: AN3156 knows no status for it. */
static void test_write_protection(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    memset(rig->flash, 0x77, 0x4000);
    rig->sim.write_protected[0] = true;
    assert_int_equal(sim_rig_command(rig, 0x41, BASE), 5);
    assert_int_equal(sim_rig_send(rig, 2, NULL, 64), 5);
    assert_int_equal(rig->flash[0], 0x77);
    assert_int_equal(rig->sim.erases[0], 0);
    sim_rig_free(rig);
}

static void test_option_bytes(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    assert_int_equal(sim_rig_command(rig, 0x21, 0x1FFFC000), 5);
    sim_rig_request(rig, ABORT, 0, NULL, 0);
    assert_int_equal(sim_rig_request(rig, UPLOAD, 2, NULL, 16), 16);
    assert_memory_equal(rig->data, "\xEF\xAA\xFF\xFF", 4);
    sim_rig_request(rig, ABORT, 0, NULL, 0);
    uint8_t options[16] = {0xEF, 0x55};
    assert_int_equal(sim_rig_request(rig, DNLOAD, 2, options, 16), 16);
    assert_int_equal(sim_rig_ask(rig), 4);
    assert_int_equal(sim_rig_ask(rig), GONE); /* they count from a reset on */
    assert_true(rig->sim.read_protected);
    sim_rig_free(rig);
}

static void test_leaves(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    assert_int_equal(sim_rig_command(rig, 0x21, 0x08020000), 5);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 7);
    assert_int_equal(sim_rig_ask(rig), GONE);
    assert_true(rig->sim.jumped);
    assert_int_equal(rig->sim.jumped_to, 0x08020000);
    molt_sim_dfu_wait(&rig->sim, 100000000);
    assert_false(molt_sim_dfu_present(&rig->sim));
    molt_sim_dfu_replug(&rig->sim, true);
    assert_int_equal(sim_rig_ask(rig), GONE); /* the old handle */
    molt_sim_dfu_usb(&rig->sim, &rig->usb);
    sim_rig_idle(rig);
    molt_sim_dfu_replug(&rig->sim, false);
    assert_false(molt_sim_dfu_present(&rig->sim));
    sim_rig_free(rig);
}

/* A write moves the place that a leave jumps to, an erase does not. */
static void test_leaves_where_it_wrote(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    assert_int_equal(sim_rig_command(rig, 0x21, 0x08020000), 5);
    assert_int_equal(sim_rig_send(rig, 4, NULL, 64), 5);
    assert_int_equal(sim_rig_command(rig, 0x41, 0x08040000), 5);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 7);
    assert_int_equal(rig->sim.jumped_to, 0x08021000);
    sim_rig_free(rig);
}

static void test_time(void **state)
{
    (void)state;
    struct sim_rig *rig = reach(2);
    uint64_t before = rig->sim.time_us;
    assert_int_equal(sim_rig_request(rig, DNLOAD, 2, NULL, 2048), 2048);
    assert_int_equal(rig->sim.time_us - before, 1000 + 32 * 53); /* USB 2.0, table 5-9 */
    assert_int_equal(sim_rig_ask(rig), 4);
    assert_int_equal(sim_rig_poll_ms(rig), 104);
    before = rig->sim.time_us;
    assert_int_equal(sim_rig_ask(rig), 5); /* waits: 16 us a byte */
    assert_in_range(rig->sim.time_us - before, 2048 * 16, 2048 * 16 + 1100);
    /* A time limit that ends before the work: the work goes on. */
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, "\x41\0\0\x02\x08", 5), 5);
    assert_int_equal(sim_rig_ask(rig), 4);
    assert_int_equal(sim_rig_poll_ms(rig), 100);
    before = rig->sim.time_us;
    assert_int_equal(
        rig->usb.ops->control(rig->usb.context, 0xA1, GETSTATUS, 0, 0, rig->data, 6, 500),
        MOLT_E_TIMEOUT);
    assert_in_range(rig->sim.time_us - before, 500000, 502000);
    assert_int_equal(rig->usb.ops->now_ms(rig->usb.context), rig->sim.time_us / 1000);
    rig->usb.ops->sleep_ms(rig->usb.context, 1600);
    before = rig->sim.time_us;
    assert_int_equal(sim_rig_ask(rig), 5);
    assert_true(rig->sim.time_us - before < 1100);
    rig->sim.instant = true;
    before = rig->sim.time_us;
    assert_int_equal(sim_rig_command(rig, 0x41, BASE), 5);
    assert_true(rig->sim.time_us - before < 4000);
    sim_rig_free(rig);
}

/* An erase past 1 MB: busy for ever; the first CLRSTATUS gives errUNKNOWN, the second dfuIDLE. */
static void test_h743_sticks(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("stm32h743");
    memset(rig->flash, 0, rig->size);
    assert_int_equal(sim_rig_command(rig, 0x41, 0x080E0000), 5);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, "\x41\0\0\x10\x08", 5), 5);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sim_rig_ask(rig), 4);
        molt_sim_dfu_wait(&rig->sim, 1000000);
    }
    assert_int_equal(rig->flash[0x100000], 0xFF); /* it is erased */
    assert_int_equal(sim_rig_request(rig, ABORT, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 4);
    assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 14 << 8 | 10);
    assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 2);
    assert_int_equal(sim_rig_send(rig, 2, NULL, 64), 6 << 8 | 10); /* not stuck any more */
    sim_rig_free(rig);
}

/* The poll time is over long before the work is. */
static void test_l476_is_early(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("stm32l476");
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, "\x41\0\0\0\x08", 5), 5);
    assert_int_equal(sim_rig_ask(rig), 4);
    assert_int_equal(sim_rig_poll_ms(rig), 1);
    rig->usb.ops->sleep_ms(rig->usb.context, 1);
    assert_int_equal(sim_rig_ask(rig), 4);
    rig->usb.ops->sleep_ms(rig->usb.context, 25);
    assert_int_equal(sim_rig_ask(rig), 5);
    sim_rig_free(rig);
}

/* The same, but asked too early it stalls, and goes on. */
static void test_l452_stalls(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("stm32l452");
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, "\x41\0\0\0\x08", 5), 5);
    assert_int_equal(sim_rig_ask(rig), 4);
    assert_int_equal(sim_rig_poll_ms(rig), 10);
    rig->usb.ops->sleep_ms(rig->usb.context, 10);
    assert_int_equal(sim_rig_ask(rig), STALL);
    assert_int_equal(rig->sim.state, 4);
    rig->usb.ops->sleep_ms(rig->usb.context, 10);
    assert_int_equal(sim_rig_ask(rig), 5);
    sim_rig_free(rig);
}

static void test_c5_refuses_clrstatus(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("stm32c5");
    assert_int_equal(sim_rig_ask(rig), 2);
    assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), STALL);
    assert_int_equal(sim_rig_ask(rig), 2); /* and nothing else */
    assert_int_equal(sim_rig_request(rig, UPLOAD, 1, NULL, 64), STALL);
    assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 2);
    sim_rig_free(rig);
}

static void test_gd32_leaves_mute(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("gd32");
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_command(rig, 0x21, BASE), 5);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), GONE);
    assert_true(rig->sim.jumped);
    sim_rig_free(rig);
}

static void test_vectors(void **state)
{
    (void)state;
    uint32_t stack = 0, reset = 0;
    struct sim_rig *rig = sim_rig_plug("stm32f405");
    assert_false(molt_sim_dfu_vectors(&rig->sim, BASE, &stack, &reset));
    memcpy(rig->flash, "\x00\x00\x02\x20\x01\x02\x02\x08", 8);
    assert_true(molt_sim_dfu_vectors(&rig->sim, BASE, &stack, &reset));
    assert_int_equal(stack, 0x20020000);
    assert_int_equal(reset, 0x08020201);
    rig->flash[4] = 0; /* even: not Thumb */
    assert_false(molt_sim_dfu_vectors(&rig->sim, BASE, &stack, &reset));
    assert_false(molt_sim_dfu_vectors(&rig->sim, 0x080FFFFC, &stack, &reset));
    assert_false(molt_sim_dfu_vectors(&rig->sim, 0x20000000, &stack, &reset));
    sim_rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_powers_up_in_error),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_pointer),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_erases_a_sector),
        cmocka_unit_test(test_mass_erase),
        cmocka_unit_test(test_programs_over),
        cmocka_unit_test(test_granule),
        cmocka_unit_test(test_read_protection),
        cmocka_unit_test(test_write_protection),
        cmocka_unit_test(test_option_bytes),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_leaves_where_it_wrote),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_h743_sticks),
        cmocka_unit_test(test_l476_is_early),
        cmocka_unit_test(test_l452_stalls),
        cmocka_unit_test(test_c5_refuses_clrstatus),
        cmocka_unit_test(test_gd32_leaves_mute),
        cmocka_unit_test(test_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
