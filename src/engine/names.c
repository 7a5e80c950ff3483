/* Apart, so that a device that shows no words does not carry them. */
#include "molt/engine.h"

const char *molt_engine_state_name(enum molt_engine_state state)
{
    static const char *const names[MOLT_STATE_COUNT] = {
        [MOLT_STATE_HEAD] = "head",     [MOLT_STATE_VERIFY] = "verify",
        [MOLT_STATE_PROBE] = "probe",   [MOLT_STATE_PREVIEW] = "preview",
        [MOLT_STATE_HEAL] = "heal",     [MOLT_STATE_SCAN] = "scan",
        [MOLT_STATE_PRUNE] = "prune",   [MOLT_STATE_ERASE] = "erase",
        [MOLT_STATE_WRITE] = "write",   [MOLT_STATE_CHECK] = "check",
        [MOLT_STATE_IMAGE] = "image",   [MOLT_STATE_LIST] = "list",
        [MOLT_STATE_FILES] = "files",   [MOLT_STATE_BIND] = "bind",
        [MOLT_STATE_SWITCH] = "switch", [MOLT_STATE_DONE] = "done",
        [MOLT_STATE_FAILED] = "failed",
    };
    return (unsigned)state < MOLT_STATE_COUNT ? names[state] : "unknown";
}
