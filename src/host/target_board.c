#include "host/target_board.h"

#include <stdlib.h>

int target_open_board(struct molt_target *target, const char *folder, struct molt_message *message)
{
    struct molt_board *board = malloc(sizeof *board);
    if (!board) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "sim:%s: no memory for a board", folder);
    }
    int error = molt_board_open(board, folder, message);
    if (error < 0) {
        free(board);
        return error;
    }
    target->kind = MOLT_TARGET_BOARD;
    target->board = board;
    target->flash = board->flash;
    target->chip = molt_chip_by_name(board->facts.chip);
    uint8_t header[4];
    if (molt_flash_read(&target->flash, target->chip->bootloader_offset, header, sizeof header) ==
            MOLT_OK &&
        header[0] == 0xE9) {
        target->header_flash_size = molt_flash_size_of_nibble(header[3] >> 4);
    }
    target->flash_size = board->facts.flash_size;
    return MOLT_OK;
}

int target_close_board(struct molt_target *target, struct molt_message *message)
{
    int error = molt_board_close(target->board, message);
    free(target->board);
    target->board = NULL;
    return error;
}
