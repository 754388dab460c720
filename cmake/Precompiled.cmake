# The heavy headers, compiled once: {fmt}, and of the standard library what most units include. What few include is
# left out, because every unit pays for the size of the whole. A source still includes what it uses.
set(precompiled_headers <algorithm> <array> <charconv> <expected> <functional> <map> <memory> <optional> <set> <span>
    <string> <string_view> <unordered_map> <unordered_set> <utility> <variant> <vector> <fmt/format.h>)

# A precompiled header is only used where the same macros are defined: {fmt}'s, and those of hiredis.
target_compile_definitions(connleak_settings INTERFACE _FILE_OFFSET_BITS=64)

add_library(connleak_precompiled OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
target_link_libraries(connleak_precompiled PRIVATE connleak_settings fmt::fmt)
target_precompile_headers(connleak_precompiled PRIVATE ${precompiled_headers})
set_target_properties(connleak_precompiled PROPERTIES UNITY_BUILD OFF)
