/*
 * Install time on the timed simulator: genuine firmware, W25Q32 times, a network whose window (5.7
 * KB) fills while the flash is busy and waits when it is full. Against the lower bound (bytes and
 * data sheet alone), and against the old way: erase the whole slot, then download and write.
 *
 *   bench_install FIRMWARE      the downloaded ESP32_GENERIC firmware, app at file offset 0xF000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "molt/engine.h"
#include "molt/pack/bundle.h"
#include "molt/sim/nor.h"

#define FLASH_SIZE 0x400000u
#define SLOT_SIZE  0x1B0000u
#define WINDOW     5836.0 /* bytes: MicroPython's default TCP window on the ESP32 */
#define PIECE      4096u  /* the engine programs so much at a time */

struct bench {
    uint8_t *bytes;
    struct molt_nor nor;
    struct molt_flash flash;
    double waited_us; /* for the network */
    double rate;      /* bytes per microsecond */
    /* The request under way. */
    uint32_t next, end;
    double level, last_us; /* bytes in the window, as of then */
    const struct molt_bytes *bundle;
    uint64_t fetched;
    uint8_t record[MOLT_RECORD_LAST + 1][MOLT_RECORD_MAX];
    uint32_t record_size[MOLT_RECORD_LAST + 1];
};

static double now(const struct bench *b)
{
    return (double)b->nor.time_us + b->waited_us;
}

/* What came in since the last look: never more than the window, never more than was asked for. */
static void receive(struct bench *b)
{
    b->level += (now(b) - b->last_us) * b->rate;
    b->level = b->level < WINDOW ? b->level : WINDOW;
    b->level = b->level < b->end - b->next ? b->level : b->end - b->next;
    b->last_us = now(b);
}

static int source_expect(void *context, uint32_t offset, uint32_t n)
{
    struct bench *b = context;
    if (offset != b->next) { /* what was in the window belonged to another range */
        b->level = 0;
    }
    b->next = offset;
    b->end = offset + n;
    b->last_us = now(b);
    return MOLT_OK;
}

static int source_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    struct bench *b = context;
    if (offset != b->next || offset >= b->end) {
        source_expect(b, offset, n);
    }
    receive(b);
    n = n < b->end - b->next ? n : b->end - b->next;
    double wanted = n < 1460 ? n : 1460; /* a segment wakes the reader */
    if (b->level < wanted) {
        b->waited_us += (wanted - b->level) / b->rate;
        receive(b);
    }
    uint32_t there = (uint32_t)(b->level + 0.5);
    n = n < there ? n : there;
    memcpy(buffer, b->bundle->data + offset, n);
    b->level -= n;
    b->next += n;
    b->fetched += n;
    return (int)n;
}

static const struct molt_source_ops source_ops = {NULL, source_expect, source_read, NULL};

static int store_get(void *context, int record, void *buffer, uint32_t capacity)
{
    struct bench *b = context;
    uint32_t n = b->record_size[record];
    memcpy(buffer, b->record[record], n < capacity ? n : capacity);
    return n ? (int)n : MOLT_E_NOT_FOUND;
}

static int store_put(void *context, int record, const void *data, uint32_t n)
{
    struct bench *b = context;
    memcpy(b->record[record], data, n);
    b->record_size[record] = n;
    b->nor.time_us += b->nor.timing.page_program_us; /* an NVS entry is one page program */
    return MOLT_OK;
}

static const struct molt_store_ops store_ops = {store_get, store_put};

static int any_signature(void *context, const uint8_t *digest, uint8_t *signature)
{
    (void)context;
    memset(signature, digest[0], MOLT_P256_SIGNATURE_SIZE);
    return MOLT_OK;
}

static int any_verify(void *context, const uint8_t *key, const uint8_t *digest,
                      const uint8_t *signature)
{
    (void)context;
    (void)key;
    return signature[0] == digest[0] ? MOLT_OK : MOLT_E_SIGNATURE;
}

static const struct molt_signer signer = {any_signature, NULL, {1}};

static void build(struct molt_bytes *bundle, const uint8_t *app, uint32_t size,
                  enum molt_pack_codec codec)
{
    struct molt_pack_input input = {.app = app, .app_size = size, .sequence = 1, .codec = codec};
    if (molt_bundle_build(bundle, &input, &signer, NULL, NULL) != MOLT_OK) {
        fprintf(stderr, "bench_install: cannot build the bundle\n");
        exit(1);
    }
}

/* Runs the engine on a device whose second slot holds `before` (or is erased). */
static void install(struct bench *b, const struct molt_bytes *bundle, double rate,
                    const uint8_t *running, const uint8_t *before, uint32_t size)
{
    static uint8_t buffer[MOLT_ENGINE_BUFFER], window[MOLT_INFLATE_WINDOW];
    static const struct molt_app_slot slots[2] = {{0x10000, SLOT_SIZE, 0},
                                                  {0x10000 + SLOT_SIZE, SLOT_SIZE, 1}};
    struct molt_engine engine;
    struct molt_store store = {&store_ops, b};
    struct molt_source source = {&source_ops, b};
    struct molt_verifier verifier = {any_verify, NULL};
    struct molt_trusted_key key = {.public_key = {1}, .uses = MOLT_KEY_BUNDLES};
    memset(b->record_size, 0, sizeof b->record_size);
    memset(b->bytes, 0xFF, FLASH_SIZE);
    memcpy(b->bytes + 0x10000, running, size);
    if (before) {
        memcpy(b->bytes + 0x10000 + SLOT_SIZE, before, size);
    }
    molt_nor_init(&b->nor, b->bytes, FLASH_SIZE, 1);
    molt_nor_flash(&b->nor, &b->flash);
    b->waited_us = b->level = b->last_us = 0;
    b->next = b->end = 0;
    b->fetched = 0;
    b->rate = rate / 1e6;
    b->bundle = bundle;
    molt_keys_save(&store, &key, 1);
    struct molt_engine_port port = {.flash = &b->flash,
                                    .store = &store,
                                    .source = &source,
                                    .verifier = &verifier,
                                    .digest = &molt_sha256,
                                    .buffer = buffer,
                                    .window = window};
    port.device = (struct molt_device){
        .board = "", .slots = slots, .slot_count = 2, .otadata_offset = 0xD000, .rollback = true};
    int code = molt_engine_start(&engine, &port);
    while (code == MOLT_OK || code == MOLT_AGAIN) {
        code = molt_engine_step(&engine);
    }
    if (code != MOLT_DONE) {
        fprintf(stderr, "bench_install: %s\n", molt_strerror(code));
        exit(1);
    }
}

