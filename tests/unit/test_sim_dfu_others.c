/* The model beyond ST's loaders: mboot, plain DFU 1.1, run-time interfaces, the bus, faults. */
#include <stdio.h>
#include <string.h>

#include "molt/sim/dfu.h"
#include "sim_dfu_rig.h"
#include "testing.h"

#define BASE  0x08000000u
#define GONE  MOLT_E_USB_GONE
#define STALL MOLT_E_USB_STALL

/* Reads string descriptor index as text. */
static const char *string_of(struct sim_rig *rig, uint8_t index)
{
    static char text[128];
    uint8_t bytes[255];
    int n = rig->usb.ops->control(rig->usb.context, 0x80, 6, (uint16_t)(0x300 | index), 0x409,
                                  bytes, sizeof bytes, 1000);
    memset(text, 0, sizeof text);
    for (int i = 2; i + 1 < n; i += 2) {
        text[i / 2 - 1] = (char)bytes[i];
    }
    return n < 0 ? NULL : text;
}

static void test_mboot(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("mboot");
    memset(rig->flash, 0, rig->size);
    assert_int_equal(sim_rig_ask(rig), 2);
    assert_int_equal(sim_rig_command(rig, 0x41, 0x08008000), 5);
    assert_int_equal(sim_rig_poll_ms(rig), 0);
    assert_int_equal(rig->flash[0x8000], 0xFF);
    assert_int_equal(sim_rig_command(rig, 0x21, 0x08008000), 5);
    assert_int_equal(sim_rig_send(rig, 2, NULL, 2048), 5);
    assert_int_equal(sim_rig_request(rig, UPLOAD, 2, NULL, 2048), 2048);
    assert_int_equal(sim_rig_ask(rig), 9);
    assert_int_equal(sim_rig_request(rig, ABORT, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_request(rig, UPLOAD, 0, NULL, 64), MOLT_E_TIMEOUT); /* no answer */
    assert_int_equal(sim_rig_command(rig, 0x41, 0x80000000), 5);                 /* SPI flash */
    assert_int_equal(rig->flash[0x100000], 0xFF);
    assert_int_equal(rig->flash[0x108000], 0);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 7);
    assert_int_equal(sim_rig_ask(rig), GONE);
    assert_int_equal(rig->sim.jumped_to, 0x08008000); /* wherever the pointer is */
    sim_rig_free(rig);
}

/* The status and its string are told once; the state stays. */
static void test_mboot_errors(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("mboot");
    assert_int_equal(sim_rig_command(rig, 0x41, BASE), 8 << 8 | 10);
    assert_int_equal(rig->status[5], 0x10);
    assert_string_equal(string_of(rig, 0x10), "Can't overwrite mboot");
    assert_int_equal(sim_rig_ask(rig), 10);
    assert_int_equal(rig->status[5], 0);
    assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_command(rig, 0x41, 0x08100000), 8 << 8 | 10);
    assert_int_equal(rig->status[5], 0x11);
    assert_string_equal(string_of(rig, 0x11), "Address out of range");
    sim_rig_request(rig, CLRSTATUS, 0, NULL, 0);
    assert_int_equal(sim_rig_send(rig, 2, NULL, 64), 8 << 8 | 10); /* the pointer is its own */
    sim_rig_request(rig, CLRSTATUS, 0, NULL, 0);
    assert_int_equal(sim_rig_send(rig, 1, NULL, 64), 10); /* and no status that says why */
    sim_rig_request(rig, CLRSTATUS, 0, NULL, 0);
    assert_int_equal(sim_rig_send(rig, 0, "\x92", 1), 10);
    sim_rig_request(rig, ABORT, 0, NULL, 0);
    memset(rig->flash, 0, rig->size);
    assert_int_equal(sim_rig_send(rig, 0, "\x41", 1), 5);
    assert_int_equal(rig->flash[0x7FFF], 0);
    assert_int_equal(rig->flash[0x8000], 0xFF);
    assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 2); /* never an error */
    sim_rig_free(rig);
}

