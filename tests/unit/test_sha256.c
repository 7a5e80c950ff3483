#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/sha.h>

#include "molt/crypto.h"

static void assert_digest(const uint8_t digest[MOLT_SHA256_SIZE], const char *hex)
{
    char text[2 * MOLT_SHA256_SIZE + 1];
    for (unsigned i = 0; i < MOLT_SHA256_SIZE; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    assert_string_equal(text, hex);
}

/* The examples of FIPS 180-2, appendix B, and the empty message of the NIST test vectors. */
static void nist_examples(void **unused)
{
    static const struct {
        const char *message, *digest;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    (void)unused;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t digest[MOLT_SHA256_SIZE];
        molt_sha256_of(rows[i].message, strlen(rows[i].message), digest);
        assert_digest(digest, rows[i].digest);
    }
}

static void a_million_times_a(void **unused)
{
    struct molt_digest_state state;
    uint8_t digest[MOLT_SHA256_SIZE];
    char piece[1000];
    (void)unused;
    memset(piece, 'a', sizeof piece);
    molt_sha256.start(&state);
    for (unsigned i = 0; i < 1000; i++) {
        molt_sha256.update(&state, piece, sizeof piece);
    }
    molt_sha256.finish(&state, digest);
    assert_digest(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around the padding's edges, cut in two at every place, against OpenSSL. */
static void all_lengths_and_splits(void **unused)
{
    uint8_t data[200], ours[MOLT_SHA256_SIZE], theirs[MOLT_SHA256_SIZE];
    (void)unused;
    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t n = 0; n <= sizeof data; n++) {
        SHA256(data, n, theirs);
        for (size_t split = 0; split <= n; split++) {
            struct molt_digest_state state;
            molt_sha256.start(&state);
            molt_sha256.update(&state, data, split);
            molt_sha256.update(&state, data + split, n - split);
            molt_sha256.finish(&state, ours);
            assert_memory_equal(ours, theirs, sizeof ours);
        }
    }
}

static void copying_the_state_forks_the_digest(void **unused)
{
    struct molt_digest_state state, fork;
    uint8_t digest[MOLT_SHA256_SIZE];
    (void)unused;
    molt_sha256.start(&state);
    molt_sha256.update(&state, "ab", 2);
    fork = state;
    molt_sha256.update(&state, "x", 1);
    molt_sha256.finish(&state, digest);
    molt_sha256.update(&fork, "c", 1);
    molt_sha256.finish(&fork, digest);
    assert_digest(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void key_id_is_the_start_of_the_digest(void **unused)
{
    uint8_t key[MOLT_P256_PUBLIC_SIZE], digest[MOLT_SHA256_SIZE], id[MOLT_KEY_ID_SIZE];
    (void)unused;
    for (unsigned i = 0; i < sizeof key; i++) {
        key[i] = (uint8_t)i;
    }
    SHA256(key, sizeof key, digest);
    molt_key_id(key, id);
    assert_memory_equal(id, digest, sizeof id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nist_examples),
        cmocka_unit_test(a_million_times_a),
        cmocka_unit_test(all_lengths_and_splits),
        cmocka_unit_test(copying_the_state_forks_the_digest),
        cmocka_unit_test(key_id_is_the_start_of_the_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