/* What comes in for free while the flash is busy for t. */
static double overlap(double busy_us, double rate_us)
{
    double bytes = busy_us * rate_us;
    return bytes < WINDOW ? bytes : WINDOW;
}

/* The least time: each byte fetched once, each page programmed once, each block erased once, all
 * that can overlap does. */
static double lower_bound(uint32_t encoded, uint32_t size, double rate)
{
    const struct molt_nor_timing *t = &molt_nor_w25q32;
    double r = rate / 1e6, free_bytes = 0, busy = 0;
    uint32_t blocks = size / MOLT_NOR_BLOCK, sectors = (size % MOLT_NOR_BLOCK + 4095) / 4096;
    busy += blocks * (double)t->block_erase_us + sectors * (double)t->sector_erase_us;
    free_bytes += (blocks + (sectors ? 1 : 0)) * overlap(t->block_erase_us, r);
    for (uint32_t at = 0; at < size; at += PIECE) {
        uint32_t n = size - at < PIECE ? size - at : PIECE;
        double us = (n + 255) / 256 * (double)t->page_program_us;
        busy += us;
        free_bytes += overlap(us, r);
    }
    double left = encoded > free_bytes ? encoded - free_bytes : 0;
    return busy + left / r;
}

/* Erase the whole slot, sector by sector as MicroPython's ioctl(6) does, then download and program,
 * image as it is. */
static double old_way(uint32_t size, double rate)
{
    const struct molt_nor_timing *t = &molt_nor_w25q32;
    double r = rate / 1e6, busy = 0, free_bytes = WINDOW;
    for (uint32_t at = 0; at < size; at += PIECE) {
        double us = PIECE / 256 * (double)t->page_program_us;
        busy += us;
        free_bytes += overlap(us, r);
    }
    double left = size > free_bytes ? size - free_bytes : 0;
    return SLOT_SIZE / 4096 * (double)t->sector_erase_us + busy + left / r;
}

static void row(const char *what, struct bench *b, double bound, double old)
{
    double us = now(b);
    printf("%-34s %7.2f s  bound %6.2f s  ratio %.3f  old way %6.2f s (%.1f x)  fetched %7llu B\n",
           what, us / 1e6, bound / 1e6, us / bound, old / 1e6, old / us,
           (unsigned long long)b->fetched);
}

int main(int argc, char **argv)
{
    static uint8_t firmware[0x200000];
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!f) {
        fprintf(stderr, "usage: bench_install FIRMWARE\n");
        return 2;
    }
    uint32_t size = (uint32_t)fread(firmware, 1, sizeof firmware, f) - 0xF000;
    fclose(f);
    const uint8_t *app = firmware + 0xF000;
    struct bench b = {.bytes = malloc(FLASH_SIZE)};
    struct molt_bytes bundle, raw;
    static uint8_t similar[0x200000];
    build(&bundle, app, size, MOLT_PACK_SMALLEST);
    build(&raw, app, size, MOLT_PACK_RAW);
    printf("app %u bytes, bundle %zu bytes, %u chunks\n", size, bundle.size,
           (size + 65535) / 65536);
    static const double rates[] = {2e6, 100e3};
    for (int i = 0; i < 2; i++) {
        char what[64];
        double old = old_way(size, rates[i]);
        snprintf(what, sizeof what, "deflate, %.0f KB/s", rates[i] / 1e3);
        install(&b, &bundle, rates[i], app, NULL, size);
        row(what, &b, lower_bound((uint32_t)bundle.size, size, rates[i]), old);
        snprintf(what, sizeof what, "raw, %.0f KB/s", rates[i] / 1e3);
        install(&b, &raw, rates[i], app, NULL, size);
        row(what, &b, lower_bound((uint32_t)raw.size, size, rates[i]), old);
    }
    /* One chunk in ten differs from what the slot holds. */
    memcpy(similar, app, size);
    uint32_t differ = 0;
    for (uint32_t at = 5 * 65536; at < size; at += 10 * 65536, differ++) {
        similar[at] ^= 1;
    }
    install(&b, &bundle, 2e6, app, similar, size);
    printf("%u of %u chunks differ: fetched %llu of %zu bytes (%.1f %%), %.2f s\n", differ,
           (size + 65535) / 65536, (unsigned long long)b.fetched, bundle.size,
           100.0 * (double)b.fetched / (double)bundle.size, now(&b) / 1e6);
    molt_nor_free(&b.nor);
    molt_bytes_free(&bundle);
    molt_bytes_free(&raw);
    free(b.bytes);
    return 0;
}
