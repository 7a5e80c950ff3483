#include "host/fs/fs_trap.h"

#include "host/fs/fs_internal.h"
#include "testing.h"

static int deep;

static int returns(struct molt_fs *fs, struct fs_call *call)
{
    (void)fs;
    return (int)call->n;
}

static int springs(struct molt_fs *fs, struct fs_call *call)
{
    (void)fs;
    (void)call;
    fs_trap_spring();
}

/* A trap in a trap: the inner one is left, the outer goes on, and can be left as well. */
static int nests(struct molt_fs *fs, struct fs_call *call)
{
    int sprung;
    fs_trap_run(fs, springs, call, &sprung);
    deep += sprung;
    assert_int_equal(fs_trap_run(fs, returns, call, &sprung), 5);
    deep += sprung;
    if (call->offset) {
        fs_trap_spring();
    }
    return 7;
}

static void a_trap_is_left(void **state)
{
    struct fs_call call = {.n = 5};
    int sprung = 9;
    (void)state;
    assert_int_equal(fs_trap_run(NULL, returns, &call, &sprung), 5);
    assert_int_equal(sprung, 0);
    assert_true(fs_trap_run(NULL, springs, &call, &sprung) < 0);
    assert_int_equal(sprung, 1);
    assert_int_equal(fs_trap_run(NULL, nests, &call, &sprung), 7);
    assert_int_equal(sprung, 0);
    assert_int_equal(deep, 1);
    call.offset = 1;
    fs_trap_run(NULL, nests, &call, &sprung);
    assert_int_equal(sprung, 1);
    assert_int_equal(deep, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_trap_is_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
