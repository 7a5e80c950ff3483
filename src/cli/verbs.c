/* The verbs, in the order of the overview. A new verb is one file and one row. */
#include "cli/dfu_util.h"
#include "cli/parse.h"

extern const struct cli_verb cli_verb_info, cli_verb_convert, cli_verb_doctor;
extern const struct cli_verb cli_verb_edit;
extern const struct cli_verb cli_verb_diff;
extern const struct cli_verb cli_verb_csv;
extern const struct cli_verb cli_verb_read, cli_verb_write, cli_verb_erase, cli_verb_extract,
    cli_verb_merge;
extern const struct cli_verb cli_verb_flash;
extern const struct cli_verb cli_verb_ota_status, cli_verb_ota_set_boot, cli_verb_ota_confirm,
    cli_verb_ota_rollback, cli_verb_ota_invalidate;
extern const struct cli_verb cli_verb_fs_df, cli_verb_fs_info, cli_verb_fs_ls, cli_verb_fs_tree,
    cli_verb_fs_get, cli_verb_fs_put, cli_verb_fs_cat, cli_verb_fs_mkdir, cli_verb_fs_rm,
    cli_verb_fs_mv, cli_verb_fs_mkfs, cli_verb_fs_grow, cli_verb_fs_check, cli_verb_fs_build;
extern const struct cli_verb cli_verb_key_new, cli_verb_key_show;
extern const struct cli_verb cli_verb_bundle_create, cli_verb_bundle_show;
extern const struct cli_verb cli_verb_publish;
extern const struct cli_verb cli_verb_update;
extern const struct cli_verb cli_verb_provision;
extern const struct cli_verb cli_verb_dfu_list;
extern const struct cli_verb cli_verb_dfu_read, cli_verb_dfu_erase;
extern const struct cli_verb cli_verb_dfu_leave, cli_verb_dfu_detach, cli_verb_dfu_unprotect;
extern const struct cli_verb cli_verb_dfu_util, cli_verb_pydfu;
extern const struct cli_verb cli_verb_dfu_pack, cli_verb_dfu_unpack, cli_verb_dfu_show;
extern const struct cli_verb cli_verb_dfu_write, cli_verb_dfu_verify;
extern const struct cli_verb cli_verb_sim_new, cli_verb_sim_boot, cli_verb_sim_run;

/* A row each, so that two new ones do not meet. */
/* clang-format off */
const struct cli_verb *const cli_verbs[] = {
    &cli_verb_info, &cli_verb_convert,
    &cli_verb_doctor,
    &cli_verb_edit,
    &cli_verb_read,
    &cli_verb_write,
    &cli_verb_erase,
    &cli_verb_extract,
    &cli_verb_merge,
    &cli_verb_csv,
    &cli_verb_diff,
    &cli_verb_flash,
    &cli_verb_ota_status,
    &cli_verb_ota_set_boot,
    &cli_verb_ota_confirm,
    &cli_verb_ota_rollback,
    &cli_verb_ota_invalidate,
    &cli_verb_fs_df,
    &cli_verb_fs_info,
    &cli_verb_fs_ls,
    &cli_verb_fs_tree,
    &cli_verb_fs_get,
    &cli_verb_fs_put,
    &cli_verb_fs_cat,
    &cli_verb_fs_mkdir,
    &cli_verb_fs_rm,
    &cli_verb_fs_mv,
    &cli_verb_fs_mkfs,
    &cli_verb_fs_grow,
    &cli_verb_fs_check,
    &cli_verb_fs_build,
    &cli_verb_key_new,
    &cli_verb_key_show,
    &cli_verb_bundle_create,
    &cli_verb_bundle_show,
    &cli_verb_publish,
    &cli_verb_update,
    &cli_verb_provision,
    &cli_verb_dfu_list,
    &cli_verb_dfu_write,
    &cli_verb_dfu_verify,
    &cli_verb_dfu_read,
    &cli_verb_dfu_erase,
    &cli_verb_dfu_leave,
    &cli_verb_dfu_detach,
    &cli_verb_dfu_unprotect,
    &cli_verb_dfu_show,
    &cli_verb_dfu_pack,
    &cli_verb_dfu_unpack,
    &cli_verb_dfu_util,
    &cli_verb_pydfu,
    &cli_verb_sim_new,
    &cli_verb_sim_boot,
    &cli_verb_sim_run,
    NULL};
/* clang-format on */

int cli_usage_code(const struct cli_verb *verb)
{
    return verb == &cli_verb_dfu_util ? DFU_UTIL_USAGE : CLI_USAGE;
}
