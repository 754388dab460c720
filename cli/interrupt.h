// A user who stops a verb that acts: what is under way is finished, and what was done is reported.
#pragma once

#include <csignal>

namespace connleak::cli {

// While it lives SIGINT and SIGTERM ask for an end in order. A second one ends the program at once.
class Interrupt {
  public:
    Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    ~Interrupt();

    [[nodiscard]] static bool asked();

  private:
    struct sigaction interrupt_ {};
    struct sigaction terminate_ {};
};

}  // namespace connleak::cli
