# Warnings, hardening and sanitizers, in one target that every other one links.
add_library(connleak_settings INTERFACE)
target_include_directories(connleak_settings INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(connleak_settings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
    -Woverloaded-virtual -Wdouble-promotion -Wformat=2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC takes an empty std::optional's storage for a variable that is read (GCC bug 80635), and GCC 12 sees
    # overlaps in std::string's operator+ that are not there (bug 105329). clang's analyzer looks for both.
    target_compile_options(connleak_settings INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()
option(CONNLEAK_WERROR "Treat warnings as errors" OFF)
if(CONNLEAK_WERROR)
    target_compile_options(connleak_settings INTERFACE -Werror)
endif()

if(CONNLEAK_SANITIZE)
    target_compile_options(connleak_settings INTERFACE -fsanitize=${CONNLEAK_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(connleak_settings INTERFACE -fsanitize=${CONNLEAK_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_definitions(connleak_settings INTERFACE _FORTIFY_SOURCE=2)
    target_compile_options(connleak_settings INTERFACE -fstack-protector-strong)
    target_link_options(connleak_settings INTERFACE -Wl,-z,relro,-z,now)
endif()
