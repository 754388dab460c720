// What is written in the man page and in the completions of the shells from the tables of options:
// `./dev generate`. A test fails when a file is not as it would be written.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace connleak::generate {

// The page with new headings and lists between its markers. The texts stay; an option without one
// gets the line of its help. The error tells what a text lacks.
std::expected<std::string, std::string> man_page(std::string_view page);

// What stands between the markers of a completion.
std::string bash_table();
std::string zsh_table();
std::string fish_table();

}  // namespace connleak::generate
