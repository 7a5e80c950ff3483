/* Any two records, any facts: parsing and choosing stay inside their ranges. */
#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "molt/otadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 * MOLT_OTADATA_RECORD_SIZE + 1) {
        return 0;
    }
    struct molt_otadata otadata;
    const uint8_t *second = data + MOLT_OTADATA_RECORD_SIZE;
    uint8_t byte = second[MOLT_OTADATA_RECORD_SIZE];
    molt_otadata_parse(&otadata, data, second);
    uint8_t bytes[MOLT_OTADATA_RECORD_SIZE];
    molt_otadata_serialize(&otadata.record[0], bytes);
    assert(memcmp(bytes, data, sizeof bytes) == 0);

    struct molt_otadata_facts facts = {byte & 15u, (byte & 16) != 0, (byte & 32) != 0};
    struct molt_otadata_choice choice;
    molt_otadata_choose(&otadata, &facts, &choice);
    assert(choice.slot < (int)facts.slot_count && choice.slot >= MOLT_OTADATA_NO_SLOT);
    assert(choice.slot != MOLT_OTADATA_FACTORY || facts.has_factory);
    assert(choice.slot != MOLT_OTADATA_NO_SLOT || (facts.slot_count == 0 && !facts.has_factory));
    assert((choice.record >= 0) == (choice.why == MOLT_WHY_RECORD));
    return 0;
}
