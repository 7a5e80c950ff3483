/*
 * Errors. Zero and above is success (or a count); below zero is one of these.
 * Numbers are append-only: they are stored on devices, sent by fleets and documented for users.
 */
#ifndef MOLT_ERROR_H
#define MOLT_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum molt_error {
    MOLT_OK = 0,
    MOLT_DONE = 1, /* a step function has nothing left to do */

    /* Any layer */
    MOLT_AGAIN = -1,       /* nothing available now: call again */
    MOLT_E_ARGUMENT = -2,  /* what the user asked for cannot be understood or does not make sense */
    MOLT_E_IO = -3,        /* read or write failed; the cause is in the diagnostic */
    MOLT_E_NO_SPACE = -4,  /* disk, file system or store is full */
    MOLT_E_NOT_FOUND = -5, /* no such file, partition, record */
    MOLT_E_EXISTS = -6,    /* is there already and must not be replaced */
    MOLT_E_BUSY = -7,      /* in use by another process */
    MOLT_E_RANGE = -8,     /* outside of the flash or partition */
    MOLT_E_ALIGNMENT = -9, /* offset or length not a multiple of what the flash needs */
    MOLT_E_VERIFY = -10,   /* read back differs from what was written */
    MOLT_E_TRUNCATED = -11,   /* ends before it should */
    MOLT_E_FORMAT = -12,      /* not what it claims to be */
    MOLT_E_UNSUPPORTED = -13, /* understood, but not possible here */
    MOLT_E_CANCELLED = -14,   /* the progress call-back asked to stop */
    MOLT_E_TIMEOUT = -15,     /* the deadline passed */
    MOLT_E_NO_MEMORY = -16,   /* host only */
    MOLT_E_POWER = -17,       /* simulated power cut */
    MOLT_E_PERMISSION = -18,  /* read-only or forbidden */
    MOLT_E_NOT_ERASED = -19,  /* program would have to set bits: erase first */
    MOLT_E_STORE = -20,       /* a store record is of an unknown version or malformed */

    /* Application and bootloader images (core/espimage) */
    MOLT_E_IMAGE_MAGIC = -30,
    MOLT_E_IMAGE_CHIP = -31,
    MOLT_E_IMAGE_REVISION = -32,
    MOLT_E_IMAGE_SEGMENTS = -33,
    MOLT_E_IMAGE_CHECKSUM = -34,
    MOLT_E_IMAGE_HASH = -35,
    MOLT_E_IMAGE_TOO_LARGE = -36, /* larger than its slot */
    MOLT_E_IMAGE_MERGED = -37, /* a merged firmware (bootloader first) where an app is expected */
    MOLT_E_IMAGE_LOAD_ADDRESS = -38,
    MOLT_E_IMAGE_TRUNCATED = -39,

    /* Partition tables (core/ptable) */
    MOLT_E_TABLE_MAGIC = -40, /* no table there */
    MOLT_E_TABLE_MD5 = -41,
    MOLT_E_TABLE_OVERLAP = -42,
    MOLT_E_TABLE_WRAP = -43,       /* offset + size passes 4 GB */
    MOLT_E_TABLE_FLASH_SIZE = -44, /* a row ends behind the end of the flash */
    MOLT_E_TABLE_NAME = -45,       /* empty, over 16 characters, or twice */
    MOLT_E_TABLE_ALIGNMENT = -46,
    MOLT_E_TABLE_SLOTS = -47, /* gap in the slots, slots without otadata, otadata of a wrong size */
    MOLT_E_TABLE_FULL = -48,
    MOLT_E_TABLE_ROW = -49, /* zero size, below the table's end, two factories, wrong nvs size */

    /* Boot record (core/otadata) */
    MOLT_E_OTADATA_NONE = -60,   /* the table has no otadata partition */
    MOLT_E_NO_SECOND_SLOT = -61, /* nowhere to install to */
    MOLT_E_UNCONFIRMED = -62,    /* the running image is under trial: confirm or roll back first */
    MOLT_E_BOOT_DISAGREES = -63, /* running slot and boot record differ: heal first */
    MOLT_E_NO_WAY_BACK = -64,    /* nothing whole to return to */
    MOLT_E_NO_TRIAL = -65,       /* nothing to confirm or to roll back */
    MOLT_E_NOT_A_SLOT = -66,     /* that partition cannot be booted */

    /* Bundles, channels, engine */
    MOLT_E_BUNDLE_MAGIC = -70,
    MOLT_E_BUNDLE_MALFORMED = -71,
    MOLT_E_BUNDLE_TRUNCATED = -72,
    MOLT_E_KEY_UNKNOWN = -73,
    MOLT_E_SIGNATURE = -74,
    MOLT_E_EXPIRED = -75,
    MOLT_E_DOWNGRADE = -76,     /* sequence number below the floor */
    MOLT_E_FAILED_BEFORE = -77, /* this bundle failed its trial here */
    MOLT_E_BOARD = -78,
    MOLT_E_CHIP = -79,
    MOLT_E_SLOT_TOO_SMALL = -80,
    MOLT_E_CHUNK_HASH = -81,
    MOLT_E_CHUNK_DECODE = -82,
    MOLT_E_MPY_ABI = -83,
    MOLT_E_BOOTLOADER_OLD = -84,
    MOLT_E_RELEASE = -85, /* release list malformed, or a path that leaves the release */
    MOLT_E_CHANNEL_MALFORMED = -86,
    MOLT_E_CHANNEL_OLD = -87, /* issued before the newest one seen */
    MOLT_E_CHANNEL_EXPIRED = -88,
    MOLT_E_CHANNEL_NAME = -89,
    MOLT_E_NOT_IN_ROLLOUT = -90, /* this device's wave has not come yet */
    MOLT_E_SOURCE_CHANGED = -91, /* the file changed under its name during the download */
    MOLT_E_INSTALLED = -92,      /* this bundle runs here already */

    /* Transport */
    MOLT_E_HTTP_STATUS = -100,
    MOLT_E_HTTP_RANGE = -101, /* the server answers a ranged request with something else */
    MOLT_E_CONNECT = -102,
    MOLT_E_TLS = -103,
    MOLT_E_STALLED = -104,
    MOLT_E_URL = -105,

    /* USB, and DFU devices */
    MOLT_E_USB_STALL = -120,     /* the device refused the request */
    MOLT_E_USB_GONE = -121,      /* unplugged, or it reset itself */
    MOLT_E_USB_ACCESS = -122,    /* no permission: a udev rule is missing */
    MOLT_E_USB_AMBIGUOUS = -123, /* more than one device is meant */
    MOLT_E_DFU_DEVICE = -124,    /* the file is for another device */
    MOLT_E_DFU_PROTECTED = -125, /* read-out or write protection */
    MOLT_E_DFU_STATE = -126,     /* the device is in a state that nothing leads out of */
    MOLT_E_DFU_FILES = -127,     /* would destroy the board's file system */

    /* What a DFU device itself reports: -(130 + bStatus), USB DFU 1.1, 6.1.2 */
    MOLT_E_DFU_TARGET = -131,
    MOLT_E_DFU_FILE = -132,
    MOLT_E_DFU_WRITE = -133,
    MOLT_E_DFU_ERASE = -134,
    MOLT_E_DFU_CHECK_ERASED = -135,
    MOLT_E_DFU_PROG = -136,
    MOLT_E_DFU_VERIFY = -137,
    MOLT_E_DFU_ADDRESS = -138,
    MOLT_E_DFU_NOTDONE = -139,
    MOLT_E_DFU_FIRMWARE = -140,
    MOLT_E_DFU_VENDOR = -141,
    MOLT_E_DFU_USBR = -142,
    MOLT_E_DFU_POR = -143,
    MOLT_E_DFU_UNKNOWN = -144,
    MOLT_E_DFU_STALLEDPKT = -145
};

/* A short lower-case English phrase, static; "unknown error" for numbers that are not above. */
const char *molt_strerror(int error);

/*
 * What the freestanding layers can say about a failure, beyond its number. Caller-owned, may be
 * NULL wherever it is taken; filled only on failure. The caller adds the names (file, partition).
 */
struct molt_diag {
    int error;
    const char
        *what; /* static text: the field or thing that was wrong ("segment length"); or NULL */
    uint32_t offset; /* where, in bytes from the start of what was read; MOLT_DIAG_NONE = nowhere */
    uint32_t expected; /* meaningful when has_values */
    uint32_t found;
    int has_values;
    int cause; /* errno, CURLcode or the like; 0 = none */
};

#define MOLT_DIAG_NONE 0xFFFFFFFFu

/* Fills *diag when it is not NULL; returns error, so that a check is one line. */
int molt_diag_at(struct molt_diag *diag, int error, const char *what, uint32_t offset);
int molt_diag_values(struct molt_diag *diag, int error, const char *what, uint32_t offset,
                     uint32_t expected, uint32_t found);

#ifdef __cplusplus
}
#endif
#endif
