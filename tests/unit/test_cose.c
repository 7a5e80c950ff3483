#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "molt/cose.h"
#include "molt/host/crypto.h"
#include "sample_bundle.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define KEY_FILE     TEST_DATA "/vectors/bundle/key.pem"

static uint8_t envelope[512];

static size_t seal(const struct molt_signer *signer)
{
    int n = molt_cose_sign(envelope, sizeof envelope, MOLT_CONTENT_BUNDLE, "payload", 7, signer);
    assert_true(n > 0);
    return (size_t)n;
}

/* A signature that is recognised in the bytes. */
static int sign_with_ee(void *context, const uint8_t digest[MOLT_SHA256_SIZE],
                        uint8_t signature[MOLT_P256_SIGNATURE_SIZE])
{
    (void)digest;
    memset(signature, 0xEE, MOLT_P256_SIGNATURE_SIZE);
    return context ? *(int *)context : MOLT_OK;
}

static const struct molt_signer fake = {.sign = sign_with_ee};

static int parse(size_t n)
{
    struct molt_cose cose;
    struct molt_diag diag = {0};
    int result = molt_cose_parse(&cose, envelope, n, MOLT_CONTENT_BUNDLE, &diag);
    assert_int_equal(diag.error, result);
    assert_true(diag.offset <= n);
    return result;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct molt_key key;
    struct molt_cose cose;
    size_t index = 9;
    uint8_t id[MOLT_KEY_ID_SIZE];
    assert_int_equal(molt_key_open(&key, KEY_FILE, NULL), MOLT_OK);
    size_t n = seal(&key.signer);
    assert_int_equal(molt_cose_parse(&cose, envelope, n, MOLT_CONTENT_BUNDLE, NULL), MOLT_OK);
    assert_int_equal(cose.size, n);
    assert_int_equal(cose.payload_size, 7);
    assert_memory_equal(cose.payload, "payload", 7);
    molt_key_id(key.signer.public_key, id);
    assert_memory_equal(cose.key_id, id, sizeof id);
    struct molt_trusted_key keys[2] = {{.uses = MOLT_KEY_BUNDLES}, {.uses = MOLT_KEY_BUNDLES}};
    memcpy(keys[1].public_key, key.signer.public_key, sizeof keys[1].public_key);
    assert_int_equal(
        molt_cose_verify(&cose, keys, 2, MOLT_KEY_BUNDLES, &molt_openssl_verifier, &index),
        MOLT_OK);
    assert_int_equal(index, 1);
    /* A key that may sign channels only is not known for bundles. */
    keys[1].uses = MOLT_KEY_CHANNELS;
    assert_int_equal(
        molt_cose_verify(&cose, keys, 2, MOLT_KEY_BUNDLES, &molt_openssl_verifier, NULL),
        MOLT_E_KEY_UNKNOWN);
    assert_int_equal(
        molt_cose_verify(&cose, keys, 2, MOLT_KEY_CHANNELS, &molt_openssl_verifier, NULL), MOLT_OK);
    assert_int_equal(
        molt_cose_verify(&cose, keys, 0, MOLT_KEY_BUNDLES, &molt_openssl_verifier, NULL),
        MOLT_E_KEY_UNKNOWN);
    molt_key_close(&key);
}

/* Every byte of the envelope counts: none may be another and the envelope still be good. */
static void test_every_byte(void **state)
{
    (void)state;
    static const uint8_t flips[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF};
    struct molt_key key;
    struct molt_cose cose;
    int structure = 0, unknown = 0, signature = 0;
    assert_int_equal(molt_key_open(&key, KEY_FILE, NULL), MOLT_OK);
    size_t n = seal(&key.signer);
    struct molt_trusted_key trusted = {.uses = MOLT_KEY_BUNDLES};
    memcpy(trusted.public_key, key.signer.public_key, sizeof trusted.public_key);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < COUNT(flips); k++) {
            envelope[i] ^= flips[k];
            int error = molt_cose_parse(&cose, envelope, n, MOLT_CONTENT_BUNDLE, NULL);
            structure += error != 0;
            if (!error) {
                error = molt_cose_verify(&cose, &trusted, 1, MOLT_KEY_BUNDLES,
                                         &molt_openssl_verifier, NULL);
                unknown += error == MOLT_E_KEY_UNKNOWN;
                signature += error == MOLT_E_SIGNATURE;
            }
            assert_int_not_equal(error, MOLT_OK);
            envelope[i] ^= flips[k];
        }
    }
    assert_int_equal(unknown, 8 * COUNT(flips)); /* the bytes of the key id */
    assert_int_equal(signature, (7 + 64) * COUNT(flips));
    assert_int_equal(structure + unknown + signature, n * COUNT(flips));
    molt_key_close(&key);
}

