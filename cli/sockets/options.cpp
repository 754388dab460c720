#include "cli/sockets/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "cli/options/shared.h"
#include "diagnosis/filter/expression.h"
#include "diagnosis/model/printable.h"

namespace connleak::cli {

namespace {

using render::Column;
using Columns = std::vector<const Column*>;

constexpr const char* help_hint = "connleak sockets --help";

constexpr std::string_view intro =
    R"(The kernel's TCP sockets: what ss and netstat -o show, and what they cannot.

Without -a, -l or a state in FILTER: all but listening, closed, TIME-WAIT and SYN-RECV.)";

constexpr std::string_view filter_help = R"(
FILTER is ss's: state NAME, exclude NAME, src HOST[:PORT], dst HOST[:PORT], sport OP :PORT,
dport OP :PORT with = != < > <= >=, joined by and, or, not and parentheses; beside it pid = N,
comm = NAME, group = NAME, unit = NAME, user = NAME (~ for a part of it), timer = KIND,
keepalive = on|off|masked, idle > TIME.

Examples:
  connleak sockets -l                                      who listens
  connleak sockets dport = :6379 and not dst 10.0.0.0/8    as with ss
  connleak sockets 'idle > 1h and keepalive = off' -o +heard,group
  connleak sockets --count-by group,peer dport = :6379     who holds how many, and since when

Exit status: 0 done, 2 bad usage, 3 nothing could be reported.)";

// ---------------------------------------------------------------- words

struct Words {
    std::vector<std::string> options;  // in a form that CLI11 takes without looking at neighbours
    std::vector<std::string> filter;
    std::uint32_t states = 0;  // by the last of -a and -l, as in ss
};

// Options whose value stands in the next word.
using NameAndLongName = std::pair<std::string_view, std::string_view>;
constexpr std::array<NameAndLongName, 12> with_value{{
    {"-o", "--columns"},
    {"--columns", "--columns"},
    {"-N", "--netns"},
    {"--net", "--netns"},
    {"--netns", "--netns"},
    {"--sort", "--sort"},
    {"--timer", "--timer"},
    {"--count-by", "--count-by"},
    {"--persistent-after", "--persistent-after"},
    {"--format", "--format"},
    {"--output", "--output"},
    {"--color", "--color"},
}};

constexpr std::uint32_t listening = state_bit(State::listen) | state_bit(State::closed);
constexpr std::uint32_t by_default =
    filter::all_states &
    ~(listening | state_bit(State::time_wait) | state_bit(State::syn_received));

class WordSorter {
  public:
    explicit WordSorter(const std::vector<std::string>& all) : all_(all) {}

    Words sort() {
        for (; at_ < all_.size(); ++at_) {
            const std::string& word = all_[at_];
            if (word == "--") {
                words_.filter.insert(words_.filter.end(), next(), all_.end());
                break;
            }
            const auto taker = std::ranges::find(with_value, word, &NameAndLongName::first);
            if (word.size() < 2 || word.front() != '-') {
                words_.filter.push_back(word);
            } else if (taker != with_value.end()) {
                take_value(taker->second);
            } else if (word.starts_with("--")) {
                if (word == "--all") words_.states = filter::all_states;
                if (word == "--listening") words_.states = listening;
                words_.options.push_back(word);
            } else {
                take_letters(std::string_view(word).substr(1));
            }
        }
        if (words_.states == 0) words_.states = by_default;
        return std::move(words_);
    }

  private:
    [[nodiscard]] std::vector<std::string>::const_iterator next() const {
        return all_.begin() + static_cast<std::ptrdiff_t>(at_) + 1;
    }

    // The next word, whatever it begins with.
    void take_value(std::string_view option) {
        const bool present = next() != all_.end();
        words_.options.push_back(present ? fmt::format("{}={}", option, *next())
                                         : std::string(option));
        at_ += present ? 1 : 0;
    }

