#include "host/usb_api.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libusb-1.0.so.0"

static int load(struct usb_api *api, struct molt_message *message)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL); /* it stays loaded */
    if (!library) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "USB: " LIBRARY " cannot be loaded (%s); install libusb-1.0 (Debian: "
                         "libusb-1.0-0)",
                         dlerror());
    }
    /* ISO C has no cast from an object pointer to a function: POSIX asks for this way. */
    void *symbol;
#define FIND(name)                                                                                 \
    symbol = dlsym(library, "libusb_" #name);                                                      \
    if (!symbol) {                                                                                 \
        return molt_fail(message, MOLT_E_UNSUPPORTED,                                              \
                         "USB: " LIBRARY " has no libusb_" #name ": expected a newer one");        \
    }                                                                                              \
    memcpy(&api->name, &symbol, sizeof symbol);
    USB_API(FIND)
    return MOLT_OK;
}

int usb_api_begin(struct usb_api *api, libusb_context **context, struct molt_message *message)
{
    int error = load(api, message);
    if (error) {
        return error;
    }
    int code = api->init(context);
    return code < 0 ? molt_fail(message, MOLT_E_UNSUPPORTED,
                                "USB: this system's USB cannot be used (libusb: %s)",
                                api->strerror(code))
                    : MOLT_OK;
}

int usb_api_error(int error)
{
    switch (error) {
    case LIBUSB_SUCCESS: return MOLT_OK;
    case LIBUSB_ERROR_PIPE: return MOLT_E_USB_STALL;
    case LIBUSB_ERROR_TIMEOUT: return MOLT_E_TIMEOUT;
    case LIBUSB_ERROR_NO_DEVICE: return MOLT_E_USB_GONE;
    case LIBUSB_ERROR_ACCESS: return MOLT_E_USB_ACCESS;
    case LIBUSB_ERROR_BUSY: return MOLT_E_BUSY;
    case LIBUSB_ERROR_NO_MEM: return MOLT_E_NO_MEMORY;
    case LIBUSB_ERROR_NOT_SUPPORTED: return MOLT_E_UNSUPPORTED;
    case LIBUSB_ERROR_NOT_FOUND: return MOLT_E_NOT_FOUND;
    default: return MOLT_E_IO;
    }
}
