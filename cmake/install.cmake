# What `cmake --install` puts below the prefix: the command, its man pages, what it needs beside it (src/cli/share.c), and
# libmolt: headers, static libraries, molt.pc; the udev rule.
include(GNUInstallDirs)

set(MOLT_MAN ${CMAKE_BINARY_DIR}/man)
add_custom_command(OUTPUT ${MOLT_MAN}/molt.1
  COMMAND ${CMAKE_SOURCE_DIR}/scripts/man.sh $<TARGET_FILE:molt> ${MOLT_MAN}
  DEPENDS molt ${CMAKE_SOURCE_DIR}/scripts/man.sh
  COMMENT "Man pages"
  VERBATIM)
add_custom_target(man ALL DEPENDS ${MOLT_MAN}/molt.1)

install(TARGETS molt RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${MOLT_MAN}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
install(DIRECTORY ports/micropython/ DESTINATION ${CMAKE_INSTALL_DATADIR}/molt/micropython
  FILES_MATCHING PATTERN "*.py" PATTERN __pycache__ EXCLUDE PATTERN native EXCLUDE)
# Made by `make native`, for devices.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/build/native/ DESTINATION ${CMAKE_INSTALL_DATADIR}/molt/native
  OPTIONAL FILES_MATCHING PATTERN "*.mpy")

# A littlefs of the system may be built with other options: ours has a name of its own.
set_target_properties(littlefs PROPERTIES OUTPUT_NAME molt_littlefs)
set_target_properties(fatfs PROPERTIES OUTPUT_NAME molt_fatfs)
install(TARGETS ${MOLT_LIBRARIES} littlefs fatfs ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/molt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
# Static libraries, each before those that it needs; libcurl is loaded when it is needed.
set(MOLT_PC_LIBS)
foreach(library ${MOLT_LIBRARIES} molt_littlefs molt_fatfs)
  string(APPEND MOLT_PC_LIBS " -l${library}")
endforeach()
# Found from where the file lies, so that an installed tree may be moved.
file(RELATIVE_PATH MOLT_PC_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(cmake/molt.pc.in ${CMAKE_BINARY_DIR}/molt.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/molt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Where udev looks when the prefix is /usr; elsewhere the file is copied by hand: docs/dfu.md.
install(FILES udev/60-molt.rules DESTINATION lib/udev/rules.d)

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${MOLT_DEPS}/src/littlefs_python-0.19.0/littlefs/LICENSE.md DESTINATION ${CMAKE_INSTALL_DOCDIR}
  RENAME LICENSE.littlefs OPTIONAL)
