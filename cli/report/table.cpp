#include "cli/report/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/render/paint.h"
#include "cli/render/text.h"
#include "cli/report/grids.h"
#include "diagnosis/findings/findings.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/printable.h"
#include "diagnosis/model/server_family.h"

namespace connleak::render {

namespace {

using phrase::number;

// Findings: the width of the label's column; the text follows.
constexpr std::size_t label_width = 10;
constexpr std::size_t shares_shown = 6;
constexpr std::size_t gaps_shown = 12;
// Wider sentences are hard to read, however wide the terminal is.
constexpr std::size_t widest_prose = 110;

std::string clients_text(const Server& server, const Report& report, std::size_t index) {
    const ServerAnswer& answer = server.answer;
    std::uint64_t seen = 0;
    for (const std::uint64_t each : report.counts[index].verdict) seen += each;
    if (const auto used = client_slots(server)) {
        const auto limit = client_limit(server);
        const std::string others = others_in_slots(server);
        if (!limit || *limit == 0) return phrase::count(*used, "client") + others;
        return fmt::format("{} of {} clients ({} %){}", number(*used), number(*limit),
                           *used * 100 / *limit, others);
    }
    std::string connections = phrase::count(seen, "connection");
    if (answer.refused_at_limit)
        return fmt::format("{}, refusing new clients: {} is reached", connections,
                           family_of(server.kind).settings.limit);
    if (answer.asked && !answer.reachable) return connections + ", the server does not answer";
    return connections;
}

std::string settings_text(const Server& server, const ServerCounts& counts) {
    std::string text;
    const ServerAnswer& answer = server.answer;
    const std::uint64_t off = counts.keepalive[static_cast<std::size_t>(Keepalive::off)];
    if (answer.tcp_keepalive_s) {
        text += *answer.tcp_keepalive_s == 0
                    ? "keepalive off"
                    : fmt::format("keepalive {} s", *answer.tcp_keepalive_s);
        if (*answer.tcp_keepalive_s > 0 && off > 0)
            text += fmt::format(", but {} and {} none",
                                phrase::count(off, "socket predates it", "sockets predate it"),
                                off == 1 ? "has" : "have");
    }
    if (answer.timeout_s) {
        text += text.empty() ? "" : "; ";
        const std::string name(family_of(server.kind).settings.idle_timeout);
        text += *answer.timeout_s == 0 ? name + " off"
                                       : fmt::format("{} {} s", name, *answer.timeout_s);
    }
    return text;
}

// The server's role in its cluster or replication; "" for a standalone server.
std::string topology_text(const Server& server) {
    const ServerTopology& topology = server.answer.topology;
    std::string text;
    if (topology.mode == ServerMode::sentinel) text = "Sentinel";
    if (topology.mode == ServerMode::cluster) text = "cluster node";
    const auto add = [&text](const std::string& more) {
        text += (text.empty() ? "" : ", ") + more;
    };
    if (topology.role == ServerRole::replica) {
        add(topology.master ? "replica of " + topology.master->text() : "replica");
        if (topology.master_link_up == false) text += ", which it has lost";
    } else if (topology.connected_replicas.value_or(0) > 0) {
        add("master of " + phrase::count(*topology.connected_replicas, "replica"));
    } else if (topology.mode == ServerMode::cluster && topology.role == ServerRole::master) {
        add("master");
    }
    if (!server.bus.empty())
        add(fmt::format("bus on port {} with {} from other nodes", server.bus.front().port,
                        phrase::count(server.bus_links, "link")));
    return text;
}

std::string verdicts_text(const ServerCounts& counts) {
    using enum Verdict;
    std::string text;
    // Most important verdict first.
    for (const Verdict verdict :
         {ghost, orphan, suspect, close_wait, unaccepted, unverified, transient, healthy}) {
        const std::uint64_t count = counts.verdict[static_cast<std::size_t>(verdict)];
        if (count == 0) continue;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number(count), to_string(verdict));
    }
    return text.empty() ? "no connections" : text;
}

std::string seen_from(const Sample& sample, const Server& server) {
    if (!server.netns) return "";
    const auto place = std::ranges::find(sample.namespaces, *server.netns, &Namespace::id);
    if (place == sample.namespaces.end() || place->own) return "";
    if (!place->name.empty()) return "  netns " + fit(printable(place->name), 40);
    return fmt::format("  netns {}", *server.netns);
}

class Table {
  public:
    Table(const Sample& sample, const Report& report, TableStyle style)
        : sample_(sample), report_(report), style_(style), paint_(style.color) {
        style_.columns = std::clamp<std::size_t>(style.columns, 80, 200);
    }

