// The time limits of a conversation: for each step and for all steps together. Only time within a
// turn counts, so that other servers can be asked between turns.
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

    // Time is counted while a Turn exists.
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

    // Resets the remaining time to the total.
    void refill() { left_ = total_; }

    // The deadline of the step that begins now. Call it within a turn.
    [[nodiscard]] Clock::time_point next_deadline() {
        using std::chrono::milliseconds;
        const auto now = Clock::now();
        const auto remaining = std::chrono::ceil<milliseconds>(end_ - now);
        timeout_ = std::min(step_, std::max(remaining, milliseconds(0)));
        return std::min<Clock::time_point>(end_, now + step_);
    }
    // The timeout of the last step.
    [[nodiscard]] std::chrono::milliseconds timeout() const { return timeout_; }

  private:
    std::chrono::milliseconds step_;
    std::chrono::milliseconds total_;
    Clock::duration left_;
    Clock::time_point end_;  // of the current turn
    std::chrono::milliseconds timeout_{};
};

inline double milliseconds_since(TimeBudget::Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(TimeBudget::Clock::now() - start).count();
}

}  // namespace connleak::probes
