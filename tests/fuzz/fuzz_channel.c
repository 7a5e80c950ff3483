/* A channel file, or its payload alone: what is taken is written the same again. */
#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "molt/pack/publish.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_payload(const uint8_t *bytes, size_t n)
{
    struct molt_channel channel;
    uint8_t again[MOLT_CHANNEL_FILE_MAX];
    if (n > sizeof again || molt_channel_parse(&channel, bytes, (uint32_t)n, NULL) != MOLT_OK) {
        return;
    }
    assert(molt_channel_write(&channel, again, sizeof again) == (int)n);
    assert(memcmp(again, bytes, n) == 0);
    assert(channel.permille <= 1000 && molt_channel_name_ok(channel.name));
    int taken = molt_channel_check(&channel, channel.name, 0, 0, bytes, (uint32_t)n);
    assert(taken == MOLT_OK || taken == MOLT_E_NOT_IN_ROLLOUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_channel channel;
    struct molt_cose cose;
    struct molt_diag diag = {0};
    if (molt_channel_open(&channel, &cose, data, size, &diag) == MOLT_OK) {
        check_payload(cose.payload, cose.payload_size);
    } else {
        assert(diag.error < 0);
    }
    check_payload(data, size);
    return 0;
}