/* One packed chunk: header, 36 bytes, payload, signature. */
static uint32_t chunk_of(uint8_t *to, uint8_t format, uint32_t address, const uint8_t *data,
                         uint32_t n)
{
    uint32_t length = n + 36;
    memset(to, 0, 12 + length + 64);
    to[0] = 1;
    to[1] = format;
    for (int i = 0; i < 4; i++) {
        to[4 + i] = (uint8_t)(address >> 8 * i);
        to[8 + i] = (uint8_t)(length >> 8 * i);
    }
    memcpy(to + 48, data, n);
    memset(to + 12 + length, 0x55, 64);
    return 12 + length + 64;
}

static int send_chunk(struct sim_rig *rig, uint32_t address, const uint8_t *chunk, uint32_t n)
{
    int answer = 5;
    for (uint32_t at = 0; at < n && answer == 5; at += 2048) {
        answer = sim_rig_command(rig, 0x21, address + at);
        if (answer == 5) {
            answer = sim_rig_send(rig, 2, chunk + at, (uint16_t)(n - at < 2048 ? n - at : 2048));
        }
    }
    return answer;
}

static void test_mboot_packed(void **state)
{
    (void)state;
    uint8_t data[5000], chunk[5200];
    struct sim_rig *rig = sim_rig_plug("mboot-packed");
    memset(rig->flash, 0, rig->size);
    memset(data, 0xC3, sizeof data);
    assert_int_equal(sim_rig_command(rig, 0x41, 0x08008000), 5); /* does nothing */
    assert_int_equal(rig->flash[0x8000], 0);
    assert_int_equal(send_chunk(rig, 0x08008000, chunk, chunk_of(chunk, 2, 0x08008000, data, 5000)),
                     5);
    assert_int_equal(rig->flash[0x8000], 0xFF); /* held back */
    assert_int_equal(rig->flash[0x8008], 0xC3);
    assert_int_equal(rig->flash[0x8000 + 5000], 0xFF);
    assert_int_equal(rig->sim.erases[2], 1);
    assert_int_equal(send_chunk(rig, 0x08009388, chunk, chunk_of(chunk, 2, 0x08009388, data, 8)),
                     5);
    assert_int_equal(rig->sim.erases[2], 1); /* erased already */
    assert_int_equal(rig->flash[0x9388], 0xC3);
    assert_int_equal(send_chunk(rig, 0x08009390, chunk, chunk_of(chunk, 1, 0x08009390, data, 8)),
                     5);
    assert_int_equal(rig->flash[0x8000], 0xC3);
    assert_int_equal(rig->sim.over_programmed, 0);
    /* Into the next sector, then once more into the one before it: erased once each. */
    assert_int_equal(send_chunk(rig, 0x0800C000, chunk, chunk_of(chunk, 2, 0x0800C000, data, 8)),
                     5);
    assert_int_equal(send_chunk(rig, 0x0800B000, chunk, chunk_of(chunk, 2, 0x0800B000, data, 8)),
                     5);
    assert_int_equal(rig->sim.erases[2], 1);
    assert_int_equal(rig->sim.erases[3], 1);
    assert_int_equal(sim_rig_request(rig, UPLOAD, 2, NULL, 64), 64);
    assert_int_equal(rig->data[0], 0); /* not what is there */
    assert_int_equal(sim_rig_ask(rig), 2 << 8 | 9);
    assert_int_equal(rig->status[5], 0x13);
    sim_rig_free(rig);
}

