/* molt fs ls, tree, cat: what is in a file system. */
#include <stdlib.h>
#include <string.h>

#include "cli/fs_common.h"
#include "cli/process.h"

static const struct cli_option list_options[] = {
    FS_PARTITION, {"json", 'j', NULL, "print one JSON object"}, {0}};
static const struct cli_option cat_options[] = {FS_PARTITION, {0}};

static const char ls_details[] =
    "Sizes in bytes and names, sorted; folders end with '/'. Without PATH the root "
    "folder.\n" FS_TARGET_WORDS "\n"
    "\n"
    "Keys of --json:\n"
    "  target, partition, path, entries: [{path, kind: \"file\" or \"folder\", size}]\n"
    "  files, folders, bytes (of all entries)\n"
    "\n"
    "  molt fs ls firmware.bin\n"
    "  molt fs ls sim:board /lib --json";

static const char tree_details[] =
    "A folder with all below it. Without PATH the root folder.\n" FS_TARGET_WORDS "\n"
    "\n"
    "Keys of --json:\n"
    "  target, partition, path, entries: [{path, kind: \"file\" or \"folder\", size}]\n"
    "  files, folders, bytes (of all entries)\n"
    "\n"
    "  molt fs tree dump.bin";

static const char cat_details[] =
    "The files' bytes, one after the other, as they are.\n" FS_TARGET_WORDS "\n"
    "\n"
    "  molt fs cat sim:board /main.py";

/* ---- Lists ---- */

static void print_json(const struct molt_fsops *session, const char *path,
                       const struct molt_fs_items *items)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    fs_json_head(&json, session);
    json_text(&json, "path", path);
    json_open(&json, "entries", '[');
    for (uint32_t i = 0; i < items->count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "path", items->item[i].path);
        json_text(&json, "kind", items->item[i].is_folder ? "folder" : "file");
        json_number(&json, "size", items->item[i].size);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_number(&json, "files", items->files);
    json_number(&json, "folders", items->folders);
    json_number(&json, "bytes", (int64_t)items->bytes);
    json_close(&json, '}');
}

static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void print_list(const struct molt_fs_items *items)
{
    for (uint32_t i = 0; i < items->count; i++) {
        const struct molt_fs_item *item = &items->item[i];
        if (item->is_folder) {
            printf("%10s  ", "");
        } else {
            printf("%10u  ", item->size);
        }
        process_print_safe(stdout, last_of(item->path));
        printf(item->is_folder ? "/\n" : "\n");
    }
}

static uint32_t depth_of(const char *path)
{
    uint32_t n = 0;
    for (; *path; path++) {
        n += *path == '/';
    }
    return n;
}

/*
 * For each entry, bit n: at n folders below the list's own there is a later entry, so a line goes
 * on. From the last to the first, as many folders in each other as a list has at most (64).
 */
static uint64_t *lines_of(const struct molt_fs_items *items, uint32_t base)
{
    uint64_t *lines = malloc((items->count + 1u) * sizeof *lines), later = 0;
    for (uint32_t i = items->count; lines && i > 0; i--) {
        uint64_t bit = 1ull << (depth_of(items->item[i - 1].path) - base);
        lines[i - 1] = later & (bit | (bit - 1));
        later = lines[i - 1] | bit;
    }
    return lines;
}

static int print_tree(const char *path, const struct molt_fs_items *items,
                      struct molt_message *message)
{
    uint32_t base = strcmp(path, "/") == 0 ? 1 : depth_of(path) + 1;
    bool file = items->count == 1 && strcmp(items->item[0].path, path) == 0;
    uint64_t *lines = lines_of(items, file ? base - 1 : base);
    if (!lines) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    process_print_safe(stdout, path);
    putchar('\n');
    for (uint32_t i = 0; i < items->count && !file; i++) {
        const struct molt_fs_item *item = &items->item[i];
        uint32_t depth = depth_of(item->path) - base;
        for (uint32_t level = 0; level < depth; level++) {
            printf(lines[i] >> level & 1 ? "│   " : "    ");
        }
        printf(lines[i] >> depth & 1 ? "├── " : "└── ");
        process_print_safe(stdout, last_of(item->path));
        if (item->is_folder) {
            printf("/\n");
        } else {
            printf("  %u\n", item->size);
        }
    }
    printf("%u file%s, %u folder%s, %llu bytes\n", items->files, items->files == 1 ? "" : "s",
           items->folders, items->folders == 1 ? "" : "s", (unsigned long long)items->bytes);
    free(lines);
    return MOLT_OK;
}

static int list(struct cli_args *args, struct molt_fsops *session, bool recursive,
                struct molt_message *message)
{
    struct molt_fs_items items = {0};
    char path[MOLT_FSOPS_PATH] = "/";
    int error = args->operand_count > 1 ? fs_path(args, 1, path, message) : MOLT_OK;
    if (!error) {
        error = molt_fsops_list(session->fs, path, recursive, &items, message);
    }
    if (!error) {
        if (cli_has(args, "json")) {
            print_json(session, path, &items);
        } else if (recursive) {
            error = print_tree(path, &items, message);
        } else {
            print_list(&items);
        }
    }
    molt_fs_items_free(&items);
    return error;
}

static int ls(struct cli_args *args, struct molt_fsops *session, int *code,
              struct molt_message *message)
{
    *code = CLI_OK;
    return list(args, session, false, message);
}

static int tree(struct cli_args *args, struct molt_fsops *session, int *code,
                struct molt_message *message)
{
    *code = CLI_OK;
    return list(args, session, true, message);
}

static int run_ls(struct cli_args *args)
{
    return fs_with(args, MOLT_FSOPS_READ, ls);
}

static int run_tree(struct cli_args *args)
{
    return fs_with(args, MOLT_FSOPS_READ, tree);
}

/* ---- cat ---- */

static int cat(struct cli_args *args, struct molt_fsops *session, int *code,
               struct molt_message *message)
{
    int error = MOLT_OK;
    *code = CLI_OK;
    for (int i = 1; i < args->operand_count && !error; i++) {
        char path[MOLT_FSOPS_PATH];
        uint8_t *bytes = NULL;
        uint32_t n = 0;
        error = fs_path(args, i, path, message);
        if (!error) {
            error = molt_fs_read_file(session->fs, path, &bytes, &n);
            if (error) {
                molt_fail(message, error, "'%s': cannot be read: %s", path,
                          error == MOLT_E_NOT_FOUND  ? "no such file on the target"
                          : error == MOLT_E_ARGUMENT ? "is a folder, or no path there"
                                                     : molt_strerror(error));
            } else {
                fwrite(bytes, 1, n, stdout);
            }
        }
        free(bytes);
    }
    return error;
}

static int run_cat(struct cli_args *args)
{
    return fs_with(args, MOLT_FSOPS_READ, cat);
}

extern const struct cli_verb cli_verb_fs_ls;
const struct cli_verb cli_verb_fs_ls = {
    "fs ls", "TARGET [PATH]", "list a folder", ls_details, list_options, 1, 2, run_ls};

extern const struct cli_verb cli_verb_fs_tree;
const struct cli_verb cli_verb_fs_tree = {
    "fs tree", "TARGET [PATH]", "list a folder with all below it", tree_details, list_options, 1,
    2,         run_tree};

extern const struct cli_verb cli_verb_fs_cat;
const struct cli_verb cli_verb_fs_cat = {
    "fs cat", "TARGET PATH...", "print files", cat_details, cat_options, 2, -1, run_cat};
