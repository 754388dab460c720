#include "cli/options/tls.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace connleak::cli {

namespace {

using Settings = probes::TlsSettings;
using Text = std::pair<const char*, std::string Settings::*>;

// Those that take a text.
constexpr std::array texts{
    Text{"--cacert", &Settings::ca_file}, Text{"--cacertdir", &Settings::ca_folder},
    Text{"--cert", &Settings::certificate_file}, Text{"--key", &Settings::key_file},
    Text{"--sni", &Settings::server_name}};

// The options that say the same again: "--cacert", "FILE".
std::vector<std::string> arguments_of(const Settings& settings) {
    std::vector<std::string> arguments;
    for (const auto& [name, text] : texts) {
        if ((settings.*text).empty()) continue;
        arguments.emplace_back(name);
        arguments.push_back(settings.*text);
    }
    if (settings.insecure) arguments.emplace_back("--insecure");
    return arguments;
}

}  // namespace

void TlsOptions::add_to(CLI::App& app) {
    const std::string_view missing = probes::why_no_tls();
    app.add_flag("--tls", tls_,
                 missing.empty() ? "Ask by TLS, as rediss:// does"
                                 : fmt::format("Ask by TLS (not in this build: {})", missing))
        ->disable_flag_override();
    app.add_option("--cacert", settings_.ca_file,
                   "Authorities that may have signed the server's certificate (the system's)")
        ->type_name("FILE");
    app.add_option("--cacertdir", settings_.ca_folder,
                   "A folder of them, as openssl rehash makes it")
        ->type_name("DIR");
    app.add_option("--cert", settings_.certificate_file, "Our own certificate")->type_name("FILE");
    app.add_option("--key", settings_.key_file, "Its private key")->type_name("FILE");
    app.add_option("--sni", settings_.server_name,
                   "The server's name, which its certificate must be for (the TARGET's)")
        ->type_name("NAME");
    app.add_flag("--insecure", settings_.insecure, "Take any certificate")->disable_flag_override();
}

std::optional<Stop> TlsOptions::fill(Options& options) const {
    options.tls = tls_;
    options.tls_settings = settings_;
    options.tls_arguments = arguments_of(settings_);
    if (settings_.certificate_file.empty() != settings_.key_file.empty())
        return Stop{usage_error, "--cert and --key go together"};
    if (tls_ || std::ranges::any_of(options.targets, &collect::Target::tls)) return std::nullopt;
    const char* given = settings_.insecure ? "--insecure" : nullptr;
    for (const auto& [name, text] : texts)
        if (!(settings_.*text).empty()) given = name;
    if (given == nullptr) return std::nullopt;
    return Stop{usage_error, fmt::format("{} goes with --tls or a rediss:// TARGET", given)};
}

}  // namespace connleak::cli
