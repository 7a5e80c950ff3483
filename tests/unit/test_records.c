/* The store's records: what is refused when loading, what does not fit when saving. */
#include <string.h>

#include "molt/engine.h"
#include "testing.h"

struct memory {
    int code; /* of get, when negative */
    uint32_t n;
    uint8_t bytes[600];
};

static int get(void *context, int record, void *buffer, uint32_t capacity)
{
    const struct memory *memory = context;
    (void)record;
    if (memory->code < 0) {
        return memory->code;
    }
    if (memory->n == 0) {
        return MOLT_E_NOT_FOUND;
    }
    memcpy(buffer, memory->bytes, memory->n < capacity ? memory->n : capacity);
    return (int)memory->n;
}

static int put(void *context, int record, const void *data, uint32_t n)
{
    struct memory *memory = context;
    (void)record;
    assert_in_range(n, 1, MOLT_RECORD_MAX);
    memcpy(memory->bytes, data, n);
    memory->n = n;
    return MOLT_OK;
}

static const struct molt_store_ops ops = {get, put};
static struct memory memory;
static const struct molt_store store = {&ops, &memory};
static const uint8_t digest[MOLT_SHA256_SIZE] = {7};

static int load_update(void)
{
    struct molt_update update;
    return molt_update_load(&store, &update);
}

static int load_floor(void)
{
    struct molt_floor floor;
    return molt_floor_load(&store, &floor);
}

static int load_keys(void)
{
    struct molt_trusted_key keys[MOLT_KEYS_MAX];
    return molt_keys_load(&store, keys);
}

static int load_failed(void)
{
    return molt_failed_has(&store, digest);
}

static int add_failed(void)
{
    return molt_failed_add(&store, digest);
}

static int load_releases(void)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    return molt_releases_load(&store, bindings);
}

static const struct {
    int (*load)(void);
    uint32_t size, entry, most; /* size of a record without entries */
} kinds[] = {{load_update, 56, 0, 0},
             {load_floor, 13, 0, 0},
             {load_keys, 2, 65, MOLT_KEYS_MAX},
             {load_failed, 2, 32, MOLT_FAILED_MAX},
             {add_failed, 2, 32, MOLT_FAILED_MAX},
             {load_releases, 2, 68, MOLT_RELEASES_MAX}};
#define KINDS (sizeof kinds / sizeof kinds[0])

static void set(uint32_t n, uint8_t version, uint8_t second)
{
    memset(&memory, 0, sizeof memory);
    memory.n = n;
    memory.bytes[0] = version;
    memory.bytes[1] = second;
}

static void absent_and_unreadable(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        set(0, 0, 0);
        assert_int_equal(kinds[i].load(), 0);
        set(0, 0, 0);
        memory.code = MOLT_E_IO;
        assert_int_equal(kinds[i].load(), MOLT_E_IO);
    }
}

static void other_versions_and_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        uint32_t entry = kinds[i].entry, most = kinds[i].most, size = kinds[i].size;
        for (int n = 1; n <= (int)most || n == 1; n++) {
            uint32_t right = size + entry * (uint32_t)n;
            set(right, 1, (uint8_t)n);
            assert_true(kinds[i].load() >= 0);
            set(right, 2, (uint8_t)n);
            assert_int_equal(kinds[i].load(), MOLT_E_STORE);
            set(right, 0, (uint8_t)n);
            assert_int_equal(kinds[i].load(), MOLT_E_STORE);
            set(right - 1, 1, (uint8_t)n);
            assert_int_equal(kinds[i].load(), MOLT_E_STORE);
            set(right + 1, 1, (uint8_t)n);
            assert_int_equal(kinds[i].load(), MOLT_E_STORE);
        }
        set(1, 1, 0);
        assert_int_equal(kinds[i].load(), MOLT_E_STORE);
        if (most) { /* longer than any buffer for it */
            set(size + entry * (most + 1), 1, (uint8_t)(most + 1));
            assert_int_equal(kinds[i].load(), MOLT_E_STORE);
        }
    }
    set(56, 1, MOLT_PHASE_FAILED + 1);
    assert_int_equal(load_update(), MOLT_E_STORE);
}

static void too_many_to_save(void **state)
{
    struct molt_trusted_key keys[MOLT_KEYS_MAX + 1];
    struct molt_release_binding bindings[MOLT_RELEASES_MAX + 1];
    (void)state;
    set(0, 0, 0);
    memset(keys, 1, sizeof keys);
    memset(bindings, 1, sizeof bindings);
    assert_int_equal(molt_keys_save(&store, keys, MOLT_KEYS_MAX + 1), MOLT_E_NO_SPACE);
    assert_int_equal(molt_releases_save(&store, bindings, MOLT_RELEASES_MAX + 1), MOLT_E_NO_SPACE);
    assert_int_equal(memory.n, 0);
    assert_int_equal(molt_keys_save(&store, keys, MOLT_KEYS_MAX), MOLT_OK);
    assert_int_equal(load_keys(), MOLT_KEYS_MAX);
    assert_int_equal(molt_releases_save(&store, bindings, MOLT_RELEASES_MAX), MOLT_OK);
    assert_int_equal(load_releases(), MOLT_RELEASES_MAX);
}

/* The oldest failure is forgotten first, none is kept twice. */
static void failures_roll_over(void **state)
{
    uint8_t one[MOLT_SHA256_SIZE] = {0};
    (void)state;
    set(0, 0, 0);
    for (uint8_t i = 1; i <= MOLT_FAILED_MAX + 3; i++) {
        one[31] = i;
        assert_int_equal(molt_failed_add(&store, one), MOLT_OK);
        assert_int_equal(molt_failed_add(&store, one), MOLT_OK);
        uint32_t count = i < MOLT_FAILED_MAX ? i : MOLT_FAILED_MAX;
        assert_int_equal(memory.n, 2 + 32 * count);
        for (uint8_t k = 1; k <= i; k++) {
            one[31] = k;
            assert_int_equal(molt_failed_has(&store, one), i - k < MOLT_FAILED_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_and_unreadable),
        cmocka_unit_test(other_versions_and_lengths),
        cmocka_unit_test(too_many_to_save),
        cmocka_unit_test(failures_roll_over),
    };
    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
