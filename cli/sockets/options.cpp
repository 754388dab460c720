#include "cli/sockets/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/options/common.h"
#include "cli/options/parser.h"
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

// ---------------------------------------------------------------- arguments

struct Arranged {
    Arguments options;  // in a form that can be parsed argument by argument
    Arguments filter;
    std::uint32_t states = 0;  // set by the last of -a and -l, as in ss
};

constexpr std::uint32_t listening = state_bit(State::listen) | state_bit(State::closed);
constexpr std::uint32_t by_default =
    filter::all_states &
    ~(listening | state_bit(State::time_wait) | state_bit(State::syn_received));

// Separates the options from the filter, which may stand between them.
class Arranger {
  public:
    Arranger(const Command& command, const Arguments& all) : command_(command), all_(all) {}

    Arranged arrange() {
        for (; at_ < all_.size(); ++at_) {
            const std::string& argument = all_[at_];
            if (argument == "--") {
                arranged_.filter.insert(arranged_.filter.end(), next(), all_.end());
                break;
            }
            if (argument.size() < 2 || argument.front() != '-') {
                arranged_.filter.push_back(argument);
            } else if (const Option* taker = with_value(argument)) {
                take_value(*taker);
            } else if (argument.starts_with("--")) {
                if (argument == "--all") arranged_.states = filter::all_states;
                if (argument == "--listening") arranged_.states = listening;
                arranged_.options.push_back(argument);
            } else {
                take_letters(std::string_view(argument).substr(1));
            }
        }
        if (arranged_.states == 0) arranged_.states = by_default;
        return std::move(arranged_);
    }

  private:
    [[nodiscard]] Arguments::const_iterator next() const {
        return all_.begin() + static_cast<std::ptrdiff_t>(at_) + 1;
    }

    // The option of this name, if its value is in the next argument.
    [[nodiscard]] const Option* with_value(std::string_view name) const {
        const auto found = std::ranges::find_if(command_.options, [name](const Option& option) {
            return option.kind != Kind::flag && option.is_called(name);
        });
        return found == command_.options.end() ? nullptr : &*found;
    }

    // Takes the next argument, even if it begins with a dash.
    void take_value(const Option& option) {
        const bool present = next() != all_.end();
        arranged_.options.push_back(present ? fmt::format("{}={}", option.name(), *next())
                                            : option.name());
        at_ += present ? 1 : 0;
    }

    // "-tano" is "-t -a -n", and its o asks for timers as in ss, which are always shown. Only an -o
    // at the start of an argument selects columns.
    void take_letters(std::string_view letters) {
        for (std::size_t at = 0; at < letters.size(); ++at) {
            const char letter = letters[at];
            const std::string_view rest = letters.substr(at + 1);
            if (letter == 'o' && at > 0) continue;
            if (const Option* taker = with_value(fmt::format("-{}", letter))) {
                if (rest.empty()) return take_value(*taker);
                arranged_.options.push_back(fmt::format("{}={}", taker->name(), rest));
                return;
            }
            if (letter == 'a') arranged_.states = filter::all_states;
            if (letter == 'l') arranged_.states = listening;
            arranged_.options.push_back(fmt::format("-{}", letter));
        }
    }

    const Command& command_;
    const Arguments& all_;
    std::size_t at_ = 0;
    Arranged arranged_;
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

// "a,b" replaces the columns, "+a,b" appends to them.
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
            return fmt::format("--count-by: '{}' is none of {}", printable(name),
                               fmt::join(count_key_names(), ", "));
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

Option flag(std::string names, std::string help) {
    return {.names = std::move(names), .value_name = "", .help = std::move(help)};
}

std::vector<Word> column_words() {
    std::vector<Word> words;
    for (const Column& column : render::all_columns())
        words.push_back({std::string(column.name), std::string(column.description)});
    return words;
}

std::vector<Word> key_words() {
    std::vector<Word> words;
    for (const std::string_view name : count_key_names()) words.push_back({std::string(name)});
    return words;
}

}  // namespace

