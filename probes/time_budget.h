// How long a conversation may take: each of its steps, and all of them together. Only the time that
// is spent in a turn counts, so that others can be asked in between.
#pragma once

#include <algorithm>
#include <chrono>

#include "probes/conversation.h"

namespace connleak::probes {

class TimeBudget {
  public:
    using Clock = std::chrono::steady_clock;

    explicit TimeBudget(const Limits& limits)
        : step_(limits.step), total_(limits.total), left_(total_) {}

    // While one stands, the time runs.
    class Turn {
      public:
        explicit Turn(TimeBudget& budget) : budget_(budget), start_(Clock::now()) {
            budget.end_ = start_ + budget.left_;
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() { budget_.left_ -= Clock::now() - start_; }

      private:
        TimeBudget& budget_;
        Clock::time_point start_;
    };

    // The whole of it again, as for the first turn.
    void refill() { left_ = total_; }

    // By when the step that begins now has to end. Within a turn.
    [[nodiscard]] Clock::time_point next_deadline() {
        using std::chrono::milliseconds;
        const auto now = Clock::now();
        const auto remaining = std::chrono::ceil<milliseconds>(end_ - now);
        timeout_ = std::min(step_, std::max(remaining, milliseconds(0)));
        return std::min<Clock::time_point>(end_, now + step_);
    }
    // What the last step was given.
    [[nodiscard]] std::chrono::milliseconds timeout() const { return timeout_; }

  private:
    std::chrono::milliseconds step_;
    std::chrono::milliseconds total_;
    Clock::duration left_;
    Clock::time_point end_;  // of the turn that is under way
    std::chrono::milliseconds timeout_{};
};

inline double milliseconds_since(TimeBudget::Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(TimeBudget::Clock::now() - start).count();
}

}  // namespace connleak::probes
