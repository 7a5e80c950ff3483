#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "molt/host/crypto.h"
#include "molt/pack/bundle.h"
#include "sample_bundle.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define VECTORS      TEST_DATA "/vectors/bundle/"

/* Half text, half noise, so that both codecs are used. */
#define APP_SIZE (2 * 0x10000 + 5000)
static uint8_t app[APP_SIZE];

static const struct molt_pack_file files[] = {
    {"main.py", (const uint8_t *)"print(1)\n", 9, 0},
    {"lib/a.py", (const uint8_t *)"a = 1\n", 6, MOLT_KEEP_IF_CHANGED},
    {"empty", NULL, 0, 0},
};

static struct molt_key key;

static int set_up(void **state)
{
    (void)state;
    uint32_t noise = 1;
    for (size_t i = 0; i < APP_SIZE; i++) {
        noise = noise * 1664525 + 1013904223;
        app[i] = i < 0x10000 ? (uint8_t)("molt "[i % 5] + (i % 97 == 0)) : (uint8_t)(noise >> 24);
    }
    return molt_key_open(&key, VECTORS "key.pem", NULL);
}

static int tear_down(void **state)
{
    (void)state;
    molt_key_close(&key);
    return 0;
}

static struct molt_pack_input sample_input(void)
{
    return (struct molt_pack_input){.app = app,
                                    .app_size = APP_SIZE,
                                    .chip_id = 5,
                                    .files = files,
                                    .file_count = COUNT(files),
                                    .sequence = 3,
                                    .board = "BOARD",
                                    .min_bootloader = 0x050004,
                                    .mpy_abi = 0x0603,
                                    .info = "{}",
                                    .issued = 1800000000,
                                    .expires = 1800000001};
}

static void build(struct molt_bytes *bundle, struct molt_bundle_view *view,
                  const struct molt_pack_input *input)
{
    struct molt_diag diag = {0};
    assert_int_equal(molt_bundle_build(bundle, input, &key.signer, NULL, &diag), MOLT_OK);
    assert_int_equal(molt_bundle_open(view, bundle->data, bundle->size, &diag), MOLT_OK);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct molt_bytes bundle, content;
    struct molt_bundle_view view;
    struct molt_pack_input input = sample_input();
    build(&bundle, &view, &input);
    const struct molt_manifest *manifest = &view.manifest;
    assert_int_equal(manifest->sequence, 3);
    assert_string_equal(manifest->board, "BOARD");
    assert_int_equal(manifest->chip_id, 5);
    assert_int_equal(manifest->slot_size, 0x22000); /* whole sectors */
    assert_int_equal(manifest->min_bootloader, 0x050004);
    assert_int_equal(manifest->mpy_abi, 0x0603);
    assert_string_equal((const char *)manifest->info, "firmware::info:{}");
    assert_true(manifest->issued == 1800000000 && manifest->expires == 1800000001);
    assert_false(manifest->allow_downgrade);
    assert_int_equal(manifest->payload_count, 2);
    const struct molt_payload *part = molt_manifest_payload(manifest, MOLT_ROLE_APP);
    assert_int_equal(part->chunk_count, 3);
    assert_int_equal(manifest->chunk[0].codec, MOLT_CODEC_DEFLATE);
    assert_int_equal(manifest->chunk[1].codec, MOLT_CODEC_RAW);
    assert_int_equal(manifest->chunk[2].codec, MOLT_CODEC_RAW);
    assert_int_equal(molt_bundle_decode(&view, part, &content, NULL), MOLT_OK);
    assert_int_equal(content.size, APP_SIZE);
    assert_memory_equal(content.data, app, APP_SIZE);
    molt_bytes_free(&content);
    struct molt_trusted_key trusted = {.uses = MOLT_KEY_BUNDLES};
    memcpy(trusted.public_key, key.signer.public_key, sizeof trusted.public_key);
    assert_int_equal(
        molt_cose_verify(&view.cose, &trusted, 1, MOLT_KEY_BUNDLES, &molt_openssl_verifier, NULL),
        MOLT_OK);
    molt_bytes_free(&bundle);
}

