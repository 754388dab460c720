#include "actions/protect.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "collect/stop_signals.h"
#include "diagnosis/actions/recheck.h"
#include "diagnosis/model/server_family.h"
#include "probes/conversation.h"
#include "system/errno_name.h"

namespace connleak::actions {

namespace {

using probes::BorrowedSocket;
using probes::BorrowError;
using probes::KeepaliveSettings;

constexpr int probes_of_redis = 3;

// Borrows the socket from any process that holds it.
std::expected<BorrowedSocket, BorrowError> borrow(const Sample& sample, const Socket& socket) {
    const auto owners = sample.processes.owners.find(socket.inode);
    BorrowError error{0, ""};
    if (socket.inode == 0 || owners == sample.processes.owners.end()) return std::unexpected(error);
    for (const Owner& owner : owners->second) {
        auto borrowed = BorrowedSocket::borrow(owner, socket.cookie);
        if (borrowed) return borrowed;
        // A gone owner does not exclude the others.
        if (error.code == 0 || !borrowed.error().gone()) error = borrowed.error();
    }
    return std::unexpected(error);
}

void end(Action& action, const BorrowError& error) {
    if (error.code == 0)
        action.end(Outcome::failed,
                   "its owner is not visible: that takes CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE");
    else if (error.gone())
        action.end(Outcome::skipped, std::string(describe(Change::gone)));
    else
        action.end(Outcome::failed,
                   errno_name(error.code) + (error.missing.empty() ? "" : ": " + error.missing));
}

void protect(const Sample& sample, Action& action, std::int64_t idle_s) {
    const Socket& socket = *socket_to_protect(sample, *action.connection);
    const auto borrowed = borrow(sample, socket);
    if (!borrowed) return end(action, borrowed.error());
    const auto failed = [&](int code) { action.end(Outcome::failed, errno_name(code)); };
    const auto live = borrowed->info();
    const auto now = borrowed->read();
    if (!live || !now) return failed(live ? now.error() : live.error());
    if (live->state != State::established)
        return action.end(Outcome::skipped, std::string(describe(Change::gone)));
    if (now->on) return action.end(Outcome::skipped, std::string(has_keepalive));
    const auto wanted = turned_on(*now, idle_s, live->probes);
    if (!wanted) return action.end(Outcome::failed, wanted.error());
    if (const int code = borrowed->write(*wanted); code != 0) {
        borrowed->write(*now);  // undo a partial change
        return failed(code);
    }
    const auto after = borrowed->read();
    if (!after) return failed(after.error());
    if (*after != *wanted) return action.end(Outcome::failed, "the kernel took other values");
    action.end(Outcome::done);
}

}  // namespace

std::expected<KeepaliveSettings, std::string> turned_on(const KeepaliveSettings& now,
                                                        std::int64_t idle_s,
                                                        std::uint8_t unanswered) {
    KeepaliveSettings wanted = now;
    wanted.on = true;
    wanted.idle_s = static_cast<int>(idle_s);
    wanted.interval_s = static_cast<int>(std::max<std::int64_t>(idle_s / 3, 1));
    wanted.count = probes_of_redis + unanswered;
    if (unanswered == 0) return wanted;
    const std::string earlier = fmt::format("{} earlier probes are unanswered", unanswered);
    // Then a single unanswered probe closes the connection, whatever the limit.
    if (now.user_timeout_ms != 0)
        return std::unexpected(earlier + ", and its TCP_USER_TIMEOUT would close it for these");
    if (wanted.count > probes::most_keepalive_probes)
        return std::unexpected(earlier + ": it would be closed for these alone");
    return wanted;
}

void look_into_unknown(const Sample& sample, Plan& plan) {
    std::erase_if(plan.actions, [&](const Action& action) {
        if (!action.planned || action.connection->keepalive == Keepalive::off) return false;
        const auto borrowed = borrow(sample, *socket_to_protect(sample, *action.connection));
        const auto settings =
            borrowed ? borrowed->read() : std::expected<KeepaliveSettings, int>(std::unexpected(0));
        if (!settings || !settings->on) return false;
        plan.already.push_back(action.connection);
        return true;
    });
}

void protect_sockets(const Sample& sample, Plan& plan, std::optional<std::int64_t> chosen_s,
                     std::int64_t rate) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    constexpr std::chrono::milliseconds worth_sleeping{5};
    std::int64_t count = 0;
    for (Action& action : plan.actions) {
        if (!action.planned) continue;
        const auto due = begin + std::chrono::microseconds(1'000'000 * count++ / rate);
        if (due - Clock::now() > worth_sleeping && !collect::StopSignals::asked())
            std::this_thread::sleep_until(due);
        if (collect::StopSignals::asked())
            action.end(Outcome::skipped, "interrupted");
        else
            protect(sample, action,
                    keepalive_s(sample.servers[action.connection->server], chosen_s));
    }
}

void change_settings(const Sample& sample, std::vector<ServerSetting>& settings) {
    for (ServerSetting& setting : settings) {
        if (!setting.planned) continue;
        const Server& server = sample.servers[setting.server];
        setting.reason =
            server.conversation == nullptr
                ? "the server was not asked"
                : server.conversation->set_config(family_of(server.kind).settings.keepalive,
                                                  std::to_string(setting.value_s));
        setting.outcome = setting.reason.empty() ? Outcome::done : Outcome::failed;
    }
}

}  // namespace connleak::actions
