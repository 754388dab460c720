#include "cli/status.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/output.h"

namespace connleak::cli {

int fail(int status, const std::string& line) {
    fmt::print(stderr, "connleak: {}\n", line);
    return status;
}

int status_of(const Plan& plan, bool interrupted) {
    const Totals totals = plan.totals();
    const std::uint64_t not_planned = plan.actions.size() - totals.planned;
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
