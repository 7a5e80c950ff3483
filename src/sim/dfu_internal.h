/* What the files of the DFU model share. */
#ifndef MOLT_SIM_DFU_INTERNAL_H
#define MOLT_SIM_DFU_INTERNAL_H

#include "molt/error.h"
#include "molt/sim/dfu.h"

enum { /* USB DFU 1.1, table 3.2 */
       DFU_DETACH,
       DFU_DNLOAD,
       DFU_UPLOAD,
       DFU_GETSTATUS,
       DFU_CLRSTATUS,
       DFU_GETSTATE,
       DFU_ABORT
};

enum { /* 6.1.2, bState */
       APP_IDLE,
       APP_DETACH,
       DFU_IDLE,
       DNLOAD_SYNC,
       DNBUSY,
       DNLOAD_IDLE,
       MANIFEST_SYNC,
       MANIFEST,
       MANIFEST_WAIT_RESET,
       UPLOAD_IDLE,
       DFU_ERROR
};

enum { /* 6.1.2, bStatus */
       STATUS_OK,
       ERR_TARGET,
       ERR_FILE,
       ERR_WRITE,
       ERR_ERASE,
       ERR_CHECK_ERASED,
       ERR_PROG,
       ERR_VERIFY,
       ERR_ADDRESS,
       ERR_NOTDONE,
       ERR_FIRMWARE,
       ERR_VENDOR,
       ERR_USBR,
       ERR_POR,
       ERR_UNKNOWN,
       ERR_STALLEDPKT
};

enum { /* bmAttributes */
       CAN_DNLOAD = 1,
       CAN_UPLOAD = 2,
       TOLERANT = 4,
       WILL_DETACH = 8
};

/* A class request of the DFU interface: bytes of an IN answer (0 for OUT), or an error. */
typedef int dfu_request(struct molt_sim_dfu *sim, uint8_t request, uint16_t value, uint8_t *data,
                        uint16_t length);
dfu_request dfu_st_request, dfu_mboot_request, dfu_plain_request, dfu_run_request;

/* dfuERROR and a stall. */
int dfu_refuse(struct molt_sim_dfu *sim, uint8_t status);
/* dfuERROR, to be asked for. */
void dfu_error(struct molt_sim_dfu *sim, uint8_t status);
/* The six bytes. */
int dfu_answer_status(struct molt_sim_dfu *sim, uint8_t *data, uint32_t poll_ms);
/* Copies a block that was downloaded into the buffer; false = it does not fit wTransferSize. */
bool dfu_take_block(struct molt_sim_dfu *sim, uint16_t block, const uint8_t *data, uint16_t length);
/* Off the bus; us > 0: comes back by itself after that time. */
void dfu_leave_bus(struct molt_sim_dfu *sim, uint64_t us);
/* As after a reset: in the loader, or with bootloader false in the application. */
void dfu_power_up(struct molt_sim_dfu *sim, bool bootloader);
/* Another profile of the same hardware, after a detach or a reset. */
void dfu_become(struct molt_sim_dfu *sim, const char *profile);

/* dfu_flash.c. Each starts a work on the memory (program: of buffer, length bytes) that ends in
 * state after; what is wrong shows at its end. Returns the bStatus that it will have. */
uint8_t dfu_start_erase(struct molt_sim_dfu *sim, uint32_t address, uint8_t after);
uint8_t dfu_start_mass_erase(struct molt_sim_dfu *sim, uint8_t after);
uint8_t dfu_start_program(struct molt_sim_dfu *sim, uint32_t address, uint8_t after);
/* The same at once, for work that is made of several; microseconds that it takes. */
uint64_t dfu_erase_now(struct molt_sim_dfu *sim, uint32_t address);
uint64_t dfu_program_now(struct molt_sim_dfu *sim, uint32_t address, const uint8_t *data,
                         uint32_t n);
/* Nothing but time; status OK: after, else dfuERROR. */
void dfu_start_wait(struct molt_sim_dfu *sim, uint64_t us, uint8_t after, uint8_t status);
/* The clock moved: ends the work when its time is over. */
void dfu_settle(struct molt_sim_dfu *sim);
/* Power is off in the middle of the work. */
void dfu_tear(struct molt_sim_dfu *sim);
const struct molt_sim_dfu_region *dfu_region(const struct molt_sim_dfu *sim, uint32_t address);
bool dfu_protected(const struct molt_sim_dfu *sim); /* read-out */

/* dfu_packed.c: the block in buffer. */
void dfu_packed_write(struct molt_sim_dfu *sim, uint32_t address);

/* dfu_usb.c: chapter 9. */
int dfu_standard_request(struct molt_sim_dfu *sim, uint8_t type, uint8_t request, uint16_t value,
                         uint16_t index, uint8_t *data, uint16_t length);
#endif
