# CUDA: finding the toolkit, compiling `.cu` files with nvcc for a GPU, and compiling the same files as
# C++ that the tests execute on the CPU (tests/host_cuda). Everything else of Krigon builds without.
#
#   KRIGON_CUDA                 AUTO: use what is there; ON: a missing toolkit is an error; OFF: none
#   KRIGON_CUDA_ROOT            where the toolkit lies, if neither on PATH nor in a usual place
#   KRIGON_CUDA_ARCHITECTURES   for nvcc: 80 unless given; a release names 80;90;100;120
#
# Sets KRIGON_NVCC (nvcc works, and CMake's CUDA language is enabled), KRIGON_HOST_CUDA (the headers are there and
# tests are built: `.cu` files can be executed on the CPU), KRIGON_HOST_CUDA_RACECHECK (and judged by the thread
# sanitizer), and KRIGON_CUDA_MISSING, which says in words what is not there.
set(KRIGON_CUDA AUTO CACHE STRING "Build what needs the CUDA toolkit: AUTO, ON or OFF")
set_property(CACHE KRIGON_CUDA PROPERTY STRINGS AUTO ON OFF)
set(KRIGON_CUDA_ROOT "" CACHE PATH "The CUDA toolkit")
set(KRIGON_CUDA_ARCHITECTURES 80 CACHE STRING "GPU architectures to compile for")

set(KRIGON_CUDA_HEADERS FALSE)
set(KRIGON_NVCC FALSE)
set(KRIGON_CUDA_MISSING "")

# Where a toolkit may lie: as given, of the nvcc on PATH, as the installers have it, and where
# `scripts/setup --cuda` puts the toolkit's packages.
function(krigon_cuda_candidates result)
  set(candidates ${KRIGON_CUDA_ROOT} $ENV{KRIGON_CUDA_ROOT})
  if(NOT candidates)
    find_program(nvcc_on_path nvcc NO_CACHE)
    if(nvcc_on_path)
      file(REAL_PATH ${nvcc_on_path} nvcc_on_path)
      get_filename_component(folder ${nvcc_on_path} DIRECTORY)
      list(APPEND candidates ${folder}/..)
    endif()
    set(cache "$ENV{XDG_CACHE_HOME}")
    if(NOT cache)
      set(cache "$ENV{HOME}/.cache")
    endif()
    list(APPEND candidates /usr/local/cuda /opt/cuda ${cache}/krigon/cuda/nvidia/cu13)
  endif()
  set(${result} ${candidates} PARENT_SCOPE)
endfunction()

if(NOT KRIGON_CUDA STREQUAL "OFF")
  krigon_cuda_candidates(candidates)
  foreach(candidate IN LISTS candidates)
    if(EXISTS ${candidate}/include/cuda_runtime.h AND EXISTS ${candidate}/include/cublas_v2.h
       AND EXISTS ${candidate}/include/cusolverDn.h)
      file(REAL_PATH ${candidate} krigon_cuda_root)
      set(KRIGON_CUDA_HEADERS TRUE)
      break()
    endif()
  endforeach()
  if(NOT KRIGON_CUDA_HEADERS)
    set(KRIGON_CUDA_MISSING "no CUDA toolkit with cuBLAS and cuSOLVER found (scripts/setup --cuda brings one)")
  endif()
endif()

