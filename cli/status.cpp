#include "cli/status.h"

#include <fmt/format.h>

#include <cstdio>

#include <algorithm>

#include "cli/output.h"

namespace connleak::cli {

int fail(int status, const std::string& line) {
    fmt::print(stderr, "connleak: {}\n", line);
    return status;
}

int status_of(const Plan& plan, bool interrupted) {
    const Totals totals = plan.totals();
    // What needs nothing to be done was skipped before it was planned.
    const auto not_planned =
        static_cast<std::uint64_t>(std::ranges::count_if(plan.actions, [](const Action& action) {
            return !action.planned && action.outcome != Outcome::skipped;
        }));
    if (totals.failed + not_planned > 0)
        return totals.failed + not_planned == plan.actions.size() ? nothing_reported
                                                                  : found_something;
    return interrupted ? found_something : made;
}

int stop(const Stop& why) {
    if (why.status != 0) return fail(why.status, why.text);
    const auto written = write_output("", why.text);
    return written ? made : fail(nothing_reported, written.error());
}

}  // namespace connleak::cli
