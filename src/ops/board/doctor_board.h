/* What the files of the doctor for board folders share. */
#ifndef OPS_DOCTOR_BOARD_H
#define OPS_DOCTOR_BOARD_H

#include "ops/board/sdkconfig.h"
#include "ops/doctor/doctor_internal.h"

struct board_work {
    struct molt_doctor *doctor;
    struct molt_doctor_folder *board;
    char folder[MOLT_DOCTOR_PATH]; /* of the board, absolute */
    struct sdkconfig config;
};

/* A name that is relative to the port, as a path. */
void board_path(const struct board_work *work, const char *name, char *out, uint32_t size);
/* The fragment lies in the board's own folder. */
bool board_owns(const struct board_work *work, uint32_t fragment);
/* "boards/sdkconfig.base:107" */
void board_place(const struct board_work *work, const struct sdkconfig_setting *setting, char *text,
                 uint32_t size);

/* Which table wins, whether it is there, and whether it fits. */
void board_table(struct board_work *work);

#endif
