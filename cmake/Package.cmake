# The Debian package: `./dev package`, or cpack in a build folder. What only Debian wants is in packaging/debian.
set(CONNLEAK_MAINTAINER "connleak maintainers <maintainers@users.noreply.connleak.example>" CACHE STRING
    "Maintainer of the Debian package")

install(FILES packaging/debian/default DESTINATION /etc/default RENAME connleak COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES packaging/debian/copyright packaging/debian/README.Debian
    DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES packaging/debian/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides
    RENAME connleak COMPONENT debian EXCLUDE_FROM_ALL)
# Debian's zsh has a folder of its own for packages.
install(FILES completions/_connleak DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
    COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL Unspecified debian)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/debian/stage.cmake)
set(CPACK_CONNLEAK_SOURCE ${PROJECT_SOURCE_DIR})

set(CPACK_PACKAGE_NAME connleak)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${CONNLEAK_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "prometheus-node-exporter, redis-tools")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/packaging/debian/conffiles
    ${PROJECT_SOURCE_DIR}/packaging/debian/postinst
    ${PROJECT_SOURCE_DIR}/packaging/debian/prerm
    ${PROJECT_SOURCE_DIR}/packaging/debian/postrm)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "find leaked and dead TCP connections, above all those of Redis")
set(CPACK_PACKAGE_DESCRIPTION
"connleak puts the kernel's TCP sockets in every network namespace, the
processes that hold them and the client lists of Redis-compatible servers
together, and tells for every connection whether it is alive, dead or leaked:
ghosts that only one host still holds, descriptors that nobody closes,
persistent connections that outnumber what the server allows.
.
It says what each verdict is concluded from, who holds the connection and
since when, and never calls a live connection dead. It also lists sockets in
the style of ss and netstat, and reports in JSON for programs.
.
Nothing is changed unless it is asked for. A systemd timer that writes
metrics for the Prometheus node exporter is installed and left disabled.")
include(CPack)
