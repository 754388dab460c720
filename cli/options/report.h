// The options of the verbs that read connections and servers (scan, check, verify, ...).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/shared.h"
#include "cli/options/tls.h"

namespace connleak::cli {

// TARGET, --port, --recent, --persistent-after, --connect-timeout, --user, --askpass, --pass-file,
// --defaults-file, --peer-snapshot and those of TLS, as texts until fill().
class ReportOptions {
  public:
    explicit ReportOptions(CLI::App& app);

    // Puts them into `options`, or tells what is wrong with them. After parse_words().
    [[nodiscard]] std::optional<Stop> fill(Options& options) const;

  private:
    std::vector<std::string> targets_;
    std::vector<std::uint16_t> ports_;
    std::string connect_timeout_ = "3s";
    std::string recent_ = "60s";
    std::string persistent_after_ = "60s";
    std::string user_;
    bool ask_password_ = false;
    std::string password_file_;
    std::string defaults_file_;
    std::vector<std::string> peer_snapshots_;
    TlsOptions tls_;
};

}  // namespace connleak::cli
