# The standard library's and {fmt}'s heavy headers, compiled once: they are two thirds of what the
# compiler reads for a file of this project. A source still includes what it uses.
add_library(connleak_precompiled OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
target_link_libraries(connleak_precompiled PRIVATE connleak_settings ${fmt})
target_precompile_headers(connleak_precompiled PRIVATE <algorithm> <array> <charconv> <chrono> <expected>
    <functional> <map> <memory> <optional> <ranges> <set> <span> <string> <string_view> <thread> <unordered_map>
    <unordered_set> <utility> <variant> <vector> <fmt/format.h> <fmt/chrono.h>)

# A precompiled header is only used where the same macros are defined: fmt's, and hiredis's.
target_compile_definitions(connleak_settings INTERFACE _FILE_OFFSET_BITS=64
    $<TARGET_PROPERTY:${fmt},INTERFACE_COMPILE_DEFINITIONS>)

function(connleak_precompile)
    foreach(target IN LISTS ARGN)
        target_precompile_headers(${target} REUSE_FROM connleak_precompiled)
    endforeach()
endfunction()