    std::string make() {
        for (std::size_t at = 0; at < sample_.servers.size(); ++at) {
            if (at > 0) line("");
            server(at);
        }
        if (sample_.servers.empty()) {
            line(wrap(fmt::format("N{} listens on this host, and no process here is connected to "
                                  "one on port {}.",
                                  no_server_text().substr(1), usual_ports_text()),
                      prose(), 0));
            line(
                wrap("Name one as a TARGET: connleak host:port, or tcp://host:port for any TCP "
                     "service.",
                     prose(), 0));
        }
        if (report_.probes) line('\n' + probes_text(*report_.probes));
        text_ += gap_lines(sample_.gaps, prose(), paint_);
        return std::move(text_);
    }

  private:
    [[nodiscard]] std::size_t prose() const { return std::min(style_.columns, widest_prose); }

    void line(std::string_view content) {
        text_ += content;
        text_ += '\n';
    }

    void heading(std::size_t index) {
        const Server& its = sample_.servers[index];
        std::string left(to_string(its.kind));
        if (!its.answer.version.empty()) left += ' ' + fit(printable(its.answer.version), 24);
        left += "  " + place_of(its);
        if (!its.through.empty()) left += "  through " + fit(printable(its.through), 24);
        if (its.pid) left += fmt::format("  pid {}", *its.pid);
        left += seen_from(sample_, its);
        const std::string right = clients_text(its, report_, index);
        const std::size_t used = width(left) + width(right);
        if (used + 2 <= prose()) {
            line(paint_.bold(left) + std::string(prose() - used, ' ') + paint_.bold(right));
        } else {
            line(paint_.bold(wrap(left, style_.columns, 2)));
            line("  " + paint_.bold(wrap(right, style_.columns - 2, 2)));
        }
        const ServerCounts& counts = report_.counts[index];
        for (const std::string& text :
             {topology_text(its), settings_text(its, counts), verdicts_text(counts)})
            if (!text.empty()) line("  " + wrap(text, prose() - 2, 2));
        if (!its.answer.asked && can_be_asked(its.kind) && its.answer.error.empty())
            line("  " + wrap("Seen from this side only; to ask the server too: connleak " +
                                 printable(target_text(its)),
                             prose() - 2, 2));
    }

    void shares(const Finding& finding) {
        Grid grid({Grid::Align::left, Grid::Align::right, Grid::Align::left});
        std::size_t shown = 0;
        for (const Share& share : finding.shares) {
            if (shown++ == shares_shown) break;
            std::string quiet;
            if (share.quiet_max_s) {
                const std::string least = phrase::duration(*share.quiet_min_s);
                const std::string most = phrase::duration(*share.quiet_max_s);
                quiet =
                    least == most ? "silent " + least : fmt::format("silent {} to {}", least, most);
            }
            grid.row({printable(share.name), number(share.count), quiet});
        }
        for (const std::string& row : grid.lines(style_.columns - label_width - 2, {0}))
            line(std::string(label_width + 2, ' ') + row);
        if (finding.shares.size() > shares_shown)
            line(fmt::format("{}… and {} more", std::string(label_width + 2, ' '),
                             number(finding.shares.size() - shares_shown)));
    }

    // A command is kept on one line for copying: it is broken only after a pipe, where the shell
    // expects more.
    void command(std::string_view text, std::size_t step, bool only) {
        std::string label =
            std::string(label_width, ' ') + (only ? std::string("  ") : fmt::format("{}  ", step));
        const std::size_t room = style_.columns - label.size();
        std::string rest(text);
        while (!rest.empty()) {
            std::size_t end = rest.size();
            if (width(rest) > room) {
                const std::size_t pipe = rest.find(" | ");
                if (pipe != std::string::npos) end = pipe + 2;
            }
            line(label + rest.substr(0, end));
            rest.erase(0, std::min(end + 1, rest.size()));
            label = std::string(label_width + (only ? 4 : 5), ' ');
        }
    }

