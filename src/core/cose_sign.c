/* Producers only: not part of what a device carries. */
#include <string.h>

#include "molt/cbor.h"
#include "molt/cose.h"

#define PROTECTED_MAX 64

int molt_cose_sign(uint8_t *out, size_t capacity, const char *content_type, const void *payload,
                   size_t payload_size, const struct molt_signer *signer)
{
    uint8_t header[PROTECTED_MAX], id[MOLT_KEY_ID_SIZE], digest[MOLT_SHA256_SIZE];
    uint8_t signature[MOLT_P256_SIGNATURE_SIZE];
    struct molt_cbor_writer writer = {header, header + sizeof header, false};
    molt_cbor_put_head(&writer, MOLT_CBOR_MAP, 2);
    molt_cbor_put_uint(&writer, 1);
    molt_cbor_put_int(&writer, -7);
    molt_cbor_put_uint(&writer, 3);
    molt_cbor_put_text(&writer, content_type);
    if (writer.full) {
        return MOLT_E_NO_SPACE;
    }
    struct molt_cose cose = {.protected_header = header,
                             .protected_size = (size_t)(writer.at - header),
                             .payload = payload,
                             .payload_size = payload_size};
    molt_cose_digest(&cose, digest);
    int error = signer->sign(signer->context, digest, signature);
    if (error) {
        return error;
    }
    molt_key_id(signer->public_key, id);
    writer = (struct molt_cbor_writer){out, out + capacity, false};
    molt_cbor_put_head(&writer, MOLT_CBOR_TAG, 18);
    molt_cbor_put_head(&writer, MOLT_CBOR_ARRAY, 4);
    molt_cbor_put_bytes(&writer, header, cose.protected_size);
    molt_cbor_put_head(&writer, MOLT_CBOR_MAP, 1);
    molt_cbor_put_uint(&writer, 4);
    molt_cbor_put_bytes(&writer, id, sizeof id);
    molt_cbor_put_bytes(&writer, payload, payload_size);
    molt_cbor_put_bytes(&writer, signature, sizeof signature);
    return writer.full ? MOLT_E_NO_SPACE : (int)(writer.at - out);
}
