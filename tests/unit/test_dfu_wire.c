/* src/wire with simulated devices: what it does there, in how many transfers, and what they refuse.
 */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "dfu_rig.h"

#define SIZE 0x20000u

static uint8_t data[SIZE], buffer[SIZE];

static const char *const dfuse[] = {"stm32f405", "stm32h743", "stm32l476", "stm32f427",
                                    "mboot",     "gd32",      "stm32c5"};

/* Where firmware goes: behind what mboot keeps for itself. */
static uint32_t place(const struct dfu_rig *rig)
{
    return rig->base + (rig->sim.profile->loader == MOLT_SIM_DFU_MBOOT ? 0x8000 : 0);
}

static void erase(struct dfu_rig *rig, uint32_t address, uint32_t n)
{
    while (n > 0) {
        int sector = molt_sim_dfu_sector(&rig->sim, address);
        uint32_t size = 0;
        while (size < n && molt_sim_dfu_sector(&rig->sim, address + size) == sector) {
            size += 256;
        }
        assert_int_equal(molt_dfuse_erase_page(&rig->dfu, address, size, NULL), MOLT_OK);
        address += size;
        n -= size < n ? size : n;
    }
}

static void there_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dfuse / sizeof dfuse[0]; i++) {
        struct dfu_rig rig;
        dfu_rig_open(&rig, dfuse[i]);
        uint32_t step = rig.dfu.transfer_size, n = 10 * step + 96, at = place(&rig);
        memset(rig.flash, 0, 0x10000);
        erase(&rig, at, n);
        uint32_t before = rig.dfu.transfers;
        assert_int_equal(molt_dfuse_write(&rig.dfu, at, data, n, NULL), MOLT_OK);
        /* too short poll times have to be found out */
        uint32_t more = rig.dfu.quirks & MOLT_DFU_QUIRK_POLL_STALLS ? 12 : 0;
        assert_in_range(rig.dfu.transfers - before, 3 + 3 * 11, 3 + 3 * 11 + more);
        assert_memory_equal(rig.flash + (at - rig.base), data, n);
        assert_int_equal(rig.sim.over_programmed, 0);
        before = rig.dfu.transfers;
        assert_int_equal(molt_dfuse_read(&rig.dfu, at, buffer, n, NULL), MOLT_OK);
        assert_memory_equal(buffer, data, n);
        /* address 3, ABORT, 11 blocks, status, ABORT */
        assert_int_equal(rig.dfu.transfers - before, 4 + 11 + 2);
        assert_int_equal(rig.sim.state, MOLT_DFU_IDLE);
        assert_int_equal(rig.dfu.transfers, rig.sim.transfers);
        dfu_rig_close(&rig);
    }
}

/* An STM32L4 says 1 ms for a block of 21 ms: 3 transfers a block all the same, and little time
 * lost. */
static void too_short_poll_times(void **state)
{
    (void)state;
    struct dfu_rig rig;
    dfu_rig_open(&rig, "stm32l476");
    uint32_t blocks = SIZE / 2048;
    uint64_t start = rig.sim.time_us;
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08000000, data, SIZE, NULL), MOLT_OK);
    assert_in_range(rig.dfu.transfers, 3 * blocks, 3 * blocks + 20);
    /* 64 blocks of 20.9 ms and three transfers of 1 to 3 ms */
    assert_in_range(rig.sim.time_us - start, blocks * 20900, blocks * 29000);
    dfu_rig_close(&rig);
    /* One that was slow for a reason of its own does not slow the others. */
    dfu_rig_open(&rig, "stm32l476");
    rig.dfu.usual_ms = 2000;
    start = rig.sim.time_us;
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08000000, data, SIZE, NULL), MOLT_OK);
    assert_in_range(rig.dfu.transfers, 3 * blocks, 3 * blocks + 20);
    assert_in_range(rig.sim.time_us - start, blocks * 20900, blocks * 29000 + 4000000);
    dfu_rig_close(&rig);
}

