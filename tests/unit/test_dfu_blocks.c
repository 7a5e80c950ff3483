/* Block numbers end at 65,535: a device of small blocks whose address is what AN3156 says of a
 * block. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "molt/dfuse.h"

#define BLOCK 16u
#define SIZE  ((65534u * 2 + 3) * BLOCK)
#define BASE  0x90000000u

struct device {
    uint8_t *memory;
    uint32_t pointer, set;
    uint8_t state, command[5];
    uint16_t block, n;
    uint8_t data[BLOCK];
};

static void work(struct device *d)
{
    if (d->block == 0) {
        assert_int_equal(d->data[0], 0x21);
        d->pointer = (uint32_t)d->data[1] | (uint32_t)d->data[2] << 8 | (uint32_t)d->data[3] << 16 |
                     (uint32_t)d->data[4] << 24;
        d->set++;
    } else {
        assert_true(d->block >= 2);
        uint32_t at = d->pointer + (d->block - 2u) * BLOCK - BASE;
        assert_true(at <= SIZE && SIZE - at >= d->n);
        memcpy(d->memory + at, d->data, d->n);
    }
}

static int control(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                   uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    struct device *d = context;
    (void)type;
    (void)index;
    (void)timeout_ms;
    if (request == 1) {
        assert_true(d->state == 2 || d->state == 5);
        assert_true(length <= BLOCK);
        memcpy(d->data, data, length);
        d->block = value;
        d->n = length;
        d->state = 3;
    } else if (request == 2) {
        assert_true(d->state == 2 || d->state == 9);
        assert_true(value >= 2);
        uint32_t at = d->pointer + (value - 2u) * BLOCK - BASE;
        assert_true(at <= SIZE && SIZE - at >= length);
        memcpy(data, d->memory + at, length);
        d->state = 9;
    } else if (request == 3) {
        if (d->state == 3) {
            work(d);
            d->state = 4;
        } else if (d->state == 4) {
            d->state = 5;
        }
        memset(data, 0, 6);
        data[4] = d->state;
    } else {
        assert_int_equal(request, 6);
        d->state = 2;
    }
    return length;
}

static uint32_t now_ms(void *context)
{
    (void)context;
    return 0;
}

static void sleep_ms(void *context, uint32_t ms)
{
    (void)context;
    (void)ms;
}

static const struct molt_usb_ops ops = {control, NULL, NULL, now_ms, sleep_ms};

static void many_blocks(void **state)
{
    (void)state;
    struct device device = {.state = 2};
    struct molt_dfu dfu = {.usb = {&ops, &device}, .transfer_size = BLOCK, .dfuse = true};
    uint8_t *data = malloc(SIZE), *back = malloc(SIZE);
    device.memory = calloc(1, SIZE);
    for (uint32_t i = 0; i < SIZE; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    assert_int_equal(molt_dfuse_write(&dfu, BASE, data, SIZE, NULL), MOLT_OK);
    assert_memory_equal(device.memory, data, SIZE);
    assert_int_equal(device.set, 3);
    device.set = 0;
    assert_int_equal(molt_dfuse_read(&dfu, BASE, back, SIZE, NULL), MOLT_OK);
    assert_memory_equal(back, data, SIZE);
    assert_int_equal(device.set, 3);
    /* Near the end of what the pointer reaches, and behind it. */
    assert_int_equal(molt_dfuse_read(&dfu, BASE, back, 1, NULL), MOLT_OK);
    device.set = 0;
    assert_int_equal(molt_dfuse_read(&dfu, BASE + 65533 * BLOCK, back, BLOCK, NULL), MOLT_OK);
    assert_int_equal(device.set, 0);
    assert_memory_equal(back, data + 65533 * BLOCK, BLOCK);
    assert_int_equal(molt_dfuse_read(&dfu, BASE + 65533 * BLOCK, back, 2 * BLOCK, NULL), MOLT_OK);
    assert_int_equal(device.set, 1);
    assert_memory_equal(back, data + 65533 * BLOCK, 2 * BLOCK);
    free(device.memory);
    free(data);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