static void test_mboot_packed_errors(void **state)
{
    (void)state;
    uint8_t data[64] = {1}, chunk[256];
    static const struct {
        uint32_t at, where; /* the byte of the chunk that is wrong */
        uint8_t value;
        int answer, string;
    } cases[] = {{0, 0x08008000, 2, 2 << 8 | 10, 0x12},  /* version */
                 {5, 0x08008000, 0, 8 << 8 | 10, 0x12},  /* address */
                 {1, 0x08008000, 9, 10, 0},              /* format */
                 {11, 0x08008000, 1, 10, 0},             /* length */
                 {0, 0x08000000, 1, 8 << 8 | 10, 0x10},  /* its own sector */
                 {0, 0x08100000, 1, 8 << 8 | 10, 0x11}}; /* outside */
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_rig *rig = sim_rig_plug("mboot-packed");
        uint32_t n = chunk_of(chunk, 2, cases[i].where, data, 64);
        chunk[cases[i].at] = cases[i].value;
        assert_int_equal(send_chunk(rig, cases[i].where, chunk, n), cases[i].answer);
        assert_int_equal(rig->status[5], cases[i].string);
        sim_rig_free(rig);
    }
    struct sim_rig *rig = sim_rig_plug("mboot-packed");
    uint32_t n = chunk_of(chunk, 2, 0x08008000, data, 64);
    memset(chunk + n - 64, 0, 64);
    assert_int_equal(send_chunk(rig, 0x08008000, chunk, n), 7 << 8 | 10); /* signature */
    sim_rig_request(rig, CLRSTATUS, 0, NULL, 0);
    /* Half a chunk, then one before it: out of order. */
    n = chunk_of(chunk, 2, 0x0800C000, data, 64);
    assert_int_equal(send_chunk(rig, 0x0800C000, chunk, 40), 5);
    assert_int_equal(send_chunk(rig, 0x0800B000, chunk, 40), 10);
    sim_rig_free(rig);
}

static void test_plain(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("plain");
    assert_int_equal(sim_rig_ask(rig), 2);
    memset(rig->flash, 0, rig->size);
    assert_int_equal(sim_rig_send(rig, 0, NULL, 1024), 5);
    assert_int_equal(sim_rig_send(rig, 1, NULL, 100), 5);
    assert_int_equal(rig->flash[1123], 0xA5);
    assert_int_equal(rig->flash[1124], 0xFF); /* the sector was erased */
    assert_int_equal(rig->flash[2048], 0);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 2, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 7);
    assert_in_range(sim_rig_poll_ms(rig), 100, 1000);
    molt_sim_dfu_wait(&rig->sim, sim_rig_poll_ms(rig) * 1000);
    assert_int_equal(sim_rig_ask(rig), 2); /* tolerant: here again */
    assert_int_equal(sim_rig_request(rig, UPLOAD, 0, NULL, 1024), 1024);
    for (int i = 1; i < 64; i++) {
        assert_int_equal(sim_rig_request(rig, UPLOAD, (uint16_t)i, NULL, 1024), 1024);
    }
    assert_int_equal(sim_rig_state(rig), 9);
    assert_int_equal(sim_rig_request(rig, UPLOAD, 64, NULL, 1024), 0);
    assert_int_equal(sim_rig_state(rig), 2);
    sim_rig_free(rig);
}

static void test_plain_is_strict(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("plain");
    /* Asked before the poll time is over. */
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 1024), 1024);
    assert_int_equal(sim_rig_ask(rig), 4);
    assert_true(sim_rig_poll_ms(rig) >= 20);
    assert_int_equal(sim_rig_ask(rig), STALL);
    assert_int_equal(sim_rig_ask(rig), STALL); /* still at it */
    molt_sim_dfu_wait(&rig->sim, 1000000);
    assert_int_equal(sim_rig_ask(rig), 15 << 8 | 10);
    assert_int_equal(sim_rig_request(rig, ABORT, 0, NULL, 0), STALL);
    sim_rig_idle(rig);
    /* Requests that a state does not know. */
    assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), STALL);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 0), STALL); /* nothing was sent */
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 1025), STALL);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_send(rig, 0, NULL, 64), 5);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 2, NULL, 64), STALL); /* block 1 is missing */
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_send(rig, 0, NULL, 64), 5);
    assert_int_equal(sim_rig_request(rig, UPLOAD, 1, NULL, 64), STALL);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_request(rig, DETACH, 1, NULL, 0), STALL);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_request(rig, ABORT, 0, NULL, 0), 0);
    assert_int_equal(sim_rig_request(rig, GETSTATUS, 0, NULL, 5), STALL);
    assert_int_equal(sim_rig_request(rig, GETSTATE, 0, NULL, 2), STALL);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(sim_rig_send(rig, (uint16_t)i, NULL, 1024), 5);
    }
    assert_int_equal(sim_rig_send(rig, 64, NULL, 2), 8 << 8 | 10); /* longer than the flash */
    sim_rig_free(rig);
}

