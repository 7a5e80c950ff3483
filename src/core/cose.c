#include "molt/cose.h"

#include <string.h>

#include "molt/cbor.h"

/* RFC 9052: table 3 (header parameters), 4.2 (tag 18); RFC 9053, 2.1: ES256 is -7. */
enum { TAG_SIGN1 = 18, HEADER_ALGORITHM = 1, HEADER_CONTENT_TYPE = 3, HEADER_KEY_ID = 4 };

/* A head of this type with exactly this argument. */
static int expect_head(struct molt_cbor_reader *reader, enum molt_cbor_type type, uint32_t argument)
{
    struct molt_cbor_item item;
    int error = molt_cbor_expect(reader, type, &item);
    return error ? error : item.argument == argument ? MOLT_OK : MOLT_E_FORMAT;
}

/*
 * {1: -7, 3: content type} and nothing else: so "crit" and whatever it would name are refused. It
 * has one encoding, which is compared byte by byte; content types have 24 to 255 characters.
 */
static int check_protected(const struct molt_cose *cose, const char *content_type,
                           const char **what)
{
    const uint8_t *p = cose->protected_header;
    size_t n = 0;
    while (content_type[n]) {
        n++;
    }
    *what = "protected header";
    if (cose->protected_size < 6 || p[0] != 0xA2 || p[1] != HEADER_ALGORITHM) {
        return MOLT_E_FORMAT;
    }
    if (p[2] != 0x26) { /* -7 */
        *what = "signature algorithm";
        return MOLT_E_UNSUPPORTED;
    }
    if (p[3] != HEADER_CONTENT_TYPE || p[4] != 0x78) {
        return MOLT_E_FORMAT;
    }
    *what = "content type";
    return cose->protected_size == 6 + n && p[5] == n && memcmp(p + 6, content_type, n) == 0
               ? MOLT_OK
               : MOLT_E_FORMAT;
}

/* {4: key id} or {}. It is not signed, so nothing else is allowed to stand there. */
static int parse_unprotected(struct molt_cbor_reader *reader, struct molt_cose *cose)
{
    struct molt_cbor_item item;
    int error = molt_cbor_expect(reader, MOLT_CBOR_MAP, &item);
    if (error || item.argument == 0) {
        return error;
    }
    if (item.argument != 1) {
        return MOLT_E_FORMAT;
    }
    if ((error = expect_head(reader, MOLT_CBOR_UINT, HEADER_KEY_ID)) != 0 ||
        (error = molt_cbor_expect(reader, MOLT_CBOR_BYTES, &item)) != 0) {
        return error;
    }
    cose->key_id = item.bytes;
    return item.argument == MOLT_KEY_ID_SIZE ? MOLT_OK : MOLT_E_FORMAT;
}

static int parse(struct molt_cose *cose, struct molt_cbor_reader *reader, const char *content_type,
                 const char **what)
{
    struct molt_cbor_item item;
    int error;
    *what = "envelope";
    if ((error = expect_head(reader, MOLT_CBOR_TAG, TAG_SIGN1)) != 0 ||
        (error = expect_head(reader, MOLT_CBOR_ARRAY, 4)) != 0 ||
        (error = molt_cbor_expect(reader, MOLT_CBOR_BYTES, &item)) != 0) {
        return error;
    }
    cose->protected_header = item.bytes;
    cose->protected_size = (size_t)item.argument;
    if ((error = check_protected(cose, content_type, what)) != 0) {
        return error;
    }
    *what = "unprotected header";
    if ((error = parse_unprotected(reader, cose)) != 0) {
        return error;
    }
    *what = "payload";
    if ((error = molt_cbor_expect(reader, MOLT_CBOR_BYTES, &item)) != 0) {
        return error;
    }
    cose->payload = item.bytes;
    cose->payload_size = (size_t)item.argument;
    *what = "signature";
    if ((error = molt_cbor_expect(reader, MOLT_CBOR_BYTES, &item)) != 0) {
        return error;
    }
    cose->signature = item.bytes;
    if (item.argument != MOLT_P256_SIGNATURE_SIZE) {
        return MOLT_E_FORMAT;
    }
    *what = "bytes behind the envelope";
    return reader->at == reader->end ? MOLT_OK : MOLT_E_FORMAT;
}

int molt_cose_parse(struct molt_cose *cose, const void *bytes, size_t n, const char *content_type,
                    struct molt_diag *diag)
{
    struct molt_cbor_reader reader = {bytes, (const uint8_t *)bytes + n};
    const char *what;
    memset(cose, 0, sizeof *cose);
    cose->size = n;
    int error = parse(cose, &reader, content_type, &what);
    if (error) {
        molt_diag_at(diag, error, what, (uint32_t)(reader.at - (const uint8_t *)bytes));
    }
    return error;
}

static void digest_bytes(struct molt_digest_state *state, const uint8_t *bytes, size_t n)
{
    uint8_t head[9];
    struct molt_cbor_writer writer = {head, head + sizeof head, false};
    molt_cbor_put_head(&writer, MOLT_CBOR_BYTES, n);
    molt_sha256.update(state, head, (size_t)(writer.at - head));
    molt_sha256.update(state, bytes, n);
}

void molt_cose_digest(const struct molt_cose *cose, uint8_t digest[MOLT_SHA256_SIZE])
{
    /* Array of 4, text of 10 (RFC 9052, 4.4). */
    static const uint8_t start[12] = "\x84\x6aSignature1";
    struct molt_digest_state state;
    molt_sha256.start(&state);
    molt_sha256.update(&state, start, sizeof start);
    digest_bytes(&state, cose->protected_header, cose->protected_size);
    digest_bytes(&state, 0, 0); /* no external data */
    digest_bytes(&state, cose->payload, cose->payload_size);
    molt_sha256.finish(&state, digest);
}

int molt_cose_verify(const struct molt_cose *cose, const struct molt_trusted_key *keys,
                     size_t key_count, enum molt_key_use use, const struct molt_verifier *verifier,
                     size_t *key_index)
{
    uint8_t digest[MOLT_SHA256_SIZE], id[MOLT_KEY_ID_SIZE];
    int result = MOLT_E_KEY_UNKNOWN;
    molt_cose_digest(cose, digest);
    for (size_t i = 0; i < key_count; i++) {
        if (!(keys[i].uses & (unsigned)use)) {
            continue;
        }
        molt_key_id(keys[i].public_key, id);
        if (cose->key_id && memcmp(cose->key_id, id, sizeof id) != 0) {
            continue;
        }
        result = verifier->verify(verifier->context, keys[i].public_key, digest, cose->signature);
        if (result == MOLT_OK) {
            if (key_index) {
                *key_index = i;
            }
            return MOLT_OK;
        }
    }
    return result;
}
