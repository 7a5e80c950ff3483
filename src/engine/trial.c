/* What happens to an update once it is installed: docs/spec/store.md, "What each phase means at a
 * boot". */
#include <string.h>

#include "engine/internal.h"

/* Everything that a decision looks at, read once. */
struct trial {
    const struct molt_engine_port *port;
    struct molt_update update;
    struct molt_otadata otadata;
    bool in_target; /* the target of the update runs */
};

static bool has_otadata(const struct molt_engine_port *port)
{
    return port->device.otadata_offset != 0;
}

static int look(struct trial *t, const struct molt_engine_port *port)
{
    const struct molt_app_slot *running = molt_slot_by_number(&port->device, port->device.running);
    t->port = port;
    int code = molt_update_load(port->store, &t->update);
    if (code < 0) {
        return code;
    }
    if (!running) {
        return MOLT_E_NOT_A_SLOT;
    }
    t->in_target = t->update.phase != MOLT_PHASE_NONE && running->offset == t->update.target_offset;
    return has_otadata(port)
               ? molt_otadata_read(&t->otadata, port->flash, port->device.otadata_offset)
               : MOLT_OK;
}

static int save_phase(struct trial *t, enum molt_phase phase)
{
    t->update.phase = (uint8_t)phase;
    return molt_update_save(t->port->store, &t->update);
}

static int fail(struct trial *t, int outcome)
{
    int code = molt_failed_add(t->port->store, t->update.digest);
    if (code < 0) {
        return code;
    }
    t->update.outcome = outcome;
    return save_phase(t, MOLT_PHASE_FAILED);
}

/* Rolling back is stored already; otadata follows. */
static int roll_back(struct trial *t)
{
    struct molt_otadata_situation situation;
    struct molt_otadata_plan plan;
    molt_situation_of(&t->port->device, MOLT_OTADATA_NO_SLOT, true, &situation);
    int code = molt_otadata_plan_rollback(&t->otadata, &situation, &plan);
    return code < 0 ? code : molt_otadata_write_all(t->port, &plan);
}

/* Writes the target's record again, after healing what the boot in between left behind. */
static int switch_again(struct trial *t)
{
    struct molt_otadata_situation situation;
    struct molt_otadata_plan plan;
    const struct molt_app_slot *target =
        molt_slot_by_offset(&t->port->device, t->update.target_offset);
    if (!target) {
        return MOLT_E_NOT_A_SLOT;
    }
    molt_situation_of(&t->port->device, target->number, false, &situation);
    int code = molt_otadata_plan_heal(&t->otadata, &situation, &plan);
    if (code < 0) {
        return code;
    }
    code = molt_otadata_write_all(t->port, &plan);
    if (code < 0) {
        return code;
    }
    molt_otadata_apply(&t->otadata, &plan);
    code = molt_otadata_plan_switch(&t->otadata, &situation, &plan);
    return code < 0 ? code : molt_otadata_write_all(t->port, &plan);
}

static int finish_confirm(struct trial *t)
{
    struct molt_otadata_situation situation;
    struct molt_otadata_plan plan;
    struct molt_floor floor;
    molt_situation_of(&t->port->device, MOLT_OTADATA_NO_SLOT, true, &situation);
    int code = molt_otadata_plan_confirm(&t->otadata, &situation, &plan);
    if (code < 0) {
        return code;
    }
    code = molt_otadata_write_all(t->port, &plan);
    if (code < 0) {
        return code;
    }
    code = molt_floor_load(t->port->store, &floor);
    if (code < 0) {
        return code;
    }
    if (t->update.sequence > floor.sequence) {
        floor.sequence = t->update.sequence;
        code = molt_floor_save(t->port->store, &floor);
        if (code < 0) {
            return code;
        }
    }
    t->update.outcome = MOLT_OK;
    return save_phase(t, MOLT_PHASE_CONFIRMED);
}