static void test_plain_intolerant(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("plain-intolerant");
    assert_int_equal(rig->usb.ops->reset(rig->usb.context), MOLT_OK); /* no firmware: stays */
    assert_int_equal(sim_rig_ask(rig), 2);
    assert_int_equal(sim_rig_send(rig, 0, NULL, 64), 5);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 1, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 7);
    molt_sim_dfu_wait(&rig->sim, 300000);
    assert_int_equal(sim_rig_ask(rig), 8);
    assert_int_equal(sim_rig_request(rig, ABORT, 0, NULL, 0), STALL);
    assert_int_equal(rig->usb.ops->reset(rig->usb.context), GONE);
    assert_true(rig->sim.jumped);
    assert_false(molt_sim_dfu_present(&rig->sim));
    assert_int_equal(rig->usb.ops->reset(rig->usb.context), GONE);
    sim_rig_free(rig);
}

static void test_run_time(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("runtime");
    assert_int_equal(sim_rig_ask(rig), 0);
    assert_int_equal(sim_rig_state(rig), 0);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, NULL, 64), STALL);
    assert_int_equal(sim_rig_request(rig, DETACH, 1000, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), GONE);
    molt_sim_dfu_wait(&rig->sim, 400000);
    assert_true(molt_sim_dfu_present(&rig->sim));
    assert_string_equal(rig->sim.profile->name, "runtime-dfu");
    assert_int_equal(sim_rig_ask(rig), GONE); /* opened before it left */
    molt_sim_dfu_usb(&rig->sim, &rig->usb);
    assert_int_equal(sim_rig_ask(rig), 2);
    assert_int_equal(sim_rig_send(rig, 0, NULL, 64), 5);
    assert_int_equal(rig->usb.ops->reset(rig->usb.context), GONE);
    molt_sim_dfu_wait(&rig->sim, 400000);
    molt_sim_dfu_usb(&rig->sim, &rig->usb);
    assert_int_equal(sim_rig_ask(rig), 0); /* the application */
    molt_sim_dfu_replug(&rig->sim, true);
    assert_string_equal(rig->sim.profile->name, "runtime-dfu");
    molt_sim_dfu_replug(&rig->sim, false);
    assert_string_equal(rig->sim.profile->name, "runtime");
    sim_rig_free(rig);
}

static void test_run_time_waits_for_a_reset(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("runtime-reset");
    assert_int_equal(sim_rig_request(rig, DETACH, 500, NULL, 0), 0);
    assert_int_equal(sim_rig_ask(rig), 1);
    molt_sim_dfu_wait(&rig->sim, 600000);
    assert_int_equal(sim_rig_ask(rig), 0); /* too late */
    assert_int_equal(rig->usb.ops->reset(rig->usb.context), MOLT_OK);
    assert_int_equal(sim_rig_request(rig, DETACH, 60000, NULL, 0), 0); /* at most its own 1 s */
    molt_sim_dfu_wait(&rig->sim, 1100000);
    assert_int_equal(sim_rig_ask(rig), 0);
    assert_int_equal(sim_rig_request(rig, DETACH, 500, NULL, 0), 0);
    assert_int_equal(rig->usb.ops->reset(rig->usb.context), GONE);
    molt_sim_dfu_wait(&rig->sim, 400000);
    assert_string_equal(rig->sim.profile->name, "runtime-dfu");
    assert_true(molt_sim_dfu_present(&rig->sim));
    sim_rig_free(rig);
}

