# What `cmake --install` and the package hold.
install(TARGETS krigon_cli_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
