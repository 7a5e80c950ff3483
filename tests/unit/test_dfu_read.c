#define _POSIX_C_SOURCE 200809L /* mkstemp */
/* Reading over USB: places of simulated devices into files of each format, and what goes wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "testing.h"

#include "molt/ops/dfu_device.h"
#include "molt/ops/dfu_image.h"
#include "simdevice.h"

#define K 1024u

static struct molt_dfu_read_request places(const char *const *place, uint32_t count)
{
    return (struct molt_dfu_read_request){.place = place, .count = count};
}

/* Plans and runs; the job is NULL after an error. */
static int read_it(struct simdevice *device, const struct molt_dfu_read_request *request,
                   struct molt_dfu_read **job)
{
    int error = molt_dfu_read_plan(job, device->session, request, &device->message);
    if (!error) {
        error = molt_dfu_read_run(*job, NULL, &device->message);
        if (error) {
            molt_dfu_read_free(*job);
            *job = NULL;
        }
    }
    return error;
}

static void file_of(const struct molt_dfu_read *job, const char *path, uint8_t **bytes, uint32_t *n)
{
    struct molt_message message = {0};
    if (molt_dfu_read_file(job, MOLT_DFU_READ_BY_NAME, path, bytes, n, &message) != MOLT_OK) {
        fail_msg("%s: %s", path, message.text);
    }
}

static void whole_flash(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_read *job;
    struct molt_dfu_read_request request = places(NULL, 0);
    uint8_t *bytes;
    uint32_t n;
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(read_it(&device, &request, &job), MOLT_OK);
    const struct molt_dfu_piece *piece = molt_dfu_read_pieces(job, &n);
    assert_int_equal(n, 1);
    assert_int_equal(piece->address, 0x08000000);
    file_of(job, "flash.bin", &bytes, &n);
    assert_int_equal(n, 1024 * K);
    assert_memory_equal(bytes, device.before, n);
    assert_memory_equal(device.flash, device.before, n);
    /* 512 blocks, and at most a handful around them. */
    assert_in_range(device.sim.requests[2], 512, 514);
    free(bytes);
    molt_dfu_read_free(job);
    simdevice_free(&device);
}

/* Each format gives the pieces back to whoever loads it. */
static void formats(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08003ff0+32", "0x08020001+5"};
    static const char *const name[] = {"x.hex", "x.IHEX", "x.dfu"};
    struct simdevice device;
    struct molt_dfu_read *job;
    struct molt_dfu_read_request request = places(place, 2);
    uint8_t *bytes;
    uint32_t n;
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(read_it(&device, &request, &job), MOLT_OK);
    for (int i = 0; i < 3; i++) {
        struct molt_dfu_image image;
        struct molt_dfu_image_request again = {.path = name[i]};
        file_of(job, name[i], &bytes, &n);
        assert_int_equal(molt_dfu_image_from_memory(&image, bytes, n, &again, &device.message),
                         MOLT_OK);
        assert_int_equal(image.kind, i == 2 ? MOLT_DFU_IMAGE_DFUSE : MOLT_DFU_IMAGE_HEX);
        assert_int_equal(image.count, 2);
        assert_int_equal(image.element[0].address, 0x08003ff0);
        assert_int_equal(image.element[0].size, 32);
        assert_memory_equal(image.element[0].bytes, device.before + 0x3ff0, 32);
        assert_int_equal(image.element[1].address, 0x08020001);
        assert_memory_equal(image.element[1].bytes, device.before + 0x20001, 5);
        if (i == 2) {
            assert_int_equal(image.suffix.vendor, 0x0483);
            assert_int_equal(image.suffix.product, 0xDF11);
        }
        molt_dfu_image_free(&image);
        free(bytes);
    }
    file_of(job, "x.bin", &bytes, &n); /* with the gap */
    assert_int_equal(n, 0x08020006 - 0x08003ff0);
    assert_memory_equal(bytes, device.before + 0x3ff0, 32);
    assert_int_equal(bytes[32], 0xFF);
    assert_int_equal(bytes[n - 6], 0xFF);
    assert_memory_equal(bytes + n - 5, device.before + 0x20001, 5);
    free(bytes);
    molt_dfu_read_free(job);
    simdevice_free(&device);
}