static void test_descriptors(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct sim_rig *rig = sim_rig_plug("stm32f405");
    const struct molt_usb_ops *ops = rig->usb.ops;
    void *usb = rig->usb.context;
    assert_int_equal(ops->control(usb, 0x80, 6, 0x100, 0, bytes, 18, 1000), 18);
    assert_memory_equal(bytes, "\x12\x01\x00\x01\0\0\0\x40\x83\x04\x11\xDF\x00\x22\x01\x02\x03\x01",
                        18);
    assert_int_equal(ops->control(usb, 0x80, 6, 0x100, 0, bytes, 8, 1000), 8);
    assert_int_equal(ops->control(usb, 0x80, 6, 0x200, 0, bytes, 255, 1000), 9 + 4 * 9 + 9);
    assert_memory_equal(bytes, "\x09\x02\x36\x00\x01\x01\x00\xC0\x32", 9);
    assert_memory_equal(bytes + 9, "\x09\x04\x00\x00\x00\xFE\x01\x02\x04", 9);
    assert_memory_equal(bytes + 36, "\x09\x04\x00\x03\x00\xFE\x01\x02\x07", 9);
    assert_memory_equal(bytes + 45, "\x09\x21\x0B\xFF\x00\x00\x08\x1A\x01", 9);
    assert_int_equal(ops->control(usb, 0x80, 6, 0x201, 0, bytes, 255, 1000), STALL);
    assert_int_equal(ops->control(usb, 0x80, 6, 0x600, 0, bytes, 255, 1000), STALL);
    assert_int_equal(ops->control(usb, 0x80, 6, 0x300, 0, bytes, 255, 1000), 4);
    assert_memory_equal(bytes, "\x04\x03\x09\x04", 4);
    assert_string_equal(string_of(rig, 1), "STMicroelectronics");
    assert_string_equal(string_of(rig, 2), "STM32  BOOTLOADER");
    assert_string_equal(string_of(rig, 3), "306A37613036");
    assert_string_equal(string_of(rig, 4),
                        "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg");
    assert_null(string_of(rig, 8));
    struct sim_rig *odd = sim_rig_plug("stm32f427"); /* U+CC50 U+01A8 behind the text */
    assert_int_equal(
        odd->usb.ops->control(odd->usb.context, 0x80, 6, 0x304, 0x409, bytes, 255, 1000),
        2 + 2 * (55 + 7));
    assert_memory_equal(bytes + 2 + 2 * 54, "g\0\x50\xCC\xA8\x01\x54\x2E", 8);
    sim_rig_free(odd);
    assert_null(string_of(rig, 0x10));
    snprintf(rig->sim.serial, sizeof rig->sim.serial, "OTHER");
    assert_string_equal(string_of(rig, 3), "OTHER");
    assert_int_equal(ops->set_alternate(usb, 0, 3), MOLT_OK);
    assert_int_equal(rig->sim.alternate, 3);
    assert_int_equal(ops->control(usb, 0x81, 10, 0, 0, bytes, 1, 1000), 1);
    assert_int_equal(bytes[0], 3);
    assert_int_equal(ops->set_alternate(usb, 0, 4), STALL);
    assert_int_equal(ops->set_alternate(usb, 1, 0), STALL);
    assert_int_equal(ops->control(usb, 0, 9, 1, 0, NULL, 0, 1000), 0);
    assert_int_equal(ops->control(usb, 0x80, 8, 0, 0, bytes, 1, 1000), 1);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(ops->control(usb, 0, 9, 2, 0, NULL, 0, 1000), STALL);
    assert_int_equal(ops->control(usb, 0x80, 0, 0, 0, bytes, 2, 1000), 2);
    assert_int_equal(ops->control(usb, 0xC0, 6, 0x100, 0, bytes, 18, 1000), STALL); /* vendor */
    assert_int_equal(ops->control(usb, 0xA1, GETSTATUS, 0, 1, bytes, 6, 1000), STALL);
    assert_int_equal(ops->control(usb, 0x21, GETSTATUS, 0, 0, bytes, 6, 1000), STALL);
    assert_int_equal(ops->control(usb, 0xA1, 7, 0, 0, bytes, 6, 1000), STALL);
    sim_rig_free(rig);
}

static void test_profiles(void **state)
{
    (void)state;
    uint32_t n = 0;
    for (const struct molt_sim_dfu_profile *p; (p = molt_sim_dfu_profile_at(n)); n++) {
        uint32_t sectors = 0;
        uint8_t bytes[256];
        struct sim_rig *rig = sim_rig_plug(p->name);
        assert_ptr_equal(molt_sim_dfu_profile_named(p->name), p);
        for (uint32_t i = 0; i < p->region_count; i++) {
            const struct molt_sim_dfu_region *r = &p->regions[i];
            sectors += r->count;
            uint32_t left = 0;
            assert_non_null(molt_sim_dfu_memory(&rig->sim, r->start, &left));
            assert_in_range(left, r->sector_size * r->count, 0x800000);
        }
        assert_in_range(sectors, 1, MOLT_SIM_DFU_SECTORS);
        assert_in_range(p->transfer_size, 64, MOLT_SIM_DFU_TRANSFER);
        assert_in_range(p->alternate_count, 1, MOLT_SIM_DFU_ALTERNATES);
        assert_in_range(molt_sim_dfu_configuration_descriptor(&rig->sim, bytes, 256), 27, 54);
        assert_true(!p->other || molt_sim_dfu_profile_named(p->other));
        assert_in_range(p->granule, 1, 32);
        sim_rig_free(rig);
    }
    assert_int_equal(n, 14);
    assert_null(molt_sim_dfu_profile_named("stm32"));
}