/* The pointer stays: a read that goes on, or back, needs none. */
static void reads_in_pieces(void **state)
{
    (void)state;
    struct dfu_rig rig;
    dfu_rig_open(&rig, "stm32f405");
    memcpy(rig.flash, data, SIZE);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 4096, NULL), MOLT_OK);
    static const uint32_t places[] = {4096, 8192, 2048, 0x1F000, 0};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint32_t before = rig.dfu.transfers;
        assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000 + places[i], buffer, 4096, NULL),
                         MOLT_OK);
        assert_int_equal(rig.dfu.transfers - before, 2 + 2);
        assert_memory_equal(buffer, data + places[i], 4096);
    }
    uint32_t before = rig.dfu.transfers;
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000400, buffer, 10, NULL), MOLT_OK);
    assert_int_equal(rig.dfu.transfers - before, 4 + 1 + 2);
    assert_memory_equal(buffer, data + 0x400, 10);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 10, NULL), MOLT_OK);
    assert_memory_equal(buffer, data, 10);
    /* An erase moves it on ST's loaders. */
    erase(&rig, 0x08004000, 0x4000);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 10, NULL), MOLT_OK);
    assert_memory_equal(buffer, data, 10);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 0, NULL), MOLT_OK);
    dfu_rig_close(&rig);
}

/* Smaller blocks than the device counts in: each has its own address. */
static void other_block_sizes(void **state)
{
    (void)state;
    static const struct {
        uint16_t transfer_size, block_size;
        uint32_t block;
    } cases[] = {{2048, 512, 512}, {0, 0, 1024}, {0, 256, 256}, {2048, 4096, 2048}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dfu_rig rig;
        dfu_rig_open(&rig, "stm32f405");
        rig.dfu.transfer_size = cases[i].transfer_size;
        rig.dfu.block_size = cases[i].block_size;
        assert_int_equal(molt_dfu_block_size(&rig.dfu), cases[i].block);
        assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08000000, data, 5000, NULL), MOLT_OK);
        assert_memory_equal(rig.flash, data, 5000);
        assert_int_equal(rig.flash[5000], 0xFF);
        assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 5000, NULL), MOLT_OK);
        assert_memory_equal(buffer, data, 5000);
        dfu_rig_close(&rig);
    }
    struct molt_dfu dfu = {.transfer_size = 0xFFFF};
    assert_int_equal(molt_dfu_block_size(&dfu), 4096);
}

static void stuck_after_an_erase(void **state)
{
    (void)state;
    struct dfu_rig rig;
    struct molt_diag diag;
    dfu_rig_open(&rig, "stm32h743");
    assert_true(rig.dfu.quirks & MOLT_DFU_QUIRK_BUSY_STUCK);
    memset(rig.flash, 0, rig.flash_size);
    uint64_t start = rig.sim.time_us;
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x08100000, 0x20000, NULL), MOLT_OK);
    assert_int_equal(rig.flash[0x100000], 0xFF);
    assert_in_range(rig.sim.time_us - start, 1000000, 8000000);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08100000, data, 4096, NULL), MOLT_OK);
    assert_memory_equal(rig.flash + 0x100000, data, 4096);
    /* It stuck, and did not erase either. */
    rig.sim.write_protected[9] = true;
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x08120000, 0x20000, &diag), MOLT_E_DFU_ERASE);
    assert_int_equal(diag.offset, 0x08120000);
    /* Left so by another program. */
    rig.sim.state = MOLT_DFU_DOWNLOAD_BUSY;
    rig.sim.stuck = true;
    dfu_rig_again(&rig);
    assert_int_equal(molt_dfu_idle(&rig.dfu, NULL), MOLT_OK);
    /* Not known as such: the deadline ends it. */
    dfu_rig_again(&rig);
    rig.dfu.quirks = 0;
    start = rig.sim.time_us;
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x08140000, 0x20000, NULL), MOLT_E_TIMEOUT);
    assert_in_range(rig.sim.time_us - start, 20000000, 40000000);
    dfu_rig_close(&rig);
}

