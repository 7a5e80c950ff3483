/* Lifting ST's read-out protection: the chip erases itself for that (AN3156, 5.4). */
#include <inttypes.h>
#include <string.h>

#include "molt/dfuse.h"
#include "molt/ops/dfu_device.h"
#include "ops/dfu/read_internal.h"

#define COMMAND_UNPROTECT 0x92

/* The mass erase goes before the reset: some ms for each KB, 32 s for the largest (datasheets). */
#define VANISHES_MS 40000u

static int has_no_command(const struct molt_dfu_session *session, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_UNSUPPORTED,
                     "%s: its boot loader has no command to lift the read protection",
                     session->name);
}

/* Whether its list of commands has it; a list that cannot be read says nothing. */
static int ask_commands(struct molt_dfu_session *session, bool *known, struct molt_message *message)
{
    struct molt_diag diag = {0};
    uint8_t commands[32];
    *known = false;
    if (session->dfu.quirks & MOLT_DFU_QUIRK_NO_UNPROTECT) {
        return has_no_command(session, message);
    }
    if (!dfu_can_upload(session) || (session->dfu.quirks & MOLT_DFU_QUIRK_NO_COMMANDS)) {
        return MOLT_OK;
    }
    int n = molt_dfuse_commands(&session->dfu, commands, sizeof commands, &diag);
    if (n < 0 &&
        (n == MOLT_E_USB_GONE || n == MOLT_E_CANCELLED || n == MOLT_E_TIMEOUT || n == MOLT_E_IO)) {
        return molt_dfu_fail(message, session, n, &diag, "asking for its commands");
    }
    if (n > 0 && !memchr(commands, COMMAND_UNPROTECT, (size_t)n)) {
        return has_no_command(session, message);
    }
    *known = n > 0;
    return MOLT_OK;
}

int molt_dfu_unprotect_plan(struct molt_dfu_session *session, struct molt_plan *plan,
                            struct molt_message *message)
{
    bool known;
    *plan = (struct molt_plan){0};
    int error = dfu_in_dfu_mode(session, "no protection can be lifted", message);
    if (!error && !session->dfu.dfuse) {
        error = has_no_command(session, message);
    }
    error = error ? error : ask_commands(session, &known, message);
    if (error) {
        return error;
    }
    error = dfu_plan_loss(plan, session, message);
    if (error) {
        return error;
    }
    molt_plan_add(plan, MOLT_STEP_NOTE, 0, 0, "reset",
                  "the chip erases its flash before it gives access; then it resets itself%s",
                  known ? "" : "; it does not tell whether it knows the command");
    return MOLT_OK;
}

/* That it is gone and back says nothing of its protection; a byte that it gives does. */
static int look_again(struct molt_dfu_session *session, struct molt_message *message)
{
    const struct molt_dfu_map *map = dfu_map_of(session);
    uint8_t byte;
    if (map->count == 0 || !(map->segment[0].access & MOLT_DFU_READABLE) ||
        !dfu_can_upload(session) ||
        molt_dfuse_read(&session->dfu, map->segment[0].start, &byte, 1, NULL) !=
            MOLT_E_DFU_PROTECTED) {
        return MOLT_OK;
    }
    return molt_fail(message, MOLT_E_DFU_PROTECTED,
                     "%s: is back, and protected as before; expected it to give access: protection "
                     "of level 2 cannot be lifted",
                     session->name);
}

/* Off the bus at once, or silent until it is erased and resets: loaders differ. The erase is not in
 * wait_ms. */
static int wait_until_back(struct molt_dfu_session *session, uint32_t began, uint32_t wait_ms,
                           struct molt_message *message)
{
    const struct molt_usb *usb = &session->usb;
    uint32_t elapsed = usb->ops->now_ms(usb->context) - began;
    uint32_t erase_ms = elapsed < VANISHES_MS ? VANISHES_MS - elapsed : 0;
    int error = molt_dfu_session_back(session, erase_ms + wait_ms, message);
    return error ? error : look_again(session, message);
}

int molt_dfu_unprotect_device(struct molt_dfu_session *session, uint32_t wait_ms, bool *back,
                              const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct molt_plan plan;
    struct dfu_work work;
    *back = false;
    int error = molt_dfu_unprotect_plan(session, &plan, message);
    if (error) {
        return error;
    }
    uint32_t began = session->usb.ops->now_ms(session->usb.context);
    dfu_work_begin(&work, session, progress, "erase", 0);
    error = molt_dfuse_unprotect(&session->dfu, &diag);
    if (error) {
        error = molt_dfu_fail(message, session, error, &diag, "lifting the read protection");
    } else if (molt_dfu_session_gone(session, VANISHES_MS) != 1) {
        error = molt_fail(message, MOLT_E_TIMEOUT,
                          "%s: still answers %u s after it was told to lift its read protection; "
                          "expected it to erase itself and to reset: unplug it, plug it in again "
                          "and look with 'molt dfu read'",
                          session->name, VANISHES_MS / 1000);
    } else if (wait_ms) {
        error = wait_until_back(session, began, wait_ms, message);
        *back = !error;
    }
    dfu_work_end(&work);
    return error;
}
