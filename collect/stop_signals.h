// Orderly termination: state that was changed in other processes is restored first.
#pragma once

#include <array>
#include <csignal>

namespace connleak::collect {

// While an object exists, SIGINT, SIGTERM and SIGHUP only request an end; a second signal of the
// same kind ends the program as usual. At most one object may exist at a time.
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
