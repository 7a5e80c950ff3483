#include "host/fs/fs_trap.h"

#include <setjmp.h>
#include <stdlib.h>

struct trap {
    jmp_buf place;
    struct trap *outer;
};

/* Of this thread: littlefs' assert carries no context. */
static _Thread_local struct trap *innermost;

int fs_trap_run(struct molt_fs *fs, int (*operation)(struct molt_fs *, struct fs_call *),
                struct fs_call *call, int *sprung)
{
    struct trap trap;
    trap.outer = innermost;
    innermost = &trap;
    *sprung = 0;
    if (setjmp(trap.place) == 0) {
        int result = operation(fs, call);
        innermost = trap.outer;
        return result;
    }
    innermost = trap.outer;
    *sprung = 1;
    return -1;
}

void fs_trap_spring(void)
{
    if (!innermost) {
        abort();
    }
    longjmp(innermost->place, 1);
}
