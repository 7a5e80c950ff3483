/* The files of a board's folder. */
#ifndef MOLT_HOST_BOARD_INTERNAL_H
#define MOLT_HOST_BOARD_INTERNAL_H

#include <jansson.h>

#include "molt/host/board.h"

#define BOARD_PATH 4160 /* a folder's path, '/' and a file's name */

void board_file(char path[BOARD_PATH], const char *folder, const char *file);

/* board_dir.c: folders of all kinds of boards. */

/* MOLT_E_ARGUMENT: no name, or one that does not fit size bytes. */
int board_dir_name(const char *folder, size_t size, struct molt_message *message);
/* The folder with flash.bin; facts writes the rest. Nothing stays after a failure. */
int board_dir_make(const char *folder, const uint8_t *flash, uint32_t size,
                   int (*facts)(const void *context, struct molt_message *message),
                   const void *context, struct molt_message *message);
/* *fd stays as it is for a folder that is no board: what is read next tells. */
int board_dir_lock(const char *folder, int *fd, struct molt_message *message);
int board_dir_map(const char *folder, uint32_t size, int *fd, uint8_t **bytes,
                  struct molt_message *message);
/* NULL and -1 are nothing. */
void board_dir_release(uint8_t *bytes, uint32_t size, int flash_fd, int lock_fd);

/* NULL for all but the ESP32 and the ESP32-C3: the boot model knows no other bootloaders. */
const struct molt_chip *board_chip(const char *name);

/* A key's value, when it is there and of that kind: text that fits and is printable, a number from
 * 0 to limit. */
bool board_get_text(const json_t *root, const char *key, char *to, size_t size);
bool board_get_number(const json_t *root, const char *key, uint64_t limit, uint64_t *to);
bool board_get_bool(const json_t *root, const char *key, bool *to);

/* board.json */
int board_facts_load(const char *folder, struct molt_board_facts *facts,
                     struct molt_message *message);
int board_facts_save(const char *folder, const struct molt_board_facts *facts,
                     struct molt_message *message);

/* weak.bin: the weak cells and the state of their generator. A missing file is none. */
int board_weak_load(struct molt_board *board, struct molt_message *message);
int board_weak_save(struct molt_board *board, struct molt_message *message);

/* store.bin behind board->store. board_store_check: MOLT_E_STORE when it is there and malformed. */
int board_store_check(const struct molt_board *board, struct molt_message *message);
void board_store_start(struct molt_board *board);

#endif