    void finding(const Finding& each) {
        const std::string label = each.severity == Severity::critical  ? "CRITICAL"
                                  : each.severity == Severity::warning ? "WARNING"
                                                                       : "OK";
        const std::string blanks(label_width - label.size(), ' ');
        line(paint_.severity(each.severity, label) + blanks +
             paint_.bold(indented(wrap(printable(each.summary), prose() - label_width, 0))));
        if (!each.shares.empty()) shares(each);
        if (!each.remedy.empty())
            line(std::string(label_width, ' ') +
                 indented(wrap(printable(each.remedy), prose() - label_width, 0)));
        std::string_view commands = each.command;
        const bool only = !commands.contains('\n');
        for (std::size_t step = 1; !commands.empty(); ++step) {
            const std::size_t end = std::min(commands.find('\n'), commands.size());
            command(printable(commands.substr(0, end)), step, only);
            commands.remove_prefix(std::min(end + 1, commands.size()));
        }
    }

    static std::string indented(std::string text) {
        for (std::size_t at = text.find('\n'); at != std::string::npos;
             at = text.find('\n', at + 1))
            text.insert(at + 1, label_width, ' ');
        return text;
    }

    void block(const std::vector<std::string>& lines, bool heading_first) {
        if (lines.empty()) return;
        line("");
        for (std::size_t at = 0; at < lines.size(); ++at)
            line(at == 0 && heading_first ? paint_.dim(lines[at]) : lines[at]);
    }

    void server(std::size_t index) {
        heading(index);
        bool any = false;
        for (const Finding& each : report_.findings) {
            if (each.server != index) continue;
            line("");
            any = true;
            finding(each);
        }
        if (!any) {
            line("");
            line(paint_.severity(Severity::ok, "OK") + "        " +
                 (sample_.gaps.empty() ? "nothing wrong found"
                                       : "nothing wrong found in what could be seen"));
        }
        block(holder_lines(sample_, report_, index, style_.columns), true);
        for (const std::string& text : proxy_lines(sample_, report_, index)) line(text);
        block(process_lines(sample_, report_, index, style_.columns), true);
        if (style_.connections)
            block(connection_lines(sample_, report_, index, style_.columns, paint_), true);
    }

    const Sample& sample_;
    const Report& report_;
    TableStyle style_;
    Paint paint_;
    std::string text_;
};

}  // namespace

std::string place_of(const Server& server) {
    if (!server.path.empty()) return printable("unix:" + server.path);
    const Endpoint& end = server.endpoint;
    if (end.address.is_unspecified()) return fmt::format("*:{}", end.port);
    return end.text();
}

std::string probes_text(const Probes& all) {
    if (all.sent == 0) return "probed 0: every connection was decided without, or could not be";
    const std::uint64_t open =
        all.sent - std::min(all.sent, all.answered + all.reset + all.unanswered);
    std::string text =
        fmt::format("probed {}: {} answered, {} reset, {} unanswered", number(all.sent),
                    number(all.answered), number(all.reset), number(all.unanswered));
    if (open > 0) text += fmt::format(", {} undecided", number(open));
    return text;
}

std::string gap_lines(const std::vector<Gap>& gaps, std::size_t columns, const Paint& paint) {
    if (gaps.empty()) return "";
    std::string text = '\n' + paint.bold("Not seen:") + '\n';
    std::size_t shown = 0;
    for (const Gap& gap : gaps) {
        if (shown++ == gaps_shown) {
            text += fmt::format("  … and {} more, see --json\n", number(gaps.size() - gaps_shown));
            break;
        }
        const std::string line = fmt::format("{} {}: {} ({})", gap.source, printable(gap.scope),
                                             printable(gap.effect), printable(gap.error));
        text += "  " + wrap(line, columns - 2, 4) + '\n';
    }
    return text;
}

std::string to_table(const Sample& sample, const Report& report, TableStyle style) {
    return Table(sample, report, style).make();
}

}  // namespace connleak::render
