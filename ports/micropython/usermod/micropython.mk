# Molt's engine as the user C module `molt`, for ports built with make:
#   make -C micropython/ports/PORT USER_C_MODULES=DIR
# where DIR is the folder above this one: build/native/usermod (made by `make native`, and whole by itself), or ports/micropython.
MOLT_C := $(firstword $(wildcard $(USERMOD_DIR)/molt.c $(USERMOD_DIR)/../../../build/native/usermod/molt/molt.c))
ifeq ($(MOLT_C),)
$(error $(USERMOD_DIR): no molt.c: run `make native` in Molt's tree, then build with USER_C_MODULES=MOLT/build/native/usermod)
endif
SRC_USERMOD_C += $(MOLT_C)