static void test_release(void **state)
{
    (void)state;
    struct molt_bytes bundle, pack;
    struct molt_bundle_view view;
    struct molt_release_reader reader;
    struct molt_release_file file;
    static const char *const order[] = {"empty", "lib/a.py", "main.py"};
    static const char *const text[] = {"", "a = 1\n", "print(1)\n"};
    struct molt_pack_input input = sample_input();
    build(&bundle, &view, &input);
    const struct molt_payload *payload = molt_manifest_payload(&view.manifest, MOLT_ROLE_RELEASE);
    assert_string_equal(payload->name, "release");
    assert_int_equal(molt_bundle_decode(&view, payload, &pack, NULL), MOLT_OK);
    assert_int_equal(molt_release_start(&reader, pack.data, payload->list_size, payload->length),
                     MOLT_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(molt_release_next(&reader, &file), MOLT_OK);
        assert_string_equal(file.path, order[i]);
        assert_int_equal(file.length, strlen(text[i]));
        assert_memory_equal(pack.data + file.offset, text[i], file.length);
        assert_int_equal(file.policy, i == 1 ? MOLT_KEEP_IF_CHANGED : MOLT_KEEP_REPLACE);
    }
    assert_int_equal(molt_release_next(&reader, &file), MOLT_DONE);
    molt_bytes_free(&pack);
    molt_bytes_free(&bundle);
}

/* The same but for the signature, whatever the order of the files. */
static void test_deterministic(void **state)
{
    (void)state;
    struct molt_bytes a, b;
    struct molt_bundle_view one, two;
    struct molt_pack_file turned[COUNT(files)];
    struct molt_pack_input input = sample_input();
    build(&a, &one, &input);
    for (size_t i = 0; i < COUNT(files); i++) {
        turned[i] = files[COUNT(files) - 1 - i];
    }
    input.files = turned;
    build(&b, &two, &input);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(one.manifest.digest, two.manifest.digest, MOLT_SHA256_SIZE);
    size_t signature = (size_t)(one.cose.signature - a.data);
    memcpy(b.data + signature, a.data + signature, MOLT_P256_SIGNATURE_SIZE);
    assert_memory_equal(a.data, b.data, a.size);
    molt_bytes_free(&a);
    molt_bytes_free(&b);
}

/* A larger payload takes larger chunks; a small one beside it keeps small ones. */
static void test_chunk_sizes(void **state)
{
    (void)state;
    static const struct {
        uint32_t app_size, log2, chunks;
    } rows[] = {{1, 16, 1},
                {0x10000, 16, 1},
                {0x10001, 16, 2},
                {63 << 16, 16, 63},
                {(63 << 16) + 1, 17, 32},
                {126 << 16, 17, 63},
                {(126 << 16) + 1, 18, 32}};
    uint8_t *large = calloc(1, (126 << 16) + 1);
    assert_non_null(large);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct molt_bytes bundle;
        struct molt_bundle_view view;
        struct molt_pack_input input = sample_input();
        input.app = large;
        input.app_size = rows[i].app_size;
        build(&bundle, &view, &input);
        const struct molt_payload *payload = molt_manifest_payload(&view.manifest, MOLT_ROLE_APP);
        assert_int_equal(payload->chunk_log2, rows[i].log2);
        assert_int_equal(payload->chunk_count, rows[i].chunks);
        assert_int_equal(view.manifest.payload[1].chunk_log2, 16);
        assert_true(view.manifest.data_offset <= 4096);
        molt_bytes_free(&bundle);
    }
    free(large);
}

static void test_raw_only(void **state)
{
    (void)state;
    struct molt_bytes bundle;
    struct molt_bundle_view view;
    struct molt_pack_input input = sample_input();
    input.codec = MOLT_PACK_RAW;
    input.files = NULL;
    build(&bundle, &view, &input);
    assert_int_equal(bundle.size, view.manifest.data_offset + APP_SIZE);
    assert_memory_equal(bundle.data + view.manifest.data_offset, app, APP_SIZE);
    molt_bytes_free(&bundle);
}

