/*
 * Simulated USB DFU devices, in memory: ST's ROM loaders (DfuSe), MicroPython's boot loader, and
 * plain DFU 1.1 devices, with their flash, timing, quirks, protection and faults. An independent
 * model: it shares no code with src/wire or src/core, which it judges. What is as on the chip and
 * what is not: docs/spec/simulator.md.
 *
 * A test does: molt_sim_dfu_init, molt_sim_dfu_usb, then control transfers through the molt_usb.
 */
#ifndef MOLT_SIM_DFU_H
#define MOLT_SIM_DFU_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/usb.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_SIM_DFU_ALTERNATES 4u
#define MOLT_SIM_DFU_SECTORS    640u                       /* most that a profile has */
#define MOLT_SIM_DFU_TRANSFER   4096u                      /* largest wTransferSize of a profile */
#define MOLT_SIM_DFU_CHUNK      (12u + 16384u + 36u + 64u) /* mboot's, packed: pack.h */
#define MOLT_SIM_DFU_SMALL      640u /* option bytes, one-time memory and the like */

/* Whose state machine answers. */
enum molt_sim_dfu_loader {
    MOLT_SIM_DFU_ST,    /* AN3156; blocks >= 2 at the pointer */
    MOLT_SIM_DFU_MBOOT, /* MicroPython's ports/stm32/mboot */
    MOLT_SIM_DFU_PLAIN, /* USB DFU 1.1, appendix A; one firmware from the start of flash */
    MOLT_SIM_DFU_RUN    /* an application with a run-time DFU interface (protocol 1) */
};

enum molt_sim_dfu_memory {
    MOLT_SIM_DFU_FLASH,   /* the caller's bytes */
    MOLT_SIM_DFU_OPTIONS, /* kept in the model, readable and writable, as the rest */
    MOLT_SIM_DFU_OTP,     /* bits only clear, no erase */
    MOLT_SIM_DFU_FEATURE
};

/* A run of equal sectors. Those of flash lie in the caller's bytes one behind the other, in this
 * order, whatever their addresses. */
struct molt_sim_dfu_region {
    uint32_t start, sector_size, count;
    uint32_t erase_us; /* of one sector, typical */
    enum molt_sim_dfu_memory memory;
};

enum {                                          /* traits of a profile */
       MOLT_SIM_DFU_STARTS_IN_ERROR = 1u << 0,  /* powers up in dfuERROR, errFIRMWARE */
       MOLT_SIM_DFU_CLRSTATUS_STALLS = 1u << 1, /* outside dfuERROR; else it leads into dfuERROR */
       MOLT_SIM_DFU_BUSY_ANSWERS = 1u << 2, /* GETSTATUS is answered while busy; else it waits */
       MOLT_SIM_DFU_BUSY_STALLS = 1u << 3, /* DFU 1.1: a request before the poll time is an error */
       MOLT_SIM_DFU_ERASE_STICKS = 1u << 4,  /* busy after an erase past 1 MB until CLRSTATUS */
       MOLT_SIM_DFU_LEAVES_MUTE = 1u << 5,   /* gone before the last status */
       MOLT_SIM_DFU_PACKED = 1u << 6,        /* mboot: no read-back, erases by itself */
       MOLT_SIM_DFU_BUSY_REFUSES = 1u << 8,  /* GETSTATUS while busy is a stall, and nothing else */
       MOLT_SIM_DFU_STRICT_PROGRAM = 1u << 7 /* programming what is not erased is errPROG; else the
                                                   bits only clear, without an error */
};

