// An end in order: what holds something of others puts it back first.
#pragma once

#include <array>
#include <csignal>

namespace connleak::collect {

// While one lives SIGINT, SIGTERM and SIGHUP only ask for an end; the second of a kind ends the
// program as ever. One at a time.
class StopSignals {
  public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    [[nodiscard]] static bool asked();

  private:
    std::array<struct sigaction, 3> before_{};
};

}  // namespace connleak::collect