static int refused(const struct molt_pack_input *input, uint32_t *offset)
{
    struct molt_bytes bundle;
    struct molt_diag diag = {0};
    int result = molt_bundle_build(&bundle, input, &key.signer, NULL, &diag);
    assert_null(bundle.data);
    assert_int_equal(diag.error, result);
    if (offset) {
        *offset = diag.offset;
    }
    return result;
}

#define REFUSED(code, change)                                                                      \
    do {                                                                                           \
        struct molt_pack_input in = sample_input();                                                \
        change;                                                                                    \
        assert_int_equal(refused(&in, NULL), code);                                                \
    } while (0)

static void test_refusals(void **state)
{
    (void)state;
    static char long_info[1100];
    memset(long_info, 'x', sizeof long_info - 1);
    REFUSED(MOLT_E_ARGUMENT, in.sequence = 0);
    REFUSED(MOLT_E_ARGUMENT, in.app = NULL; in.files = NULL);
    REFUSED(MOLT_E_ARGUMENT, in.app_size = 0);
    REFUSED(MOLT_E_ARGUMENT, in.file_count = 0);
    REFUSED(MOLT_E_ARGUMENT, in.file_count = MOLT_BUNDLE_FILE_MAX + 1);
    REFUSED(MOLT_E_ARGUMENT, in.board = "12345678901234567890123456789012");
    REFUSED(MOLT_E_ARGUMENT, in.board = "a\nb");
    REFUSED(MOLT_E_ARGUMENT, in.release_name = "12345678901234567");
    REFUSED(MOLT_E_ARGUMENT, in.slot_size = APP_SIZE - 1);
    REFUSED(MOLT_E_ARGUMENT, in.info = "");
    REFUSED(MOLT_E_ARGUMENT, in.info = long_info);
}

/* A byte more than 64 chunks of the largest kind. */
static void test_too_large(void **state)
{
    (void)state;
    uint8_t *large = calloc(1, ((size_t)64 << 22) + 1);
    assert_non_null(large);
    struct molt_pack_input input = sample_input();
    input.app = large;
    input.app_size = (64u << 22) + 1;
    assert_int_equal(refused(&input, NULL), MOLT_E_NO_SPACE);
    free(large);
}

static int refused_files(const struct molt_pack_file *list, uint32_t count, uint32_t *index)
{
    struct molt_pack_input input = sample_input();
    input.files = list;
    input.file_count = count;
    return refused(&input, index);
}

static void test_refused_paths(void **state)
{
    (void)state;
    uint32_t index;
    char longer[101];
    memset(longer, 'a', 100);
    longer[100] = 0;
    const char *const bad[] = {"", "/a", "../a", "a//b", "a\\b", longer};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct molt_pack_file list[2] = {{"z", app, 1, 0}, {bad[i], app, 1, 0}};
        assert_int_equal(refused_files(list, 2, &index), MOLT_E_RELEASE);
        assert_int_equal(index, 1);
    }
    const struct molt_pack_file twice[] = {{"a", app, 1, 0}, {"b", app, 1, 0}, {"a", app, 2, 0}};
    assert_int_equal(refused_files(twice, 3, NULL), MOLT_E_RELEASE);
    const struct molt_pack_file both[] = {{"a/b", app, 1, 0}, {"a-c", app, 1, 0}, {"a", app, 2, 0}};
    assert_int_equal(refused_files(both, 3, &index), MOLT_E_RELEASE);
    assert_int_equal(index, 2);
    const struct molt_pack_file gone[] = {{"a", app, 1, MOLT_KEEP_DELETE}};
    assert_int_equal(refused_files(gone, 1, &index), MOLT_E_RELEASE);
    /* The list has room for about 60 files. */
    static struct molt_pack_file many[200];
    static char names[200][8];
    for (int i = 0; i < 200; i++) {
        names[i][0] = (char)('a' + i / 20);
        names[i][1] = (char)('a' + i % 20);
        many[i] = (struct molt_pack_file){names[i], app, 1, 0};
    }
    assert_int_equal(refused_files(many, 200, NULL), MOLT_E_NO_SPACE);
}

