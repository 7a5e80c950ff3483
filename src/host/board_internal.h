/* The files of a board's folder. */
#ifndef MOLT_HOST_BOARD_INTERNAL_H
#define MOLT_HOST_BOARD_INTERNAL_H

#include "molt/host/board.h"

#define BOARD_PATH 4160 /* a folder's path, '/' and a file's name */

void board_file(char path[BOARD_PATH], const char *folder, const char *file);

/* NULL for all but the ESP32 and the ESP32-C3: the boot model knows no other bootloaders. */
const struct molt_chip *board_chip(const char *name);

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
