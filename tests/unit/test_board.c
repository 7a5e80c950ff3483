#define _GNU_SOURCE /* mkdtemp, kill, unshare */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing.h"

#include "molt/host/board.h"

#define FIRMWARE TEST_DATA "/../build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin"

static struct molt_message message;

static int in_new_folder(void **unused)
{
    char folder[] = "/tmp/molt-board-XXXXXX";
    (void)unused;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **unused)
{
    char folder[200], command[300];
    (void)unused;
    if (!getcwd(folder, sizeof folder) || strncmp(folder, "/tmp/molt-board-", 16) != 0) {
        return -1;
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static struct molt_board_facts some_facts(void)
{
    struct molt_board_facts facts = {.chip = "esp32", .name = "ESP32_GENERIC"};
    facts.boot.revision = 300;
    facts.boot.rollback = true;
    return facts;
}

static void create(const char *path, const char *dump)
{
    struct molt_board_facts facts = some_facts();
    if (molt_board_create(path, &facts, dump, &message) != MOLT_OK) {
        fail_msg("%s", message.text);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void open_fails(int error, const char *part)
{
    static struct molt_board board;
    assert_int_equal(molt_board_open(&board, "b", &message), error);
    assert_int_equal(message.error, error);
    assert_non_null(strstr(message.text, part));
}

static void boots_the_genuine_firmware(void **unused)
{
    static struct molt_board board;
    struct molt_boot_outcome outcome;
    (void)unused;
    create("b", FIRMWARE);
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    assert_int_equal(board.facts.flash_size, 0x400000);
    assert_int_equal(molt_board_boot(&board, true, &outcome, &message), MOLT_OK);
    assert_string_equal(board.facts.running, "factory");
    assert_int_equal(molt_board_boot(&board, false, &outcome, &message), MOLT_OK);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK); /* harmless twice */
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    assert_int_equal(board.facts.boots, 2);
    assert_string_equal(board.facts.reset_cause, "reset");
    assert_int_equal(board.facts.boot.revision, 300);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
}

static void create_refuses(void **unused)
{
    struct molt_board_facts facts = some_facts();
    (void)unused;
    create("b", NULL);
    assert_int_equal(molt_board_create("b", &facts, NULL, &message), MOLT_E_EXISTS);
    assert_int_equal(molt_board_create("no/b", &facts, NULL, &message), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_board_create("", &facts, NULL, &message), MOLT_E_ARGUMENT);
    assert_int_equal(molt_board_create("c", &facts, "absent", &message), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_board_create("c", &facts, "sim:b", &message), MOLT_E_FORMAT);
    facts.flash_size = 0x100000;
    assert_int_equal(molt_board_create("c", &facts, FIRMWARE, &message), MOLT_E_RANGE);
    facts.flash_size = 0x300000;
    assert_int_equal(molt_board_create("c", &facts, NULL, &message), MOLT_E_ARGUMENT);
    facts.flash_size = 0;
    strcpy(facts.chip, "esp32c3");
    assert_int_equal(molt_board_create("c", &facts, FIRMWARE, &message), MOLT_E_IMAGE_CHIP);
    strcpy(facts.chip, "esp8266");
    assert_int_equal(molt_board_create("c", &facts, NULL, &message), MOLT_E_UNSUPPORTED);
    assert_int_not_equal(access("c", F_OK), 0); /* nothing stays */
}

static void open_refuses(void **unused)
{
    struct stat info;
    (void)unused;
    open_fails(MOLT_E_NOT_FOUND, "b");
    write_file("b", "");
    open_fails(MOLT_E_FORMAT, "not a folder");
    unlink("b");
    mkdir("b", 0777);
    open_fails(MOLT_E_NOT_FOUND, "board.json");
    assert_int_not_equal(stat("b/lock", &info), 0);
    rmdir("b");
    create("b", NULL);
    assert_int_equal(truncate("b/flash.bin", 4096), 0);
    open_fails(MOLT_E_FORMAT, "expected a file of 4194304 bytes as board.json says, found 4096");
    assert_int_equal(truncate("b/flash.bin", 0x400000), 0);
    write_file("b/weak.bin", "MWK1 but nothing more");
    open_fails(MOLT_E_FORMAT, "weak.bin");
    write_file("b/board.json", "{\"format\": 1");
    open_fails(MOLT_E_FORMAT, "not JSON");
    write_file("b/board.json", "{\"format\": 1, \"chip\": 7}");
    open_fails(MOLT_E_FORMAT, "\"chip\"");
    write_file("b/board.json", "{\"format\": 2}");
    open_fails(MOLT_E_FORMAT, "\"format\": expected 1, found 2:");
}

static void only_one_process(void **unused)
{
    static struct molt_board board;
    (void)unused;
    create("b", NULL);
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    open_fails(MOLT_E_BUSY, "b: the board is in use");
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
}

static void store_replaces_and_is_cut(void **unused)
{
    static struct molt_board board;
    char back[16];
    (void)unused;
    create("b", NULL);
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    const struct molt_store *store = &board.store;
    assert_int_equal(store->ops->get(store->context, 1, back, 16), MOLT_E_NOT_FOUND);
    assert_int_equal(store->ops->put(store->context, 1, "one", 3), MOLT_OK);
    assert_int_equal(store->ops->put(store->context, 2, "second", 6), MOLT_OK);
    assert_int_equal(store->ops->put(store->context, 1, "first", 5), MOLT_OK);
    assert_int_equal(store->ops->get(store->context, 1, back, 2), 5);
    assert_memory_equal(back, "fi", 2);
    assert_int_equal(store->ops->put(store->context, 2, NULL, 0), MOLT_OK);
    assert_int_equal(store->ops->get(store->context, 2, back, 16), MOLT_E_NOT_FOUND);
    assert_int_equal(store->ops->put(store->context, 1, back, MOLT_RECORD_MAX + 1),
                     MOLT_E_ARGUMENT);
    board.nor.cut_at = board.nor.operations + 1;
    board.nor.cut = MOLT_CUT_BEFORE;
    assert_int_equal(store->ops->put(store->context, 1, "lost", 4), MOLT_E_POWER);
    assert_int_equal(store->ops->get(store->context, 1, back, 16), MOLT_E_POWER);
    molt_nor_power_up(&board.nor);
    board.nor.cut_at = board.nor.operations + 1;
    board.nor.cut = MOLT_CUT_AFTER;
    assert_int_equal(store->ops->put(store->context, 3, "kept", 4), MOLT_E_POWER);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK); /* powers up again */
    assert_int_equal(store->ops->get(store->context, 1, back, 16), 5);
    assert_int_equal(store->ops->get(store->context, 3, back, 16), 4);
    write_file("b/store.bin", "MST1\1");
    assert_int_equal(store->ops->get(store->context, 1, back, 16), MOLT_E_STORE);
    assert_int_equal(store->ops->put(store->context, 1, "x", 1), MOLT_E_STORE);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
}

/* Runs `todo` in a child process and gives what it returned. */
static int in_a_child(int (*todo)(void))
{
    int pipes[2], result = 1;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        result = todo();
        _exit(write(pipes[1], &result, sizeof result) != sizeof result);
    }
    close(pipes[1]);
    ssize_t n = read(pipes[0], &result, sizeof result);
    close(pipes[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(n, sizeof result);
    return result;
}

static int try_open(void)
{
    static struct molt_board board;
    int error = molt_board_open(&board, "b", &message);
    molt_board_close(&board, NULL);
    return error;
}

static void busy_in_another_process(void **unused)
{
    static struct molt_board board;
    (void)unused;
    create("b", NULL);
    assert_int_equal(in_a_child(try_open), MOLT_OK);
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    assert_int_equal(in_a_child(try_open), MOLT_E_BUSY);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
    assert_int_equal(in_a_child(try_open), MOLT_OK); /* the lock went with its holder */
}

/* Nobody special: for the superuser nothing is read-only. */
static int drop_rights(void)
{
    return getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0) ? MOLT_E_IO : MOLT_OK;
}

static int open_as_nobody(void)
{
    return drop_rights() < 0 ? MOLT_E_IO : try_open();
}

static int create_as_nobody(void)
{
    struct molt_board_facts facts = some_facts();
    return drop_rights() < 0 ? MOLT_E_IO : molt_board_create("new", &facts, NULL, &message);
}

static void read_only(void **unused)
{
    (void)unused;
    create("b", NULL);
    assert_int_equal(in_a_child(try_open), MOLT_OK);
    assert_int_equal(chmod("b/lock", 0666) | chmod("b/board.json", 0444), 0);
    assert_int_equal(chmod("b/flash.bin", 0444) | chmod("b", 0555) | chmod(".", 0555), 0);
    assert_int_equal(in_a_child(open_as_nobody), MOLT_E_PERMISSION); /* the flash */
    assert_int_equal(chmod("b/flash.bin", 0666) | chmod("b/lock", 0444), 0);
    assert_int_equal(in_a_child(open_as_nobody), MOLT_E_PERMISSION); /* the lock */
    assert_int_equal(chmod("b/lock", 0666) | chmod("b/board.json", 0000), 0);
    assert_int_equal(in_a_child(open_as_nobody), MOLT_E_PERMISSION); /* the facts */
    assert_int_equal(in_a_child(create_as_nobody), MOLT_E_PERMISSION);
    assert_int_not_equal(access("new", F_OK), 0);
    assert_int_equal(chmod(".", 0755) | chmod("b", 0755), 0);
}

static bool write_line(const char *path, const char *line)
{
    FILE *file = fopen(path, "w");
    bool written = file && fputs(line, file) >= 0;
    return file && fclose(file) == 0 && written;
}

/* A file system of 1 MB, seen by the child alone: in a user namespace where that needs one. */
static int small_disk(void)
{
    char uids[40], gids[40];
    bool root = getuid() == 0;
    snprintf(uids, sizeof uids, "0 %u 1", (unsigned)getuid());
    snprintf(gids, sizeof gids, "0 %u 1", (unsigned)getgid());
    if (unshare(root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0 ||
        (!root &&
         !(write_line("/proc/self/setgroups", "deny") && write_line("/proc/self/uid_map", uids) &&
           write_line("/proc/self/gid_map", gids))) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mkdir("disk", 0777) != 0 ||
        mount("none", "disk", "tmpfs", 0, "size=1m") != 0 || chdir("disk") != 0) {
        return MOLT_E_IO;
    }
    return MOLT_OK;
}

static int create_on_a_full_disk(void)
{
    struct molt_board_facts facts = some_facts();
    if (small_disk() < 0) {
        return MOLT_E_IO;
    }
    int error = molt_board_create("b", &facts, NULL, &message);
    return access("b", F_OK) == 0 ? 1000 : error; /* nothing may stay */
}

static int open_with_holes_on_a_full_disk(void)
{
    if (small_disk() < 0 || system("cp -r ../b . 2>/dev/null; truncate -s 4M b/flash.bin") != 0) {
        return MOLT_E_IO;
    }
    return try_open();
}

static void full_disk(void **unused)
{
    (void)unused;
    create("b", NULL);
    unlink("b/flash.bin");
    assert_int_equal(in_a_child(create_on_a_full_disk), MOLT_E_NO_SPACE);
    rmdir("disk");
    assert_int_equal(in_a_child(open_with_holes_on_a_full_disk), MOLT_E_NO_SPACE);
}

/* What a killed process wrote after erasing a weak sector does not become weak again. */
static void kill_keeps_what_an_erase_healed(void **unused)
{
    static struct molt_board board;
    uint8_t data[4096] = {0}, zero[4096] = {0};
    (void)unused;
    create("b", NULL);
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    board.nor.cut_at = 1;
    board.nor.cut = MOLT_CUT_TORN;
    assert_int_equal(molt_flash_program(&board.flash, 0x2000, data, 4096), MOLT_E_POWER);
    assert_true(board.nor.weak_count > 0);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
    pid_t child = fork();
    if (child == 0) {
        molt_board_open(&board, "b", NULL);
        molt_flash_erase(&board.flash, 0x2000, 4096);
        molt_flash_program(&board.flash, 0x2000, zero, 4096);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    assert_int_equal(board.nor.weak_count, 0);
    molt_nor_power_up(&board.nor);
    assert_memory_equal(board.nor.bytes + 0x2000, zero, 4096);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
}

/* A killed process loses neither what it wrote nor the weak cells of a torn write. */
static void kill_loses_nothing(void **unused)
{
    static struct molt_board board;
    uint8_t data[4096] = {0};
    (void)unused;
    create("b", NULL);
    pid_t child = fork();
    if (child == 0) {
        molt_board_open(&board, "b", NULL);
        molt_flash_program(&board.flash, 0x1000, "kept", 4);
        board.nor.cut_at = 2;
        board.nor.cut = MOLT_CUT_TORN;
        molt_flash_program(&board.flash, 0x2000, data, sizeof data);
        kill(getpid(), 9);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(molt_board_open(&board, "b", &message), MOLT_OK);
    assert_memory_equal(board.nor.bytes + 0x1000, "kept", 4);
    assert_true(board.nor.weak_count > 0);
    assert_int_equal(molt_board_close(&board, &message), MOLT_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, in_new_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(boots_the_genuine_firmware),
        TEST(create_refuses),
        TEST(open_refuses),
        TEST(only_one_process),
        TEST(store_replaces_and_is_cut),
        TEST(kill_loses_nothing),
        TEST(kill_keeps_what_an_erase_healed),
        TEST(busy_in_another_process),
        TEST(read_only),
        TEST(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
