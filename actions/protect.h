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

// The settings `now` after turning keepalive on as Redis does it: KEEPIDLE N, KEEPINTVL a third of
// it, three probes. TCP_USER_TIMEOUT is kept. `unanswered`: the unanswered probes that the kernel
// has already counted (tcpi_probes). They count against the limit (tcp_keepalive_timer() in
// net/ipv4/tcp_timer.c), so the limit is raised by their number. The error says why the change
// would close the connection before the peer is probed.
std::expected<probes::KeepaliveSettings, std::string> turned_on(
    const probes::KeepaliveSettings& now, std::int64_t idle_s, std::uint8_t unanswered);

// Reads the keepalive settings that the kernel's table does not show: sockets that have keepalive
// on move from the actions to `already`. Sockets that cannot be read stay planned.
void look_into_unknown(const Sample& sample, Plan& plan);

// Turns keepalive on, for at most `rate` sockets a second: the first probe of a peer that has long
// been silent is due after one keepalive idle time, so thousands of sockets changed at once would
// also send their probes at once. Afterwards every planned action has an outcome.
void protect_sockets(const Sample& sample, Plan& plan, std::optional<std::int64_t> chosen_s,
                     std::int64_t rate);

// Runs CONFIG SET tcp-keepalive for the planned settings.
void change_settings(const Sample& sample, std::vector<ServerSetting>& settings);

}  // namespace connleak::actions
