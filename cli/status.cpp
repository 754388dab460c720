#include "cli/status.h"

#include <fmt/format.h>

#include <cstdio>

#include <algorithm>

#include "cli/options/secrets.h"
#include "cli/output.h"

namespace connleak::cli {

std::expected<std::unique_ptr<collect::Run>, Stop> begin(const Options& options) {
    const auto password = find_password(options);
    if (!password) return std::unexpected(Stop{bad_usage, password.error()});
    auto run = collect::Run::make(options, *password);
    if (!run)
        return std::unexpected(
            Stop{run.error().bad_request ? bad_usage : nothing_reported, run.error().message});
    return std::move(*run);
}

int fail(int status, const std::string& line) {
    fmt::print(stderr, "connleak: {}\n", line);
    return status;
}

int status_of(const Plan& plan, bool interrupted) {
    const Totals totals = plan.totals();
    // Connections that need no action were skipped before planning.
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
