// The verbs: one table for main, `connleak help`, the man page and the shell completions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options/command.h"

namespace connleak::cli {

using Arguments = std::vector<std::string>;

struct Verb {
    std::string_view name;
    std::string_view description;
    // `arguments` excludes the program's name and the verb. Returns the exit status.
    int (*run)(const Arguments& arguments);
    Command (*command)();
};

// The first one is the default.
std::span<const Verb> verbs();

int scan(const Arguments& arguments);
Command scan_command();
int check(const Arguments& arguments);
Command check_command();
int sockets(const Arguments& arguments);
Command sockets_command();
int what_if(const Arguments& arguments);
Command what_if_command();
int verify(const Arguments& arguments);
Command verify_command();
int reap(const Arguments& arguments);
Command reap_command();
int protect(const Arguments& arguments);
Command protect_command();
int snapshot(const Arguments& arguments);
Command snapshot_command();
int help(const Arguments& arguments);
Command help_command();
int version(const Arguments& arguments);
Command version_command();

}  // namespace connleak::cli
