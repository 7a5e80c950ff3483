/* Erasing over USB: which sectors of simulated devices, what is lost, what is refused. */
#include <string.h>

#include "testing.h"

#include "molt/ops/dfu_device.h"
#include "simdevice.h"

#define K 1024u

static int plan_it(struct simdevice *device, const char *const *place, uint32_t count,
                   struct molt_dfu_erase **job)
{
    struct molt_dfu_erase_request request = {.place = place, .count = count, .board = "PYBV11"};
    return molt_dfu_erase_plan(job, device->session, &request, &device->message);
}

static bool is_blank(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (bytes[i] != 0xFF) {
            return false;
        }
    }
    return true;
}

static const struct molt_step *step_of(const struct molt_dfu_erase *job, enum molt_step_kind kind)
{
    const struct molt_plan *plan = molt_dfu_erase_steps(job);
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->step[i].kind == kind) {
            return &plan->step[i];
        }
    }
    return NULL;
}

/* Each sector once, also when it is named twice; nothing else is touched. */
static void sectors(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08020000", "0x08000000", "0x08000000-0x08003fff",
                                        "0x080c0000+256K"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(plan_it(&device, place, 4, &job), MOLT_OK);
    assert_int_equal(molt_dfu_erase_result(job)->sectors, 4);
    assert_int_equal(molt_dfu_erase_result(job)->bytes, 16 * K + 3 * 128 * K);
    assert_false(molt_dfu_erase_result(job)->loses_files);
    assert_null(step_of(job, MOLT_STEP_LOSE));
    assert_int_equal(step_of(job, MOLT_STEP_ERASE)->size, 16 * K);
    assert_memory_equal(device.flash, device.before, device.size);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_OK);
    assert_true(molt_dfu_erase_result(job)->verified);
    for (uint32_t i = 0; i < 12; i++) {
        assert_int_equal(device.sim.erases[i], i == 0 || i == 5 || i == 10 || i == 11);
    }
    assert_true(is_blank(device.flash, 16 * K));
    assert_memory_equal(device.flash + 16 * K, device.before + 16 * K, 112 * K);
    assert_true(is_blank(device.flash + 128 * K, 128 * K));
    assert_memory_equal(device.flash + 256 * K, device.before + 256 * K, 512 * K);
    assert_true(is_blank(device.flash + 768 * K, 256 * K));
    /* What is blank is not erased again. */
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_OK);
    assert_int_equal(device.sim.erases[5], 1);
    assert_true(molt_dfu_erase_result(job)->verified);
    /* But a sector whose last byte is used is. */
    device.flash[256 * K - 1] = 0x7F;
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_OK);
    assert_int_equal(device.sim.erases[5], 2);
    assert_int_equal(device.flash[256 * K - 1], 0xFF);
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

static void files(void **state)
{
    (void)state;
    static const char *const asked[] = {"files"}, *const hit[] = {"0x08004000"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(plan_it(&device, hit, 1, &job), MOLT_OK);
    assert_true(molt_dfu_erase_result(job)->loses_files);
    assert_string_equal(step_of(job, MOLT_STEP_LOSE)->what, "files");
    molt_dfu_erase_free(job);
    assert_int_equal(plan_it(&device, asked, 1, &job), MOLT_OK);
    assert_false(molt_dfu_erase_result(job)->loses_files);
    assert_int_equal(step_of(job, MOLT_STEP_LOSE)->offset, 0x08004000);
    assert_int_equal(step_of(job, MOLT_STEP_LOSE)->size, 112 * K);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_OK);
    assert_memory_equal(device.flash, device.before, 16 * K);
    assert_true(is_blank(device.flash + 16 * K, 112 * K));
    assert_memory_equal(device.flash + 128 * K, device.before + 128 * K, 896 * K);
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

static void whole_sectors(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08024000+16K"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    struct molt_dfu_erase_request request = {.place = place, .count = 1, .board = "PYBV11"};
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(molt_dfu_erase_plan(&job, device.session, &request, &device.message),
                     MOLT_E_RANGE);
    assert_non_null(strstr(device.message.text, "0x08020000+131072"));
    assert_null(job);
    request.whole_sectors = true;
    assert_int_equal(molt_dfu_erase_plan(&job, device.session, &request, &device.message), MOLT_OK);
    const struct molt_step *lost = step_of(job, MOLT_STEP_LOSE);
    assert_int_equal(lost->offset, 0x08020000);
    assert_int_equal(lost->size, 16 * K);
    assert_int_equal(lost[1].offset, 0x08028000);
    assert_int_equal(lost[1].size, 96 * K);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_OK);
    assert_true(is_blank(device.flash + 128 * K, 128 * K));
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

static void everything(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_erase *job;
    struct molt_dfu_erase_request request = {.all = true};
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(molt_dfu_erase_plan(&job, device.session, &request, &device.message), MOLT_OK);
    assert_int_equal(step_of(job, MOLT_STEP_LOSE)->size, 1024 * K);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_OK);
    assert_int_equal(device.sim.mass_erases, 1);
    assert_true(is_blank(device.flash, device.size));
    assert_true(molt_dfu_erase_result(job)->verified);
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

/* The loader says that all is well; the bytes are still there. */
static void write_protected(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08020000+256K"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    struct molt_dfu_erase_request all = {.all = true};
    simdevice_new(&device, "stm32f405");
    device.sim.write_protected[6] = true;
    simdevice_open(&device, "usb:");
    assert_int_equal(plan_it(&device, place, 1, &job), MOLT_OK);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_E_DFU_PROTECTED);
    assert_non_null(strstr(device.message.text, "1 of 2 sectors"));
    assert_non_null(strstr(device.message.text, "0x08040000"));
    assert_int_equal(molt_dfu_erase_result(job)->refused_sectors, 1);
    assert_int_equal(molt_dfu_erase_result(job)->first_refused, 0x08040000);
    assert_true(is_blank(device.flash + 128 * K, 128 * K));
    device.sim.write_protected[6] = false;
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_OK);
    assert_true(is_blank(device.flash + 256 * K, 128 * K));
    molt_dfu_erase_free(job);

    device.sim.write_protected[0] = true;
    assert_int_equal(molt_dfu_erase_plan(&job, device.session, &all, &device.message), MOLT_OK);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_E_DFU_PROTECTED);
    assert_int_equal(molt_dfu_erase_result(job)->first_refused, 0x08000000);
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