if(KRIGON_CUDA_HEADERS)
  add_library(krigon_cuda_headers INTERFACE)
  target_include_directories(krigon_cuda_headers SYSTEM INTERFACE ${krigon_cuda_root}/include)

  # A compiler that cannot make a program is no compiler; CMake would stop at it.
  set(nvcc ${krigon_cuda_root}/bin/nvcc)
  if(EXISTS ${nvcc})
    if(NOT "${KRIGON_NVCC_WORKS}" STREQUAL "${nvcc}")
      set(probe ${PROJECT_BINARY_DIR}/cuda_probe)
      file(WRITE ${probe}/probe.cu "__global__ void probe(int* p) { *p = 1; }\nint main() { return 0; }\n")
      execute_process(COMMAND ${nvcc} -std=c++20 -ccbin ${CMAKE_CXX_COMPILER} -o ${probe}/probe ${probe}/probe.cu
        RESULT_VARIABLE nvcc_status OUTPUT_VARIABLE nvcc_output ERROR_VARIABLE nvcc_output)
      if(nvcc_status EQUAL 0)
        set(KRIGON_NVCC_WORKS ${nvcc} CACHE INTERNAL "The nvcc that compiled and linked a program")
      endif()
    endif()
    if("${KRIGON_NVCC_WORKS}" STREQUAL "${nvcc}")
      set(KRIGON_NVCC TRUE)
    else()
      set(KRIGON_CUDA_MISSING "${nvcc} cannot build a program with ${CMAKE_CXX_COMPILER}: ${nvcc_output}")
    endif()
  else()
    set(KRIGON_CUDA_MISSING "the toolkit in ${krigon_cuda_root} has no nvcc")
  endif()
endif()

