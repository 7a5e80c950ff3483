/* A write to a DfuSe device, as its steps see it. */
#ifndef MOLT_OPS_DFU_WRITE_INTERNAL_H
#define MOLT_OPS_DFU_WRITE_INTERNAL_H

#include "molt/dfuse.h"
#include "molt/ops/dfu_image.h"
#include "molt/ops/dfu_session.h"
#include "molt/ops/dfu_write.h"

/* Programmed at a time at least, and aligned to that: the flash word of an STM32H7, the largest
 * there is (RM0433; H5 16 bytes, L4, G0, G4, WB 8). What the file does not give of it is FF. */
#define DFU_WRITE_GRANULE 32u

/* Bytes of one element in one sector. */
struct dfu_span {
    uint32_t address, size;
    const uint8_t *bytes;
};

/* A sector that the file has bytes for. */
struct dfu_sector {
    uint32_t start, size;
    uint8_t alternate;
    bool erasable;
    bool mass;            /* erased with all others: whatever it has besides is lost */
    bool change;          /* its bytes differ, or nobody looked */
    bool blank_here;      /* the device had FF wherever the file differs: nothing to check */
    uint32_t probe;       /* !blank_here: where the device had something else than FF */
    uint32_t span, spans; /* the file's bytes in it: job->span[span...] by address */
    uint32_t given, kept; /* bytes by the file; of the device, put back */
    uint32_t rescue;      /* first of job->rescue, as many as lie in the sector */
    uint32_t rescues;
    bool at_risk;     /* erased, and what was kept is not back */
    uint8_t *content; /* size bytes: the file's, the kept ones, else FF; in a region */
};

/* Sectors of one alternate setting without a gap between; they share one buffer. */
struct dfu_region {
    uint32_t sector, sectors; /* job->sector[sector...] */
    uint8_t *bytes;           /* owned */
    uint64_t size;
};

/* Between wire's progress and the caller's. */
struct dfu_meter {
    struct molt_progress progress; /* what wire asks */
    const struct molt_progress *inner;
    uint64_t last;
    bool held;   /* a sector is erased that has more than the file gives: no cancel now */
    bool wanted; /* there was one */
};

struct molt_dfu_write {
    struct molt_dfu_session *session;
    struct dfu_meter meter;
    struct molt_dfu_write_request request;
    const struct molt_dfu_image *image;
    struct molt_plan steps;
    struct molt_dfu_write_result result;

    struct dfu_span *span; /* all four owned */
    struct dfu_sector *sector;
    struct dfu_region *region;
    struct molt_dfu_rescue *rescue;
    uint32_t spans, sectors, regions, rescues;
    uint32_t rescue_room;

    struct molt_dfu_files files;
    bool files_lost;       /* with --overwrite-files, and in use */
    bool can_read;         /* the device can be read back */
    bool has_vector;       /* the file's vector table lies in a sector that is erased */
    uint32_t vector;       /* its address */
    uint32_t entry_sector; /* has_vector: the sector with it */
    uint32_t to_write;     /* bytes that are to be programmed */
    bool started;          /* something was erased or programmed */
    bool whole;            /* all of it is programmed */
};

/* ---- write_layout.c: pure but for reading the session's facts ---- */

/* The alternate setting of the session's interface in DFU mode; NULL: it has none. */
const struct molt_dfu_alternate *dfu_alternate(const struct molt_dfu_session *session,
                                               uint8_t alternate);
/* The flash that the map begins with, up to its first gap: what a mass erase takes. mboot's leaves
 * the SPI flash alone. While the session is at the alternate setting that it was opened with. */
uint64_t dfu_flash_bytes(const struct molt_dfu_session *session);
/* The job's mass erase erases that sector; noted in sector->mass. */
bool dfu_mass_erased(const struct molt_dfu_write *job, const struct dfu_sector *sector);
/* Spans, sectors and regions out of the image: checks addresses, access, overlaps. */
int dfu_write_layout(struct molt_dfu_write *job, struct molt_message *message);

/* ---- write_check.c ---- */

/* The file against the device, without speaking to it: CRC, ids, kind. */
int dfu_write_check(const struct molt_dfu_session *session, const struct molt_dfu_image *image,
                    bool force, struct molt_message *message);
/* The file system of the board, after the comparison. Reads it until it is known to be in use. */
int dfu_write_check_files(struct molt_dfu_write *job, struct molt_message *message);

/* ---- write_compare.c ---- */

/* Reads in growing pieces, so that a difference costs little and equality little more than its
 * bytes. */
struct dfu_reader {
    struct molt_dfu_session *session;
    uint8_t *buffer; /* owned: DFU_READER_MAX bytes */
    uint32_t address, size, next;
};
#define DFU_READER_MAX 65536u
int dfu_reader_begin(struct dfu_reader *reader, struct molt_dfu_session *session,
                     struct molt_message *message);
void dfu_reader_end(struct dfu_reader *reader);
/* *n bytes at address, 1 to left of them, at *bytes; valid until the next call. */
int dfu_reader_get(struct dfu_reader *reader, uint32_t address, uint32_t left,
                   const uint8_t **bytes, uint32_t *n, struct molt_message *message);
/* A difference was found: the next reads are small again. */
void dfu_reader_restart(struct dfu_reader *reader);

int dfu_write_compare(struct molt_dfu_write *job, struct molt_message *message);
/* The sector has something else than FF besides the file's bytes. Before dfu_write_keep. */
int dfu_write_has_rest(struct molt_dfu_write *job, struct dfu_sector *sector, bool *some,
                       struct molt_message *message);
/* What the device has and the file does not give, of the sectors that are erased. */
int dfu_write_keep(struct molt_dfu_write *job, struct molt_message *message);
/* Another alternate setting when it is not that one yet. */
int dfu_use(struct molt_dfu_session *session, uint8_t alternate, struct molt_message *message);
/* Progress of what follows: the word and where it is in it. Told to the caller without going back
 * and without passing the total, which a read ahead would do. */
void dfu_progress(struct molt_dfu_write *job, const struct molt_progress *progress,
                  const char *what, uint64_t done, uint64_t total);
/* The session's own again. */
void dfu_progress_end(struct molt_dfu_write *job, const struct molt_progress *before);

/* ---- write_steps.c ---- */
int dfu_write_describe(struct molt_dfu_write *job, struct molt_message *message);

/* ---- write_run.c ---- */
int dfu_write_sectors(struct molt_dfu_write *job, const struct molt_progress *progress,
                      struct molt_message *message);

/* ---- write_packed.c: for mboot with packing ---- */
int dfu_write_packed_plan(struct molt_dfu_write *job, struct molt_message *message);
int dfu_write_packed_run(struct molt_dfu_write *job, const struct molt_progress *progress,
                         struct molt_message *message);

#endif