static int boot_in_target(struct trial *t, enum molt_trial_action *action)
{
    int code = MOLT_OK;
    switch ((enum molt_phase)t->update.phase) {
    case MOLT_PHASE_SWITCHING: t->update.boots = 1; return save_phase(t, MOLT_PHASE_TRIAL);
    case MOLT_PHASE_TRIAL:
        code = save_phase(t, MOLT_PHASE_ROLLING_BACK);
        if (code < 0) {
            return code;
        }
        *action = MOLT_TRIAL_RESTART;
        return roll_back(t);
    case MOLT_PHASE_ROLLING_BACK: *action = MOLT_TRIAL_RESTART; return roll_back(t);
    case MOLT_PHASE_CONFIRMING: return finish_confirm(t);
    case MOLT_PHASE_NONE:
    case MOLT_PHASE_INSTALLING:
    case MOLT_PHASE_CONFIRMED:
    case MOLT_PHASE_FAILED: break;
    }
    return code;
}

static int boot_in_from(struct trial *t, enum molt_trial_action *action)
{
    int code;
    switch ((enum molt_phase)t->update.phase) {
    case MOLT_PHASE_SWITCHING:
        if (t->update.switches >= MOLT_SWITCHES_MAX) {
            return fail(t, MOLT_E_BOOT_DISAGREES);
        }
        t->update.switches++;
        code = save_phase(t, MOLT_PHASE_SWITCHING);
        if (code < 0) {
            return code;
        }
        *action = MOLT_TRIAL_RESTART;
        return switch_again(t);
    case MOLT_PHASE_TRIAL: return fail(t, MOLT_E_UNCONFIRMED);
    case MOLT_PHASE_ROLLING_BACK: return fail(t, MOLT_E_CANCELLED);
    case MOLT_PHASE_CONFIRMING: *action = MOLT_TRIAL_RESTART; return switch_again(t);
    case MOLT_PHASE_NONE:
    case MOLT_PHASE_INSTALLING:
    case MOLT_PHASE_CONFIRMED:
    case MOLT_PHASE_FAILED: break;
    }
    return MOLT_OK;
}

int molt_trial_boot(const struct molt_engine_port *port, enum molt_trial_action *action)
{
    struct trial t;
    *action = MOLT_TRIAL_RUN;
    int code = look(&t, port);
    if (code < 0 || !has_otadata(port)) {
        return code;
    }
    return t.in_target ? boot_in_target(&t, action) : boot_in_from(&t, action);
}

int molt_trial_confirm(const struct molt_engine_port *port)
{
    struct trial t;
    struct molt_otadata_situation situation;
    struct molt_otadata_plan plan;
    if (!has_otadata(port)) {
        return MOLT_E_OTADATA_NONE;
    }
    int code = look(&t, port);
    if (code < 0) {
        return code;
    }
    bool stored = t.in_target &&
                  (t.update.phase == MOLT_PHASE_TRIAL || t.update.phase == MOLT_PHASE_SWITCHING ||
                   t.update.phase == MOLT_PHASE_CONFIRMING);
    molt_situation_of(&port->device, MOLT_OTADATA_NO_SLOT, stored, &situation);
    code = molt_otadata_plan_confirm(&t.otadata, &situation, &plan);
    if (code < 0) {
        return code;
    }
    if (!stored) { /* not one of ours: a firmware written by other means */
        return plan.count ? molt_otadata_write_all(port, &plan) : MOLT_E_NO_TRIAL;
    }
    code = save_phase(&t, MOLT_PHASE_CONFIRMING);
    return code < 0 ? code : finish_confirm(&t);
}

int molt_trial_rollback(const struct molt_engine_port *port)
{
    struct trial t;
    struct molt_otadata_situation situation;
    struct molt_otadata_plan plan;
    if (!has_otadata(port)) {
        return MOLT_E_OTADATA_NONE;
    }
    int code = look(&t, port);
    if (code < 0) {
        return code;
    }
    molt_situation_of(&port->device, MOLT_OTADATA_NO_SLOT, true, &situation);
    code = molt_otadata_plan_rollback(&t.otadata, &situation, &plan);
    if (code < 0) {
        return code; /* nothing to return to: nothing is stored either */
    }
    if (t.in_target) {
        code = save_phase(&t, MOLT_PHASE_ROLLING_BACK);
        if (code < 0) {
            return code;
        }
    }
    return molt_otadata_write_all(port, &plan);
}
