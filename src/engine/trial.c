/* What happens to an update once it is installed: docs/spec/store.md, "What each phase means at a
 * boot". */
#include <string.h>

#include "engine/internal.h"

/* Everything that a decision looks at, read once. */
struct trial {
    const struct molt_engine_port *port;
    struct molt_update update;
    struct molt_otadata otadata;
    struct molt_otadata_situation situation;
    bool in_target; /* the target of the update runs */
};

typedef int plan_maker(const struct molt_otadata *now,
                       const struct molt_otadata_situation *situation,
                       struct molt_otadata_plan *plan);

static int look(struct trial *t, const struct molt_engine_port *port)
{
    const struct molt_device *device = &port->device;
    const struct molt_app_slot *running = molt_slot_by_number(device, device->running);
    t->port = port;
    if (!device->otadata_offset) {
        return MOLT_E_OTADATA_NONE;
    }
    int code = molt_update_load(port->store, &t->update);
    if (code < 0) {
        return code;
    }
    if (!running) {
        return MOLT_E_NOT_A_SLOT;
    }
    t->in_target = t->update.phase != MOLT_PHASE_NONE && running->offset == t->update.target_offset;
    molt_situation_of(device, MOLT_OTADATA_NO_SLOT, &t->situation);
    return molt_otadata_read(&t->otadata, port->flash, device->otadata_offset);
}

static int save_phase(struct trial *t, enum molt_phase phase)
{
    t->update.phase = (uint8_t)phase;
    return molt_update_save(t->port->store, &t->update);
}

static int carry_out(struct trial *t, plan_maker *make)
{
    struct molt_otadata_plan plan;
    int code = make(&t->otadata, &t->situation, &plan);
    if (code < 0) {
        return code;
    }
    molt_otadata_apply(&t->otadata, &plan);
    return molt_otadata_write_all(t->port, &plan);
}

/* Heals first: while the records name the target, it may come up later as if it were confirmed. */
static int fail(struct trial *t, int outcome)
{
    int code = carry_out(t, molt_otadata_plan_heal);
    if (code >= 0) {
        code = molt_failed_add(t->port->store, t->update.digest);
    }
    if (code < 0) {
        return code;
    }
    t->update.outcome = outcome;
    return save_phase(t, MOLT_PHASE_FAILED);
}

/* Writes the target's record again, after healing what the boot in between left behind. Counted,
 * for the target may not load any more. */
static int switch_again(struct trial *t)
{
    const struct molt_app_slot *target =
        molt_slot_by_offset(&t->port->device, t->update.target_offset);
    if (t->update.switches >= MOLT_SWITCHES_MAX || !target) {
        return fail(t, MOLT_E_BOOT_DISAGREES);
    }
    t->update.switches++;
    int code = molt_update_save(t->port->store, &t->update);
    if (code >= 0) {
        code = carry_out(t, molt_otadata_plan_heal);
    }
    t->situation.target = target->number;
    if (code >= 0) {
        code = carry_out(t, molt_otadata_plan_switch);
    }
    return code < 0 ? code : MOLT_TRIAL_RESTART;
}

static int finish_confirm(struct trial *t)
{
    struct molt_floor floor;
    int code = carry_out(t, molt_otadata_plan_confirm);
    if (code < 0) {
        return code;
    }
    code = molt_floor_load(t->port->store, &floor);
    if (code >= 0 && t->update.sequence > floor.sequence) {
        floor.sequence = t->update.sequence;
        code = molt_floor_save(t->port->store, &floor);
    }
    if (code < 0) {
        return code;
    }
    t->update.outcome = MOLT_OK;
    return save_phase(t, MOLT_PHASE_CONFIRMED);
}

