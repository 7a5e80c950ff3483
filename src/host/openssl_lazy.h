/*
 * libcrypto on first use: most commands need its SHA-256 only (host/digest.c, linked in), and every
 * start would pay 1.2 ms for the relocation of all the rest. To be included behind OpenSSL's
 * headers: its functions then go by their own names; a function that crypto.c needs besides is one
 * more row here (the linker says which, where libcrypto's static library is not linked whole).
 */
#ifndef HOST_OPENSSL_LAZY_H
#define HOST_OPENSSL_LAZY_H

/* The library stays loaded. NULL: it is not installed. No function may be called then. */
void *openssl_symbol(const char *name);

#define OPENSSL_LAZY(name) ((__typeof__(&name))openssl_symbol(#name))

#define BIO_ctrl                          OPENSSL_LAZY(BIO_ctrl)
#define BIO_free                          OPENSSL_LAZY(BIO_free)
#define BIO_new                           OPENSSL_LAZY(BIO_new)
#define BIO_new_mem_buf                   OPENSSL_LAZY(BIO_new_mem_buf)
#define BIO_s_mem                         OPENSSL_LAZY(BIO_s_mem)
#define BIO_s_secmem                      OPENSSL_LAZY(BIO_s_secmem)
#define BN_bin2bn                         OPENSSL_LAZY(BN_bin2bn)
#define BN_bn2binpad                      OPENSSL_LAZY(BN_bn2binpad)
#define BN_free                           OPENSSL_LAZY(BN_free)
#define ECDSA_SIG_free                    OPENSSL_LAZY(ECDSA_SIG_free)
#define ECDSA_SIG_get0_r                  OPENSSL_LAZY(ECDSA_SIG_get0_r)
#define ECDSA_SIG_get0_s                  OPENSSL_LAZY(ECDSA_SIG_get0_s)
#define ECDSA_SIG_new                     OPENSSL_LAZY(ECDSA_SIG_new)
#define ECDSA_SIG_set0                    OPENSSL_LAZY(ECDSA_SIG_set0)
#define ERR_clear_error                   OPENSSL_LAZY(ERR_clear_error)
#define ERR_get_error                     OPENSSL_LAZY(ERR_get_error)
#define ERR_reason_error_string           OPENSSL_LAZY(ERR_reason_error_string)
#define EVP_PKEY_CTX_free                 OPENSSL_LAZY(EVP_PKEY_CTX_free)
#define EVP_PKEY_CTX_new                  OPENSSL_LAZY(EVP_PKEY_CTX_new)
#define EVP_PKEY_CTX_new_from_name        OPENSSL_LAZY(EVP_PKEY_CTX_new_from_name)
#define EVP_PKEY_Q_keygen                 OPENSSL_LAZY(EVP_PKEY_Q_keygen)
#define EVP_PKEY_free                     OPENSSL_LAZY(EVP_PKEY_free)
#define EVP_PKEY_fromdata                 OPENSSL_LAZY(EVP_PKEY_fromdata)
#define EVP_PKEY_fromdata_init            OPENSSL_LAZY(EVP_PKEY_fromdata_init)
#define EVP_PKEY_get_base_id              OPENSSL_LAZY(EVP_PKEY_get_base_id)
#define EVP_PKEY_get_bn_param             OPENSSL_LAZY(EVP_PKEY_get_bn_param)
#define EVP_PKEY_get_group_name           OPENSSL_LAZY(EVP_PKEY_get_group_name)
#define EVP_PKEY_sign                     OPENSSL_LAZY(EVP_PKEY_sign)
#define EVP_PKEY_sign_init                OPENSSL_LAZY(EVP_PKEY_sign_init)
#define EVP_PKEY_verify                   OPENSSL_LAZY(EVP_PKEY_verify)
#define EVP_PKEY_verify_init              OPENSSL_LAZY(EVP_PKEY_verify_init)
#define OPENSSL_cleanse                   OPENSSL_LAZY(OPENSSL_cleanse)
#define OSSL_PARAM_construct_end          OPENSSL_LAZY(OSSL_PARAM_construct_end)
#define OSSL_PARAM_construct_octet_string OPENSSL_LAZY(OSSL_PARAM_construct_octet_string)
#define OSSL_PARAM_construct_utf8_string  OPENSSL_LAZY(OSSL_PARAM_construct_utf8_string)
#define PEM_read_bio_PUBKEY               OPENSSL_LAZY(PEM_read_bio_PUBKEY)
#define PEM_read_bio_PrivateKey           OPENSSL_LAZY(PEM_read_bio_PrivateKey)
#define PEM_write_bio_PKCS8PrivateKey     OPENSSL_LAZY(PEM_write_bio_PKCS8PrivateKey)
#define PEM_write_bio_PUBKEY              OPENSSL_LAZY(PEM_write_bio_PUBKEY)
#define d2i_ECDSA_SIG                     OPENSSL_LAZY(d2i_ECDSA_SIG)
#define i2d_ECDSA_SIG                     OPENSSL_LAZY(i2d_ECDSA_SIG)

#endif
