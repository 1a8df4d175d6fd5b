# The few functions with which the folders declare themselves.

option(CADRE_TESTS "Build the tests" ON)
option(CADRE_BENCH "Build the benchmarks" OFF)
# Off by default, for a compiler we have not met may warn where ours do not.
option(CADRE_WERROR "Treat compiler warnings as errors" OFF)
set(CADRE_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")

# What every target of ours is compiled with; third-party headers are system headers to it.
add_library(cadre_options INTERFACE)
target_compile_features(cadre_options INTERFACE cxx_std_20)
target_include_directories(cadre_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(cadre_options INTERFACE -Wall -Wextra -Wshadow -fno-math-errno
                                               $<$<BOOL:${CADRE_WERROR}>:-Werror>)
# GCC 12 takes insertions into strings for overlapping copies (its bug 105651).
target_compile_options(cadre_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# Without this GCC fuses a*b+c where it likes, and a sum would depend on the compiler's choice.
target_compile_options(cadre_options INTERFACE -ffp-contract=off)
if(CADRE_SANITIZE)
  target_compile_options(cadre_options INTERFACE -fsanitize=${CADRE_SANITIZE}
                                                 -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(cadre_options INTERFACE -fsanitize=${CADRE_SANITIZE})
endif()

# cadre_library(NAME SOURCES a.cc ... LINKS PUBLIC x PRIVATE y ...): one folder, one static library.
function(cadre_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC cadre_options ${ARG_LINKS})
endfunction()

# cadre_test(NAME SOURCES a_test.cc ... LINKS ... [LABEL slow]): one executable whose test cases are
# separate ctest entries. The label defaults to `fast`.
function(cadre_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LINKS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL fast)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/doctest_main.cc ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} doctest::doctest)
  doctest_discover_tests(${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                         PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()