/* No update is under way: the records name what runs, unless the bootloader had to fall back. */
static int agree(struct trial *t)
{
    struct molt_otadata_choice choice;
    struct molt_otadata_facts as_chosen = t->situation.facts;
    as_chosen.rollback = false; /* PENDING_VERIFY was NEW when the bootloader chose */
    molt_otadata_choose(&t->otadata, &as_chosen, &choice);
    return choice.slot == t->situation.running ? MOLT_OK : carry_out(t, molt_otadata_plan_heal);
}

/* These return an enum molt_trial_action, or an error. */
static int boot_in_target(struct trial *t)
{
    int code = MOLT_OK;
    switch ((enum molt_phase)t->update.phase) {
    case MOLT_PHASE_SWITCHING: t->update.boots = 1; return save_phase(t, MOLT_PHASE_TRIAL);
    case MOLT_PHASE_TRIAL:
        code = save_phase(t, MOLT_PHASE_ROLLING_BACK);
        if (code < 0) {
            return code;
        }
        /* fall through */
    case MOLT_PHASE_ROLLING_BACK:
        code = carry_out(t, molt_otadata_plan_rollback);
        return code < 0 ? code : MOLT_TRIAL_RESTART;
    case MOLT_PHASE_CONFIRMING: return finish_confirm(t);
    case MOLT_PHASE_NONE:
    case MOLT_PHASE_INSTALLING:
    case MOLT_PHASE_CONFIRMED:
    case MOLT_PHASE_FAILED: break;
    }
    return agree(t);
}

static int boot_in_from(struct trial *t)
{
    switch ((enum molt_phase)t->update.phase) {
    case MOLT_PHASE_SWITCHING:
    case MOLT_PHASE_CONFIRMING: return switch_again(t);
    case MOLT_PHASE_TRIAL: return fail(t, MOLT_E_UNCONFIRMED);
    case MOLT_PHASE_ROLLING_BACK: return fail(t, MOLT_E_CANCELLED);
    case MOLT_PHASE_NONE:
    case MOLT_PHASE_INSTALLING:
    case MOLT_PHASE_CONFIRMED:
    case MOLT_PHASE_FAILED: break;
    }
    return agree(t);
}

int molt_trial_boot(const struct molt_engine_port *port, enum molt_trial_action *action)
{
    struct trial t;
    *action = MOLT_TRIAL_RUN; /* after an error too: a restart would find the same again */
    int code = look(&t, port);
    if (code < 0) {
        return code == MOLT_E_OTADATA_NONE ? MOLT_OK : code;
    }
    code = t.in_target ? boot_in_target(&t) : boot_in_from(&t);
    if (code < 0) {
        return code;
    }
    *action = (enum molt_trial_action)code;
    return MOLT_OK;
}

int molt_trial_confirm(const struct molt_engine_port *port)
{
    struct trial t;
    struct molt_otadata_plan plan;
    int code = look(&t, port);
    if (code < 0) {
        return code;
    }
    code = molt_otadata_plan_confirm(&t.otadata, &t.situation, &plan);
    if (code < 0) {
        return code;
    }
    if (!t.in_target || t.update.phase < MOLT_PHASE_SWITCHING ||
        t.update.phase > MOLT_PHASE_ROLLING_BACK) {
        /* not one of ours: a firmware written by other means */
        return plan.count ? molt_otadata_write_all(port, &plan) : MOLT_E_NO_TRIAL;
    }
    t.update.switches = 0; /* they are counted anew should the confirm be cut */
    code = save_phase(&t, MOLT_PHASE_CONFIRMING);
    return code < 0 ? code : finish_confirm(&t);
}

int molt_trial_rollback(const struct molt_engine_port *port)
{
    struct trial t;
    struct molt_otadata_plan plan;
    int code = look(&t, port);
    if (code < 0) {
        return code;
    }
    if (t.update.phase == MOLT_PHASE_INSTALLING) {
        return MOLT_E_NO_WAY_BACK; /* the other slot is being written */
    }
    code = molt_otadata_plan_rollback(&t.otadata, &t.situation, &plan);
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