    // "-tano" is "-t -a -n", and its o asks for timers as in ss: they are shown in any case.
    // Columns are chosen by an -o that begins its word.
    void take_letters(std::string_view letters) {
        for (std::size_t at = 0; at < letters.size(); ++at) {
            const char letter = letters[at];
            const std::string_view rest = letters.substr(at + 1);
            if (letter == 'o' && at > 0) continue;
            if (letter == 'N' && rest.empty()) return take_value("--netns");
            if (letter == 'N' || letter == 'o') {
                const std::string_view option = letter == 'N' ? "--netns" : "--columns";
                words_.options.push_back(fmt::format("{}={}", option, rest));
                return;
            }
            if (letter == 'a') words_.states = filter::all_states;
            if (letter == 'l') words_.states = listening;
            words_.options.push_back(fmt::format("-{}", letter));
        }
    }

    const std::vector<std::string>& all_;
    std::size_t at_ = 0;
    Words words_;
};

// ---------------------------------------------------------------- columns

template <typename Each>
std::optional<std::string> for_each_name(std::string_view list, const Each& each) {
    while (true) {
        const std::size_t comma = std::min(list.find(','), list.size());
        if (auto wrong = each(list.substr(0, comma))) return wrong;
        if (comma == list.size()) return std::nullopt;
        list.remove_prefix(comma + 1);
    }
}

std::string no_column(std::string_view option, std::string_view name) {
    return fmt::format("{}: there is no column '{}'; {} lists them", option, printable(name),
                       help_hint);
}

void add(Columns& columns, std::string_view name) {
    const Column* column = render::find_column(name);
    if (std::ranges::find(columns, column) == columns.end()) columns.push_back(column);
}

Columns default_columns(bool only_unix) {
    Columns columns;
    for (const auto* name : {"PROTO", "STATE", "RECV-Q", "SEND-Q", "LOCAL"}) add(columns, name);
    if (only_unix) add(columns, "INODE");
    add(columns, "REMOTE");
    add(columns, only_unix ? "PEER-INODE" : "TIMER");
    add(columns, "PROCESS");
    if (only_unix) add(columns, "PEER-PROCESS");
    return columns;
}

constexpr const char* needs_columns =
    "-o chooses columns and needs their names (timers, for which ss has -o, are shown by default)";

// "a,b" in place of the columns, "+a,b" behind them.
std::optional<std::string> choose_columns(std::string_view list, SocketsOptions& options) {
    const bool more = list.starts_with('+');
    if (more) list.remove_prefix(1);
    if (list.empty()) return needs_columns;
    if (!more) options.columns.clear();
    if (!more) options.netns_column = false;
    return for_each_name(list, [&](std::string_view name) -> std::optional<std::string> {
        if (render::find_column(name) == nullptr) return no_column("-o", name);
        add(options.columns, name);
        return std::nullopt;
    });
}

std::optional<std::string> choose_order(std::string_view list, SocketsOptions& options) {
    return for_each_name(list, [&](std::string_view name) -> std::optional<std::string> {
        const bool descending = name.starts_with('-');
        if (descending) name.remove_prefix(1);
        const Column* column = render::find_column(name);
        if (column == nullptr) return no_column("--sort", name);
        options.sort.push_back({column, descending});
        return std::nullopt;
    });
}

std::optional<std::string> choose_keys(std::string_view list, SocketsOptions& options) {
    return for_each_name(list, [&](std::string_view name) -> std::optional<std::string> {
        const auto key = parse_count_key(name);
        if (!key)
            return fmt::format(
                "--count-by: '{}' is none of group, process, state, peer, local, unit, container, "
                "user",
                printable(name));
        if (std::ranges::find(options.count_by, *key) == options.count_by.end())
            options.count_by.push_back(*key);
        return std::nullopt;
    });
}

std::string footer() {
    std::string text = "Columns for -o and --sort, in any case:\n";
    for (const Column& column : render::all_columns())
        text += fmt::format("  {:13} {}\n", column.name, column.description);
    return text.append(filter_help);
}

}  // namespace