/* An envelope that names no key is tried with each that may sign. */
static void test_no_key_id(void **state)
{
    (void)state;
    struct molt_key key;
    struct molt_cose cose;
    size_t index;
    char id_hex[40] = "a10448";
    assert_int_equal(molt_key_open(&key, KEY_FILE, NULL), MOLT_OK);
    size_t n = seal(&key.signer);
    strcat(id_hex, "d5ce7c8adbf3fc03");
    n = sample_patch(envelope, n, sizeof envelope, id_hex, "a0");
    assert_int_equal(molt_cose_parse(&cose, envelope, n, MOLT_CONTENT_BUNDLE, NULL), MOLT_OK);
    assert_null(cose.key_id);
    struct molt_trusted_key keys[3] = {
        {.uses = MOLT_KEY_BUNDLES}, {.uses = MOLT_KEY_CHANNELS}, {.uses = MOLT_KEY_BUNDLES}};
    memcpy(keys[2].public_key, key.signer.public_key, sizeof keys[2].public_key);
    assert_int_equal(
        molt_cose_verify(&cose, keys, 3, MOLT_KEY_BUNDLES, &molt_openssl_verifier, &index),
        MOLT_OK);
    assert_int_equal(index, 2);
    assert_int_equal(
        molt_cose_verify(&cose, keys, 2, MOLT_KEY_BUNDLES, &molt_openssl_verifier, &index),
        MOLT_E_SIGNATURE);
    assert_int_equal(
        molt_cose_verify(&cose, keys + 1, 1, MOLT_KEY_BUNDLES, &molt_openssl_verifier, &index),
        MOLT_E_KEY_UNKNOWN);
    molt_key_close(&key);
}

/* Content type as text of 32: 3 is the key, 7820 the head. */
static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        int result;
    } rows[] = {
        {"d2845826", "845826", MOLT_E_FORMAT},       /* untagged */
        {"d2845826", "d1845826", MOLT_E_FORMAT},     /* COSE_Mac0 */
        {"d2845826", "d2855826", MOLT_E_FORMAT},     /* five elements */
        {"d2845826", "d2835826", MOLT_E_FORMAT},     /* three */
        {"d2845826", "d2a45826", MOLT_E_FORMAT},     /* a map */
        {"d2845826", "d2847826", MOLT_E_FORMAT},     /* protected as text */
        {"d2845826", "d90012845826", MOLT_E_FORMAT}, /* longer than needed */
        {"d2845826a2", "d2845827a200", MOLT_E_FORMAT},
        {"5826a20126", "5826a20127", MOLT_E_UNSUPPORTED},   /* EdDSA */
        {"5826a20126", "5827a2013822", MOLT_E_UNSUPPORTED}, /* ES384 */
        {"5826a20126", "5826a20106", MOLT_E_UNSUPPORTED},
        {"5826a20126", "5826a20226", MOLT_E_FORMAT},
        {"5826a2012603", "5829a3012602810103", MOLT_E_FORMAT}, /* crit */
        {"5826a2012603", "5826a2012604", MOLT_E_FORMAT},
        {"5826a20126", "5826a10126", MOLT_E_FORMAT},
        {"5826a20126", "5824a226", MOLT_E_FORMAT},
        {"037820", "035820", MOLT_E_FORMAT},
        {"63626f72a1", "63626f73a1", MOLT_E_FORMAT},
        {"626f72a10448", "626f72a10548", MOLT_E_FORMAT},
        {"72a10448", "72a20448", MOLT_E_FORMAT},
        {"72a10448", "72810448", MOLT_E_FORMAT},
        {"72a10448", "72a10468", MOLT_E_FORMAT},
        {"72a10448", "72a1044900", MOLT_E_FORMAT}, /* 9 bytes */
        {"477061796c6f6164", "677061796c6f6164", MOLT_E_FORMAT},
        {"477061796c6f6164", "f6", MOLT_E_FORMAT}, /* detached */
        {"5840ee", "7840ee", MOLT_E_FORMAT},
        {"5840eeee", "583feeee", MOLT_E_FORMAT},
        {"5840eeee", "5841eeeeee", MOLT_E_FORMAT},
        {"5840eeee", "5840ee", MOLT_E_TRUNCATED},
        {"5840eeee", "5840eeeeee", MOLT_E_FORMAT}, /* a byte behind the envelope */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t n = seal(&fake);
        assert_int_equal(parse(n), MOLT_OK);
        int result = parse(sample_patch(envelope, n, sizeof envelope, rows[i].from, rows[i].to));
        if (result != rows[i].result) {
            fail_msg("row %zu, %s to %s: %d", i, rows[i].from, rows[i].to, result);
        }
    }
}

