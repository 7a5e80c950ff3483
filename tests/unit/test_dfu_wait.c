/* Waiting for what a board becomes when it leaves DFU mode: which device at its place is another.
 */
#include <string.h>

#include "testing.h"

#include "molt/host/usbpresent.h"
#include "ops/dfu/read_internal.h"

/* What is at the place, look by look: an address, 0 = nothing. The last one stays. */
static const uint8_t *told;
static uint32_t looks, now;

/* In place of the one that looks at the machine's bus. */
int molt_usb_present(const char *path, uint8_t address, struct molt_message *message)
{
    (void)message;
    assert_string_equal(path, "1-2");
    uint8_t is = told[now / 250 < looks ? now / 250 : looks - 1];
    return is && is != address;
}

static uint32_t now_ms(void *context)
{
    (void)context;
    return now;
}

static void sleep_ms(void *context, uint32_t ms)
{
    (void)context;
    now += ms;
}

static int wait_for(const uint8_t *addresses, uint32_t n, uint8_t before)
{
    static const struct molt_usb_ops ops = {NULL, NULL, NULL, now_ms, sleep_ms};
    static char opened;
    struct molt_dfu_session session = {.usb = {&ops, NULL}, .opened = (void *)&opened};
    strcpy(session.device.path, "1-2");
    session.device.address = before;
    told = addresses;
    looks = n;
    now = 0;
    return dfu_wait_for_anything(&session, 2000, NULL);
}

#define WAIT(before, ...)                                                                          \
    wait_for((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), before)

static void test_which_is_another(void **state)
{
    (void)state;
    assert_int_equal(WAIT(5, 6), 1);
    assert_int_equal(WAIT(5, 0), 0);
    assert_int_equal(WAIT(5, 0, 0, 6), 1);
    assert_int_equal(WAIT(5, 5, 5, 0, 6), 1);
    assert_int_equal(WAIT(5, 5), 0);       /* it was never away */
    assert_int_equal(WAIT(5, 5, 0, 5), 1); /* the same address again, as on systems but Linux */
    assert_int_equal(now, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_which_is_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
