#include <stddef.h>

#include "molt/dfu.h"

/* USB DFU 1.1, 6.1.2 */
static const char *const states[] = {"appIDLE",          "appDETACH",   "dfuIDLE",
                                     "dfuDNLOAD-SYNC",   "dfuDNBUSY",   "dfuDNLOAD-IDLE",
                                     "dfuMANIFEST-SYNC", "dfuMANIFEST", "dfuMANIFEST-WAIT-RESET",
                                     "dfuUPLOAD-IDLE",   "dfuERROR"};
static const char *const statuses[] = {
    "OK",      "errTARGET", "errFILE",    "errWRITE",     "errERASE",    "errCHECK_ERASED",
    "errPROG", "errVERIFY", "errADDRESS", "errNOTDONE",   "errFIRMWARE", "errVENDOR",
    "errUSBR", "errPOR",    "errUNKNOWN", "errSTALLEDPKT"};

const char *molt_dfu_state_name(uint8_t state)
{
    return state < sizeof states / sizeof states[0] ? states[state] : "unknown";
}

const char *molt_dfu_status_name(uint8_t status)
{
    return status < sizeof statuses / sizeof statuses[0] ? statuses[status] : "unknown";
}

int molt_dfu_status_error(uint8_t status)
{
    /* mboot goes to dfuERROR with status OK when it does not know a command. */
    if (status == 0 || status >= sizeof statuses / sizeof statuses[0]) {
        return MOLT_E_DFU_UNKNOWN;
    }
    return -(130 + status);
}