static void read_protected(void **state)
{
    (void)state;
    struct dfu_rig rig;
    struct molt_diag diag = {0};
    dfu_rig_open(&rig, "stm32f405");
    rig.sim.read_protected = true;
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000800, buffer, 10, &diag),
                     MOLT_E_DFU_PROTECTED);
    assert_int_equal(diag.offset, 0x08000800);
    assert_int_equal(rig.dfu.failure.status, 11);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08000000, data, 5000, NULL),
                     MOLT_E_DFU_PROTECTED);
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x08000000, 0x4000, NULL),
                     MOLT_E_DFU_PROTECTED);
    assert_int_equal(molt_dfuse_erase_all(&rig.dfu, 1 << 20, NULL), MOLT_E_DFU_PROTECTED);
    assert_int_equal(molt_dfuse_unprotect(&rig.dfu, NULL), MOLT_OK);
    assert_false(rig.sim.read_protected);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 10, NULL), MOLT_E_USB_GONE);
    dfu_rig_again(&rig);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 10, NULL), MOLT_OK);
    assert_int_equal(buffer[0], 0xFF);
    dfu_rig_close(&rig);
}

static void wrong_addresses(void **state)
{
    (void)state;
    struct dfu_rig rig;
    struct molt_diag diag = {0};
    dfu_rig_open(&rig, "stm32f405");
    assert_int_equal(molt_dfuse_set_address(&rig.dfu, 0x60000000, &diag), MOLT_E_DFU_TARGET);
    assert_int_equal(diag.offset, 0x60000000);
    assert_int_equal(rig.dfu.address, 0x60000000);
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x60000000, 1024, &diag), MOLT_E_DFU_TARGET);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x080FF800, data, 4096, &diag), MOLT_E_DFU_TARGET);
    assert_int_equal(diag.offset, 0x08100000);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x080FF800, buffer, 4096, &diag), MOLT_E_DFU_TARGET);
    assert_int_equal(diag.offset, 0x08100000);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x080FFC00, buffer, 2048, &diag),
                     MOLT_E_TRUNCATED); /* it gives a half */
    assert_int_equal(molt_dfuse_leave(&rig.dfu, 0x60000000, &diag), MOLT_E_DFU_TARGET);
    uint32_t before = rig.dfu.transfers;
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0xFFFFFFFF, data, 2, &diag), MOLT_E_RANGE);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0xFFFFFF00, buffer, 257, &diag), MOLT_E_RANGE);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0xFFFFFFFF, data, 0, &diag), MOLT_OK);
    assert_int_equal(rig.dfu.transfers, before);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x080FF800, buffer, 2048, NULL), MOLT_OK);
    dfu_rig_close(&rig);
}

/* Programming what is not erased, and what is not a granule. */
static void refused_programs(void **state)
{
    (void)state;
    struct dfu_rig rig;
    struct molt_diag diag = {0};
    dfu_rig_open(&rig, "stm32l476");
    rig.flash[2048 + 3] = 0;
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08000000, data, 8192, &diag), MOLT_E_DFU_PROG);
    assert_int_equal(diag.offset, 0x08000800);
    assert_int_equal(rig.dfu.failure.status, 6);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08001000, data, 7, &diag), MOLT_E_DFU_PROG);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08001000, data, 8, NULL), MOLT_OK);
    assert_int_equal(rig.dfu.failure.status, 0);
    dfu_rig_close(&rig);
}

static void mass_erase(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dfuse / sizeof dfuse[0]; i++) {
        struct dfu_rig rig;
        dfu_rig_open(&rig, dfuse[i]);
        memset(rig.flash, 0, rig.flash_size);
        assert_int_equal(molt_dfuse_erase_all(&rig.dfu, rig.flash_size, NULL), MOLT_OK);
        assert_int_equal(rig.flash[rig.flash_size - 1], 0xFF);
        assert_int_equal(rig.flash[0x8000], 0xFF);
        assert_int_equal(rig.sim.mass_erases, 1);
        assert_int_equal(rig.sim.requests[1], 1);
        dfu_rig_close(&rig);
    }
}

