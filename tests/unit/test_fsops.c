/* Changes on a target's file system: paths, what each refusal returns, and power cuts while a board
 * is changed. */
#define _GNU_SOURCE /* mkdtemp */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing.h"

#include "molt/ops/fs.h"
#include "molt/sim/nor.h"

#define FLASH (512u << 10)
#define PLACE "0+512K"

static struct molt_message message;

/* A board without its folder: a NOR chip, all of which is the file system. */
struct rig {
    uint8_t bytes[FLASH];
    struct molt_nor nor;
    struct molt_board board;
    struct molt_target target;
    struct molt_fsops session;
    struct molt_fs_changes changes;
};

static struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    memset(rig->bytes, 0xFF, sizeof rig->bytes);
    molt_nor_init(&rig->nor, rig->bytes, FLASH, 1);
    rig->target.kind = MOLT_TARGET_BOARD;
    rig->target.board = &rig->board;
    rig->target.table_error = MOLT_E_TABLE_MAGIC;
    snprintf(rig->target.name, sizeof rig->target.name, "sim:rig");
    molt_nor_flash(&rig->nor, &rig->target.flash);
    return rig;
}

static void rig_free(struct rig *rig)
{
    molt_fsops_close(&rig->session);
    molt_fs_changes_free(&rig->changes);
    molt_nor_free(&rig->nor);
    free(rig);
}

static int start(struct rig *rig, enum molt_fsops_mode mode)
{
    molt_fsops_close(&rig->session);
    molt_fs_changes_free(&rig->changes);
    return molt_fsops_open(&rig->session, &rig->target, PLACE, mode, &message);
}

static int finish(struct rig *rig)
{
    int error = molt_fsops_rehearse(&rig->session, &rig->changes, &message);
    return error ? error : molt_fsops_commit(&rig->session, &rig->changes, NULL, NULL, &message);
}

static int plan_put(struct rig *rig, const char *local, const char *remote)
{
    struct molt_put_request request = {.local = &local, .count = 1, .remote = remote};
    return molt_fsops_plan_put(&rig->changes, rig->session.fs, &request, &message);
}

static void put(struct rig *rig, const char *local, const char *remote)
{
    assert_int_equal(start(rig, MOLT_FSOPS_CHANGE), MOLT_OK);
    assert_int_equal(plan_put(rig, local, remote), MOLT_OK);
    assert_int_equal(finish(rig), MOLT_OK);
}

static void make(struct rig *rig, enum molt_fs_kind kind)
{
    assert_int_equal(start(rig, MOLT_FSOPS_MAKE), MOLT_OK);
    assert_int_equal(molt_fsops_plan_mkfs(&rig->changes, &rig->session, kind, 0, false, &message),
                     MOLT_OK);
    assert_int_equal(finish(rig), MOLT_OK);
}

static void write_file(const char *path, int byte, uint32_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < n; i++) {
        fputc(byte, file);
    }
    fclose(file);
}

static int in_new_folder(void **unused)
{
    char folder[] = "/tmp/molt-fsops-XXXXXX";
    (void)unused;
    if (!mkdtemp(folder) || chdir(folder) != 0 || mkdir("app", 0777) != 0) {
        return -1;
    }
    write_file("one", '1', 6000);
    write_file("two", '2', 9000);
    write_file("app/deep", 'd', 10);
    return 0;
}

