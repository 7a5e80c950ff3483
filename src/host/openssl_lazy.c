#include <dlfcn.h>
#include <openssl/opensslv.h>
#include <stddef.h>

#include "host/openssl_lazy.h"

#define TEXT(number) #number
#define NAME(major)  "libcrypto.so." TEXT(major)

void *openssl_symbol(const char *name)
{
    void *library = dlopen(NAME(OPENSSL_SHLIB_VERSION), RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}
