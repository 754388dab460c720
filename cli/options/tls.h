// The options of TLS, with redis-cli's names.
#pragma once

#include <optional>

#include "cli/options/shared.h"

namespace connleak::cli {

class TlsOptions {
  public:
    // The options refer to this object, which must stay where it is.
    void add_to(CLI::App& app);

    // After the TARGETs are there: a rediss:// among them is TLS, too.
    [[nodiscard]] std::optional<Stop> fill(Options& options) const;

  private:
    bool tls_ = false;
    probes::TlsSettings settings_;
};

}  // namespace connleak::cli
