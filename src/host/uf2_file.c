#include "molt/host/uf2_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *molt_uf2_part_name(const struct molt_uf2_part *part, char text[12])
{
    const struct molt_uf2_family *family = molt_uf2_family_by_id(part->family);
    if (!part->has_family) {
        return "none";
    }
    if (family) {
        return family->name;
    }
    snprintf(text, 12, "0x%08x", part->family);
    return text;
}

static void list_families(const struct molt_uf2_facts *facts, char text[200])
{
    size_t n = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < facts->part_count && n < 170; i++) {
        char number[12];
        n += (size_t)snprintf(text + n, 200 - n, "%s%s", i ? ", " : "",
                              molt_uf2_part_name(&facts->part[i], number));
    }
}

static int choose(const struct molt_uf2_facts *facts, const struct molt_uf2_part **part,
                  const char *name, const char *family, struct molt_message *message)
{
    char list[200];
    list_families(facts, list);
    if (!family && facts->part_count > 1) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is a UF2 file for several families (%s): take one out with "
                         "'molt convert --family NAME'",
                         name, list);
    }
    if (!family) {
        *part = &facts->part[0];
        return MOLT_OK;
    }
    const struct molt_uf2_family *row = molt_uf2_family_by_name(family);
    char *end;
    uint32_t id = row ? row->id : (uint32_t)strtoul(family, &end, 0);
    if (!row && (family[0] != '0' || *end)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: no such family of UF2 files; the file has %s", family, list);
    }
    for (uint32_t i = 0; i < facts->part_count; i++) {
        if (facts->part[i].has_family && facts->part[i].family == id) {
            *part = &facts->part[i];
            return MOLT_OK;
        }
    }
    return molt_fail(message, MOLT_E_NOT_FOUND, "%s: has nothing for family %s, but for %s", name,
                     family, list);
}

int molt_uf2_file_look(struct molt_uf2_facts *facts, const struct molt_uf2_part **part,
                       const char *name, const uint8_t *bytes, uint32_t n, const char *family,
                       struct molt_message *message)
{
    struct molt_diag diag;
    int error = molt_uf2_survey(facts, bytes, n, &diag);
    if (error) {
        return molt_fail_diag(message, name, &diag);
    }
    if (facts->part_count == 0) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: is a UF2 file whose blocks write nothing to flash%s", name,
                         facts->files ? " (it holds files for a board's drive)" : "");
    }
    error = choose(facts, part, name, family, message);
    if (error) {
        return error;
    }
    if (facts->tail || (*part)->blocks < (*part)->expected) {
        return molt_fail(message, MOLT_E_TRUNCATED,
                         "%s: has %u of the %u UF2 blocks that it speaks of, and %u bytes behind "
                         "the last: it is not whole, fetch it again",
                         name, (*part)->blocks, (*part)->expected, facts->tail);
    }
    if (facts->md5_wrong) {
        return molt_fail(message, MOLT_E_VERIFY,
                         "%s: %u of its UF2 blocks have a wrong MD5: it is damaged, fetch it again",
                         name, facts->md5_wrong);
    }
    return MOLT_OK;
}