/* It shows before anything is erased. */
static void read_protected(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08020000"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    struct molt_dfu_erase_request all = {.all = true};
    simdevice_new(&device, "stm32f405");
    device.sim.read_protected = true;
    simdevice_open(&device, "usb:");
    assert_int_equal(plan_it(&device, place, 1, &job), MOLT_OK);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_E_DFU_PROTECTED);
    assert_non_null(strstr(device.message.text, "molt dfu unprotect"));
    molt_dfu_erase_free(job);
    assert_int_equal(molt_dfu_erase_plan(&job, device.session, &all, &device.message), MOLT_OK);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_E_DFU_PROTECTED);
    molt_dfu_erase_free(job);
    assert_memory_equal(device.flash, device.before, device.size);
    assert_int_equal(device.sim.mass_erases, 0);
    simdevice_free(&device);
}

/* No reading back: it is erased, and not called verified. */
static void unreadable(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08020000"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    device.session->dfu.attributes = MOLT_DFU_CAN_DOWNLOAD;
    assert_int_equal(plan_it(&device, place, 1, &job), MOLT_OK);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_OK);
    assert_false(molt_dfu_erase_result(job)->verified);
    assert_int_equal(device.sim.bytes_uploaded, 0);
    assert_true(is_blank(device.flash + 128 * K, 128 * K));
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

/* Packed mboot says yes to an erase and does nothing. */
static void packed(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08020000"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    simdevice_new(&device, "mboot-packed");
    simdevice_open(&device, "usb:");
    assert_int_equal(plan_it(&device, place, 1, &job), MOLT_OK);
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_E_UNSUPPORTED);
    assert_non_null(strstr(device.message.text, "erases by itself"));
    assert_memory_equal(device.flash, device.before, device.size);
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