static int pack_mpy(const uint8_t (*heads)[4], uint32_t count, uint16_t app_abi, uint16_t *abi)
{
    static const char *const names[] = {"a.mpy", "b.mpy", "c.mpy"};
    struct molt_pack_file list[3];
    struct molt_pack_input input = sample_input();
    struct molt_bytes bundle;
    struct molt_bundle_view view;
    for (uint32_t i = 0; i < count; i++) {
        list[i] = (struct molt_pack_file){names[i], heads[i], 4, 0};
    }
    input.files = list;
    input.file_count = count;
    input.mpy_abi = app_abi;
    int error = molt_bundle_build(&bundle, &input, &key.signer, NULL, NULL);
    if (!error) {
        assert_int_equal(molt_bundle_open(&view, bundle.data, bundle.size, NULL), MOLT_OK);
        *abi = view.manifest.payload[1].mpy_abi;
    }
    molt_bytes_free(&bundle);
    return error;
}

/* 'M', 6, architecture << 2 | sub-version: bytecode fits any 6.x, native code one of them. */
static void test_mpy(void **state)
{
    (void)state;
    static const uint8_t bytecode[1][4] = {{'M', 6, 0, 31}}, old[1][4] = {{'M', 5, 0, 31}},
                         native[2][4] = {{'M', 6, 0, 31}, {'M', 6, 10 << 2 | 3, 31}},
                         mixed[2][4] = {{'M', 6, 10 << 2 | 2, 31}, {'M', 6, 10 << 2 | 3, 31}},
                         text[1][4] = {{'#', ' ', 'h', 'i'}};
    uint16_t abi = 9;
    assert_int_equal(pack_mpy(bytecode, 1, 0x0602, &abi), MOLT_OK);
    assert_int_equal(abi, 0);
    assert_int_equal(pack_mpy(native, 2, 0x0603, &abi), MOLT_OK);
    assert_int_equal(abi, 0x0603);
    assert_int_equal(pack_mpy(native, 2, 0, &abi), MOLT_OK);
    assert_int_equal(abi, 0x0603);
    assert_int_equal(pack_mpy(native, 2, 0x0602, &abi), MOLT_E_MPY_ABI);
    assert_int_equal(pack_mpy(old, 1, 0x0602, &abi), MOLT_E_MPY_ABI);
    assert_int_equal(pack_mpy(old, 1, 0, &abi), MOLT_OK);
    assert_int_equal(pack_mpy(mixed, 2, 0, &abi), MOLT_E_MPY_ABI);
    assert_int_equal(pack_mpy(text, 1, 0, &abi), MOLT_E_MPY_ABI);
}

static int stop(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    assert_true(done <= total);
    return --*(int *)context < 0;
}

static int no_signature(void *context, const uint8_t digest[MOLT_SHA256_SIZE],
                        uint8_t signature[MOLT_P256_SIGNATURE_SIZE])
{
    (void)context;
    (void)digest;
    (void)signature;
    return MOLT_E_IO;
}

static void test_cancelled_and_unsigned(void **state)
{
    (void)state;
    struct molt_bytes bundle;
    struct molt_pack_input input = sample_input();
    for (int after = 0; after < 3; after++) {
        int count = after;
        struct molt_progress progress = {stop, &count};
        assert_int_equal(molt_bundle_build(&bundle, &input, &key.signer, &progress, NULL),
                         MOLT_E_CANCELLED);
        assert_null(bundle.data);
    }
    struct molt_signer broken = {.sign = no_signature};
    assert_int_equal(molt_bundle_build(&bundle, &input, &broken, NULL, NULL), MOLT_E_IO);
    assert_null(bundle.data);
}

