#define _GNU_SOURCE /* mkdtemp, kill */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    open_fails(MOLT_E_FORMAT, "expected 4194304 bytes as board.json says, found 4096");
    assert_int_equal(truncate("b/flash.bin", 0x400000), 0);
    write_file("b/weak.bin", "MWK1 but nothing more");
    open_fails(MOLT_E_FORMAT, "weak.bin");
    write_file("b/board.json", "{\"format\": 1");
    open_fails(MOLT_E_FORMAT, "not JSON");
    write_file("b/board.json", "{\"format\": 1, \"chip\": 7}");
    open_fails(MOLT_E_FORMAT, "\"chip\"");
    write_file("b/board.json", "{\"format\": 2}");
    open_fails(MOLT_E_FORMAT, "\"format\"");
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
