#include "sample_bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char sample_info[] = "firmware::info:{\"version\":\"1\"}";

static void fill(uint8_t digest[MOLT_SHA256_SIZE], uint8_t byte)
{
    memset(digest, byte, MOLT_SHA256_SIZE);
}

static void add_chunk(struct molt_manifest *manifest, uint8_t codec, uint32_t size)
{
    struct molt_chunk *chunk = &manifest->chunk[manifest->chunk_count++];
    chunk->codec = codec;
    chunk->encoded_size = size;
    fill(chunk->sha256, (uint8_t)(0xC0 + manifest->chunk_count));
}

void sample_manifest(struct molt_manifest *manifest)
{
    memset(manifest, 0, sizeof *manifest);
    manifest->sequence = 70000;
    strcpy(manifest->board, "ESP32_GENERIC");
    manifest->chip_id = 5;
    manifest->slot_size = 0x20000;
    manifest->min_bootloader = 0x050004;
    manifest->mpy_abi = 0x0603;
    manifest->info = (const uint8_t *)sample_info;
    manifest->info_size = sizeof sample_info;
    manifest->issued = 1800000000;
    manifest->expires = 1900000000;
    manifest->allow_downgrade = true;
    manifest->payload_count = 3;
    struct molt_payload *app = &manifest->payload[0];
    strcpy(app->name, "app");
    app->length = 0x10000 + 1000;
    app->chunk_log2 = 16;
    app->chunk_count = 2;
    fill(app->sha256, 0xA1);
    add_chunk(manifest, MOLT_CODEC_RAW, 0x10000);
    add_chunk(manifest, MOLT_CODEC_DEFLATE, 999);
    struct molt_payload *system = &manifest->payload[1];
    system->role = MOLT_ROLE_FILE_SYSTEM;
    strcpy(system->name, "vfs");
    system->length = 0x20000;
    system->chunk_log2 = 17;
    system->first_chunk = 2;
    system->chunk_count = 1;
    system->has_base = true;
    fill(system->sha256, 0xA2);
    fill(system->base_sha256, 0xB2);
    add_chunk(manifest, MOLT_CODEC_DELTA, 12345);
    struct molt_payload *release = &manifest->payload[2];
    release->role = MOLT_ROLE_RELEASE;
    strcpy(release->name, "release");
    release->length = 300;
    release->mpy_abi = 0x0602;
    release->chunk_log2 = 22;
    release->first_chunk = 3;
    release->chunk_count = 1;
    release->list_size = 100;
    fill(release->sha256, 0xA3);
    fill(release->list_sha256, 0xB3);
    add_chunk(manifest, MOLT_CODEC_DEFLATE, 150);
}

size_t sample_unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[0] && hex[1]; hex += 2) {
        unsigned value;
        assert_int_equal(sscanf(hex, "%2x", &value), 1);
        out[n++] = (uint8_t)value;
    }
    return n;
}

size_t sample_patch(uint8_t *bytes, size_t n, size_t capacity, const char *from, const char *to)
{
    uint8_t old[256], new[2048];
    size_t old_size = sample_unhex(from, old), new_size = sample_unhex(to, new), found = n;
    int count = 0;
    for (size_t i = 0; i + old_size <= n; i++) {
        if (memcmp(bytes + i, old, old_size) == 0) {
            found = i;
            count++;
        }
    }
    assert_int_equal(count, 1);
    assert_true(n - old_size + new_size <= capacity);
    memmove(bytes + found + new_size, bytes + found + old_size, n - found - old_size);
    memcpy(bytes + found, new, new_size);
    return n - old_size + new_size;
}

size_t sample_read(const char *path, uint8_t *out, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(out, 1, capacity, file);
    assert_true(feof(file) || fgetc(file) == EOF);
    fclose(file);
    return n;
}