static void test_open_errors(void **state)
{
    (void)state;
    struct molt_bytes bundle;
    struct molt_bundle_view view;
    struct molt_diag diag;
    struct molt_pack_input input = sample_input();
    input.app = NULL;
    build(&bundle, &view, &input);
    uint32_t data = view.manifest.data_offset;
    uint8_t *copy = malloc(bundle.size + 1);
    assert_non_null(copy);
    memcpy(copy, bundle.data, bundle.size);
    copy[bundle.size] = 0;
    for (size_t n = 0; n < bundle.size; n++) {
        assert_int_equal(molt_bundle_open(&view, copy, n, &diag),
                         n < 8 ? MOLT_E_BUNDLE_MAGIC : MOLT_E_BUNDLE_TRUNCATED);
    }
    assert_int_equal(molt_bundle_open(&view, copy, bundle.size + 1, &diag),
                     MOLT_E_BUNDLE_MALFORMED);
    assert_int_equal(diag.offset, bundle.size);
    copy[8]++; /* an envelope that takes a byte of the first chunk */
    assert_int_equal(molt_bundle_open(&view, copy, bundle.size, &diag), MOLT_E_BUNDLE_MALFORMED);
    assert_int_equal(diag.offset, data); /* in the file, not in the envelope */
    copy[8]--;
    size_t version = (size_t)(view.cose.payload - copy) + 2;
    copy[version] = 2;
    assert_int_equal(molt_bundle_open(&view, copy, bundle.size, &diag), MOLT_E_UNSUPPORTED);
    copy[version] = 0;
    assert_int_equal(molt_bundle_open(&view, copy, bundle.size, &diag), MOLT_E_BUNDLE_MALFORMED);
    assert_in_range(diag.offset, version, version + 1);
    free(copy);
    molt_bytes_free(&bundle);
}

/* Any other byte in a chunk: refused, or (where deflate has spare bits) the same content. */
static void test_every_byte_of_chunks(void **state)
{
    (void)state;
    static const uint8_t text[400] = "the quick brown fox jumps over the lazy dog, the lazy dog";
    static const struct molt_pack_file one = {"main.py", text, sizeof text, 0};
    struct molt_bytes bundle, content;
    struct molt_bundle_view view;
    for (int codec = MOLT_PACK_SMALLEST; codec <= MOLT_PACK_RAW; codec++) {
        struct molt_pack_input input = sample_input();
        input.app = text;
        input.app_size = sizeof text;
        input.files = &one;
        input.file_count = 1;
        input.codec = (enum molt_pack_codec)codec;
        build(&bundle, &view, &input);
        const struct molt_payload *payload = &view.manifest.payload[0];
        uint32_t decode = 0, hash = 0, same = 0, size = view.manifest.chunk[0].encoded_size;
        assert_int_equal(view.manifest.chunk[0].codec,
                         codec == MOLT_PACK_RAW ? MOLT_CODEC_RAW : MOLT_CODEC_DEFLATE);
        for (uint32_t i = 0; i < size; i++) {
            uint8_t *byte = bundle.data + view.manifest.data_offset + i;
            for (int flip = 1; flip < 256; flip++) {
                *byte ^= (uint8_t)flip;
                int error = molt_bundle_decode(&view, payload, &content, NULL);
                if (error == MOLT_OK) {
                    assert_memory_equal(content.data, text, sizeof text);
                    molt_bytes_free(&content);
                }
                decode += error == MOLT_E_CHUNK_DECODE;
                hash += error == MOLT_E_CHUNK_HASH;
                same += error == MOLT_OK;
                *byte ^= (uint8_t)flip;
            }
        }
        assert_int_equal(decode + hash + same, size * 255);
        assert_true(hash > 0 && (codec == MOLT_PACK_RAW) == (decode == 0));
        assert_true(codec == MOLT_PACK_SMALLEST || same == 0);
        molt_bytes_free(&bundle);
    }
}