/* It keeps itself, and flash outside of the chip. */
static void all_of_mboot(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_erase *job;
    struct molt_dfu_erase_request request = {.all = true};
    simdevice_new(&device, "mboot");
    simdevice_open(&device, "usb:");
    assert_int_equal(molt_dfu_erase_plan(&job, device.session, &request, &device.message), MOLT_OK);
    assert_int_equal(step_of(job, MOLT_STEP_KEEP)->offset, 0x80000000);
    if (molt_dfu_erase_run(job, NULL, &device.message) != MOLT_OK) {
        fail_msg("%s", device.message.text);
    }
    assert_true(molt_dfu_erase_result(job)->verified);
    assert_int_equal(molt_dfu_erase_result(job)->kept_sectors, 2);
    assert_memory_equal(device.flash, device.before, 32 * K);
    assert_true(is_blank(device.flash + 32 * K, 992 * K));
    /* Another sector that stays is not its own. */
    memcpy(device.flash, device.before, device.size);
    device.sim.write_protected[3] = true;
    assert_int_equal(molt_dfu_erase_run(job, NULL, &device.message), MOLT_E_DFU_PROTECTED);
    assert_int_equal(molt_dfu_erase_result(job)->first_refused, 0x0800c000);
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

/* Busy for ever behind 1 MB: the H743's two CLRSTATUS. */
static void stuck(void **state)
{
    (void)state;
    static const char *const place[] = {"0x080e0000+256K"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    simdevice_new(&device, "stm32h743");
    simdevice_open(&device, "usb:");
    assert_int_equal(plan_it(&device, place, 1, &job), MOLT_OK);
    if (molt_dfu_erase_run(job, NULL, &device.message) != MOLT_OK) {
        fail_msg("%s", device.message.text);
    }
    assert_true(is_blank(device.flash + 896 * K, 256 * K));
    assert_int_equal(device.sim.erases[7] + device.sim.erases[8], 2);
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

static void refused(void **state)
{
    (void)state;
    static const char *const all_word[] = {"all"}, *const bad[] = {"0x08000000+8K"},
                             *const none[] = {"x"}, *const files_word[] = {"files"};
    static const struct {
        const char *profile, *target;
        struct molt_dfu_erase_request request;
        int error;
        const char *says;
    } cases[] = {
        {"stm32f405", "usb:", {.place = NULL}, MOLT_E_ARGUMENT, "nothing to erase is named"},
        {"stm32f405", "usb:", {.place = all_word, .count = 1}, MOLT_E_ARGUMENT, "--all"},
        {"stm32f405", "usb:", {.place = bad, .count = 1, .all = true}, MOLT_E_ARGUMENT, "--all"},
        {"stm32f405", "usb:", {.place = bad, .count = 1}, MOLT_E_RANGE, "0x08000000+16384"},
        {"stm32f405", "usb:", {.place = none, .count = 1}, MOLT_E_ARGUMENT, "'x': no place"},
        {"stm32f405",
         "usb:",
         {.place = files_word, .count = 1, .board = "NOSUCH"},
         MOLT_E_NOT_FOUND,
         "NOSUCH"},
        {"gd32", "usb:28e9:0189", {.place = files_word, .count = 1}, MOLT_E_NOT_FOUND, "--board"},
        {"stm32f405", "usb:,alt=1", {.all = true}, MOLT_E_RANGE, "'Option Bytes' can be erased"},
        {"plain", "usb:1209:0001", {.all = true}, MOLT_E_UNSUPPORTED, "plain DFU"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simdevice device;
        struct molt_dfu_erase *job;
        simdevice_new(&device, cases[i].profile);
        simdevice_open(&device, cases[i].target);
        assert_int_equal(
            molt_dfu_erase_plan(&job, device.session, &cases[i].request, &device.message),
            cases[i].error);
        assert_null(job);
        if (!strstr(device.message.text, cases[i].says)) {
            fail_msg("'%s' does not say '%s'", device.message.text, cases[i].says);
        }
        simdevice_free(&device);
    }
}

static void progress_and_cancel(void **state)
{
    (void)state;
    static const char *const place[] = {"0x08000000+64K"};
    struct simdevice device;
    struct molt_dfu_erase *job;
    struct simprogress progress;
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(plan_it(&device, place, 1, &job), MOLT_OK);
    simprogress_start(&progress, 3);
    assert_int_equal(molt_dfu_erase_run(job, &progress.progress, &device.message),
                     MOLT_E_CANCELLED);
    simprogress_start(&progress, 0);
    assert_int_equal(molt_dfu_erase_run(job, &progress.progress, &device.message), MOLT_OK);
    assert_false(progress.backwards);
    assert_string_equal(progress.what, "verify");
    assert_int_equal(progress.done, 64 * K);
    assert_true(is_blank(device.flash, 64 * K));
    molt_dfu_erase_free(job);
    simdevice_free(&device);
}

/* ---- faults ---- */

static int fault_run(struct simdevice *device, const struct molt_progress *progress)
{
    static const char *const place[] = {"0x08000000+32K"};
    struct molt_dfu_erase *job;
    int error = plan_it(device, place, 1, &job);
    assert_int_equal(error, MOLT_OK);
    error = molt_dfu_erase_run(job, progress, &device->message);
    assert_int_equal(error == MOLT_OK, molt_dfu_erase_result(job)->verified);
    molt_dfu_erase_free(job);
    return error;
}

static void fault_done(struct simdevice *device)
{
    assert_true(is_blank(device->flash, 32 * K));
    assert_memory_equal(device->flash + 32 * K, device->before + 32 * K, device->size - 32 * K);
}

static int all_run(struct simdevice *device, const struct molt_progress *progress)
{
    struct molt_dfu_erase *job;
    struct molt_dfu_erase_request request = {.all = true};
    assert_int_equal(molt_dfu_erase_plan(&job, device->session, &request, &device->message),
                     MOLT_OK);
    int error = molt_dfu_erase_run(job, progress, &device->message);
    molt_dfu_erase_free(job);
    return error;
}

static void all_done(struct simdevice *device)
{
    assert_true(is_blank(device->flash, device->size));
}

static void faults(void **state)
{
    (void)state;
    static const struct simwork works[] = {
        {"stm32f405", "usb:", NULL, fault_run, fault_done, 0, {0}},
        {"gd32", "usb:28e9:0189", NULL, all_run, all_done, 60, {0}}};
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        assert_true(simdevice_faults(&works[i]) > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sectors),         cmocka_unit_test(files),
        cmocka_unit_test(whole_sectors),   cmocka_unit_test(everything),
        cmocka_unit_test(write_protected), cmocka_unit_test(read_protected),
        cmocka_unit_test(unreadable),      cmocka_unit_test(packed),
        cmocka_unit_test(all_of_mboot),    cmocka_unit_test(stuck),
        cmocka_unit_test(refused),         cmocka_unit_test(progress_and_cancel),
        cmocka_unit_test(faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