/* Each kind at the DNLOAD of a block. */
static void test_faults(void **state)
{
    (void)state;
    static const struct {
        enum molt_sim_fault kind;
        bool executed;
        int result, after; /* state; -1 = not on the bus */
    } cases[] = {{MOLT_SIM_FAULT_STALL, false, STALL, 2},
                 {MOLT_SIM_FAULT_TIMEOUT, false, MOLT_E_TIMEOUT, 2},
                 {MOLT_SIM_FAULT_TIMEOUT, true, MOLT_E_TIMEOUT, 3},
                 {MOLT_SIM_FAULT_IO, false, MOLT_E_IO, 2},
                 {MOLT_SIM_FAULT_IO, true, MOLT_E_IO, 3},
                 {MOLT_SIM_FAULT_SHORT, false, 32, 2},
                 {MOLT_SIM_FAULT_GONE, false, GONE, -1},
                 {MOLT_SIM_FAULT_NONE, false, 64, 3}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_rig *rig = sim_rig_plug("stm32f405");
        sim_rig_idle(rig);
        rig->sim.fault.at_transfer = rig->sim.transfers + 1;
        rig->sim.fault.kind = cases[i].kind;
        rig->sim.fault.executed = cases[i].executed;
        uint64_t before = rig->sim.time_us;
        assert_int_equal(sim_rig_request(rig, DNLOAD, 2, NULL, 64), cases[i].result);
        bool waits = cases[i].kind == MOLT_SIM_FAULT_TIMEOUT;
        assert_int_equal((rig->sim.time_us - before) / 60000000, waits);
        assert_int_equal(molt_sim_dfu_present(&rig->sim) ? rig->sim.state : -1, cases[i].after);
        /* It was this one only. */
        assert_int_equal(sim_rig_request(rig, GETSTATE, 0, NULL, 1), cases[i].after < 0 ? GONE : 1);
        sim_rig_free(rig);
    }
    struct sim_rig *rig = sim_rig_plug("stm32f405");
    rig->sim.fault.at_transfer = 2;
    rig->sim.fault.count = 2;
    rig->sim.fault.kind = MOLT_SIM_FAULT_SHORT;
    assert_int_equal(sim_rig_request(rig, GETSTATUS, 0, NULL, 6), 6);
    assert_int_equal(sim_rig_request(rig, GETSTATUS, 0, NULL, 6), 3);
    assert_int_equal(sim_rig_request(rig, GETSTATUS, 0, NULL, 6), 3);
    assert_int_equal(sim_rig_request(rig, GETSTATUS, 0, NULL, 6), 6);
    assert_int_equal(rig->sim.requests[GETSTATUS], 4);
    sim_rig_free(rig);
}

/* Unplugged half-way through an erase or a program: half of it is done. */
static void test_unplugged_at_work(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("stm32f405");
    memset(rig->flash, 0, rig->size);
    sim_rig_idle(rig);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 0, "\x41\0\0\x02\x08", 5), 5);
    assert_int_equal(sim_rig_ask(rig), 4);
    molt_sim_dfu_wait(&rig->sim, 1000000); /* of two seconds */
    molt_sim_dfu_unplug(&rig->sim);
    assert_int_equal(rig->flash[0x20000], 0xFF);
    assert_int_equal(rig->flash[0x3FFFF], 0);
    assert_false(molt_sim_dfu_present(&rig->sim));
    molt_sim_dfu_replug(&rig->sim, true);
    molt_sim_dfu_usb(&rig->sim, &rig->usb);
    sim_rig_idle(rig);
    memset(rig->flash, 0xFF, rig->size);
    assert_int_equal(sim_rig_request(rig, DNLOAD, 2, NULL, 2048), 2048);
    assert_int_equal(sim_rig_ask(rig), 4);
    molt_sim_dfu_wait(&rig->sim, 16000);
    molt_sim_dfu_replug(&rig->sim, true);
    assert_int_equal(rig->flash[0], 0xA5);
    assert_int_equal(rig->flash[2047], 0xFF);
    sim_rig_free(rig);
}

