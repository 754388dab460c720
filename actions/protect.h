// Carries out a plan of `protect`.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/actions/plan.h"
#include "probes/liveness/borrowed_socket.h"

namespace connleak::actions {

// What `now` becomes when keepalive is turned on as Redis does it: KEEPIDLE N, KEEPINTVL a third of
// it, three probes. TCP_USER_TIMEOUT stays. `unanswered`: probes that the kernel has counted
// already (tcpi_probes); they count against the limit (tcp_keepalive_timer() in
// net/ipv4/tcp_timer.c), so the limit is as much higher. The error says why this would close the
// connection before it is asked.
std::expected<probes::KeepaliveSettings, std::string> turned_on(
    const probes::KeepaliveSettings& now, std::int64_t idle_s, std::uint8_t unanswered);

// Looks into the sockets whose keepalive the kernel's table does not tell: those that have it go
// from the actions to `already`. What cannot be looked into stays planned.
void look_into_unknown(const Sample& sample, Plan& plan);

// Turns it on, at most `rate` sockets a second: the first probe of a long silent peer is due one
// idle time later, and thousands that were armed at once would also ask at once. Every planned
// action has an outcome afterwards.
void protect_sockets(const Sample& sample, Plan& plan, std::optional<std::int64_t> chosen_s,
                     std::int64_t rate);

// CONFIG SET tcp-keepalive, of those that are planned.
void change_settings(const Sample& sample, std::vector<ServerSetting>& settings);

}  // namespace connleak::actions
