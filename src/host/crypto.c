#define _POSIX_C_SOURCE 200809L /* lstat */
#include "molt/host/crypto.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "host/openssl_lazy.h" /* behind OpenSSL's own */
#include "molt/host/file.h"

#define GROUP        "prime256v1"
#define KEY_FILE_MAX (64 * 1024)
#define HALF         (MOLT_P256_PUBLIC_SIZE / 2)
#define DER_MAX      80 /* of two 32-byte integers with their heads */

static int check_installed(const char *path, struct molt_message *message)
{
    return openssl_symbol("EVP_PKEY_free")
               ? MOLT_OK
               : molt_fail(
                     message, MOLT_E_UNSUPPORTED,
                     "%s: keys need OpenSSL 3, which is not installed: expected libcrypto.so.%d",
                     path, OPENSSL_SHLIB_VERSION);
}

/* Copies x and y; false when the key is not of P-256. */
static bool public_half(const EVP_PKEY *pkey, uint8_t public_key[MOLT_P256_PUBLIC_SIZE])
{
    char group[32];
    size_t n;
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(pkey, group, sizeof group, &n) != 1 || strcmp(group, GROUP) != 0) {
        return false;
    }
    BIGNUM *x = NULL, *y = NULL;
    bool ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
              EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
              BN_bn2binpad(x, public_key, HALF) == HALF &&
              BN_bn2binpad(y, public_key + HALF, HALF) == HALF;
    BN_free(x);
    BN_free(y);
    return ok;
}

/* PEM as bytes in memory that the caller frees with BIO_free. */
static BIO *to_pem(EVP_PKEY *pkey, bool private_half)
{
    BIO *bio = BIO_new(private_half ? BIO_s_secmem() : BIO_s_mem());
    if (bio && (private_half ? PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                             : PEM_write_bio_PUBKEY(bio, pkey)) != 1) {
        BIO_free(bio);
        bio = NULL;
    }
    return bio;
}

static int write_pem(EVP_PKEY *pkey, bool private_half, const char *path,
                     struct molt_message *message)
{
    BIO *bio = to_pem(pkey, private_half);
    char *text;
    if (!bio) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", path);
    }
    long n = BIO_get_mem_data(bio, &text);
    int error =
        molt_file_write(path, text, (size_t)n, private_half ? 0600 : 0666, MOLT_FILE_KEEP, message);
    BIO_free(bio);
    return error;
}

static int refuse_existing(const char *path, struct molt_message *message)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return MOLT_OK;
    }
    return molt_fail(message, MOLT_E_EXISTS,
                     "%s: exists already, and a key is never overwritten: choose another name",
                     path);
}

int molt_key_generate(const char *path, uint8_t public_key[MOLT_P256_PUBLIC_SIZE],
                      struct molt_message *message)
{
    char public_path[PATH_MAX];
    uint8_t ignored[MOLT_P256_PUBLIC_SIZE];
    int error;
    if (snprintf(public_path, sizeof public_path, "%s.pub", path) >= (int)sizeof public_path) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s: name too long", path);
    }
    if ((error = refuse_existing(path, message)) != 0 ||
        (error = refuse_existing(public_path, message)) != 0) {
        return error;
    }
    if ((error = check_installed(path, message)) != 0) {
        return error;
    }
    EVP_PKEY *pkey = EVP_EC_gen(GROUP);
    if (!pkey || !public_half(pkey, public_key ? public_key : ignored)) {
        EVP_PKEY_free(pkey);
        return molt_fail(message, MOLT_E_IO, "%s: OpenSSL cannot make a P-256 key: %s", path,
                         ERR_reason_error_string(ERR_get_error()));
    }
    error = write_pem(pkey, true, path, message);
    if (!error) {
        error = write_pem(pkey, false, public_path, message);
        if (error) {
            unlink(path); /* made a moment ago, by us */
        }
    }
    EVP_PKEY_free(pkey);
    return error;
}

