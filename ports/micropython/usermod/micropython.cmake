# Molt's engine as the user C module `molt`, for ports built with CMake (ESP-IDF, rp2):
#   make -C micropython/ports/esp32 USER_C_MODULES=DIR/micropython.cmake
# where DIR is this folder: build/native/usermod/molt (made by `make native`, and whole by itself), or ports/micropython/usermod.
set(MOLT_C ${CMAKE_CURRENT_LIST_DIR}/molt.c)
if(NOT EXISTS ${MOLT_C})
    set(MOLT_C ${CMAKE_CURRENT_LIST_DIR}/../../../build/native/usermod/molt/molt.c)
endif()
if(NOT EXISTS ${MOLT_C})
    message(FATAL_ERROR "${CMAKE_CURRENT_LIST_DIR}: no molt.c: run `make native` in Molt's tree")
endif()
add_library(usermod_molt INTERFACE)
target_sources(usermod_molt INTERFACE ${MOLT_C})
target_link_libraries(usermod INTERFACE usermod_molt)
