#include "probes/proc/decode.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

#include "probes/proc/php_fpm.h"

namespace connleak::probes {
namespace {

std::string_view next_token(std::string_view& text, std::string_view separators) {
    const std::size_t begin = std::min(text.find_first_not_of(separators), text.size());
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    const std::string_view token = text.substr(begin, end - begin);
    text.remove_prefix(end);
    return token;
}

std::string_view next_word(std::string_view& text) {
    return next_token(text, " \t");
}

std::string_view next_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text, int base = 10) {
    Number number{};
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
    return number;
}

// The value of `key` in a text of "Key:\tvalue" lines.
std::string_view field_of(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const std::string_view line = next_line(text);
        if (line.starts_with(key)) return line.substr(key.size());
    }
    return {};
}

std::string_view basename_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// "/usr/sbin/nginx" -> "nginx", "redis-server *:6379" -> "redis-server", "nginx: worker process" ->
// "nginx", "-bash" (a login shell) -> "bash".
std::string_view executable_of(std::string_view title, std::string_view comm) {
    constexpr std::size_t comm_length = 15;  // TASK_COMM_LEN minus the NUL
    const std::string_view whole = basename_of(title);
    // A program's file name can contain blanks. comm shows whether this is one, or a title that the
    // program wrote.
    const bool file_name =
        whole == comm || (comm.size() == comm_length && whole.starts_with(comm) &&
                          whole.find(' ') == std::string_view::npos);
    std::string_view name = file_name ? whole : basename_of(title.substr(0, title.find(' ')));
    while (name.ends_with(':')) name.remove_suffix(1);
    if (name.starts_with('-')) name.remove_prefix(1);
    return name.empty() ? comm : name;
}

// mountinfo escapes blanks, tabs, newlines and backslashes, as in \040.
std::string unescaped_path(std::string_view text) {
    std::string path;
    while (!text.empty()) {
        const auto byte = text.starts_with('\\') && text.size() >= 4
                              ? number_of<std::uint8_t>(text.substr(1, 3), 8)
                              : std::nullopt;
        path.push_back(byte ? static_cast<char>(*byte) : text.front());
        text.remove_prefix(byte ? 4 : 1);
    }
    return path;
}

struct ProcMount {
    std::string_view hidepid;
    std::string_view gid;
};

ProcMount mount_options(std::string_view mountinfo, std::string_view mount_point) {
    ProcMount found;
    while (!mountinfo.empty()) {
        std::string_view line = next_line(mountinfo);
        const std::size_t dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        std::string_view options = line.substr(dash + 3);
        for (int skipped = 0; skipped < 4; ++skipped) next_word(line);
        if (unescaped_path(next_word(line)) != mount_point || next_word(options) != "proc")
            continue;
        next_word(options);  // the source
        options = next_word(options);
        found = {};  // a later mount covers an earlier one
        while (!options.empty()) {
            const std::string_view option = next_token(options, ",");
            if (option.starts_with("hidepid=")) found.hidepid = option.substr(8);
            if (option.starts_with("gid=")) found.gid = option.substr(4);
        }
    }
    return found;
}

bool in_group(std::string_view self_status, std::string_view gid) {
    std::string_view groups = field_of(self_status, "Groups:");
    for (std::string_view word = next_word(groups); !word.empty(); word = next_word(groups)) {
        if (word == gid) return true;
    }
    std::string_view own = field_of(self_status, "Gid:");
    next_word(own);
    next_word(own);
    next_word(own);
    return next_word(own) == gid;  // the gid for file access, proc(5)
}

}  // namespace

std::optional<ProcStat> parse_stat(std::string_view text) {
    constexpr std::uint64_t pf_kthread = 0x00200000;  // linux/sched.h
    const std::size_t paren = text.rfind(')');
    if (paren == std::string_view::npos) return std::nullopt;
    text.remove_prefix(paren + 1);
    const std::string_view state = next_token(text, " \n");
    const auto parent = number_of<std::int32_t>(next_token(text, " \n"));
    for (int field = 5; field < 9; ++field) next_token(text, " \n");
    const auto flags = number_of<std::uint64_t>(next_token(text, " \n"));
    for (int field = 10; field < 22; ++field) next_token(text, " \n");
    const auto start = number_of<std::uint64_t>(next_token(text, " \n"));
    if (state.size() != 1 || !parent || !flags || !start) return std::nullopt;
    return ProcStat{state.front(), *parent, (*flags & pf_kthread) != 0, *start};
}

std::optional<std::int64_t> parse_boot_time(std::string_view text) {
    std::string_view value = field_of(text, "btime");
    return number_of<std::int64_t>(next_word(value));
}

ProcStatus parse_status(std::string_view text) {
    ProcStatus status;
    std::string_view uids = field_of(text, "Uid:");
    next_word(uids);
    status.uid = number_of<std::uint32_t>(next_word(uids)).value_or(0);
    std::string_view pids = field_of(text, "NSpid:");
    for (std::string_view word = next_word(pids); !word.empty(); word = next_word(pids)) {
        status.namespace_pid = number_of<std::int32_t>(word).value_or(0);
    }
    return status;
}

std::optional<std::uint64_t> parse_fd_limit(std::string_view text) {
    std::string_view values = field_of(text, "Max open files");
    return number_of<std::uint64_t>(next_word(values));
}

std::uint64_t parse_namespace_link(std::string_view link) {
    const std::size_t open = link.find(":[");
    if (open == std::string_view::npos || !link.ends_with(']')) return 0;
    return number_of<std::uint64_t>(link.substr(open + 2, link.size() - open - 3)).value_or(0);
}

std::string command_of(std::string_view cmdline) {
    std::string command(cmdline);
    for (char& c : command) {
        if (c == '\0') c = ' ';
    }
    command.resize(command.find_last_not_of(' ') + 1);
    return command;
}

std::string_view title_of(std::string_view cmdline) {
    const std::string_view title = cmdline.substr(0, cmdline.find('\0'));
    return title.substr(0, title.find_last_not_of(' ') + 1);
}

Group group_of(std::string_view title, std::string_view comm, const CgroupPath& place) {
    if (fpm_pool_of_title(title)) return {std::string(title), GroupKind::php_fpm_pool};
    const std::string_view unit = place.unit;
    if (unit.ends_with(".service") && !unit.starts_with("user@")) {
        return {place.unit, GroupKind::unit};
    }
    if (!place.container.empty()) {
        // An id is shortened as the engines' own tools show it; LXC has names.
        const bool id = place.container.size() == 64;
        return {id ? place.container.substr(0, 12) : place.container, GroupKind::container};
    }
    return {std::string(executable_of(title, comm)), GroupKind::executable};
}

std::optional<std::string> hiding_option(std::string_view mountinfo, std::string_view self_status,
                                         std::string_view mount_point) {
    const ProcMount mount = mount_options(mountinfo, mount_point);
    const bool invisible = mount.hidepid == "invisible" || mount.hidepid == "2";
    const bool ptraceable = mount.hidepid == "ptraceable" || mount.hidepid == "4";
    if (!invisible && !ptraceable) return std::nullopt;

    constexpr unsigned cap_sys_ptrace = 19;  // linux/capability.h
    std::string_view capabilities = field_of(self_status, "CapEff:");
    const auto effective = number_of<std::uint64_t>(next_word(capabilities), 16).value_or(0);
    if ((effective >> cap_sys_ptrace & 1) != 0) return std::nullopt;
    if (invisible && in_group(self_status, mount.gid.empty() ? "0" : mount.gid))
        return std::nullopt;
    return std::string(mount.hidepid);
}

}  // namespace connleak::probes
