# Helpers that give every target the same standard, warnings and sanitizers.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(krigon_flags INTERFACE)
target_compile_features(krigon_flags INTERFACE cxx_std_20)
target_include_directories(krigon_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}
  ${PROJECT_BINARY_DIR}/generated)
target_compile_options(krigon_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  -Wno-missing-field-initializers  # our aggregates have defaults for what is left out
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # false alarms of GCC 12 on string concatenation (its bug 105651)
if(KRIGON_WARNINGS_AS_ERRORS)
  target_compile_options(krigon_flags INTERFACE -Werror)
endif()
if(KRIGON_SANITIZE)
  target_compile_options(krigon_flags INTERFACE -fsanitize=${KRIGON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(krigon_flags INTERFACE -fsanitize=${KRIGON_SANITIZE})
endif()

# krigon_library(core SOURCES a.cpp b.cpp DEPENDS krigon_x fmt::fmt)
# makes the static library krigon_core; what it links is what its folder may include.
function(krigon_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(krigon_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(krigon_${name} PUBLIC krigon_flags ${ARG_DEPENDS})
endfunction()

# krigon_test(space_test SOURCES space_test.cpp DEPENDS krigon_core [LABELS slow tsan])
# makes a GoogleTest program and one CTest entry per test in it.
# Labels: 'slow' runs only with `scripts/test --full`; 'tsan' is also run under the thread sanitizer;
# 'no-sanitizer' never is run under one.
function(krigon_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LABELS;PROPERTIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE krigon_flags ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE KRIGON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  # GCC 12 sees the temporaries of designated initialisers as unset on their clean-up path (its bug 105562).
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  # Half of all building is of tests. What they call is built as ever; themselves they need no optimiser, and
  # the undefined-behaviour sanitizer doubles the time of a file of expectations.
  target_compile_options(${name} PRIVATE -O0)
  if(KRIGON_SANITIZE)
    target_compile_options(${name} PRIVATE -fno-sanitize=undefined)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  include(GoogleTest)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_LIST ${name}_tests TEST_PREFIX ${name}.
    PROPERTIES TIMEOUT 300 ${ARG_PROPERTIES})
  if(ARG_LABELS)
    # Not by PROPERTIES above, which loses all labels but the first.
    set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake)
    file(WRITE ${labels_file}
      "if(${name}_tests)\n  set_tests_properties(\${${name}_tests} PROPERTIES LABELS \"${ARG_LABELS}\")\nendif()\n")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
  endif()
  if("tsan" IN_LIST ARG_LABELS)
    add_dependencies(krigon_tsan_tests ${name})
  endif()
endfunction()
add_custom_target(krigon_tsan_tests COMMENT "The tests that run under the thread sanitizer")

# krigon_fuzzer(study_file_fuzzer SOURCES a.cpp DEPENDS krigon_config)
# makes a libFuzzer program under fuzz/ of the build folder; only with KRIGON_BUILD_FUZZERS.
function(krigon_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE krigon_flags ${ARG_DEPENDS})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  add_dependencies(krigon_fuzzers ${name})
endfunction()
add_custom_target(krigon_fuzzers COMMENT "The libFuzzer programs")
