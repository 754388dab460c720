// connleak: finds leaked and dead connections. The verbs are in the table below, one file each.
#include <fmt/format.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "cli/name_services.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace {

using connleak::cli::Words;

struct Verb {
    std::string_view name;
    int (*run)(const Words& words);
    std::string_view description;
};

constexpr std::array verbs{
    Verb{"scan", connleak::cli::scan, "the report (the default)"},
    Verb{"check", connleak::cli::check, "one line for cron and monitoring"},
    Verb{"sockets", connleak::cli::sockets, "the kernel's TCP sockets, as ss and netstat -o do"},
    Verb{"what-if", connleak::cli::what_if, "which clients a server's timeout would close"},
    Verb{"verify", connleak::cli::verify,
         "proof of life: has the kernel probe what no table shows"},
    Verb{"reap", connleak::cli::reap, "removes ghosts"},
    Verb{"protect", connleak::cli::protect, "turns keepalive on for existing sockets"},
    Verb{"snapshot", connleak::cli::snapshot, "this host's side, for a scan elsewhere"},
};

// The verbs, and behind them the help of the default one.
int help() {
    std::string text = "connleak finds leaked and dead connections.\n\nVerbs:\n";
    for (const Verb& verb : verbs) text += fmt::format("  {:10}{}\n", verb.name, verb.description);
    text += "Each has its own --help.\n\n";
    if (!connleak::cli::write_output("", text)) return 3;
    return verbs.front().run({"--help"});
}

int run(Words words) {
    if (!words.empty()) {
        if (words.front() == "--version" || words.front() == "-V") {
            fmt::print("connleak {}\n", CONNLEAK_VERSION);
            return 0;
        }
        if (words.front() == "--help" || words.front() == "-h") return help();
        for (const Verb& verb : verbs) {
            if (words.front() != verb.name) continue;
            words.erase(words.begin());
            return verb.run(words);
        }
    }
    return verbs.front().run(words);
}

}  // namespace

int main(int argc, char** argv) {
    // A reader that has seen enough is no error, and a server that breaks off must not end the
    // program.
    std::signal(SIGPIPE, SIG_IGN);
    connleak::cli::use_own_name_services();
    try {
        return run(Words(argv + (argc > 0 ? 1 : 0), argv + argc));
    } catch (const std::bad_alloc&) {
        std::fputs("connleak: out of memory\n", stderr);
    } catch (const std::exception& error) {
        fmt::print(stderr, "connleak: {}\n", error.what());
    }
    return 3;
}