struct molt_sim_dfu_profile {
    const char *name, *summary;
    enum molt_sim_dfu_loader loader;
    uint16_t vendor, product, device; /* idVendor, idProduct, bcdDevice */
    const char *manufacturer, *product_name, *serial;
    const char *alternate[MOLT_SIM_DFU_ALTERNATES];
    uint8_t alternate_count;
    uint8_t attributes; /* of the functional descriptor */
    uint16_t detach_timeout_ms, transfer_size, version;
    const struct molt_sim_dfu_region *regions;
    uint32_t region_count;
    uint32_t own_bytes;  /* MBOOT: of flash, where it lies itself; the application is behind it */
    uint32_t granule;    /* bytes that are programmed at once; address and length fit it */
    uint32_t program_ns; /* of one granule */
    uint32_t mass_erase_us; /* 0 = the sum of the sectors */
    uint32_t command_poll_ms, program_poll_ms, erase_poll_ms, mass_erase_poll_ms;
    uint32_t traits;
    const char
        *other; /* RUN: the profile after a detach; PLAIN: what runs after a reset; or NULL */
};

/* NULL = no such name. */
const struct molt_sim_dfu_profile *molt_sim_dfu_profile_named(const char *name);
/* The profiles in the order of the documentation; NULL behind the last. */
const struct molt_sim_dfu_profile *molt_sim_dfu_profile_at(uint32_t index);
/* Bytes of the caller's memory. */
uint32_t molt_sim_dfu_flash_size(const struct molt_sim_dfu_profile *profile);

enum molt_sim_fault {
    MOLT_SIM_FAULT_NONE = 0,
    MOLT_SIM_FAULT_STALL,   /* MOLT_E_USB_STALL */
    MOLT_SIM_FAULT_TIMEOUT, /* MOLT_E_TIMEOUT after timeout_ms */
    MOLT_SIM_FAULT_GONE,    /* unplugged: power is off, what was being erased is erased in part */
    MOLT_SIM_FAULT_IO,      /* MOLT_E_IO */
    MOLT_SIM_FAULT_SHORT    /* half of an IN transfer's bytes come; of an OUT, the device acts on
                               none */
};

struct molt_sim_dfu_transfer { /* one control transfer, as a trace sees it */
    uint32_t number;           /* from 1 */
    uint64_t time_us;          /* at its end */
    uint8_t type, request;
    uint16_t value, index, length;
    int result;            /* bytes or an error */
    const uint8_t *data;   /* length bytes of OUT, result bytes of IN */
    uint8_t state, status; /* of the device behind it */
};

struct molt_sim_dfu {
    const struct molt_sim_dfu_profile *profile; /* what it is now; changes by detach and reset */
    uint8_t *flash;                             /* the caller's, molt_sim_dfu_flash_size bytes */
    uint8_t small[MOLT_SIM_DFU_SMALL];
    char serial[64]; /* replaces the profile's when not empty */

    /* Settings of a test; may be changed at any time. */
    bool read_protected;
    bool write_protected[MOLT_SIM_DFU_SECTORS]; /* erase and program change nothing, silently */
    bool boot0;   /* held: after a reset the loader runs again (set by init) */
    bool instant; /* poll times are reported as 0, work takes no time: for tests in real time */
    struct {
        uint32_t at_transfer; /* number of the transfer, as in transfers; 0 = never */
        uint32_t count;       /* transfers in a row; 0 = one */
        enum molt_sim_fault kind;
        bool executed; /* the device acts, only the answer is lost (not for STALL and SHORT) */
    } fault;
    void (*trace)(void *context, const struct molt_sim_dfu_transfer *transfer); /* or NULL */
    void *trace_context;

    /* What happened. */
    uint64_t time_us;     /* the virtual clock */
    uint32_t transfers;   /* control transfers of any kind, also failed ones */
    uint32_t requests[7]; /* of them those of the DFU class, by bRequest */
    uint32_t erases[MOLT_SIM_DFU_SECTORS];
    uint32_t mass_erases;
    uint64_t bytes_programmed, bytes_uploaded;
    uint64_t over_programmed; /* bytes programmed while not FF: what a forgotten erase shows */
    bool jumped;              /* it left DFU mode by a leave */
    uint32_t jumped_to;       /* there */
    bool gone;                /* not on the bus */
    uint32_t enumeration;     /* how often it came onto the bus */

