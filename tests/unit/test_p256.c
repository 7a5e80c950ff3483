/* The device's verifier against OpenSSL's signer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "common/p256_verify.h"

/* The group's order and the field's prime; SEC 2, 2.4.2. */
static const uint8_t ORDER[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
static const uint8_t PRIME[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,    0,    0,    0,
                                  0,    0,    0,    0,    0,    0,    0,    0,    0,    0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct signed_digest {
    uint8_t public_key[MOLT_P256_PUBLIC_SIZE], digest[MOLT_SHA256_SIZE];
    uint8_t signature[MOLT_P256_SIGNATURE_SIZE];
};

static EVP_PKEY *new_key(uint8_t public_key[MOLT_P256_PUBLIC_SIZE])
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t point[65];
    size_t n = 0;
    assert_non_null(key);
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &n), 1);
    assert_int_equal(n, 65);
    memcpy(public_key, point + 1, 64);
    return key;
}

static void sign(EVP_PKEY *key, struct signed_digest *s)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    uint8_t der[80];
    const uint8_t *at = der;
    size_t n = sizeof der;
    assert_int_equal(EVP_PKEY_sign_init(context), 1);
    assert_int_equal(EVP_PKEY_sign(context, der, &n, s->digest, sizeof s->digest), 1);
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &at, (long)n);
    assert_non_null(parsed);
    BN_bn2binpad(ECDSA_SIG_get0_r(parsed), s->signature, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(parsed), s->signature + 32, 32);
    ECDSA_SIG_free(parsed);
    EVP_PKEY_CTX_free(context);
}

static struct signed_digest make(void)
{
    struct signed_digest s;
    EVP_PKEY *key = new_key(s.public_key);
    assert_int_equal(RAND_bytes(s.digest, sizeof s.digest), 1);
    sign(key, &s);
    EVP_PKEY_free(key);
    return s;
}

static int verify(const struct signed_digest *s)
{
    return molt_p256_verifier.verify(molt_p256_verifier.context, s->public_key, s->digest,
                                     s->signature);
}

static void right_signatures(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 20; i++) {
        struct signed_digest s = make();
        assert_int_equal(verify(&s), MOLT_OK);
    }
    /* Digests at the edges: zero, and above the order. */
    struct signed_digest s;
    EVP_PKEY *key = new_key(s.public_key);
    for (int byte = 0; byte < 256; byte += 255) {
        memset(s.digest, byte, sizeof s.digest);
        sign(key, &s);
        assert_int_equal(verify(&s), MOLT_OK);
    }
    EVP_PKEY_free(key);
}

static void every_bit_counts(void **unused)
{
    struct signed_digest s = make();
    uint8_t *bytes[3] = {s.signature, s.digest, s.public_key};
    static const unsigned sizes[3] = {64, 32, 64};
    (void)unused;
    for (unsigned part = 0; part < 3; part++) {
        for (unsigned bit = 0; bit < 8 * sizes[part]; bit++) {
            bytes[part][bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
            bytes[part][bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_int_equal(verify(&s), MOLT_OK);
}

/* big += small, 256 bits. False when it does not fit. */
static int add(uint8_t sum[32], const uint8_t a[32], const uint8_t b[32])
{
    unsigned carry = 0;
    for (int i = 31; i >= 0; i--) {
        carry += (unsigned)a[i] + b[i];
        sum[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return carry == 0;
}

static void r_and_s_lie_between_one_and_the_order(void **unused)
{
    static const uint8_t one[32] = {[31] = 1};
    (void)unused;
    for (unsigned part = 0; part < 64; part += 32) {
        struct signed_digest s = make();
        memset(s.signature + part, 0, 32);
        assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
        memcpy(s.signature + part, ORDER, 32);
        assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
        assert_true(add(s.signature + part, ORDER, one));
        assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
        memset(s.signature + part, 0xff, 32);
        assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
    }
    struct signed_digest both = make();
    memset(both.signature, 0, 64);
    assert_int_equal(verify(&both), MOLT_E_SIGNATURE);
}

static void keys_are_points_of_the_curve(void **unused)
{
    static const uint8_t zero[64];
    struct signed_digest s = make(), other = make();
    (void)unused;
    memcpy(s.public_key, zero, 64);
    assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
    memcpy(s.public_key, PRIME, 32);
    memcpy(s.public_key + 32, PRIME, 32);
    assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
    memset(s.public_key, 0xff, 64);
    assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
    memcpy(s.public_key, other.public_key, 64); /* a point, but another's */
    assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
}

/* x and x + p name the same point; only one of them is a key. Points with so small an x are rare:
 * x = 5 has one. */
static void coordinates_are_reduced(void **unused)
{
    BIGNUM *x = BN_new(), *y = BN_new();
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    struct signed_digest s;
    (void)unused;
    BN_set_word(x, 5);
    assert_int_equal(EC_POINT_set_compressed_coordinates(group, point, x, 0, NULL), 1);
    assert_int_equal(EC_POINT_get_affine_coordinates(group, point, x, y, NULL), 1);
    BN_bn2binpad(x, s.public_key, 32);
    BN_bn2binpad(y, s.public_key + 32, 32);
    /*
     * A signature for a key whose secret nobody knows, with the digest chosen last: for any a and
     * b, R = a G + b Q, r = R.x mod n, s = r / b, digest = a s (mod n). Here a = b = 1: s = r, and
     * the digest is r.
     */
    EC_POINT *sum = EC_POINT_new(group);
    assert_int_equal(EC_POINT_add(group, sum, point, EC_GROUP_get0_generator(group), NULL), 1);
    assert_int_equal(EC_POINT_get_affine_coordinates(group, sum, x, y, NULL), 1);
    BN_CTX *context = BN_CTX_new();
    assert_int_equal(BN_nnmod(x, x, EC_GROUP_get0_order(group), context), 1);
    BN_bn2binpad(x, s.signature, 32);
    memcpy(s.signature + 32, s.signature, 32);
    memcpy(s.digest, s.signature, 32);
    assert_int_equal(verify(&s), MOLT_OK);
    uint8_t twin[32];
    assert_true(add(twin, s.public_key, PRIME));
    memcpy(s.public_key, twin, 32);
    assert_int_equal(verify(&s), MOLT_E_SIGNATURE);
    EC_POINT_free(sum);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    BN_CTX_free(context);
    BN_free(x);
    BN_free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_signatures),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(r_and_s_lie_between_one_and_the_order),
        cmocka_unit_test(keys_are_points_of_the_curve),
        cmocka_unit_test(coordinates_are_reduced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
