#include "testing.h"

#include <string.h>

#include "molt/dfu_descriptor.h"
#include "molt/sim/dfu.h"

static const uint8_t head[9] = {9, 2, 0, 0, 1, 3, 0, 0xC0, 50};

/* head with the total length of what is behind it. */
static uint32_t configuration(uint8_t *to, const uint8_t *body, uint32_t n)
{
    memcpy(to, head, sizeof head);
    memcpy(to + sizeof head, body, n);
    to[2] = (uint8_t)(sizeof head + n);
    to[3] = (uint8_t)((sizeof head + n) >> 8);
    return (uint32_t)sizeof head + n;
}

#define ALTERNATE(number, alternate, name)                                                         \
    9, 4, number, alternate, 0, 0xFE, 1, 2, name /* DFU mode */
#define FUNCTIONAL(attributes, size) 9, 0x21, attributes, 0xFF, 0x00, size, 0x08, 0x1A, 0x01

static void one_for_all(void **state)
{
    (void)state;
    static const uint8_t body[] = {ALTERNATE(0, 0, 4), ALTERNATE(0, 1, 5), ALTERNATE(0, 2, 6),
                                   FUNCTIONAL(11, 0)};
    uint8_t bytes[64];
    struct molt_dfu_interface i[4];
    uint32_t n = configuration(bytes, body, sizeof body);
    assert_int_equal(molt_dfu_interfaces(i, 4, bytes, n, NULL), 3);
    for (uint8_t k = 0; k < 3; k++) {
        assert_int_equal(i[k].configuration, 3);
        assert_int_equal(i[k].interface_number, 0);
        assert_int_equal(i[k].alternate, k);
        assert_int_equal(i[k].name_index, 4 + k);
        assert_false(i[k].run_time);
        assert_true(i[k].has_functional);
        assert_int_equal(i[k].attributes,
                         MOLT_DFU_CAN_DOWNLOAD | MOLT_DFU_CAN_UPLOAD | MOLT_DFU_WILL_DETACH);
        assert_int_equal(i[k].detach_timeout_ms, 255);
        assert_int_equal(i[k].transfer_size, 2048);
        assert_int_equal(i[k].version, MOLT_DFU_VERSION_DFUSE);
    }
}

/* Behind the first of two, and one each. */
static void other_places(void **state)
{
    (void)state;
    static const uint8_t first[] = {ALTERNATE(0, 0, 0), FUNCTIONAL(1, 1), ALTERNATE(0, 1, 0)};
    static const uint8_t each[] = {ALTERNATE(0, 0, 0), FUNCTIONAL(1, 1), ALTERNATE(0, 1, 0),
                                   FUNCTIONAL(2, 2)};
    uint8_t bytes[64];
    struct molt_dfu_interface i[4];
    assert_int_equal(
        molt_dfu_interfaces(i, 4, bytes, configuration(bytes, first, sizeof first), NULL), 2);
    assert_int_equal(i[0].transfer_size, 2049);
    assert_int_equal(i[1].transfer_size, 2049);
    assert_true(i[1].has_functional);
    assert_int_equal(
        molt_dfu_interfaces(i, 4, bytes, configuration(bytes, each, sizeof each), NULL), 2);
    assert_int_equal(i[0].transfer_size, 2049);
    assert_int_equal(i[1].transfer_size, 2050);
    assert_int_equal(i[1].attributes, 2);
}

/* A sound card: audio, with a HID that has a descriptor of type 0x21 too, and DFU in run-time mode.
 */
static void among_others(void **state)
{
    (void)state;
    static const uint8_t body[] = {
        9, 4,    0,    0, 1,    3,    0,    0,  0,                                 /* HID */
        9, 0x21, 0x11, 1, 0,    1,    0x22, 63, 0, 7, 5,    0x81, 3,    8, 0,  10, /* its
                                                                                      descriptor,
                                                                                      endpoint */
        8, 11,   1,    2, 0xFE, 1,    1,    0, /* interface association */
        9, 4,    1,    0, 0,    0xFE, 1,    1,  7, 7, 0x21, 9,    0xE8, 3, 64, 0, /* DFU 1.0: no
                                                                                     version */
        9, 4,    2,    0, 0,    0xFE, 2,    0,  0, 9, 0x21, 1,    1,    1, 1,  1,  1,
        1,                                         /* IrDA: not DFU */
        9, 4,    3,    0, 0,    0xFE, 1,    2,  0, /* no functional descriptor */
    };
    uint8_t bytes[128];
    struct molt_dfu_interface i[4];
    uint32_t n = configuration(bytes, body, sizeof body);
    assert_int_equal(molt_dfu_interfaces(i, 4, bytes, n, NULL), 2);
    assert_int_equal(i[0].interface_number, 1);
    assert_true(i[0].run_time);
    assert_int_equal(i[0].attributes, 9);
    assert_int_equal(i[0].detach_timeout_ms, 1000);
    assert_int_equal(i[0].transfer_size, 64);
    assert_int_equal(i[0].version, 0);
    assert_int_equal(i[0].name_index, 7);
    assert_int_equal(i[1].interface_number, 3);
    assert_false(i[1].has_functional);
    assert_int_equal(i[1].transfer_size, 0);
}