/* A port reset in the loader: the same device, the same handle, a new state. */
static void test_reset(void **state)
{
    (void)state;
    struct sim_rig *rig = sim_rig_plug("stm32h743");
    assert_int_equal(sim_rig_send(rig, 2, NULL, 64), 5);
    assert_int_equal(rig->usb.ops->reset(rig->usb.context), MOLT_OK);
    assert_int_equal(sim_rig_ask(rig), 2);
    sim_rig_free(rig);
}

static void count(void *context, const struct molt_sim_dfu_transfer *transfer)
{
    uint32_t *seen = context;
    assert_int_equal(transfer->number, *seen + 1);
    *seen = transfer->number;
    if (transfer->number == 2) {
        assert_int_equal(transfer->request, CLRSTATUS);
        assert_int_equal(transfer->state, 2);
        assert_int_equal(transfer->result, 0);
    }
}

static void test_trace(void **state)
{
    (void)state;
    uint32_t seen = 0;
    struct sim_rig *rig = sim_rig_plug("stm32f405");
    rig->sim.trace = count;
    rig->sim.trace_context = &seen;
    sim_rig_idle(rig);
    assert_int_equal(seen, 3);
    sim_rig_free(rig);
}

static uint32_t draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* Requests of any kind, in any state: the model stays inside its memory (sanitizers watch), and in
 * the states and status codes that there are. */
static void test_anything(void **state)
{
    (void)state;
    static const uint8_t types[] = {0x21, 0xA1, 0x80, 0x00, 0x81, 0x01, 0x82, 0xC0};
    static uint8_t data[65536];
    uint64_t seed = 1;
    for (uint32_t n = 0; molt_sim_dfu_profile_at(n); n++) {
        struct sim_rig *rig = sim_rig_plug(molt_sim_dfu_profile_at(n)->name);
        for (int i = 0; i < 4000; i++) {
            uint32_t what = draw(&seed);
            uint8_t type = types[what % 4 < 3 ? what / 4 % 2 : what / 4 % 8];
            uint8_t request = (uint8_t)(draw(&seed) % 13);
            uint16_t value = (uint16_t)(draw(&seed) % 3 ? draw(&seed) % 5 : draw(&seed));
            uint16_t length = (uint16_t)(draw(&seed) % 4 ? draw(&seed) % 10 : draw(&seed));
            data[0] = (uint8_t)(draw(&seed) % 2 ? 0x41 : 0x21);
            for (int k = 1; k < 16; k++) {
                data[k] = (uint8_t)(draw(&seed) % 2 ? draw(&seed) : k == 4 ? 0x08 : 0);
            }
            int result =
                rig->usb.ops->control(rig->usb.context, type, request, value, 0, data, length, 100);
            assert_true(result <= length);
            assert_in_range(rig->sim.state, 0, 10);
            assert_in_range(rig->sim.status, 0, 15);
            if (draw(&seed) % 50 == 0) {
                rig->usb.ops->reset(rig->usb.context);
            }
            rig->sim.read_protected = rig->sim.read_protected && draw(&seed) % 4;
            molt_sim_dfu_wait(&rig->sim, draw(&seed) % 3 ? 0 : 20000000);
            if (result == GONE) {
                molt_sim_dfu_replug(&rig->sim, draw(&seed) % 2);
                molt_sim_dfu_usb(&rig->sim, &rig->usb);
            }
        }
        assert_true(rig->sim.requests[GETSTATUS] > 0);
        sim_rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mboot),
        cmocka_unit_test(test_mboot_errors),
        cmocka_unit_test(test_mboot_packed),
        cmocka_unit_test(test_mboot_packed_errors),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_plain_is_strict),
        cmocka_unit_test(test_plain_intolerant),
        cmocka_unit_test(test_run_time),
        cmocka_unit_test(test_run_time_waits_for_a_reset),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_unplugged_at_work),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
