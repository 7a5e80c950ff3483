/*
 * The DFU interfaces in a configuration descriptor: USB DFU 1.1, 4.1.3 (functional
 * descriptor), 4.2.3 (interface in DFU mode), 4.1.2 (in run-time mode).
 */
#ifndef MOLT_DFU_DESCRIPTOR_H
#define MOLT_DFU_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* bmAttributes of the functional descriptor */
enum molt_dfu_attribute {
    MOLT_DFU_CAN_DOWNLOAD = 1,
    MOLT_DFU_CAN_UPLOAD = 2,
    MOLT_DFU_TOLERANT = 4,   /* answers after manifestation */
    MOLT_DFU_WILL_DETACH = 8 /* resets itself on DETACH */
};

#define MOLT_DFU_VERSION_DFUSE 0x011Au

struct molt_dfu_interface {
    uint8_t configuration; /* bConfigurationValue */
    uint8_t interface_number, alternate;
    uint8_t name_index;  /* of the string descriptor; 0 = none */
    bool run_time;       /* the application, which a DETACH brings into DFU mode */
    bool has_functional; /* else the fields below are 0 */
    uint8_t attributes;
    uint16_t detach_timeout_ms, transfer_size;
    uint16_t version; /* bcdDFUVersion: 0x0100, 0x0110, 0x011A = DfuSe; 0 of DFU 1.0's short one */
};

/*
 * configuration: a whole configuration descriptor with what follows it, n bytes; more than it says
 * of itself is ignored, and when less is there, that is read. How many DFU interfaces there are (an
 * entry each alternate; may exceed capacity, at most 255), or MOLT_E_TRUNCATED (not even its
 * header), MOLT_E_FORMAT (no configuration descriptor, or a descriptor in it without a length). A
 * functional descriptor behind the last alternate holds for all of that interface that have none.
 */
int molt_dfu_interfaces(struct molt_dfu_interface *interfaces, uint32_t capacity,
                        const uint8_t *configuration, uint32_t n, struct molt_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
