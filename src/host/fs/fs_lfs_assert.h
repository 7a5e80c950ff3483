/* Force-included when littlefs is compiled (CMakeLists.txt): its asserts leave by a trap, because a
 * damaged medium can break what they assert. */
#ifndef MOLT_HOST_FS_LFS_ASSERT_H
#define MOLT_HOST_FS_LFS_ASSERT_H

#include "host/fs/fs_trap.h"

#define LFS_ASSERT(test) ((test) ? (void)0 : fs_trap_spring())

#endif
