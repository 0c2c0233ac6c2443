# What `cmake --install` and the Debian package hold. The tree can be moved: programs and library find
# each other by run paths relative to themselves.
include(CMakePackageConfigHelpers)

file(RELATIVE_PATH bin_to_lib /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
set_target_properties(krigon_cli_program PROPERTIES
  INSTALL_RPATH "$ORIGIN/${bin_to_lib};${KRIGON_OPENBLAS_DIR}")
set_target_properties(krigon PROPERTIES
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  INSTALL_RPATH "$ORIGIN;${KRIGON_OPENBLAS_DIR}")

install(TARGETS krigon_cli_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS krigon EXPORT krigonTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Asked for by name (cmake --install ... --component cuda): a package that held it would want CUDA's libraries.
if(TARGET krigon_cuda)
  set_target_properties(krigon_cuda PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS krigon_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT cuda EXCLUDE_FROM_ALL)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/krigon DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/krigon)
install(EXPORT krigonTargets NAMESPACE krigon:: DESTINATION ${config_folder})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/krigonConfig.cmake.in
  ${PROJECT_BINARY_DIR}/krigonConfig.cmake INSTALL_DESTINATION ${config_folder})
# No promise of a stable interface before 1.0: only the same minor version will do.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/krigonConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/krigonConfig.cmake ${PROJECT_BINARY_DIR}/krigonConfigVersion.cmake
  DESTINATION ${config_folder})

# The program itself writes its completions.
if(NOT KRIGON_SANITIZE)
  set(completions ${PROJECT_BINARY_DIR}/completions)
  add_custom_command(OUTPUT ${completions}/krigon ${completions}/_krigon ${completions}/krigon.fish
    COMMAND ${CMAKE_COMMAND} -E make_directory ${completions}
    COMMAND krigon_cli_program completion bash > ${completions}/krigon
    COMMAND krigon_cli_program completion zsh > ${completions}/_krigon
    COMMAND krigon_cli_program completion fish > ${completions}/krigon.fish
    DEPENDS krigon_cli_program VERBATIM)
  add_custom_target(krigon_completions ALL DEPENDS ${completions}/krigon)
  install(FILES ${completions}/krigon DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${completions}/_krigon DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  install(FILES ${completions}/krigon.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/docs/trial-protocol.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(FILES ${PROJECT_SOURCE_DIR}/docs/man/krigon.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_SOURCE_DIR}/share/krigon/study.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/krigon)

install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples DESTINATION ${CMAKE_INSTALL_DOCDIR}
  PATTERN "__pycache__" EXCLUDE PATTERN "*.db*" EXCLUDE PATTERN "krigon-trials" EXCLUDE PATTERN "krigon-submit" EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME krigon)
set(CPACK_PACKAGE_VENDOR "Krigon")
set(CPACK_PACKAGE_CONTACT "The Krigon developers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
  "Krigon finds good hyperparameters of a training program in few trials. It proposes settings by a Gaussian process, runs the trials in parallel, stops the bad ones early and keeps everything in one file. The package holds the program, the C++ library with its headers, and examples.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_FILE_NAME "krigon_${PROJECT_VERSION}_${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Any libopenblas would satisfy the loader, but only this build is fast under OpenMP.
set(CPACK_DEBIAN_PACKAGE_DEPENDS libopenblas0-openmp)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS git)
include(CPack)
