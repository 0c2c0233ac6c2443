# Everything comes from the system's packages (scripts/setup installs them on Debian 12).
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
if(NOT KRIGON_ENGINE_ONLY)
  find_package(nlohmann_json REQUIRED)
  find_package(yaml-cpp REQUIRED)
  find_package(CLI11 REQUIRED)
  find_package(SQLite3 REQUIRED)
  find_package(OpenSSL REQUIRED COMPONENTS Crypto)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(muparser REQUIRED IMPORTED_TARGET muparser)
  pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)
endif()

# The openmp build of OpenBLAS for certain: Debian's pthread and openmp builds share a SONAME, and
# under `omp parallel` the pthread one is ten times slower. Hence the full path and a run path to it.
set(openblas_roots ${CMAKE_PREFIX_PATH})
list(TRANSFORM openblas_roots APPEND /lib/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu/openblas-openmp OUTPUT_VARIABLE openblas_libraries)
list(TRANSFORM openblas_roots APPEND /include/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu/openblas-openmp OUTPUT_VARIABLE openblas_includes)
find_library(KRIGON_OPENBLAS NAMES openblas
  PATHS ${openblas_libraries} /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp /usr/lib/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu/openblas-openmp
  NO_DEFAULT_PATH REQUIRED)
get_filename_component(KRIGON_OPENBLAS_DIR ${KRIGON_OPENBLAS} DIRECTORY)
find_path(KRIGON_OPENBLAS_INCLUDE NAMES cblas.h
  PATHS ${openblas_includes} /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp /usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu/openblas-openmp
  NO_DEFAULT_PATH REQUIRED)
add_library(krigon_openblas INTERFACE)
target_link_libraries(krigon_openblas INTERFACE ${KRIGON_OPENBLAS})
target_include_directories(krigon_openblas SYSTEM INTERFACE ${KRIGON_OPENBLAS_INCLUDE})
target_link_options(krigon_openblas INTERFACE -Wl,--enable-new-dtags)
list(APPEND CMAKE_BUILD_RPATH ${KRIGON_OPENBLAS_DIR})
list(APPEND CMAKE_INSTALL_RPATH ${KRIGON_OPENBLAS_DIR})

if(KRIGON_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(KRIGON_BUILD_BENCHMARKS AND NOT KRIGON_ENGINE_ONLY)
  find_package(benchmark REQUIRED)
endif()