/* Internal flash and SPI flash are 1.9 GB apart: no BIN, but each other format. */
static void far_apart(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08000000+4K", "0x80000000+4K"};
    struct simdevice device;
    struct molt_dfu_read *job;
    struct molt_dfu_read_request request = places(place, 2);
    uint8_t *bytes;
    uint32_t n;
    simdevice_new(&device, "mboot");
    simdevice_open(&device, "usb:");
    assert_int_equal(read_it(&device, &request, &job), MOLT_OK);
    assert_int_equal(molt_dfu_read_file(job, MOLT_DFU_READ_BIN, NULL, &bytes, &n, &device.message),
                     MOLT_E_RANGE);
    assert_non_null(strstr(device.message.text, ".dfu or .hex"));
    assert_null(bytes);
    file_of(job, "x.dfu", &bytes, &n);
    assert_memory_equal(bytes + 11 + 274 + 8, device.before, 4 * K);
    assert_memory_equal(bytes + 11 + 274 + 8 + 4 * K + 8, device.before + 1024 * K, 4 * K);
    free(bytes);
    molt_dfu_read_free(job);
    simdevice_free(&device);
}

static void files_by_board(void **state)
{
    (void)state;
    static const struct {
        const char *profile, *board;
        uint32_t first, first_size, second, second_size;
    } cases[] = {{"stm32f405", "PYBV11", 0x4000, 112 * K, 0, 0},
                 {"stm32f405", "stm32f411", 0x4000, 64 * K, 0, 0},
                 {"stm32f405", NULL, 0x4000, 112 * K, 0, 0},
                 {"stm32f427", "f439", 0x100000, 192 * K, 0x140000, 64 * K}};
    static const char *const place[] = {"files"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simdevice device;
        struct molt_dfu_read *job;
        struct molt_dfu_read_request request = places(place, 1);
        uint8_t *bytes;
        uint32_t n;
        request.board = cases[i].board;
        simdevice_new(&device, cases[i].profile);
        simdevice_open(&device, "usb:");
        if (read_it(&device, &request, &job) != MOLT_OK) {
            fail_msg("case %u: %s", (unsigned)i, device.message.text);
        }
        file_of(job, "files.img", &bytes, &n);
        /* Two ranges are one image, without the gap. */
        assert_int_equal(n, cases[i].first_size + cases[i].second_size);
        assert_memory_equal(bytes, device.before + cases[i].first, cases[i].first_size);
        assert_memory_equal(bytes + cases[i].first_size, device.before + cases[i].second,
                            cases[i].second_size);
        free(bytes);
        molt_dfu_read_free(job);
        simdevice_free(&device);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *profile, *target, *place, *board;
        int error;
        const char *says;
    } cases[] = {{"stm32f405", "usb:", "nonsense", NULL, MOLT_E_ARGUMENT, "'nonsense': no place"},
                 {"stm32f405", "usb:", "0x08100000", NULL, MOLT_E_RANGE, "0x08000000-0x080fffff"},
                 {"stm32f405", "usb:", "0x1fff7800+4", NULL, MOLT_E_RANGE,
                  "alternate setting, 2, 'OTP Memory'; expected --alt 2"},
                 {"stm32f405", "usb:,alt=1", "0x08000000", NULL, MOLT_E_RANGE, "expected --alt 0"},
                 {"stm32f405", "usb:", "files", "NOSUCH", MOLT_E_NOT_FOUND, "NOSUCH"},
                 {"stm32f405", "usb:", "files", "none", MOLT_E_NOT_FOUND, "no file system"},
                 {"stm32f405", "usb:,alt=1", "files", NULL, MOLT_E_NOT_FOUND, "--board"},
                 {"gd32", "usb:28e9:0189", "files", NULL, MOLT_E_NOT_FOUND, "--board"},
                 {"plain", "usb:1209:0001", "all", NULL, MOLT_E_ARGUMENT, "without addresses"},
                 {"runtime", "usb:1209:0002", "0x0+4", NULL, MOLT_E_ARGUMENT, "without addresses"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simdevice device;
        struct molt_dfu_read *job;
        struct molt_dfu_read_request request = places(&cases[i].place, 1);
        request.board = cases[i].board;
        simdevice_new(&device, cases[i].profile);
        simdevice_open(&device, cases[i].target);
        assert_int_equal(read_it(&device, &request, &job), cases[i].error);
        assert_null(job);
        if (!strstr(device.message.text, cases[i].says)) {
            fail_msg("'%s' does not say '%s'", device.message.text, cases[i].says);
        }
        simdevice_free(&device);
    }
}

static void what_gives_nothing_back(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_read *job;
    struct molt_dfu_read_request request = places(NULL, 0);
    simdevice_new(&device, "stm32f405");
    device.sim.read_protected = true;
    simdevice_open(&device, "usb:");
    assert_int_equal(read_it(&device, &request, &job), MOLT_E_DFU_PROTECTED);
    assert_non_null(strstr(device.message.text, "molt dfu unprotect"));
    assert_non_null(strstr(device.message.text, "0x08000000"));
    device.session->dfu.attributes = MOLT_DFU_CAN_DOWNLOAD;
    assert_int_equal(read_it(&device, &request, &job), MOLT_E_UNSUPPORTED);
    assert_non_null(strstr(device.message.text, "cannot upload"));
    simdevice_free(&device);

    simdevice_new(&device, "mboot-packed");
    simdevice_open(&device, "usb:");
    assert_int_not_equal(read_it(&device, &request, &job), MOLT_OK);
    assert_null(job);
    simdevice_free(&device);
}

static void plain(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_read *job;
    struct molt_dfu_read_request request = places(NULL, 0);
    uint8_t *bytes;
    uint32_t n;
    simdevice_new(&device, "plain");
    simdevice_open(&device, "usb:1209:0001");
    assert_int_equal(read_it(&device, &request, &job), MOLT_OK);
    file_of(job, "x.bin", &bytes, &n);
    assert_int_equal(n, 64 * K);
    assert_memory_equal(bytes, device.before, n);
    free(bytes);
    file_of(job, "x.dfu", &bytes, &n);
    assert_int_equal(n, 64 * K + 16);
    assert_memory_equal(bytes, device.before, 64 * K);
    assert_memory_equal(bytes + n - 8, "UFD", 3);
    free(bytes);
    assert_int_equal(molt_dfu_read_file(job, MOLT_DFU_READ_HEX, "x", &bytes, &n, &device.message),
                     MOLT_E_ARGUMENT);
    molt_dfu_read_free(job);

    request.limit = 3000;
    assert_int_equal(read_it(&device, &request, &job), MOLT_OK);
    file_of(job, "x.bin", &bytes, &n);
    assert_int_equal(n, 3000);
    assert_memory_equal(bytes, device.before, n);
    free(bytes);
    molt_dfu_read_free(job);
    assert_int_equal(device.sim.state, MOLT_DFU_IDLE);
    simdevice_free(&device);
}

static void progress_and_cancel(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08000000+64K", "0x08040000+64K"};
    struct simdevice device;
    struct molt_dfu_read *job;
    struct simprogress progress;
    struct molt_dfu_read_request request = places(place, 2);
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(molt_dfu_read_plan(&job, device.session, &request, NULL), MOLT_OK);
    simprogress_start(&progress, 0);
    assert_int_equal(molt_dfu_read_run(job, &progress.progress, NULL), MOLT_OK);
    assert_string_equal(progress.what, "read");
    assert_int_equal(progress.done, 128 * K);
    assert_int_equal(progress.total, 128 * K);
    assert_false(progress.backwards);
    assert_true(progress.calls >= 8);
    simprogress_start(&progress, progress.calls / 2);
    assert_int_equal(molt_dfu_read_run(job, &progress.progress, &device.message), MOLT_E_CANCELLED);
    uint8_t *bytes;
    uint32_t n;
    assert_int_equal(molt_dfu_read_file(job, MOLT_DFU_READ_BIN, "x", &bytes, &n, NULL),
                     MOLT_E_ARGUMENT); /* half of it is nothing */
    assert_int_equal(molt_dfu_read_run(job, NULL, NULL), MOLT_OK);
    molt_dfu_read_free(job);
    simdevice_free(&device);
}

static void saved(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08000000+16"};
    struct simdevice device;
    struct molt_dfu_read *job;
    struct molt_dfu_read_request request = places(place, 1);
    char path[] = "/tmp/molt-dfu-read-XXXXXX", missing[64];
    uint8_t *bytes;
    size_t n;
    close(mkstemp(path));
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(molt_dfu_read_plan(&job, device.session, &request, NULL), MOLT_OK);
    assert_int_equal(
        molt_dfu_read_save(job, MOLT_DFU_READ_BIN, path, MOLT_FILE_REPLACE, &device.message),
        MOLT_E_ARGUMENT); /* not read yet */
    assert_int_equal(molt_dfu_read_run(job, NULL, NULL), MOLT_OK);
    assert_int_equal(molt_dfu_read_save(job, MOLT_DFU_READ_BIN, path, MOLT_FILE_KEEP, NULL),
                     MOLT_E_EXISTS);
    assert_int_equal(molt_dfu_read_save(job, MOLT_DFU_READ_BIN, path, MOLT_FILE_REPLACE, NULL),
                     MOLT_OK);
    assert_int_equal(molt_file_read(path, 100, &bytes, &n, NULL), MOLT_OK);
    assert_int_equal(n, 16);
    assert_memory_equal(bytes, device.before, 16);
    free(bytes);
    snprintf(missing, sizeof missing, "%s/x.bin", path);
    assert_int_not_equal(molt_dfu_read_save(job, MOLT_DFU_READ_BIN, missing, MOLT_FILE_KEEP, NULL),
                         MOLT_OK);
    unlink(path);
    molt_dfu_read_free(job);
    simdevice_free(&device);
}

/* ---- faults ---- */

static int fault_run(struct simdevice *device, const struct molt_progress *progress)
{
    static const char *const place[] = {"0x08003000+5000", "0x08020000+2K"};
    struct molt_dfu_read *job;
    struct molt_dfu_read_request request = places(place, 2);
    int error = molt_dfu_read_plan(&job, device->session, &request, &device->message);
    assert_int_equal(error, MOLT_OK);
    error = molt_dfu_read_run(job, progress, &device->message);
    if (!error) {
        uint32_t n;
        const struct molt_dfu_piece *piece = molt_dfu_read_pieces(job, &n);
        assert_memory_equal(piece[0].bytes, device->before + 0x3000, 5000);
        assert_memory_equal(piece[1].bytes, device->before + 0x20000, 2 * K);
    }
    molt_dfu_read_free(job);
    return error;
}

static int plain_fault_run(struct simdevice *device, const struct molt_progress *progress)
{
    uint8_t *bytes;
    uint32_t n;
    int error = molt_dfu_plain_read(device->session, 5000, &bytes, &n, progress, &device->message);
    if (!error) {
        assert_int_equal(n, 5000);
        assert_memory_equal(bytes, device->before, n);
        free(bytes);
    }
    return error;
}

static void untouched(struct simdevice *device)
{
    assert_memory_equal(device->flash, device->before, device->size);
}

static void faults(void **state)
{
    (void)state;
    static const struct simwork works[] = {
        {"stm32f405", "usb:", NULL, fault_run, untouched, 0, {0}},
        {"mboot", "usb:", NULL, fault_run, untouched, 0, {0}},
        {"plain", "usb:1209:0001", NULL, plain_fault_run, untouched, 0, {0}}};
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        assert_true(simdevice_faults(&works[i]) > 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_flash), cmocka_unit_test(formats),
        cmocka_unit_test(far_apart),   cmocka_unit_test(files_by_board),
        cmocka_unit_test(refused),     cmocka_unit_test(what_gives_nothing_back),
        cmocka_unit_test(plain),       cmocka_unit_test(progress_and_cancel),
        cmocka_unit_test(saved),       cmocka_unit_test(faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