std::expected<SocketsOptions, Stop> parse_sockets_options(const std::vector<std::string>& all) {
    SocketsOptions options;
    Words words = WordSorter(all).sort();
    CLI::App app{std::string(intro), "connleak sockets [FILTER]"};
    app.footer(footer());
    app.formatter(help_formatter());
    app.set_help_flag("-h,--help", "Print this help");

    // These change nothing, or were looked at by WordSorter.
    bool listening_only = false, every_state = false, tcp = false, numeric = false, owners = false;
    bool extended = false, info = false, memory = false, no_headings = false;
    bool ipv4 = false, ipv6 = false;
    std::vector<std::string> columns, orders, keys;
    std::string timer = "netstat";
    std::string persistent_after = "60s";

    app.add_flag("-l,--listening", listening_only, "Only listening sockets");
    app.add_flag("-a,--all", every_state, "Sockets in every state");
    app.add_flag("-4,--ipv4", ipv4, "Only IPv4 sockets");
    app.add_flag("-6,--ipv6", ipv6, "Only IPv6 sockets, with v4-mapped addresses too");
    app.add_flag("-t,--tcp", tcp, "TCP, which is the default");
    app.add_flag("-x,--unix", options.unix_sockets, "Unix sockets, with the peer's process");
    app.add_option("-o,--columns", columns, "These columns, or with a + these as well")
        ->type_name("[+]COLS")
        ->allow_extra_args(false);
    app.add_flag("-p,--processes", owners, "Processes, which are shown by default");
    app.add_flag("-e,--extended", extended, "Columns UID, INODE, COOKIE, CGROUP as well");
    app.add_flag("-i,--info", info, "Columns RTT, RETRANS, BACKOFF, UNACKED, HEARD as well");
    app.add_flag("-m,--memory", memory,
                 "Columns RMEM, RCVBUF, WMEM, SNDBUF, FWD, QUEUED, OPTMEM, BACKLOG, DROPS as well");
    app.add_option("--timer", timer, "Timers as netstat or as ss writes them")
        ->type_name("STYLE")
        ->check(CLI::IsMember({"netstat", "ss"}));
    auto* sorted = app.add_option("--sort", orders, "By these columns; -COL for the greatest first")
                       ->type_name("COLS")
                       ->allow_extra_args(false);
    app.add_option("--count-by", keys,
                   "Counts instead of sockets, by group, process, state, peer, local, unit, "
                   "container, user (several with commas)")
        ->type_name("KEYS")
        ->allow_extra_args(false)
        ->excludes(sorted);
    app.add_option("--persistent-after", persistent_after,
                   "An established connection older than this is persistent (60s)")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_flag("-n,--numeric", numeric, "Numbers for hosts and services, which is the default");
    app.add_flag("-r,--resolve", options.resolve, "Names of hosts and services");
    app.add_flag("-H,--no-headings,--no-header", no_headings, "No line of headings");
    const SharedOptions shared(app, {"table", "json", "ndjson"}, "-N,--netns,--net");

    for (const std::string& word : words.options)  // before CLI11 says it in its own way
        if (word == "--columns" || word == "--columns=")
            return std::unexpected(Stop{usage_error, needs_columns});
    if (auto stop = parse_words(app, words.options, help_hint)) return std::unexpected(*stop);

    options.filter = std::move(words.filter);
    options.states = words.states;
    options.tcp = tcp || ipv4 || ipv6 || !options.unix_sockets;
    options.ipv4 = ipv4 || !ipv6;
    options.ipv6 = ipv6 || !ipv4;
    options.timer = timer == "ss" ? render::TimerStyle::ss : render::TimerStyle::netstat;
    options.headings = !no_headings;
    shared.fill(options);
    options.persistent_after_s = *parse_duration(persistent_after);

    options.columns = default_columns(!options.tcp);
    if (memory) choose_columns("+RMEM,RCVBUF,WMEM,SNDBUF,FWD,QUEUED,OPTMEM,BACKLOG,DROPS", options);
    if (info) choose_columns("+RTT,RETRANS,BACKOFF,UNACKED,HEARD", options);
    if (extended) choose_columns("+UID,INODE,COOKIE,CGROUP", options);
    std::optional<std::string> wrong;
    for (const auto& list : columns) wrong = wrong ? wrong : choose_columns(list, options);
    for (const auto& list : orders) wrong = wrong ? wrong : choose_order(list, options);
    for (const auto& list : keys) wrong = wrong ? wrong : choose_keys(list, options);
    if (wrong) return std::unexpected(Stop{usage_error, std::move(*wrong)});
    return options;
}

}  // namespace connleak::cli
