# Where everything goes: GNU directories. A person without root runs it too, so the program is in bin.
install(TARGETS connleak RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

file(GLOB schemas CONFIGURE_DEPENDS man/*.schema.json)
install(FILES ${schemas} DESTINATION ${CMAKE_INSTALL_DATADIR}/connleak)
file(GLOB monitoring CONFIGURE_DEPENDS monitoring/*.yml monitoring/*.json)
install(FILES ${monitoring} DESTINATION ${CMAKE_INSTALL_DATADIR}/connleak/monitoring)

foreach(section 1 5)
    file(GLOB pages CONFIGURE_DEPENDS man/*.${section})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT documents)

install(FILES completions/connleak DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES completions/_connleak DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT zsh)
install(FILES completions/connleak.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# systemd reads lib/systemd/system below /usr and /usr/local, whatever the libraries' directory is called. The
# prefix is that of the moment of installing.
set(CONNLEAK_UNITDIR lib/systemd/system CACHE STRING "Where systemd's units go, below the prefix")
install(FILES packaging/systemd/connleak.timer DESTINATION ${CONNLEAK_UNITDIR})
install(CODE "
    set(BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
    configure_file(\"${PROJECT_SOURCE_DIR}/packaging/systemd/connleak.service.in\"
        \"${PROJECT_BINARY_DIR}/connleak.service\" @ONLY)
    file(INSTALL \"${PROJECT_BINARY_DIR}/connleak.service\"
        DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CONNLEAK_UNITDIR}\")")