    /* The device. */
    uint8_t state, status, string; /* string: iString, set until it was reported */
    uint8_t alternate, configuration;
    uint32_t pointer; /* set address */
    uint32_t jump;    /* where a leave goes: the last address set or written */
    uint16_t block, length;
    uint8_t buffer[MOLT_SIM_DFU_TRANSFER];
    uint32_t position; /* PLAIN: of the next block */
    uint16_t next_block;
    uint64_t back_us, detach_until_us; /* comes back then; appDETACH ends then; 0 = not */
    bool left;                         /* the transfer in hand is the last before it leaves */
    struct {                           /* what keeps it busy */
        bool on;
        uint8_t kind, after, status; /* state and status behind it */
        uint32_t address, n;
        uint64_t start_us, end_us;
    } work;
    bool stuck;      /* ERASE_STICKS struck */
    bool sync_done;  /* in dfuDNLOAD-SYNC: the block was worked on */
    uint8_t command; /* MBOOT: what the next GETSTATUS starts */
    struct {         /* PACKED: the chunk that is coming in */
        bool begun, has_head;
        uint32_t base, erased_from, erased_to;
        uint8_t head[8]; /* of the application, held back until the last chunk */
        uint8_t chunk[MOLT_SIM_DFU_CHUNK];
    } packed;
    uint32_t opened; /* enumeration that the molt_usb belongs to */
};

/* Powers it up in its loader (or application: RUN). flash stays the caller's, and as it is. */
void molt_sim_dfu_init(struct molt_sim_dfu *sim, const struct molt_sim_dfu_profile *profile,
                       uint8_t *flash);

/*
 * Opens it: a handle that answers until the device leaves the bus, then MOLT_E_USB_GONE for ever
 * (open again after it is back). Standard requests are served too: descriptors (device,
 * configuration, strings), configuration, interface. sleep_ms advances the virtual clock. It holds
 * one pointer to sim; the newest call counts.
 */
void molt_sim_dfu_usb(struct molt_sim_dfu *sim, struct molt_usb *usb);

/* On the bus now? A device that comes back by itself does so when the clock is there. */
bool molt_sim_dfu_present(struct molt_sim_dfu *sim);

/* Lets time pass without a transfer. */
void molt_sim_dfu_wait(struct molt_sim_dfu *sim, uint64_t us);

/* Unplugged and plugged in. bootloader: with BOOT0 held; otherwise the application runs, which is
 * on the bus only if the profile has a run-time interface. Settings and counters stay. */
void molt_sim_dfu_replug(struct molt_sim_dfu *sim, bool bootloader);

/* Power off now. */
void molt_sim_dfu_unplug(struct molt_sim_dfu *sim);

/* The sector that holds address: its number in erases, or -1. */
int molt_sim_dfu_sector(const struct molt_sim_dfu *sim, uint32_t address);

/* Pointer into flash or small for address, with the bytes from there to the end of the run of
 * regions that follow without a gap; NULL = nothing there. */
uint8_t *molt_sim_dfu_memory(struct molt_sim_dfu *sim, uint32_t address, uint32_t *n);

/* A vector table at address that a Cortex-M could start: stack pointer in RAM (0x10000000 to
 * 0x3FFFFFFF), odd reset vector inside a region. */
bool molt_sim_dfu_vectors(struct molt_sim_dfu *sim, uint32_t address, uint32_t *stack,
                          uint32_t *reset);

/*
 * Descriptors as they come over the wire, for front ends that serve them themselves. Returns the
 * length, which may exceed capacity (then it was cut).
 */
uint32_t molt_sim_dfu_device_descriptor(const struct molt_sim_dfu *sim, uint8_t *to,
                                        uint32_t capacity);
uint32_t molt_sim_dfu_configuration_descriptor(const struct molt_sim_dfu *sim, uint8_t *to,
                                               uint32_t capacity);

#ifdef __cplusplus
}
#endif
#endif
