// How a verb starts and ends.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "cli/options/options.h"
#include "collect/run.h"
#include "diagnosis/actions/plan.h"

namespace connleak::cli {

// The documented exit statuses; `check` has its own.
enum Status { made = 0, found_something = 1, bad_usage = 2, nothing_reported = 3 };

// Asks for the password if necessary, reads everything and draws the conclusions. `options` must
// outlive the run.
std::expected<std::unique_ptr<collect::Run>, Stop> begin(const Options& options);

// For the verbs that act: made (0), some actions failed (1), none succeeded (3). A connection that
// was skipped because it had changed is not a failure.
int status_of(const Plan& plan, bool interrupted);

// Prints one line on stderr and returns the status.
int fail(int status, const std::string& line);

// Prints the help on stdout, or the error in the arguments on stderr; returns the status.
int stop(const Stop& why);

}  // namespace connleak::cli