static int remove_folder(void **unused)
{
    char folder[200], command[300];
    (void)unused;
    if (!getcwd(folder, sizeof folder) || strncmp(folder, "/tmp/molt-fsops-", 16) != 0) {
        return -1;
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

/* ---- Paths ---- */

static void paths(void **unused)
{
    static const char *const rows[][2] = {
        {"/", "/"},
        {"a", "/a"},
        {"/a/b/", "/a/b"},
        {"//a///b", "/a/b"},
        {"./a/.", "/a"},
        {"a/../b", "/b"},
        {"/a/b/../../c", "/c"},
        {"a/..", "/"},
        {"...", "/..."},
        {"/a..b/.c", "/a..b/.c"},
        {".", "/"},
    };
    static const char *const wrong[] = {"", "..", "/..", "a/../..", "../a"};
    char path[MOLT_FSOPS_PATH], *giant = malloc(MOLT_FSOPS_PATH + 10);
    (void)unused;
    assert_non_null(giant);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(molt_fsops_path(rows[i][0], path, &message), MOLT_OK);
        assert_string_equal(path, rows[i][1]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(molt_fsops_path(wrong[i], path, &message), MOLT_E_ARGUMENT);
    }
    /* The longest one, and one byte more. */
    memset(giant, 'g', MOLT_FSOPS_PATH);
    giant[0] = '/';
    giant[MOLT_FSOPS_PATH - 1] = 0;
    assert_int_equal(molt_fsops_path(giant, path, &message), MOLT_OK);
    assert_string_equal(path, giant);
    memcpy(giant + MOLT_FSOPS_PATH - 1, "g", 2);
    assert_int_equal(molt_fsops_path(giant, path, &message), MOLT_E_ARGUMENT);
    free(giant);
}

/* ---- What each refusal returns ---- */

static void opening_fails(void **unused)
{
    struct rig *rig = rig_new();
    (void)unused;
    assert_int_equal(start(rig, MOLT_FSOPS_READ), MOLT_E_NOT_FOUND);
    assert_int_equal(start(rig, MOLT_FSOPS_CHANGE), MOLT_E_NOT_FOUND);
    assert_int_equal(start(rig, MOLT_FSOPS_LOOK), MOLT_OK);
    assert_true(rig->session.blank && !rig->session.fs);
    make(rig, MOLT_FS_LITTLEFS);
    rig->target.flash.size = FLASH / 2; /* the superblock says more than there is */
    molt_fsops_close(&rig->session);
    assert_int_equal(
        molt_fsops_open(&rig->session, &rig->target, "0+256K", MOLT_FSOPS_READ, &message),
        MOLT_E_FORMAT);
    assert_int_equal(
        molt_fsops_open(&rig->session, &rig->target, "0+256K", MOLT_FSOPS_LOOK, &message), MOLT_OK);
    assert_true(rig->session.damaged && rig->session.trouble[0]);
    struct molt_fsops_findings findings;
    assert_int_equal(molt_fsops_check(&rig->session, &findings, &message), MOLT_OK);
    assert_int_equal(findings.found, 1);
    molt_fsops_findings_free(&findings);
    molt_fsops_close(&rig->session);
    rig->nor.off = true;
    assert_int_equal(
        molt_fsops_open(&rig->session, &rig->target, "0+256K", MOLT_FSOPS_CHANGE, &message),
        MOLT_E_POWER);
    rig_free(rig);
}

static void planning_fails(void **state)
{
    enum molt_fs_kind kind = *state ? MOLT_FS_FAT : MOLT_FS_LITTLEFS;
    struct rig *rig = rig_new();
    char path[MOLT_FSOPS_PATH];
    make(rig, kind);
    put(rig, "one", "/one");
    put(rig, "app", "/");
    assert_int_equal(start(rig, MOLT_FSOPS_CHANGE), MOLT_OK);
    struct molt_fs *fs = rig->session.fs;
    struct molt_fs_changes *changes = &rig->changes;
    memset(path, 'n', 300);
    path[0] = '/';
    path[300] = 0;

    assert_int_equal(plan_put(rig, "nothere", "/"), MOLT_E_NOT_FOUND);
    assert_int_equal(plan_put(rig, "one", "/nothere/x"), MOLT_E_NOT_FOUND);
    assert_int_equal(plan_put(rig, "one", "/one/"), MOLT_E_ARGUMENT);
    assert_int_equal(plan_put(rig, "app", "/one"), MOLT_E_ARGUMENT);
    assert_int_equal(plan_put(rig, "one", path), MOLT_E_ARGUMENT);
    assert_int_equal(plan_put(rig, "/dev/null", "/"), MOLT_E_ARGUMENT);

    assert_int_equal(molt_fsops_plan_remove(changes, fs, "/x", true, &message), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fsops_plan_remove(changes, fs, "/app", false, &message), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fsops_plan_remove(changes, fs, "/", true, &message), MOLT_E_ARGUMENT);

    assert_int_equal(molt_fsops_plan_mkdir(changes, fs, "/app", false, &message), MOLT_E_EXISTS);
    assert_int_equal(molt_fsops_plan_mkdir(changes, fs, "/x/y", false, &message), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fsops_plan_mkdir(changes, fs, "/one/x", true, &message), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fsops_plan_mkdir(changes, fs, path, true, &message), MOLT_E_ARGUMENT);

    assert_int_equal(molt_fsops_plan_move(changes, fs, "/x", "/y", true, &message),
                     MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fsops_plan_move(changes, fs, "/one", "/x/y", true, &message),
                     MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fsops_plan_move(changes, fs, "/app", "/app/x", true, &message),
                     MOLT_E_ARGUMENT);
    assert_int_equal(molt_fsops_plan_move(changes, fs, "/one", "/one", true, &message),
                     MOLT_E_EXISTS);
    assert_int_equal(molt_fsops_plan_move(changes, fs, "/one", "/app/deep", false, &message),
                     MOLT_E_EXISTS);
    assert_int_equal(molt_fsops_plan_mkfs(changes, &rig->session, MOLT_FS_NONE, 0, false, &message),
                     MOLT_E_EXISTS);
    rig_free(rig);
}

/* More than there is room for: refused before anything is read, or by the rehearsal; the flash
 * stays as it is. */
static void no_room(void **state)
{
    enum molt_fs_kind kind = *state ? MOLT_FS_FAT : MOLT_FS_LITTLEFS;
    struct rig *rig = rig_new();
    uint8_t *before = malloc(FLASH);
    assert_non_null(before);
    make(rig, kind);
    put(rig, "one", "/");
    memcpy(before, rig->bytes, FLASH);
    write_file("large", 'l', 600000);
    assert_int_equal(start(rig, MOLT_FSOPS_CHANGE), MOLT_OK);
    assert_int_equal(plan_put(rig, "large", "/"), MOLT_E_NO_SPACE);
    /* littlefs has small files within its folders: only trying tells. */
    mkdir("many", 0777);
    for (int i = 0; i < 1400; i++) {
        char name[40];
        snprintf(name, sizeof name, "many/%d", i);
        write_file(name, 'm', 400);
    }
    assert_int_equal(start(rig, MOLT_FSOPS_CHANGE), MOLT_OK);
    int error = plan_put(rig, "many", "/");
    error = error ? error : finish(rig);
    assert_int_equal(error, MOLT_E_NO_SPACE);
    assert_non_null(strstr(message.text, "1400 files"));
    assert_memory_equal(before, rig->bytes, FLASH);
    free(before);
    rig_free(rig);
}

static int cancel(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context, (void)what, (void)total;
    return done == 1;
}

static void cancelled_between_files(void **unused)
{
    struct rig *rig = rig_new();
    struct molt_progress progress = {cancel, NULL};
    struct molt_fs_entry *entry = malloc(sizeof *entry);
    (void)unused;
    assert_non_null(entry);
    make(rig, MOLT_FS_LITTLEFS);
    assert_int_equal(start(rig, MOLT_FSOPS_CHANGE), MOLT_OK);
    assert_int_equal(plan_put(rig, "one", "/"), MOLT_OK);
    assert_int_equal(plan_put(rig, "two", "/"), MOLT_OK);
    assert_int_equal(molt_fsops_rehearse(&rig->session, &rig->changes, &message), MOLT_OK);
    assert_int_equal(molt_fsops_commit(&rig->session, &rig->changes, NULL, &progress, &message),
                     MOLT_E_CANCELLED);
    assert_int_equal(start(rig, MOLT_FSOPS_READ), MOLT_OK);
    assert_int_equal(molt_fs_stat(rig->session.fs, "/one", entry), MOLT_OK);
    assert_int_equal(molt_fs_stat(rig->session.fs, "/two", entry), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fsops_commit(&rig->session, &rig->changes, "out", NULL, &message),
                     MOLT_E_ARGUMENT);
    free(entry);
    rig_free(rig);
}

/* ---- Power cuts ---- */

static bool holds(struct rig *rig, const char *path, int byte, uint32_t n)
{
    uint8_t *bytes;
    uint32_t found;
    assert_int_equal(molt_fs_read_file(rig->session.fs, path, &bytes, &found), MOLT_OK);
    bool same = found == n;
    for (uint32_t i = 0; same && i < n; i++) {
        same = bytes[i] == byte;
    }
    free(bytes);
    return same;
}

/* "two" takes the place of "one" at every operation at which the power may fail: one or the other
 * is there, whole, and so is what was not touched. Returns whether the power failed at all. */
static bool cut_at(struct rig *rig, const uint8_t *start_bytes, uint64_t at, enum molt_cut cut)
{
    memcpy(rig->bytes, start_bytes, FLASH);
    molt_nor_free(&rig->nor);
    molt_nor_init(&rig->nor, rig->bytes, FLASH, at);
    rig->nor.cut_at = at;
    rig->nor.cut = cut;
    assert_int_equal(start(rig, MOLT_FSOPS_CHANGE), MOLT_OK);
    assert_int_equal(plan_put(rig, "two", "/file"), MOLT_OK);
    int error = finish(rig);
    bool failed = rig->nor.off;
    assert_int_equal(error, failed ? MOLT_E_POWER : MOLT_OK);
    molt_nor_power_up(&rig->nor);
    assert_int_equal(start(rig, MOLT_FSOPS_READ), MOLT_OK);
    assert_true(holds(rig, "/file", '2', 9000) || (failed && holds(rig, "/file", '1', 6000)));
    assert_true(holds(rig, "/app/deep", 'd', 10));
    return failed;
}

static void power_cuts(void **unused)
{
    static const enum molt_cut kinds[] = {MOLT_CUT_BEFORE, MOLT_CUT_AFTER, MOLT_CUT_TORN};
    struct rig *rig = rig_new();
    uint8_t *before = malloc(FLASH);
    uint32_t cuts = 0;
    (void)unused;
    assert_non_null(before);
    make(rig, MOLT_FS_LITTLEFS);
    put(rig, "one", "/file");
    put(rig, "app", "/");
    memcpy(before, rig->bytes, FLASH);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (uint64_t at = 1; cut_at(rig, before, at, kinds[k]); at++) {
            cuts++;
        }
    }
    assert_true(cuts > 15);
    free(before);
    rig_free(rig);
}

int main(void)
{
    static int fat = 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test_setup_teardown(opening_fails, in_new_folder, remove_folder),
        {"planning_fails on littlefs", planning_fails, in_new_folder, remove_folder, NULL},
        {"planning_fails on FAT", planning_fails, in_new_folder, remove_folder, &fat},
        {"no_room on littlefs", no_room, in_new_folder, remove_folder, NULL},
        {"no_room on FAT", no_room, in_new_folder, remove_folder, &fat},
        cmocka_unit_test_setup_teardown(cancelled_between_files, in_new_folder, remove_folder),
        cmocka_unit_test_setup_teardown(power_cuts, in_new_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
