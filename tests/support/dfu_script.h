/*
 * A device that answers line by line as told, for sessions of src/wire; and what was sent to it, a
 * letter each: G(ETSTATUS) D(NLOAD) U(PLOAD) C(LRSTATUS) A(BORT) T (detach) S(tring) R(eset).
 */
#ifndef DFU_SCRIPT_H
#define DFU_SCRIPT_H

#include "molt/dfuse.h"

struct line {
    int result; /* an error, or 0 = all of it; >0: so many bytes of an IN answer */
    uint8_t status, state;
    uint32_t poll_ms;
    uint8_t string;
};

struct script {
    struct molt_dfu dfu;
    const struct line *line;
    uint32_t lines, at;
    bool forever; /* the last line again and again */
    char sent[256];
    uint32_t n;
    uint64_t time_ms;
    uint64_t asked_ms[256]; /* when each request was sent */
    int reset_result;
    const uint8_t *text; /* string descriptor */
    uint32_t text_size;
    uint8_t fill; /* of UPLOAD */
};

extern const struct molt_usb_ops script_ops, script_ops_without_reset;

void script_begin(struct script *s, const struct line *line, uint32_t lines);
/* In dfuIDLE, as the session knows already. */
void script_is_idle(struct script *s);
/* A plain device in dfuDNLOAD-IDLE. */
void script_is_downloading(struct script *s);

#define LINES(s, ...)                                                                              \
    do {                                                                                           \
        static const struct line told_[] = {__VA_ARGS__};                                          \
        script_begin((s), told_, sizeof told_ / sizeof told_[0]);                                  \
    } while (0)

#define DONE                                                                                       \
    {                                                                                              \
        0, 0, 0, 0, 0                                                                              \
    } /* of an OUT request */
#define IDLE                                                                                       \
    {                                                                                              \
        0, 0, MOLT_DFU_IDLE, 0, 0                                                                  \
    }
#define BUSY                                                                                       \
    {                                                                                              \
        0, 0, MOLT_DFU_DOWNLOAD_BUSY, 5, 0                                                         \
    }
#define NEXT                                                                                       \
    {                                                                                              \
        0, 0, MOLT_DFU_DOWNLOAD_IDLE, 0, 0                                                         \
    }
#define STALL                                                                                      \
    {                                                                                              \
        MOLT_E_USB_STALL, 0, 0, 0, 0                                                               \
    }
#define LATE                                                                                       \
    {                                                                                              \
        MOLT_E_TIMEOUT, 0, 0, 0, 0                                                                 \
    }
#define GONE                                                                                       \
    {                                                                                              \
        MOLT_E_USB_GONE, 0, 0, 0, 0                                                                \
    }
#define FAILED(status)                                                                             \
    {                                                                                              \
        0, status, MOLT_DFU_ERROR, 0, 0                                                            \
    }
#define STATE(state)                                                                               \
    {                                                                                              \
        0, 0, state, 0, 0                                                                          \
    }

#endif