Command sockets_command() {
    return {.verb = "sockets",
            .usage = "connleak sockets [FILTER]",
            .intro = std::string(intro),
            .footer = footer(),
            .options = joined(
                {{flag("-l,--listening", "Only listening sockets"),
                  flag("-a,--all", "Sockets in every state"),
                  flag("-4,--ipv4", "Only IPv4 sockets"),
                  flag("-6,--ipv6", "Only IPv6 sockets, with v4-mapped addresses too"),
                  flag("-t,--tcp", "TCP, which is the default"),
                  flag("-x,--unix", "Unix sockets, with the peer's process"),
                  {.names = "-o,--columns",
                   .value_name = "[+]COLS",
                   .help = "These columns, or with a + these as well",
                   .kind = Kind::list,
                   .repeatable = true,
                   .words = column_words()},
                  flag("-p,--processes", "Processes, which are shown by default"),
                  flag("-e,--extended", "Columns UID, INODE, COOKIE, CGROUP as well"),
                  flag("-i,--info", "Columns RTT, RETRANS, BACKOFF, UNACKED, HEARD as well"),
                  flag("-m,--memory",
                       "Columns RMEM, RCVBUF, WMEM, SNDBUF, FWD, QUEUED, OPTMEM, BACKLOG, DROPS as "
                       "well"),
                  {.names = "--timer",
                   .value_name = "STYLE",
                   .help = "Timers as netstat or as ss writes them",
                   .kind = Kind::choice,
                   .default_value = "netstat",
                   .words = words_of({"netstat", "ss"})},
                  {.names = "--sort",
                   .value_name = "COLS",
                   .help = "By these columns; -COL for the greatest first",
                   .kind = Kind::list,
                   .repeatable = true,
                   .words = column_words()},
                  {.names = "--count-by",
                   .value_name = "KEYS",
                   .help = "Counts instead of sockets, by {words} (several with commas)",
                   .kind = Kind::list,
                   .repeatable = true,
                   .words = key_words(),
                   .excludes = "--sort"},
                  persistent_after_option(
                      "An established connection older than this is persistent ({default})"),
                  flag("-n,--numeric", "Numbers for hosts and services, which is the default"),
                  flag("-r,--resolve", "Names of hosts and services"),
                  flag("-H,--no-headings,--no-header", "No line of headings")},
                 output_options(words_of({"table", "json", "ndjson"}), "-N,--netns,--net")})};
}

std::expected<SocketsOptions, Stop> parse_sockets_options(const Arguments& all) {
    const Command command = sockets_command();
    Arranged arranged = Arranger(command, all).arrange();
    for (const std::string& option :
         arranged.options)  // before the parser reports it in other words
        if (option == "--columns" || option == "--columns=")
            return std::unexpected(Stop{usage_error, needs_columns});
    const auto given = parse(command, arranged.options);
    if (!given) return std::unexpected(given.error());

    SocketsOptions options;
    options.filter = std::move(arranged.filter);
    options.states = arranged.states;
    options.unix_sockets = given->has("--unix");
    const bool ipv4 = given->has("--ipv4"), ipv6 = given->has("--ipv6");
    options.tcp = given->has("--tcp") || ipv4 || ipv6 || !options.unix_sockets;
    options.ipv4 = ipv4 || !ipv6;
    options.ipv6 = ipv6 || !ipv4;
    options.timer =
        given->text("--timer") == "ss" ? render::TimerStyle::ss : render::TimerStyle::netstat;
    options.headings = !given->has("--no-headings");
    options.resolve = given->has("--resolve");
    take_output(*given, options);
    options.persistent_after_s = given->seconds("--persistent-after");

    options.columns = default_columns(!options.tcp);
    if (given->has("--memory"))
        choose_columns("+RMEM,RCVBUF,WMEM,SNDBUF,FWD,QUEUED,OPTMEM,BACKLOG,DROPS", options);
    if (given->has("--info")) choose_columns("+RTT,RETRANS,BACKOFF,UNACKED,HEARD", options);
    if (given->has("--extended")) choose_columns("+UID,INODE,COOKIE,CGROUP", options);
    std::optional<std::string> wrong;
    const auto take_each = [&](const char* name, const auto& choose) {
        for (const std::string& list : given->texts(name))
            wrong = wrong ? wrong : choose(list, options);
    };
    take_each("--columns", choose_columns);
    take_each("--sort", choose_order);
    take_each("--count-by", choose_keys);
    if (wrong) return std::unexpected(Stop{usage_error, std::move(*wrong)});
    return options;
}

}  // namespace connleak::cli