static void leaving(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dfuse / sizeof dfuse[0]; i++) {
        struct dfu_rig rig;
        dfu_rig_open(&rig, dfuse[i]);
        uint32_t entry = place(&rig);
        erase(&rig, place(&rig), 0x4000);
        assert_int_equal(molt_dfuse_write(&rig.dfu, place(&rig), data, 0x2000, NULL), MOLT_OK);
        assert_int_equal(molt_dfuse_leave(&rig.dfu, entry, NULL), MOLT_OK);
        assert_true(rig.sim.jumped);
        assert_int_equal(rig.sim.jumped_to, entry); /* not where the last block went */
        assert_true(rig.sim.gone);
        assert_int_equal(molt_dfuse_leave(&rig.dfu, entry, NULL), MOLT_E_USB_GONE);
        dfu_rig_close(&rig);
    }
}

static void commands(void **state)
{
    (void)state;
    struct dfu_rig rig;
    uint8_t few[2] = {9, 9};
    dfu_rig_open(&rig, "stm32f405");
    assert_int_equal(molt_dfuse_commands(&rig.dfu, buffer, sizeof buffer, NULL), 4);
    assert_memory_equal(buffer, "\x00\x21\x41\x92", 4);
    assert_int_equal(molt_dfuse_commands(&rig.dfu, few, 2, NULL), 2);
    assert_int_equal(few[1], 0x21);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 10, NULL), MOLT_OK);
    dfu_rig_close(&rig);
}

static void boot_loader_of_micropython(void **state)
{
    (void)state;
    struct dfu_rig rig;
    dfu_rig_open(&rig, "mboot");
    uint32_t before = rig.dfu.transfers;
    assert_int_equal(molt_dfuse_commands(&rig.dfu, buffer, 10, NULL), MOLT_E_UNSUPPORTED);
    assert_int_equal(molt_dfuse_unprotect(&rig.dfu, NULL), MOLT_E_UNSUPPORTED);
    assert_int_equal(rig.dfu.transfers, before);
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x08000000, 0x4000, NULL), MOLT_E_DFU_ADDRESS);
    assert_string_equal(rig.dfu.failure_text, "Can't overwrite mboot");
    assert_int_equal(rig.dfu.failure.string, 0x10);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x70000000, data, 10, NULL), MOLT_E_DFU_ADDRESS);
    assert_string_equal(rig.dfu.failure_text, "Address out of range");
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x80000000, data, 10, NULL), MOLT_OK);
    assert_string_equal(rig.dfu.failure_text, "");
    rig.dfu.quirks =
        0; /* as if it were unknown: it says nothing at all, or dfuERROR without a why */
    assert_int_equal(molt_dfuse_unprotect(&rig.dfu, NULL), MOLT_E_DFU_UNKNOWN);
    assert_int_equal(molt_dfuse_commands(&rig.dfu, buffer, 10, NULL), MOLT_E_TIMEOUT);
    dfu_rig_close(&rig);
}

static void packed_boot_loader(void **state)
{
    (void)state;
    struct dfu_rig rig;
    dfu_rig_open(&rig, "mboot-packed");
    assert_false(rig.dfu.quirks & MOLT_DFU_QUIRK_NO_READ);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08004000, buffer, 5000, NULL), MOLT_E_UNSUPPORTED);
    assert_string_equal(rig.dfu.failure_text, "Read support disabled on encrypted bootloader");
    assert_true(rig.dfu.quirks & MOLT_DFU_QUIRK_NO_READ);
    uint32_t before = rig.dfu.transfers;
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08004000, buffer, 1, NULL), MOLT_E_UNSUPPORTED);
    assert_int_equal(rig.dfu.transfers, before);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08004000, data, 5000, NULL), MOLT_E_DFU_FILE);
    assert_string_equal(rig.dfu.failure_text, "Invalid signature in file");
    dfu_rig_close(&rig);
}

