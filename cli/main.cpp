// connleak: finds leaked and dead connections. The verbs are in the table of verbs.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "cli/name_services.h"
#include "cli/verbs.h"

namespace {

using namespace connleak::cli;

int run(Arguments arguments) {
    if (arguments.empty()) return scan(arguments);
    const std::string first = arguments.front();
    if (first == "--version" || first == "-V") return version({});
    if (first == "--help" || first == "-h") return help({});
    const auto verb = std::ranges::find(verbs(), first, &Verb::name);
    if (verb == verbs().end()) return scan(arguments);
    arguments.erase(arguments.begin());
    return verb->run(arguments);
}

}  // namespace

int main(int argc, char** argv) {
    // A closed pipe on stdout is not an error, and a server that disconnects must not end the
    // program.
    std::signal(SIGPIPE, SIG_IGN);
    use_own_name_services();
    try {
        return run(Arguments(argv + (argc > 0 ? 1 : 0), argv + argc));
    } catch (const std::bad_alloc&) {
        std::fputs("connleak: out of memory\n", stderr);
    } catch (const std::exception& error) {
        fmt::print(stderr, "connleak: {}\n", error.what());
    }
    return 3;
}
