# connleak-static, the self-contained program (./dev dist): the same objects, linked with everything they need, the C
# library too. It is made without TLS and MySQL, whose libraries no release has as archives that would do.
find_library(hiredis_archive libhiredis.a)
if(NOT hiredis_archive OR CONNLEAK_SANITIZE)
    return()
endif()
set(not_static "the self-contained program is made without")
connleak_objects(static ${tls_without} ${mysql_without} cli/name_services.cpp)
target_compile_definitions(connleak_static PRIVATE CONNLEAK_STATIC CONNLEAK_NO_TLS="${not_static}"
    CONNLEAK_NO_MYSQL="${not_static}")

# Debian has no libmnl.a, and no libfmt.a from version to version.
add_library(connleak_archives OBJECT packaging/dist/mnl.cpp packaging/dist/fmt.cpp)
target_link_libraries(connleak_archives PRIVATE connleak_settings)
set_target_properties(connleak_archives PROPERTIES UNITY_BUILD OFF)
target_include_directories(connleak_archives SYSTEM PRIVATE
    $<TARGET_PROPERTY:fmt::fmt,INTERFACE_INCLUDE_DIRECTORIES>)

add_executable(connleak-static EXCLUDE_FROM_ALL ${shared_objects} $<TARGET_OBJECTS:connleak_main>
    $<TARGET_OBJECTS:connleak_static> $<TARGET_OBJECTS:connleak_archives>)
target_link_libraries(connleak-static PRIVATE connleak_settings ${hiredis_archive} Threads::Threads)
target_link_options(connleak-static PRIVATE -static-pie)
connleak_separate_symbols(connleak-static)
foreach(objects static archives)
    set_target_properties(connleak_${objects} PROPERTIES EXCLUDE_FROM_ALL ON)
endforeach()