/* Instead of asking at the terminal; tells the caller that a password was needed. */
static int no_password(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static EVP_PKEY *parse_pem(const uint8_t *text, size_t n, bool private_half, bool *encrypted)
{
    BIO *bio = BIO_new_mem_buf(text, (int)n);
    EVP_PKEY *pkey = NULL;
    if (bio) {
        pkey = private_half ? PEM_read_bio_PrivateKey(bio, NULL, no_password, encrypted)
                            : PEM_read_bio_PUBKEY(bio, NULL, no_password, encrypted);
        BIO_free(bio);
    }
    ERR_clear_error();
    return pkey;
}

/* The key of a file, P-256 and nothing else. */
static int read_key(const char *path, bool private_only, EVP_PKEY **pkey,
                    uint8_t public_key[MOLT_P256_PUBLIC_SIZE], struct molt_message *message)
{
    uint8_t *text;
    size_t n;
    bool encrypted = false, is_public = false;
    int error = check_installed(path, message);
    if (!error) {
        error = molt_file_read(path, KEY_FILE_MAX, &text, &n, message);
    }
    if (error) {
        return error;
    }
    *pkey = parse_pem(text, n, true, &encrypted);
    if (!*pkey) {
        EVP_PKEY *half = parse_pem(text, n, false, &encrypted);
        is_public = half != NULL;
        if (private_only) {
            EVP_PKEY_free(half);
        } else {
            *pkey = half;
        }
    }
    OPENSSL_cleanse(text, n);
    free(text);
    if (encrypted) {
        error = molt_fail(message, MOLT_E_FORMAT,
                          "%s: the key is encrypted with a password; Molt reads plain PEM keys "
                          "(openssl pkey -in ... -out ...)",
                          path);
    } else if (!*pkey && is_public) {
        error = molt_fail(message, MOLT_E_FORMAT,
                          "%s: holds a public key, expected a private key to sign with", path);
    } else if (!*pkey) {
        error =
            molt_fail(message, MOLT_E_FORMAT,
                      "%s: no key in it, expected a P-256 key in PEM format (molt key new)", path);
    } else if (!public_half(*pkey, public_key)) {
        error =
            molt_fail(message, MOLT_E_UNSUPPORTED,
                      "%s: holds a key of another kind, expected ECDSA P-256 (molt key new)", path);
    }
    if (error) {
        EVP_PKEY_free(*pkey);
        *pkey = NULL;
    }
    return error;
}

/* DER SEQUENCE of r and s to 32 bytes each. */
static int from_der(const uint8_t *der, size_t n, uint8_t signature[MOLT_P256_SIGNATURE_SIZE])
{
    ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &der, (long)n);
    bool ok = parts && BN_bn2binpad(ECDSA_SIG_get0_r(parts), signature, HALF) == HALF &&
              BN_bn2binpad(ECDSA_SIG_get0_s(parts), signature + HALF, HALF) == HALF;
    ECDSA_SIG_free(parts);
    return ok ? MOLT_OK : MOLT_E_SIGNATURE;
}

static int sign(void *context, const uint8_t digest[MOLT_SHA256_SIZE],
                uint8_t signature[MOLT_P256_SIGNATURE_SIZE])
{
    uint8_t der[DER_MAX];
    size_t n = sizeof der;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(context, NULL);
    bool ok = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
              EVP_PKEY_sign(ctx, der, &n, digest, MOLT_SHA256_SIZE) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok ? from_der(der, n, signature) : MOLT_E_SIGNATURE;
}

int molt_key_open(struct molt_key *key, const char *path, struct molt_message *message)
{
    EVP_PKEY *pkey = NULL;
    memset(key, 0, sizeof *key);
    int error = read_key(path, true, &pkey, key->signer.public_key, message);
    key->pkey = pkey;
    key->signer.sign = sign;
    key->signer.context = pkey;
    return error;
}

void molt_key_close(struct molt_key *key)
{
    if (key->pkey) {
        EVP_PKEY_free(key->pkey);
    }
    memset(key, 0, sizeof *key);
}

int molt_public_key_read(const char *path, uint8_t public_key[MOLT_P256_PUBLIC_SIZE],
                         struct molt_message *message)
{
    EVP_PKEY *pkey = NULL;
    int error = read_key(path, false, &pkey, public_key, message);
    if (pkey) {
        EVP_PKEY_free(pkey);
    }
    return error;
}

static EVP_PKEY *public_pkey(const uint8_t public_key[MOLT_P256_PUBLIC_SIZE])
{
    uint8_t point[1 + MOLT_P256_PUBLIC_SIZE] = {4}; /* SEC 1, 2.3.3: uncompressed */
    char group[] = GROUP;
    EVP_PKEY *pkey = NULL;
    memcpy(point + 1, public_key, MOLT_P256_PUBLIC_SIZE);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        pkey = NULL; /* the point is not on the curve */
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* r and s to DER; the length, 0 on failure. */
static size_t to_der(const uint8_t signature[MOLT_P256_SIGNATURE_SIZE], uint8_t der[DER_MAX])
{
    ECDSA_SIG *parts = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, HALF, NULL), *s = BN_bin2bn(signature + HALF, HALF, NULL);
    int n = 0;
    if (parts && r && s && ECDSA_SIG_set0(parts, r, s) == 1) {
        n = i2d_ECDSA_SIG(parts, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(parts);
    return n > 0 ? (size_t)n : 0;
}

static int verify(void *context, const uint8_t public_key[MOLT_P256_PUBLIC_SIZE],
                  const uint8_t digest[MOLT_SHA256_SIZE],
                  const uint8_t signature[MOLT_P256_SIGNATURE_SIZE])
{
    uint8_t der[DER_MAX];
    (void)context;
    if (!openssl_symbol("EVP_PKEY_verify")) {
        return MOLT_E_UNSUPPORTED;
    }
    size_t n = to_der(signature, der);
    EVP_PKEY *pkey = public_pkey(public_key);
    EVP_PKEY_CTX *ctx = pkey && n ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
    bool ok = ctx && EVP_PKEY_verify_init(ctx) == 1 &&
              EVP_PKEY_verify(ctx, der, n, digest, MOLT_SHA256_SIZE) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return ok ? MOLT_OK : MOLT_E_SIGNATURE;
}

const struct molt_verifier molt_openssl_verifier = {verify, NULL};
