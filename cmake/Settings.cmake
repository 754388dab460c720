# Warnings, hardening, sanitizers and symbols, in one target that every other one links.
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "RelWithDebInfo: what users run" FORCE)
endif()
add_library(connleak_settings INTERFACE)
target_include_directories(connleak_settings INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(connleak_settings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
    -Woverloaded-virtual -Wdouble-promotion -Wformat=2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC takes an empty std::optional's storage for a variable that is read (GCC bug 80635), and GCC 12 sees
    # overlaps and overflows in std::string's operator+ that are not there (bugs 105329, 105651). clang's analyzer
    # looks for all of them.
    target_compile_options(connleak_settings INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds
        -Wno-stringop-overflow)
endif()
option(CONNLEAK_WERROR "Treat warnings as errors" OFF)
if(CONNLEAK_WERROR)
    target_compile_options(connleak_settings INTERFACE -Werror)
endif()

# For the program that is linked dynamically (-pie, the compiler's default) and for the static one (-static-pie).
target_compile_options(connleak_settings INTERFACE -fPIE)
if(CONNLEAK_SANITIZE)
    target_compile_options(connleak_settings INTERFACE -fsanitize=${CONNLEAK_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(connleak_settings INTERFACE -fsanitize=${CONNLEAK_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_definitions(connleak_settings INTERFACE _FORTIFY_SOURCE=2)
    target_compile_options(connleak_settings INTERFACE -fstack-protector-strong)
    target_link_options(connleak_settings INTERFACE -Wl,-z,relro,-z,now)
endif()

# Functions and lines, as a backtrace wants them. Variables and types as well take a third of the compiler's time:
# they are in builds of type Debug. The same sources make the same program, wherever they lie.
if(CONNLEAK_SANITIZE OR NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(connleak_settings INTERFACE -g1 -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
endif()

# What users run has its symbols in a file beside it, PROGRAM.debug, where gdb finds them.
function(connleak_separate_symbols program)
    if(CONNLEAK_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
        return()
    endif()
    add_custom_command(TARGET ${program} POST_BUILD
        COMMAND ${CMAKE_OBJCOPY} --only-keep-debug ${program} ${program}.debug
        COMMAND ${CMAKE_OBJCOPY} --strip-unneeded --add-gnu-debuglink=${program}.debug ${program}
        WORKING_DIRECTORY ${PROJECT_BINARY_DIR} VERBATIM)
endfunction()
