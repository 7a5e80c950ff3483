/*
 * libcurl on first use: it brings some thirty libraries with it, and every start of the command
 * would pay for them (10 ms and more), while only downloads need it. These are its functions under
 * their own names, so that the callers are ordinary users of <curl/curl.h>; a function that a
 * caller needs besides is one more row here (the linker says which).
 */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo

/* The library stays loaded; NULL when it is not installed or lacks the name. */
static void *find(const char *name)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}

/* ISO C has no cast from an object pointer to a function: POSIX asks for this way. */
#define REAL(name)                                                                                 \
    __typeof__(&name) real = NULL;                                                                 \
    void *symbol = find(#name);                                                                    \
    memcpy(&real, &symbol, sizeof real)

#define FORWARD(type, name, failed, parameters, arguments)                                         \
    type name parameters                                                                           \
    {                                                                                              \
        REAL(name);                                                                                \
        return real ? real arguments : (failed);                                                   \
    }

#define FORWARD_VOID(name, parameters, arguments)                                                  \
    void name parameters                                                                           \
    {                                                                                              \
        REAL(name);                                                                                \
        if (real) {                                                                                \
            real arguments;                                                                        \
        }                                                                                          \
    }

FORWARD(CURLcode, curl_global_init, CURLE_FAILED_INIT, (long flags), (flags))
FORWARD_VOID(curl_global_cleanup, (void), ())
FORWARD(CURL *, curl_easy_init, NULL, (void), ())
FORWARD_VOID(curl_easy_cleanup, (CURL * curl), (curl))
FORWARD_VOID(curl_easy_reset, (CURL * curl), (curl))
FORWARD(CURLcode, curl_easy_pause, CURLE_FAILED_INIT, (CURL * curl, int mask), (curl, mask))
FORWARD(const char *, curl_easy_strerror, "libcurl.so.4 is not installed", (CURLcode code), (code))
FORWARD(CURLM *, curl_multi_init, NULL, (void), ())
FORWARD(CURLMcode, curl_multi_cleanup, CURLM_INTERNAL_ERROR, (CURLM * multi), (multi))
FORWARD(CURLMcode, curl_multi_add_handle, CURLM_INTERNAL_ERROR, (CURLM * multi, CURL *curl),
        (multi, curl))
FORWARD(CURLMcode, curl_multi_remove_handle, CURLM_INTERNAL_ERROR, (CURLM * multi, CURL *curl),
        (multi, curl))
FORWARD(CURLMcode, curl_multi_perform, CURLM_INTERNAL_ERROR, (CURLM * multi, int *running),
        (multi, running))
FORWARD(CURLMcode, curl_multi_poll, CURLM_INTERNAL_ERROR,
        (CURLM * multi, struct curl_waitfd extra[], unsigned count, int timeout_ms, int *ready),
        (multi, extra, count, timeout_ms, ready))
FORWARD(CURLMsg *, curl_multi_info_read, NULL, (CURLM * multi, int *left), (multi, left))
FORWARD(struct curl_slist *, curl_slist_append, NULL, (struct curl_slist * list, const char *text),
        (list, text))
FORWARD_VOID(curl_slist_free_all, (struct curl_slist * list), (list))

/* The type of the one argument is told by the range of the option's number. */
CURLcode curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
    REAL(curl_easy_setopt);
    CURLcode code = CURLE_FAILED_INIT;
    va_list list;
    va_start(list, option);
    if (!real) {
        code = CURLE_FAILED_INIT;
    } else if (option < CURLOPTTYPE_OBJECTPOINT) {
        code = real(curl, option, va_arg(list, long));
    } else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB) {
        code = real(curl, option, va_arg(list, curl_off_t));
    } else {
        code = real(curl, option, va_arg(list, void *));
    }
    va_end(list);
    return code;
}

CURLcode curl_easy_getinfo(CURL *curl, CURLINFO info, ...)
{
    REAL(curl_easy_getinfo);
    va_list list;
    va_start(list, info);
    void *result = va_arg(list, void *);
    va_end(list);
    return real ? real(curl, info, result) : CURLE_FAILED_INIT;
}