/* A content type that is a beginning of the other, or the other way round. */
static void test_content_type(void **state)
{
    (void)state;
    struct molt_cose cose;
    struct molt_diag diag = {0};
    size_t n = seal(&fake);
    static const char *const others[] = {MOLT_CONTENT_CHANNEL, "", "application/vnd.molt.bundle",
                                         MOLT_CONTENT_BUNDLE "x"};
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_int_equal(molt_cose_parse(&cose, envelope, n, others[i], &diag), MOLT_E_FORMAT);
        assert_string_equal(diag.what, "content type");
    }
}

static void test_truncated(void **state)
{
    (void)state;
    size_t n = seal(&fake);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(parse(cut), MOLT_E_TRUNCATED);
    }
}

static void test_sign_errors(void **state)
{
    (void)state;
    uint8_t out[512];
    size_t n = seal(&fake);
    for (size_t capacity = 0; capacity < n; capacity++) {
        memset(out, 0x77, sizeof out);
        assert_int_equal(molt_cose_sign(out, capacity, MOLT_CONTENT_BUNDLE, "payload", 7, &fake),
                         MOLT_E_NO_SPACE);
        assert_int_equal(out[capacity], 0x77);
    }
    int error = MOLT_E_IO;
    struct molt_signer broken = {.sign = sign_with_ee, .context = &error};
    assert_int_equal(molt_cose_sign(out, sizeof out, MOLT_CONTENT_BUNDLE, "payload", 7, &broken),
                     MOLT_E_IO);
    char longer[80];
    memset(longer, 'x', sizeof longer);
    longer[79] = 0;
    assert_int_equal(molt_cose_sign(out, sizeof out, longer, "payload", 7, &fake), MOLT_E_NO_SPACE);
}

/* The verifier's own errors, keys that are no points, signatures out of range. */
static void test_verifier(void **state)
{
    (void)state;
    struct molt_key key;
    uint8_t digest[MOLT_SHA256_SIZE] = {1}, signature[MOLT_P256_SIGNATURE_SIZE];
    uint8_t bad[MOLT_P256_PUBLIC_SIZE], zero[MOLT_P256_SIGNATURE_SIZE] = {0};
    const struct molt_verifier *verifier = &molt_openssl_verifier;
    assert_int_equal(molt_key_open(&key, KEY_FILE, NULL), MOLT_OK);
    const uint8_t *public_key = key.signer.public_key;
    assert_int_equal(key.signer.sign(key.signer.context, digest, signature), MOLT_OK);
    assert_int_equal(verifier->verify(NULL, public_key, digest, signature), MOLT_OK);
    digest[0] ^= 1;
    assert_int_equal(verifier->verify(NULL, public_key, digest, signature), MOLT_E_SIGNATURE);
    digest[0] ^= 1;
    assert_int_equal(verifier->verify(NULL, public_key, digest, zero), MOLT_E_SIGNATURE);
    memset(zero, 0xFF, sizeof zero);
    assert_int_equal(verifier->verify(NULL, public_key, digest, zero), MOLT_E_SIGNATURE);
    memcpy(bad, public_key, sizeof bad);
    bad[63] ^= 1;
    assert_int_equal(verifier->verify(NULL, bad, digest, signature), MOLT_E_SIGNATURE);
    memset(bad, 0, sizeof bad);
    assert_int_equal(verifier->verify(NULL, bad, digest, signature), MOLT_E_SIGNATURE);
    molt_key_close(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_no_key_id),    cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_content_type), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_sign_errors),  cmocka_unit_test(test_verifier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
