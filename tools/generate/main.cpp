// generate ROOT [--check]: brings the files below ROOT up to date, or tells which are not.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tools/generate/generate.h"

namespace {

using connleak::generate::man_page;

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + " cannot be read");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string with_table(const std::string& text, std::string_view table) {
    constexpr std::string_view begin = "# begin: made by ./dev generate\n";
    constexpr std::string_view end = "# end\n";
    const std::size_t from = text.find(begin);
    const std::size_t to = text.find(end, from);
    if (from == std::string::npos || to == std::string::npos)
        throw std::runtime_error("a completion lacks its markers");
    return text.substr(0, from + begin.size()) + std::string(table) + text.substr(to);
}

int run(const std::string& root, bool check) {
    int stale = 0;
    const auto bring_up_to_date = [&](const std::string& name, const auto& made_of) {
        const std::string path = root + '/' + name;
        const std::string before = read(path);
        const std::string after = made_of(before);
        if (before == after) return;
        ++stale;
        fmt::print("{}{}\n", name, check ? " is not up to date: run ./dev generate" : "");
        if (!check) std::ofstream(path, std::ios::binary) << after;
    };
    using namespace connleak::generate;
    bring_up_to_date("completions/connleak",
                     [](const auto& text) { return with_table(text, bash_table()); });
    bring_up_to_date("completions/_connleak",
                     [](const auto& text) { return with_table(text, zsh_table()); });
    bring_up_to_date("completions/connleak.fish",
                     [](const auto& text) { return with_table(text, fish_table()); });
    bring_up_to_date("man/connleak.1", [](const auto& text) {
        const auto page = man_page(text);
        if (!page) throw std::runtime_error(page.error());
        return *page;
    });
    return check && stale > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    const bool check = argc == 3 && std::string_view(argv[2]) == "--check";
    if (argc != 2 && !check) {
        fmt::print(stderr, "usage: generate ROOT [--check]\n");
        return 2;
    }
    try {
        return run(argv[1], check);
    } catch (const std::exception& error) {
        fmt::print(stderr, "generate: {}\n", error.what());
        return 1;
    }
}
