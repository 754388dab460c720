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

Option text(std::string name, std::string value_name, std::string help, Kind kind) {
    return {.names = std::move(name),
            .value_name = std::move(value_name),
            .help = std::move(help),
            .kind = kind,
            .group = Group::common};
}

}  // namespace

std::vector<Option> tls_options() {
    return {
        {.names = "--tls",
         .value_name = "",
         .help = "Ask by TLS, as rediss:// does",
         .group = Group::common,
         .unavailable = std::string(probes::why_no_tls())},
        text("--cacert", "FILE",
             "Authorities that may have signed the server's certificate (the system's)",
             Kind::file),
        text("--cacertdir", "DIR", "A folder of them, as openssl rehash makes it", Kind::folder),
        text("--cert", "FILE", "Our own certificate", Kind::file),
        text("--key", "FILE", "Its private key", Kind::file),
        text("--sni", "NAME", "The server's name, which its certificate must be for (the TARGET's)",
             Kind::text),
        text("--insecure", "", "Take any certificate", Kind::flag)};
}

std::optional<Stop> take_tls(const Given& given, Options& options) {
    options.tls = given.has("--tls");
    options.tls_settings.insecure = given.has("--insecure");
    const char* named = options.tls_settings.insecure ? "--insecure" : nullptr;
    for (const auto& [name, setting] : texts) {
        std::string& value = options.tls_settings.*setting;
        value = given.text(name);
        if (value.empty()) continue;
        named = name;
        options.tls_arguments.insert(options.tls_arguments.end(), {name, value});
    }
    if (options.tls_settings.insecure) options.tls_arguments.emplace_back("--insecure");
    if (options.tls_settings.certificate_file.empty() != options.tls_settings.key_file.empty())
        return Stop{usage_error, "--cert and --key go together"};
    if (named == nullptr || options.tls ||
        std::ranges::any_of(options.targets, &collect::Target::tls))
        return std::nullopt;
    return Stop{usage_error, fmt::format("{} goes with --tls or a rediss:// TARGET", named)};
}

}  // namespace connleak::cli
