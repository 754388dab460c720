# The self-contained program. Debian has no libmnl.a and, from version to version, no libfmt.a; hiredis has one.
add_library(connleak_mnl STATIC packaging/dist/mnl.cpp)
target_link_libraries(connleak_mnl PRIVATE connleak_settings)
set(libmnl connleak_mnl)
set(fmt fmt::fmt-header-only)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXE_LINKER_FLAGS "-static-pie")
find_library(hiredis_archive libhiredis.a REQUIRED)
set_target_properties(PkgConfig::hiredis PROPERTIES INTERFACE_LINK_LIBRARIES ${hiredis_archive})
