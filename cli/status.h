// How a verb begins and ends.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "cli/options/options.h"
#include "collect/run.h"
#include "diagnosis/actions/plan.h"

namespace connleak::cli {

// The contract's exit statuses; `check` has its own.
enum Status { made = 0, found_something = 1, bad_usage = 2, nothing_reported = 3 };

// Asks for the password when it has to, reads everything and concludes. `options` must outlive the
// run.
std::expected<std::unique_ptr<collect::Run>, Stop> begin(const Options& options);

// Of a verb that acts: made (0), some could not be done (1), nothing could be done (3). What was
// left alone because it had changed is no failure.
int status_of(const Plan& plan, bool interrupted);

// One line on stderr, and the status.
int fail(int status, const std::string& line);

// The help on stdout, or what is wrong with the arguments on stderr; and the status.
int stop(const Stop& why);

}  // namespace connleak::cli