if(KRIGON_NVCC)
  set(CMAKE_CUDA_COMPILER ${nvcc})
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  set(CMAKE_CUDA_ARCHITECTURES ${KRIGON_CUDA_ARCHITECTURES})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  enable_language(CUDA)

  # CMake 3.25 knows no C++20 for nvcc 13, so the option is given by hand.
  add_library(krigon_nvcc_flags INTERFACE)
  target_include_directories(krigon_nvcc_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src
    ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
  target_compile_options(krigon_nvcc_flags INTERFACE
    "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;-Xcompiler=-Wall,-Wextra,-Wshadow,-fvisibility=hidden>")
  if(KRIGON_WARNINGS_AS_ERRORS)
    target_compile_options(krigon_nvcc_flags INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>")
  endif()

  # The libraries, by their full paths: a stub must never reach a run path.
  foreach(library cudart cublas cusolver)
    find_library(krigon_${library}_file NAMES ${library} NAMES_PER_DIR
      PATHS ${krigon_cuda_root}/lib64 ${krigon_cuda_root}/lib ${krigon_cuda_root}/targets/x86_64-linux/lib
      NO_DEFAULT_PATH)
    if(NOT krigon_${library}_file)
      # The toolkit's packages bring the library under its run-time name alone.
      file(GLOB versions ${krigon_cuda_root}/lib/lib${library}.so.*)
      list(FILTER versions INCLUDE REGEX "\\.so\\.[0-9]+$")
      if(versions)
        list(GET versions 0 version)
        set(krigon_${library}_file ${version} CACHE FILEPATH "CUDA's ${library}" FORCE)
      endif()
    endif()
    if(krigon_${library}_file)
      add_library(krigon_${library} INTERFACE)
      target_link_libraries(krigon_${library} INTERFACE ${krigon_${library}_file})
    elseif(NOT KRIGON_CUDA_MISSING)
      set(KRIGON_CUDA_MISSING "the toolkit in ${krigon_cuda_root} has no lib${library}")
    endif()
  endforeach()
endif()

if(KRIGON_CUDA STREQUAL "ON" AND NOT KRIGON_NVCC)
  message(FATAL_ERROR "KRIGON_CUDA is ON, but ${KRIGON_CUDA_MISSING}")
endif()
if(KRIGON_CUDA_MISSING)
  message(STATUS "CUDA: ${KRIGON_CUDA_MISSING}")
elseif(KRIGON_NVCC)
  message(STATUS "CUDA: ${krigon_cuda_root}, nvcc for ${KRIGON_CUDA_ARCHITECTURES}")
endif()

# Executing CUDA on the host takes its headers and Boost's fibers.
set(KRIGON_HOST_CUDA FALSE)
set(KRIGON_HOST_CUDA_RACECHECK FALSE)
set(KRIGON_HOST_CUDA_MISSING "${KRIGON_CUDA_MISSING}")
if(KRIGON_CUDA STREQUAL "OFF")
  set(KRIGON_HOST_CUDA_MISSING "KRIGON_CUDA is OFF")
elseif(KRIGON_ENGINE_ONLY)
  set(KRIGON_HOST_CUDA_MISSING "KRIGON_ENGINE_ONLY is ON")
elseif(KRIGON_CUDA_HEADERS)
  find_library(KRIGON_BOOST_CONTEXT NAMES boost_context)
  find_path(KRIGON_BOOST_CONTEXT_INCLUDE NAMES boost/context/fiber.hpp)
  if(KRIGON_BOOST_CONTEXT AND KRIGON_BOOST_CONTEXT_INCLUDE)
    set(KRIGON_HOST_CUDA ${KRIGON_BUILD_TESTS})
    if(KRIGON_HOST_CUDA AND NOT KRIGON_SANITIZE)
      set(KRIGON_HOST_CUDA_RACECHECK TRUE)
    endif()
  else()
    set(KRIGON_HOST_CUDA_MISSING "Boost.Context is not installed (scripts/setup brings it)")
  endif()
endif()

# krigon_nvcc_objects(name SOURCES a.cu DEPENDS ...)
# makes the object library `name` of what nvcc compiles for a GPU. Only where KRIGON_NVCC.
function(krigon_nvcc_objects name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} OBJECT ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC krigon_nvcc_flags ${ARG_DEPENDS})
endfunction()

# krigon_host_cuda_library(name SOURCES a.cu b.cpp DEPENDS ... [RACECHECK])
# makes the static library `name` of `.cu` files compiled as C++, which CUDA's stand-ins execute on the CPU: what
# links it gets those too. With RACECHECK also `name`_racecheck, compiled for the thread sanitizer, in which every
# CUDA thread is a thread; only where KRIGON_HOST_CUDA_RACECHECK. Only where KRIGON_HOST_CUDA.
function(krigon_host_cuda_library name)
  cmake_parse_arguments(ARG "RACECHECK" "" "SOURCES;DEPENDS" ${ARGN})
  krigon_host_cuda_variant(${name} krigon_host_cuda ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC krigon_flags ${ARG_DEPENDS})
  # Typed arrays in shared memory have bounds that the compiler can check; see also runtime/violation.cpp.
  target_compile_options(${name} PRIVATE -fsanitize=bounds -fno-sanitize-recover=bounds)
  target_link_options(${name} PUBLIC -fsanitize=bounds)
  if(ARG_RACECHECK AND KRIGON_HOST_CUDA_RACECHECK)
    krigon_host_cuda_variant(${name}_racecheck krigon_host_cuda_racecheck ${ARG_SOURCES})
    target_link_libraries(${name}_racecheck PUBLIC krigon_flags ${ARG_DEPENDS})
    target_compile_options(${name}_racecheck PRIVATE -fsanitize=thread -g1 -O1)
    target_link_options(${name}_racecheck PUBLIC -fsanitize=thread)
  endif()
endfunction()

# One library of `.cu` files as C++. They are compiled by way of a file that includes them: a source's language
# belongs to the file, and the same file may be nvcc's elsewhere.
function(krigon_host_cuda_variant name runtime)
  set(compiled)
  foreach(source IN LISTS ARGN)
    if(source MATCHES "\\.cu$")
      get_filename_component(path ${source} ABSOLUTE)
      get_filename_component(stem ${source} NAME)
      set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/${name}/${stem}.cpp)
      file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"${path}\"\n")
      list(APPEND compiled ${wrapper})
    else()
      list(APPEND compiled ${source})
    endif()
  endforeach()
  add_library(${name} STATIC ${compiled})
  target_compile_definitions(${name} PUBLIC KRIGON_HOST_CUDA)
  target_compile_options(${name} PRIVATE -g1)
  target_link_libraries(${name} PUBLIC ${runtime})
endfunction()