/* Its descriptor has the functional one's type: no longer that of the DFU interface before. */
static void before_a_hid(void **state)
{
    (void)state;
    static const uint8_t body[] = {
        ALTERNATE(0, 0, 4), 9, 4, 1, 0, 1, 3, 0, 0, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0};
    uint8_t bytes[64];
    struct molt_dfu_interface i[2];
    assert_int_equal(
        molt_dfu_interfaces(i, 2, bytes, configuration(bytes, body, sizeof body), NULL), 1);
    assert_false(i[0].has_functional);
}

static void more_than_fits(void **state)
{
    (void)state;
    static const uint8_t body[] = {ALTERNATE(0, 0, 0), ALTERNATE(0, 1, 0), ALTERNATE(1, 0, 0),
                                   FUNCTIONAL(1, 1)};
    uint8_t bytes[64];
    struct molt_dfu_interface i[3];
    memset(i, 0xA5, sizeof i);
    uint32_t n = configuration(bytes, body, sizeof body);
    assert_int_equal(molt_dfu_interfaces(i, 2, bytes, n, NULL), 3);
    assert_int_equal(i[1].alternate, 1);
    assert_false(i[1].has_functional); /* that one is the other interface's */
    assert_int_equal(i[2].alternate, 0xA5);
    assert_int_equal(molt_dfu_interfaces(NULL, 0, bytes, n, NULL), 3);
    assert_int_equal(molt_dfu_interfaces(i, 3, bytes, n, NULL), 3);
    assert_true(i[2].has_functional);
    assert_false(i[0].has_functional);
}

static void cut_and_wrong(void **state)
{
    (void)state;
    static const uint8_t body[] = {ALTERNATE(0, 0, 4), FUNCTIONAL(11, 0), ALTERNATE(1, 0, 5)};
    uint8_t bytes[64];
    struct molt_dfu_interface i[4];
    struct molt_diag diag;
    uint32_t n = configuration(bytes, body, sizeof body);
    for (uint32_t k = 0; k < n; k++) {
        int expected = k < 9 ? MOLT_E_TRUNCATED : k < 18 ? 0 : k < n ? 1 : 2;
        assert_int_equal(molt_dfu_interfaces(i, 4, bytes, k, &diag), expected);
        if (k >= 18) {
            assert_int_equal(i[0].has_functional, k >= 27);
        }
    }
    memset(&diag, 0, sizeof diag);
    assert_int_equal(molt_dfu_interfaces(i, 4, bytes, 8, &diag), MOLT_E_TRUNCATED);
    assert_int_equal(diag.offset, 8);
    bytes[2] = 27; /* what it says of itself ends before the last interface */
    assert_int_equal(molt_dfu_interfaces(i, 4, bytes, n, &diag), 1);
    bytes[2] = (uint8_t)n;
    bytes[18] = 1; /* a descriptor that has no room for its own type */
    assert_int_equal(molt_dfu_interfaces(i, 4, bytes, n, &diag), MOLT_E_FORMAT);
    assert_int_equal(diag.offset, 18);
    bytes[18] = 0;
    assert_int_equal(molt_dfu_interfaces(i, 4, bytes, n, &diag), MOLT_E_FORMAT);
    bytes[18] = 9;
    bytes[1] = 1;
    assert_int_equal(molt_dfu_interfaces(i, 4, bytes, n, &diag), MOLT_E_FORMAT);
    assert_int_equal(diag.offset, 0);
    bytes[1] = 2;
    bytes[0] = 8;
    assert_int_equal(molt_dfu_interfaces(i, 4, bytes, n, &diag), MOLT_E_FORMAT);
}

static void simulated(void **state)
{
    (void)state;
    const struct molt_sim_dfu_profile *p;
    for (uint32_t k = 0; (p = molt_sim_dfu_profile_at(k)) != NULL; k++) {
        struct molt_sim_dfu sim;
        uint8_t bytes[256];
        struct molt_dfu_interface i[4];
        memset(&sim, 0, sizeof sim);
        sim.profile = p;
        uint32_t n = molt_sim_dfu_configuration_descriptor(&sim, bytes, sizeof bytes);
        assert_int_equal(molt_dfu_interfaces(i, 4, bytes, n, NULL), p->alternate_count);
        for (uint8_t a = 0; a < p->alternate_count; a++) {
            assert_int_equal(i[a].alternate, a);
            assert_int_equal(i[a].transfer_size, p->transfer_size);
            assert_int_equal(i[a].attributes, p->attributes);
            assert_int_equal(i[a].version, p->version);
            assert_int_equal(i[a].run_time, p->loader == MOLT_SIM_DFU_RUN);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_for_all),    cmocka_unit_test(other_places),
        cmocka_unit_test(among_others),   cmocka_unit_test(before_a_hid),
        cmocka_unit_test(more_than_fits), cmocka_unit_test(cut_and_wrong),
        cmocka_unit_test(simulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
