#include "diagnosis/diagnose.h"

#include <algorithm>

#include "diagnosis/connections/recheck.h"
#include "diagnosis/connections/unix_join.h"
#include "diagnosis/connections/verdict.h"
#include "diagnosis/findings/findings.h"
#include "diagnosis/holders/holders.h"
#include "diagnosis/holders/proxies.h"
#include "diagnosis/holders/purpose.h"

namespace connleak {

namespace {

// From the server's list if it has it; else the connection is at least as old as either socket, and
// as the lower bound from the list.
std::optional<std::int64_t> age_s(const Connection& connection) {
    std::optional<std::int64_t> oldest_ms;
    if (connection.row != nullptr && connection.row->age_s) {
        if (!connection.row->age_is_least) return connection.row->age_s;
        oldest_ms = *connection.row->age_s * 1000;
    }
    for (const Socket* socket : {connection.server_socket, connection.client_socket}) {
        if (socket == nullptr || from_snapshot(*socket)) continue;
        const auto age_ms = least_age_ms(*socket);
        if (age_ms) oldest_ms = std::max(oldest_ms.value_or(0), *age_ms);
    }
    if (!oldest_ms) return std::nullopt;
    return *oldest_ms / 1000;
}

}  // namespace

Report diagnose(const Sample& sample, const Policy& policy, Witness& witness,
                std::int32_t own_pid) {
    Report report;
    PathFinder paths(sample, witness);
    std::vector<Draft> drafts = join(sample, paths, own_pid);
    Recheck(sample, paths, witness, report.found_later).run(drafts);

    report.connections.reserve(drafts.size());
    for (Draft& draft : drafts) {
        Connection& connection = draft.connection;
        const Server& server = sample.servers[connection.server];
        judge(connection, draft.facts, policy, server.answer.tcp_keepalive_s);
        connection.age_s = age_s(connection);
        connection.purpose = purpose_of(sample, connection);
        report.connections.push_back(std::move(connection));
    }
    for (Connection& connection : join_unix(sample, policy, witness, own_pid, report.found_later)) {
        connection.age_s = age_s(connection);
        report.connections.push_back(std::move(connection));
    }
    conclude(sample, policy, report);
    return report;
}

void conclude(const Sample& sample, const Policy& policy, Report& report) {
    report.counts.assign(sample.servers.size(), {});
    for (const Connection& connection : report.connections) {
        ServerCounts& counts = report.counts[connection.server];
        ++counts.verdict[static_cast<std::size_t>(connection.verdict)];
        const Socket* judged = connection.server_socket != nullptr ? connection.server_socket
                                                                   : connection.client_socket;
        if (judged != nullptr && judged->state == State::established && !is_unix(connection))
            ++counts.keepalive[static_cast<std::size_t>(connection.keepalive)];
    }
    report.holders.clear();
    report.groups.clear();
    name_holders(sample, policy, report);
    name_proxies(sample, policy, report);
    report.findings = find_problems(sample, policy, report);
}

}  // namespace connleak
