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
};

int run(Words words) {
    if (!words.empty()) {
        if (words.front() == "--version" || words.front() == "-V") {
            fmt::print("connleak {}\n", CONNLEAK_VERSION);
            return 0;
        }
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
    try {
        return run(Words(argv + (argc > 0 ? 1 : 0), argv + argc));
    } catch (const std::bad_alloc&) {
        std::fputs("connleak: out of memory\n", stderr);
    } catch (const std::exception& error) {
        fmt::print(stderr, "connleak: {}\n", error.what());
    }
    return 3;
}