/* Rebuilds an envelope around the view's manifest, changed; the chunks stay. */
static void reseal(struct molt_bytes *bundle, struct molt_bundle_view *view,
                   const struct molt_manifest *manifest)
{
    uint8_t payload[MOLT_ENVELOPE_MAX];
    uint8_t *out = malloc(bundle->size + 64);
    assert_non_null(out);
    int n = molt_manifest_write(manifest, payload, sizeof payload);
    int size = molt_cose_sign(out + MOLT_BUNDLE_HEAD, bundle->size, MOLT_CONTENT_BUNDLE, payload,
                              (size_t)n, &key.signer);
    assert_true(n > 0 && size > 0);
    memcpy(out, MOLT_BUNDLE_MAGIC, 8);
    out[8] = (uint8_t)size;
    out[9] = (uint8_t)(size >> 8);
    out[10] = out[11] = 0;
    size_t data = bundle->size - view->manifest.data_offset;
    memcpy(out + MOLT_BUNDLE_HEAD + size, bundle->data + view->manifest.data_offset, data);
    free(bundle->data);
    *bundle = (struct molt_bytes){out, MOLT_BUNDLE_HEAD + (size_t)size + data};
    assert_int_equal(molt_bundle_open(view, out, bundle->size, NULL), MOLT_OK);
}

/* A signed manifest that does not fit its chunks: each hash is looked at. */
static void test_wrong_hashes(void **state)
{
    (void)state;
    for (int what = 0; what < 4; what++) {
        struct molt_bytes bundle, content;
        struct molt_bundle_view view;
        struct molt_diag diag;
        struct molt_pack_input input = sample_input();
        input.app = NULL;
        input.codec = MOLT_PACK_RAW;
        build(&bundle, &view, &input);
        struct molt_manifest manifest = view.manifest;
        static const int expected[] = {MOLT_E_CHUNK_HASH, MOLT_E_VERIFY, MOLT_E_RELEASE,
                                       MOLT_E_UNSUPPORTED};
        if (what == 0) {
            manifest.chunk[0].sha256[0] ^= 1;
        } else if (what == 1) {
            manifest.payload[0].sha256[0] ^= 1;
        } else if (what == 2) {
            manifest.payload[0].list_sha256[0] ^= 1;
        } else {
            manifest.chunk[0].codec = MOLT_CODEC_DELTA;
            manifest.payload[0].has_base = true;
        }
        reseal(&bundle, &view, &manifest);
        assert_int_equal(molt_bundle_decode(&view, &view.manifest.payload[0], &content, &diag),
                         expected[what]);
        assert_int_equal(diag.error, expected[what]);
        assert_null(content.data);
        molt_bytes_free(&bundle);
    }
}

/* The vector of the specification, byte by byte. */
static void test_vector(void **state)
{
    (void)state;
    static const struct molt_pack_file one = {"main.py", (const uint8_t *)"print(1)\n", 9, 0};
    static uint8_t bytes[1024];
    struct molt_bundle_view view, again;
    struct molt_bytes bundle;
    size_t n = sample_read(VECTORS "tiny.molt", bytes, sizeof bytes);
    assert_int_equal(molt_bundle_open(&view, bytes, n, NULL), MOLT_OK);
    struct molt_trusted_key trusted = {.uses = MOLT_KEY_BUNDLES};
    assert_int_equal(molt_public_key_read(VECTORS "key.pem.pub", trusted.public_key, NULL),
                     MOLT_OK);
    assert_int_equal(
        molt_cose_verify(&view.cose, &trusted, 1, MOLT_KEY_BUNDLES, &molt_openssl_verifier, NULL),
        MOLT_OK);
    struct molt_pack_input input = {
        .files = &one, .file_count = 1, .sequence = 7, .board = "DEMO", .issued = 1800000000};
    build(&bundle, &again, &input);
    assert_int_equal(bundle.size, n);
    memcpy(bundle.data + (view.cose.signature - bytes), view.cose.signature,
           MOLT_P256_SIGNATURE_SIZE);
    assert_memory_equal(bundle.data, bytes, n);
    molt_bytes_free(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_release),
        cmocka_unit_test(test_deterministic), cmocka_unit_test(test_chunk_sizes),
        cmocka_unit_test(test_raw_only),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_large),     cmocka_unit_test(test_refused_paths),
        cmocka_unit_test(test_mpy),           cmocka_unit_test(test_cancelled_and_unsigned),
        cmocka_unit_test(test_open_errors),   cmocka_unit_test(test_every_byte_of_chunks),
        cmocka_unit_test(test_wrong_hashes),  cmocka_unit_test(test_vector),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
