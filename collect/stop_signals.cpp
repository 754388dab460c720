#include "collect/stop_signals.h"

namespace connleak::collect {

namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};
volatile std::sig_atomic_t stop_asked = 0;

}  // namespace

StopSignals::StopSignals() {
    stop_asked = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { stop_asked = 1; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    for (std::size_t at = 0; at < signals.size(); ++at) {
        sigaction(signals[at], nullptr, &before_[at]);
        // Under nohup(1) it is deliberately ignored.
        if (before_[at].sa_handler != SIG_IGN) sigaction(signals[at], &action, nullptr);
    }
}

StopSignals::~StopSignals() {
    for (std::size_t at = 0; at < signals.size(); ++at)
        sigaction(signals[at], &before_[at], nullptr);
}

bool StopSignals::asked() {
    return stop_asked != 0;
}

}  // namespace connleak::collect
