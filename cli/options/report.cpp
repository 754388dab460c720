#include "cli/options/report.h"

#include <chrono>
#include <utility>

#include "cli/options/target.h"

namespace connleak::cli {

ReportOptions::ReportOptions(CLI::App& app) {
    app.add_option("TARGET", targets_, "Servers to look at (default: those found)")
        ->expected(0, -1);
    app.add_option("--port", ports_, "Look at this port as well as 6379 and 3306 (repeatable)")
        ->type_name("N")
        ->allow_extra_args(false)
        ->check(CLI::Range(1, 65535));
    app.add_option("--recent", recent_, "A peer heard within this time is alive (60s)")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_option("--persistent-after", persistent_after_,
                   "A client's connection older than this is persistent (60s)")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_option("--connect-timeout", connect_timeout_,
                   "For each step of asking a server (3s); the whole takes at most 4 times it")
        ->type_name("TIME")
        ->check(duration_check());
    app.add_option("--user", user_, "User to log in as (Redis's ACL, MySQL)")->type_name("NAME");
    auto* ask = app.add_flag("--askpass", ask_password_, "Ask for the password on the terminal")
                    ->disable_flag_override();  // else "--askpass=word" is echoed
    app.add_option("--pass-file", password_file_, "Read the password from FILE's first line")
        ->type_name("FILE")
        ->excludes(ask);
    app.add_option("--defaults-file", defaults_file_,
                   "MySQL's option file to read in place of the usual ones (~/.my.cnf)")
        ->type_name("FILE");
    app.add_option("--peer-snapshot", peer_snapshots_,
                   "Another host's snapshot, a folder of them, or - (repeatable)")
        ->type_name("FILE")
        ->allow_extra_args(false);
    tls_.add_to(app);
}

std::optional<Stop> ReportOptions::fill(Options& options) const {
    options.ports = ports_;
    options.user = user_;
    options.ask_password = ask_password_;
    options.password_file = password_file_;
    options.defaults_file = defaults_file_;
    options.peer_snapshots = peer_snapshots_;
    options.recent_s = *parse_duration(recent_);
    options.persistent_after_s = *parse_duration(persistent_after_);
    const std::int64_t timeout_s = *parse_duration(connect_timeout_);
    if (timeout_s == 0 || timeout_s > 3600)
        return Stop{usage_error, "--connect-timeout: write a time from 1s to 1h"};
    options.connect_timeout = std::chrono::seconds(timeout_s);
    for (const std::string& text : targets_) {
        auto target = parse_target(text);
        if (!target) return Stop{usage_error, target.error()};
        if (target->user.empty()) target->user = user_;
        options.targets.push_back(std::move(*target));
    }
    return tls_.fill(options);
}

}  // namespace connleak::cli
