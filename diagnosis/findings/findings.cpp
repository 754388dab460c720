#include "diagnosis/findings/findings.h"

#include <algorithm>
#include <functional>
#include <map>

#include "diagnosis/findings/rules.h"
#include "diagnosis/holders/proxies.h"
#include "diagnosis/holders/purpose.h"
#include "diagnosis/model/phrase.h"

namespace connleak {

namespace {

using phrase::count;
using phrase::number;

// Ghosts that take this share of the limit are urgent.
constexpr std::uint64_t ghosts_critical_percent = 10;

std::vector<Share> shares(const Context& context,
                          const std::function<bool(const Connection&)>& counted, bool by_group) {
    std::map<std::string, Share> found;
    for (const Connection& connection : context.report.connections) {
        if (connection.server != context.index || !counted(connection)) continue;
        std::string name = user_of(connection);
        // They have a separate finding, which shows their origin.
        if (by_group && connection.verdict == Verdict::ghost)
            name = "ghosts";
        else if (!by_group || name.empty())
            name = connection.client_path.empty() ? connection.own_client_end().address.text()
                                                  : connection.client_path;
        Share& share = found[name];
        share.name = name;
        ++share.count;
        if (!connection.last_heard_ms) continue;
        const std::int64_t quiet_s = *connection.last_heard_ms / 1000;
        share.quiet_min_s = std::min(share.quiet_min_s.value_or(quiet_s), quiet_s);
        share.quiet_max_s = std::max(share.quiet_max_s.value_or(quiet_s), quiet_s);
    }
    std::vector<Share> result;
    result.reserve(found.size());
    for (auto& [name, share] : found) result.push_back(std::move(share));
    std::ranges::stable_sort(result, std::greater{}, &Share::count);
    return result;
}

std::vector<Share> shares(const Context& context, Verdict verdict, bool by_group) {
    return shares(
        context, [verdict](const Connection& each) { return each.verdict == verdict; }, by_group);
}

// A separate step; omitted where it could only be run in the wrong place.
void add_command(Finding& finding, const std::string& command) {
    if (command.empty()) return;
    if (!finding.command.empty()) finding.command += '\n';
    finding.command += command;
}

std::string look_at_process(const Context& context) {
    if (!context.server.pid) return "";
    return "ps -o pid,stat,wchan:20,etime,args -p " + std::to_string(*context.server.pid);
}

// The server works, but expects another protocol or other credentials.
Finding with_tls_remedy(const Context& context, Finding result) {
    if (context.server.tls || !context.sample.can_tls) return result;
    result.remedy +=
        ". Asked by TLS it tells its side, too; where its certificate is not signed by an "
        "authority "
        "that the system knows, --cacert FILE names the one that has signed it, and --cert and "
        "--key are for a server that wants a certificate of its clients, too";
    Server server = context.server;
    server.tls = true;
    result.command = Commands(context.sample, server).connleak("scan");
    return result;
}

Found unreachable(const Context& context) {
    const ServerAnswer& answer = context.server.answer;
    if (!answer.asked || answer.reachable || answer.refused_at_limit) return std::nullopt;
    Finding result = finding(context, "server-unreachable", Severity::critical, 1);
    result.summary = "the server cannot be asked: " + answer.error;
    result.remedy = "What follows is what the kernel shows without it";
    if (answer.tls.value_or(false)) return with_tls_remedy(context, std::move(result));
    if (context.server.pid)
        result.remedy += ". Its process is there: see whether it is stopped, busy or blocked";
    result.command = look_at_process(context);
    return result;
}

Found refuses(const Context& context) {
    if (!context.server.answer.refused_at_limit) return std::nullopt;
    std::uint64_t held = 0;
    for (const Connection& connection : context.report.connections)
        if (connection.server == context.index && connection.server_socket != nullptr) ++held;
    Finding result = finding(context, "server-refuses-clients", Severity::critical, held);
    const ServerFamily::Texts& texts = context.family.texts;
    result.summary = "the server refuses new clients: " + std::string(texts.at_limit);
    if (held > 0) result.summary += ", its kernel holds " + count(held, "connection");
    result.remedy =
        context.verdicts(Verdict::ghost) > 0
            ? "Free the ghosts first, as below: no login is possible until then. "
            : "No login is possible until a client goes: see below who holds the most. ";
    result.remedy += texts.raise_full;
    return result;
}

// By how they became known.
struct GhostKinds {
    std::uint64_t total = 0;
    std::uint64_t reset = 0;       // closed by the peer's reset
    std::uint64_t unanswered = 0;  // the peer's host is not in sight, and nothing came from it
};

GhostKinds count_ghosts(const Context& context) {
    GhostKinds kinds;
    for (const Connection& each : context.report.connections) {
        if (each.server != context.index || each.verdict != Verdict::ghost) continue;
        const auto has = [&](Evidence evidence) {
            return std::ranges::find(each.evidence, evidence) != each.evidence.end();
        };
        ++kinds.total;
        if (has(Evidence::probe_reset))
            ++kinds.reset;
        else if (has(Evidence::probe_unanswered))
            ++kinds.unanswered;
    }
    return kinds;
}

std::string ghosts_summary(const GhostKinds& kinds, bool one_host) {
    const bool one = kinds.total == 1;
    std::string text = count(kinds.total, "ghost") + ": ";
    if (kinds.unanswered == kinds.total)
        return text + (one ? "its peer does not answer" : "their peers do not answer");
    if (kinds.unanswered > 0) return text + "their peers no longer have them, or do not answer";
    text += std::string(one_host ? "the host " : "the hosts ") +
            (one ? "it came from " : "they came from ");
    return text + (one_host ? "no longer has " : "no longer have ") + (one ? "it" : "them");
}

Found ghosts(const Context& context) {
    const GhostKinds kinds = count_ghosts(context);
    if (kinds.total == 0) return std::nullopt;
    const std::uint64_t held = kinds.total - kinds.reset;
    const auto limit = client_limit(context.server);
    const bool pressing = held > 0 && (context.server.answer.refused_at_limit ||
                                       (limit && held * 100 >= *limit * ghosts_critical_percent));
    Finding result = finding(context, "ghost-connections",
                             pressing ? Severity::critical : Severity::warning, kinds.total);
    result.shares = shares(context, Verdict::ghost, false);
    result.summary = ghosts_summary(kinds, result.shares.size() == 1);
    if (held == 0) {
        result.remedy =
            "The peers' own answers to a probe, resets, have ended them: nothing is "
            "left to be closed";
        return result;
    }
    result.remedy = kinds.unanswered == 0 ? "Each was looked at twice"
                                          : "Each was looked at twice, or probed time and again";
    result.remedy += ", and is looked at once more before it goes. That frees " +
                     count(held, "slot") +
                     " and touches no living client; without --yes it shows its plan:";
    // A result of a probe can only be confirmed by another probe.
    result.command =
        context.commands.connleak("reap", kinds.unanswered > 0 ? "--verify --yes" : "--yes");
    return result;
}

Found keepalive_off(const Context& context) {
    std::uint64_t total = 0;
    const auto counted = [](const Connection& each) {
        return each.server_socket != nullptr && each.server_socket->state == State::established &&
               each.keepalive == Keepalive::off && each.verdict != Verdict::unaccepted &&
               !is_link(each);
    };
    for (const Connection& each : context.report.connections)
        if (each.server == context.index && counted(each)) ++total;
    if (total == 0) return std::nullopt;
    Finding result = finding(context, "keepalive-off", Severity::warning, total);
    result.shares = shares(context, counted, true);
    const auto seconds = context.server.answer.tcp_keepalive_s;
    const ServerFamily::Settings& settings = context.family.settings;
    const std::string setting(settings.keepalive);
    result.summary = count(total, "connection has", "connections have") + " no keepalive";
    if (!setting.empty() && seconds.value_or(0) > 0) {
        result.summary += (total == 1 ? ": it predates" : ": they predate") +
                          (" the server's " + setting + " of " + std::to_string(*seconds) + " s");
        result.remedy =
            "The setting reaches new connections only. connleak protect turns keepalive on for "
            "these: the kernel then removes the dead by itself, and only the dead";
    } else if (setting.empty()) {
        result.remedy =
            "A peer that vanishes now stays for ever. connleak protect turns keepalive on for "
            "these connections, SO_KEEPALIVE in the server's configuration for new ones; neither "
            "harms a living one";
    } else {
        result.remedy =
            "A peer that vanishes now stays for ever. connleak protect turns keepalive on for "
            "these connections, " +
            setting + " for new ones: the kernel then finds the dead and touches no living one";
        if (!settings.persist.empty())
            result.remedy += ". " + std::string(settings.persist) + " keeps it over a restart";
    }
    const std::uint64_t doubtful =
        context.verdicts(Verdict::unverified) + context.verdicts(Verdict::suspect);
    if (doubtful > 0) {
        result.remedy +=
            ". connleak verify tells first " +
            (doubtful == 1 ? "whether the silent peer is dead"
                           : "which of the " + number(doubtful) + " silent peers are dead");
        add_command(result, context.commands.connleak("verify"));
    }
    add_command(result, context.commands.connleak("protect", "--yes"));
    if (!setting.empty() && seconds.value_or(0) == 0) {
        add_command(result, context.commands.set(setting, 300));
        if (!settings.persist.empty())
            add_command(result, context.commands.client(std::string(settings.persist)));
        if (!settings.idle_timeout.empty())
            result.remedy += ". Leave `" + std::string(settings.idle_timeout) +
                             "` for last: it also closes living clients that pause (connleak "
                             "what-if)";
    }
    return result;
}

Found suspects(const Context& context) {
    const std::uint64_t total = context.verdicts(Verdict::suspect);
    if (total == 0) return std::nullopt;
    Finding result = finding(context, "suspect-connections", Severity::warning, total);
    result.shares = shares(context, Verdict::suspect, true);
    result.summary = count(total, "connection shows", "connections show") +
                     " signs of a dead peer, without proof";
    const bool by_unix = std::ranges::all_of(context.report.connections, [&](const auto& each) {
        return each.server != context.index || each.verdict != Verdict::suspect || is_unix(each);
    });
    if (by_unix) {
        result.summary = count(total, "Unix connection", "Unix connections") +
                         " half closed, or unknown to the server that holds " +
                         (total == 1 ? "it" : "them");
        result.remedy = "Both ends are there; only their owners can tell what they wait for";
        return result;
    }
    result.remedy =
        "Retransmissions and keepalive decide by themselves, in their time. connleak verify asks "
        "each peer now, and harms no living one:";
    result.command = context.commands.connleak("verify");
    return result;
}

Found orphans(const Context& context) {
    const std::uint64_t total = context.verdicts(Verdict::orphan);
    if (total == 0) return std::nullopt;
    Finding result = finding(context, "orphan-connections", Severity::warning, total);
    result.shares = shares(context, Verdict::orphan, true);
    result.summary = count(total, "client connection") + " that the server no longer has";
    result.remedy =
        "Their owners fail or hang at the next request. A pool that tests on borrow, or a restart "
        "of the process, gets rid of them; so does closing them in the client's kernel: the client "
        "sees an error and connects anew";
    result.command = context.commands.destroy_client_sockets(Verdict::orphan);
    return result;
}

Found close_waits(const Context& context) {
    const std::uint64_t total = context.verdicts(Verdict::close_wait);
    if (total == 0) return std::nullopt;
    Finding result = finding(context, "close-wait-leak", Severity::warning, total);
    result.shares = shares(context, Verdict::close_wait, true);
    result.summary = count(total, "connection") + " that the peer has closed and the owner has not";
    result.remedy = "A descriptor leak in the owner: only the owner can close them, or its restart";
    return result;
}

Found unaccepted(const Context& context) {
    const std::uint64_t total = context.verdicts(Verdict::unaccepted);
    if (total == 0) return std::nullopt;
    Finding result = finding(context, "unaccepted-connections", Severity::warning, total);
    result.shares = shares(context, Verdict::unaccepted, true);
    result.summary = count(total, "connection waits", "connections wait") +
                     " in the listen queue: the server does not accept";
    result.remedy =
        "See whether the server's process is stopped, out of descriptors or busy with a long "
        "command";
    result.command = look_at_process(context);
    return result;
}

constexpr Found (*rules[])(const Context&) = {unreachable, refuses,     ghosts,     suspects,
                                              orphans,     close_waits, unaccepted, keepalive_off};

}  // namespace

std::string target_text(const Server& server) {
    const bool anywhere = server.endpoint.address.is_unspecified();
    const std::string place =
        anywhere ? ':' + std::to_string(server.endpoint.port) : server.endpoint.text();
    if (!server.path.empty()) return "unix:" + server.path;
    const ServerFamily& family = family_of(server.kind);
    const auto url = [](std::string_view scheme, const std::string& rest) {
        return std::string(scheme) + "://" + rest;
    };
    // Its certificate is issued for the name.
    if (server.tls && !family.tls_scheme.empty())
        return url(family.tls_scheme,
                   server.host_name.empty()
                       ? place
                       : server.host_name + ':' + std::to_string(server.endpoint.port));
    return family.named_by_scheme ? url(family.scheme, place) : place;
}

std::vector<Finding> find_problems(const Sample& sample, const Policy& policy,
                                   const Report& report) {
    std::vector<Finding> findings;
    for (std::size_t index = 0; index < sample.servers.size(); ++index) {
        const Server& server = sample.servers[index];
        const Context context{sample,
                              policy,
                              report,
                              index,
                              server,
                              family_of(server.kind),
                              Commands(sample, server)};
        std::vector<Finding> of_server;
        for (const auto& rule : rules)
            if (Found found = rule(context)) of_server.push_back(std::move(*found));
        find_shortages(context, of_server);
        std::ranges::stable_sort(of_server, std::greater{}, &Finding::severity);
        std::ranges::move(of_server, std::back_inserter(findings));
    }
    return findings;
}

}  // namespace connleak
