# hookstream_room(NAME SOURCES a.cc ... DEPS ...): the static library of one folder of src/.
# DEPS are linked PRIVATE: a room that includes another room's header names that room itself.
set(HOOKSTREAM_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
    -Woverloaded-virtual -Wimplicit-fallthrough)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND HOOKSTREAM_WARNINGS -Wthread-safety -Wthread-safety-beta)
endif()
if(HOOKSTREAM_WERROR)
  list(APPEND HOOKSTREAM_WARNINGS -Werror)
endif()
if(HOOKSTREAM_SANITIZE)
  add_compile_options(-fsanitize=${HOOKSTREAM_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HOOKSTREAM_SANITIZE})
  if(HOOKSTREAM_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined -fsanitize-ignorelist=${CMAKE_SOURCE_DIR}/tests/ubsan.ignore)
  endif()
endif()

if(HOOKSTREAM_FUZZERS)
  # The rooms are instrumented too: a fuzzer is guided by the code that it is to reach.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# What a build without the tests, or of the fuzzers alone, names.
add_custom_target(fuzzers)

function(hookstream_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS" ${ARGN})
  add_library(hookstream_${name} STATIC ${ROOM_SOURCES})
  add_library(hookstream::${name} ALIAS hookstream_${name})
  target_include_directories(hookstream_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(hookstream_${name} PRIVATE ${HOOKSTREAM_WARNINGS})
  target_link_libraries(hookstream_${name} PRIVATE ${ROOM_DEPS})
endfunction()

# hookstream_test(NAME SOURCES ... DEPS ... [LABELS ...] [TIMEOUT s]): one GoogleTest program. It runs as one
# ctest entry, labelled with its kind (unit, conformance, sim, integration, crash: its folder in tests/) and with LABELS;
# its working directory is its own build folder, HOOKSTREAM_TEST_DATA is tests/data, and its results by test case go to
# junit/NAME.xml in the build folder.
function(hookstream_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${HOOKSTREAM_WARNINGS})
  if(HOOKSTREAM_SANITIZE)
    # Instrumented test cases take three times as long to optimise as to compile, and are run once.
    target_compile_options(${name} PRIVATE -O0)
  endif()
  target_compile_definitions(${name} PRIVATE HOOKSTREAM_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  target_link_libraries(${name} PRIVATE ${TEST_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  file(RELATIVE_PATH kind ${CMAKE_SOURCE_DIR}/tests ${CMAKE_CURRENT_SOURCE_DIR})
  string(REGEX REPLACE "/.*" "" kind ${kind})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT} LABELS "${kind};${TEST_LABELS}"
    ENVIRONMENT_MODIFICATION "GTEST_OUTPUT=set:xml:${CMAKE_BINARY_DIR}/junit/${name}.xml")
endfunction()

# hookstream_fuzzer(NAME SOURCES ... DEPS ...): a libFuzzer program; corpus in tests/fuzz/corpus/NAME.
# Without HOOKSTREAM_FUZZERS it is built with a main that runs the corpus once, so that a finding stays a test.
function(hookstream_fuzzer name)
  cmake_parse_arguments(FUZZ "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${FUZZ_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${HOOKSTREAM_WARNINGS})
  target_link_libraries(${name} PRIVATE ${FUZZ_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
  add_dependencies(fuzzers ${name})
  if(HOOKSTREAM_FUZZERS)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus_main.cc)
    add_test(NAME ${name} COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 60 LABELS fuzz)
  endif()
endfunction()