struct watch {
    uint32_t calls, stop_at;
    char what[32];
    uint64_t done, total;
};

static int watch(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct watch *w = context;
    strncpy(w->what, what, sizeof w->what - 1);
    w->done = done;
    w->total = total;
    return ++w->calls == w->stop_at;
}

static void progress(void **state)
{
    (void)state;
    struct dfu_rig rig;
    struct watch w = {0};
    struct molt_progress p = {watch, &w};
    dfu_rig_open(&rig, "stm32f405");
    rig.dfu.progress = &p;
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x08000000, 0x4000, NULL), MOLT_OK);
    assert_string_equal(w.what, "erase");
    assert_int_equal(w.done, 0x4000);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08000000, data, 5000, NULL), MOLT_OK);
    assert_string_equal(w.what, "write");
    assert_int_equal(w.done, 5000);
    assert_int_equal(w.total, 5000);
    rig.dfu.what = "verify"; /* a part of something longer */
    rig.dfu.done = 10000;
    rig.dfu.total = 99999;
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 5000, NULL), MOLT_OK);
    assert_string_equal(w.what, "verify");
    assert_int_equal(w.done, 15000);
    assert_int_equal(w.total, 99999);
    dfu_rig_close(&rig);
}

static void cancelled_at(uint32_t at)
{
    struct dfu_rig rig;
    struct watch w = {.stop_at = at};
    struct molt_progress p = {watch, &w};
    dfu_rig_open(&rig, "stm32f405");
    rig.dfu.progress = &p;
    int code = molt_dfuse_erase_all(&rig.dfu, 1 << 20, NULL);
    code = code < 0 ? code : molt_dfuse_erase_page(&rig.dfu, 0x08000000, 0x4000, NULL);
    code = code < 0 ? code : molt_dfuse_write(&rig.dfu, 0x08000000, data, 5000, NULL);
    code = code < 0 ? code : molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 5000, NULL);
    assert_int_equal(w.calls, at);
    assert_int_equal(code, MOLT_E_CANCELLED);
    /* The same session goes on. */
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x08000000, 0x4000, NULL), MOLT_OK);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08000000, data, 5000, NULL), MOLT_OK);
    assert_memory_equal(rig.flash, data, 5000);
    dfu_rig_close(&rig);
}

static void cancelled(void **state)
{
    (void)state;
    struct dfu_rig rig;
    struct watch w = {0};
    struct molt_progress p = {watch, &w};
    dfu_rig_open(&rig, "stm32f405");
    rig.dfu.progress = &p;
    assert_int_equal(molt_dfuse_erase_all(&rig.dfu, 1 << 20, NULL), MOLT_OK);
    assert_int_equal(molt_dfuse_erase_page(&rig.dfu, 0x08000000, 0x4000, NULL), MOLT_OK);
    assert_int_equal(molt_dfuse_write(&rig.dfu, 0x08000000, data, 5000, NULL), MOLT_OK);
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 5000, NULL), MOLT_OK);
    dfu_rig_close(&rig);
    assert_true(w.calls > 20);
    for (uint32_t at = 1; at <= w.calls; at++) {
        cancelled_at(at);
    }
}

