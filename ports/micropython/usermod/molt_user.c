/*
 * The user C module `molt`: the functions of ../native, registered. Part of the
 * amalgamation build/native/usermod/molt.c (scripts/native.sh), never compiled alone.
 */
#define ROM_ROW(name, object) {MP_ROM_QSTR(name), MP_ROM_PTR(&object)},

static const mp_rom_map_elem_t molt_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_molt)},
    {MP_ROM_QSTR(MP_QSTR_STATE_SIZE), MP_ROM_INT(sizeof(struct native))},
    MOLT_FUNCTIONS(ROM_ROW)};
static MP_DEFINE_CONST_DICT(molt_globals, molt_globals_table);

const mp_obj_module_t molt_user_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&molt_globals,
};
MP_REGISTER_MODULE(MP_QSTR_molt, molt_user_module);
