# Conversations with MySQL and MariaDB: libmariadb (MariaDB Connector/C) with its non-blocking calls.
# `mysql` is with or without, as in Tls.cmake.
set(mysql_with probes/mysql/session.cpp probes/mysql/queries.cpp)
set(mysql_without probes/mysql/absent.cpp)
set(mysql with)
pkg_check_modules(libmariadb QUIET IMPORTED_TARGET libmariadb)
if(NOT libmariadb_FOUND)
    set(no_mysql "libmariadb was not there when it was built")
    message(NOTICE "connleak: servers that speak MySQL's protocol will not be asked (${no_mysql})")
    set(mysql without)
else()
    set(mysql_libraries PkgConfig::libmariadb)
endif()
