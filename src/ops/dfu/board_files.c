/* Which flash holds a board's files. */
#include <stdio.h>
#include <string.h>

#include "ops/dfu/board.h"

int molt_dfu_board_files(struct molt_dfu_files *files, const char *board,
                         const struct molt_dfu_map *map, uint32_t app, struct molt_message *message)
{
    (void)map;
    (void)app;
    memset(files, 0, sizeof *files);
    if (board) {
        struct molt_dfu_board found;
        int error = molt_dfu_board_find(&found, board, message);
        if (error) {
            return error;
        }
        snprintf(files->words, sizeof files->words, "%s", found.name);
        for (int i = 0; i < 2 && found.files[i].size; i++) {
            files->range[files->count++] = found.files[i];
        }
    }
    return MOLT_OK;
}