static void plain(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "plain-intolerant"};
    for (size_t i = 0; i < 2; i++) {
        struct dfu_rig rig;
        uint32_t n = 0;
        dfu_rig_open(&rig, names[i]);
        assert_false(rig.dfu.dfuse);
        assert_int_equal(molt_dfu_manifest(&rig.dfu, NULL), MOLT_E_DFU_STATE); /* of nothing */
        assert_int_equal(molt_dfu_download(&rig.dfu, data, 4096, NULL), MOLT_OK);
        assert_int_equal(rig.dfu.block, 4);
        assert_int_equal(molt_dfu_download(&rig.dfu, data + 4096, 1000, NULL), MOLT_OK);
        assert_int_equal(molt_dfu_manifest(&rig.dfu, NULL), MOLT_OK);
        assert_memory_equal(rig.flash, data, 5096);
        assert_int_equal(rig.sim.jumped, i == 1); /* by the reset */
        dfu_rig_again(&rig);
        assert_int_equal(molt_dfu_upload(&rig.dfu, buffer, sizeof buffer, &n, NULL), MOLT_OK);
        assert_int_equal(n, rig.flash_size);
        assert_memory_equal(buffer, rig.flash, n);
        assert_int_equal(molt_dfu_upload(&rig.dfu, buffer, n, &n, NULL), MOLT_OK);
        assert_int_equal(n, rig.flash_size);
        assert_int_equal(molt_dfu_upload(&rig.dfu, buffer, n - 1, &n, NULL), MOLT_E_NO_SPACE);
        assert_int_equal(n, rig.flash_size - 1);
        assert_int_equal(molt_dfu_download(&rig.dfu, data, 65 * 1024, NULL), MOLT_E_DFU_ADDRESS);
        rig.dfu.attributes = MOLT_DFU_TOLERANT;
        assert_int_equal(molt_dfu_download(&rig.dfu, data, 10, NULL), MOLT_E_UNSUPPORTED);
        assert_int_equal(molt_dfu_upload(&rig.dfu, buffer, 10, &n, NULL), MOLT_E_UNSUPPORTED);
        dfu_rig_close(&rig);
    }
}

/* Block 0 of these is a command. */
static void no_plain_calls_for_dfuse(void **state)
{
    (void)state;
    struct dfu_rig rig;
    uint32_t n;
    dfu_rig_open(&rig, "stm32f405");
    assert_int_equal(molt_dfu_download(&rig.dfu, data, 10, NULL), MOLT_E_UNSUPPORTED);
    assert_int_equal(molt_dfu_upload(&rig.dfu, buffer, 10, &n, NULL), MOLT_E_UNSUPPORTED);
    assert_int_equal(rig.dfu.transfers, 0);
    rig.dfu.attributes = MOLT_DFU_CAN_DOWNLOAD;
    assert_int_equal(molt_dfuse_read(&rig.dfu, 0x08000000, buffer, 10, NULL), MOLT_E_UNSUPPORTED);
    dfu_rig_close(&rig);
}

static void detaching(void **state)
{
    (void)state;
    struct dfu_rig rig;
    dfu_rig_open(&rig, "runtime");
    assert_int_equal(molt_dfu_idle(&rig.dfu, NULL), MOLT_E_DFU_STATE);
    assert_int_equal(rig.dfu.last.state, MOLT_DFU_APP_IDLE);
    assert_int_equal(molt_dfu_detach(&rig.dfu, 70000, NULL), MOLT_OK);
    dfu_rig_again(&rig);
    assert_string_equal(rig.sim.profile->name, "runtime-dfu");
    assert_int_equal(molt_dfu_idle(&rig.dfu, NULL), MOLT_OK);
    assert_int_equal(molt_dfu_detach(&rig.dfu, 1000, NULL), MOLT_E_USB_STALL);
    dfu_rig_close(&rig);
}

int main(void)
{
    dfu_rig_pattern(data, SIZE, 5);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(too_short_poll_times),
        cmocka_unit_test(reads_in_pieces),
        cmocka_unit_test(other_block_sizes),
        cmocka_unit_test(stuck_after_an_erase),
        cmocka_unit_test(read_protected),
        cmocka_unit_test(wrong_addresses),
        cmocka_unit_test(refused_programs),
        cmocka_unit_test(mass_erase),
        cmocka_unit_test(leaving),
        cmocka_unit_test(commands),
        cmocka_unit_test(boot_loader_of_micropython),
        cmocka_unit_test(packed_boot_loader),
        cmocka_unit_test(progress),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(plain),
        cmocka_unit_test(no_plain_calls_for_dfuse),
        cmocka_unit_test(detaching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
