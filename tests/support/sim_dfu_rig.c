#include "sim_dfu_rig.h"

#include <stdlib.h>
#include <string.h>

#include "testing.h"

struct sim_rig *sim_rig_plug(const char *profile)
{
    const struct molt_sim_dfu_profile *p = molt_sim_dfu_profile_named(profile);
    assert_non_null(p);
    struct sim_rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->size = molt_sim_dfu_flash_size(p);
    rig->flash = malloc(rig->size);
    assert_non_null(rig->flash);
    memset(rig->flash, 0xFF, rig->size);
    molt_sim_dfu_init(&rig->sim, p, rig->flash);
    molt_sim_dfu_usb(&rig->sim, &rig->usb);
    return rig;
}

void sim_rig_free(struct sim_rig *rig)
{
    free(rig->flash);
    free(rig);
}

int sim_rig_request(struct sim_rig *rig, uint8_t request, uint16_t value, const void *data,
                    uint16_t length)
{
    bool in = request == UPLOAD || request == GETSTATUS || request == GETSTATE;
    memset(rig->data, 0xA5, sizeof rig->data);
    if (data) {
        memcpy(rig->data, data, length);
    }
    return rig->usb.ops->control(rig->usb.context, in ? 0xA1 : 0x21, request, value, 0, rig->data,
                                 length, 60000);
}

int sim_rig_ask(struct sim_rig *rig)
{
    int n = sim_rig_request(rig, GETSTATUS, 0, NULL, 6);
    memcpy(rig->status, rig->data, 6);
    return n == 6 ? rig->status[0] << 8 | rig->status[4] : n;
}

uint32_t sim_rig_poll_ms(const struct sim_rig *rig)
{
    return rig->status[1] | (uint32_t)rig->status[2] << 8 | (uint32_t)rig->status[3] << 16;
}

int sim_rig_state(struct sim_rig *rig)
{
    int n = sim_rig_request(rig, GETSTATE, 0, NULL, 1);
    return n == 1 ? rig->data[0] : n;
}

void sim_rig_idle(struct sim_rig *rig)
{
    if (sim_rig_ask(rig) != 2) {
        assert_int_equal(sim_rig_request(rig, CLRSTATUS, 0, NULL, 0), 0);
    }
    assert_int_equal(sim_rig_ask(rig), 2);
}

int sim_rig_send(struct sim_rig *rig, uint16_t block, const void *data, uint16_t length)
{
    int answer = sim_rig_request(rig, DNLOAD, block, data, length);
    if (answer != length) {
        return answer;
    }
    for (unsigned i = 0; i < 100000; i++) {
        answer = sim_rig_ask(rig);
        if (answer != 4) {
            return answer;
        }
        rig->usb.ops->sleep_ms(rig->usb.context, sim_rig_poll_ms(rig));
    }
    return answer;
}

int sim_rig_command(struct sim_rig *rig, uint8_t code, uint32_t address)
{
    const uint8_t bytes[5] = {code, (uint8_t)address, (uint8_t)(address >> 8),
                              (uint8_t)(address >> 16), (uint8_t)(address >> 24)};
    return sim_rig_send(rig, 0, bytes, 5);
}
