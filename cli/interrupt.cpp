#include "cli/interrupt.h"

namespace connleak::cli {

namespace {

volatile std::sig_atomic_t was_asked = 0;

}  // namespace

Interrupt::Interrupt() {
    was_asked = 0;
    struct sigaction note {};
    note.sa_handler = [](int) { was_asked = 1; };
    note.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &note, &interrupt_);
    ::sigaction(SIGTERM, &note, &terminate_);
}

Interrupt::~Interrupt() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGTERM, &terminate_, nullptr);
}

bool Interrupt::asked() {
    return was_asked != 0;
}

}  // namespace connleak::cli
