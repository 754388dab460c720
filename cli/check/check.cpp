// connleak check: one line for monitoring, following the Monitoring Plugins' conventions.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "cli/check/lines.h"
#include "cli/check/options.h"
#include "cli/check/state.h"
#include "cli/output.h"
#include "cli/render/text.h"
#include "cli/status.h"
#include "cli/verbs.h"
#include "collect/run.h"
#include "diagnosis/model/phrase.h"
#include "diagnosis/model/printable.h"

namespace connleak::cli {

namespace {

constexpr int unknown_status = 3;
constexpr auto lock_timeout = std::chrono::seconds(2);
constexpr std::size_t longest_key = 200;

int status_of(Level level) {
    switch (level) {
        case Level::ok:
            return 0;
        case Level::warning:
            return 1;
        case Level::critical:
            return 2;
        case Level::unknown:
            break;
    }
    return unknown_status;
}

// fmt::print() throws if stderr is closed.
void complain(const std::string& why) {
    std::fputs(("connleak: " + why + '\n').c_str(), stderr);
}

// Monitoring reads stdout, a user who mistyped reads stderr; on a terminal both are the same.
int unknown(const std::string& why) {
    const auto written = write_output("", render::check_line(Level::unknown, why));
    if (!written || ::isatty(STDOUT_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) complain(why);
    return unknown_status;
}

// Ends the program with its own output line if the run takes too long. Whatever hangs, a server or
// this host, the status is CRITICAL regardless of thresholds, as in the Monitoring Plugins.
class Watchdog {
  public:
    explicit Watchdog(std::chrono::seconds timeout)
        : line_(render::check_line(
              Level::critical, fmt::format("not done within {} s (--timeout)", timeout.count()))),
          thread_([this, timeout] { watch(timeout); }) {}
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    ~Watchdog() { disarm(); }

    // Afterwards only the caller writes to stdout.
    void disarm() {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
    }

  private:
    void watch(std::chrono::seconds timeout) {
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, timeout, [this] { return done_; })) return;
        // Not exit(): other threads are still running.
        if (::write(STDOUT_FILENO, line_.data(), line_.size()) < 0) ::_exit(unknown_status);
        ::_exit(status_of(Level::critical));
    }

    std::string line_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false;
    std::thread thread_;
};

// Converts names to valid UTF-8 of bounded length, as the file requires.
CountedRun storable(CountedRun run) {
    GroupCounts counts;
    for (const auto& [key, count] : run.counts)
        counts[{render::fit(printable(key.server), longest_key),
                render::fit(printable(key.group), longest_key)}] += count;
    run.counts = std::move(counts);
    return run;
}

void take_growth(const std::optional<Growth>& growth, Measures& measures,
                 std::vector<std::string>& notes) {
    if (!growth) {
        notes.emplace_back("group_growth: the first run with this state, nothing to compare with");
        return;
    }
    Reading& reading = measures[Metric::group_growth];
    reading.value = static_cast<double>(growth->gained);
    if (growth->gained == 0) return;
    reading.worst = growth->who.group;
    notes.push_back(fmt::format(
        "per-process-growth: {} holds {} to {}, {} more than ever before in what is remembered; "
        "growing for {} over {}",
        growth->who.group, phrase::count(growth->now, "connection"), growth->who.server,
        phrase::number(growth->gained), phrase::duration(growth->lasted_s),
        phrase::count(growth->runs, "run")));
}

int check_with(const CheckOptions& options) {
    std::optional<StateFile> state;
    if (!options.state.empty()) {
        auto opened = StateFile::open(options.state);
        if (!opened) return unknown(opened.error());
        state = std::move(*opened);
    }
    std::optional<Watchdog> watchdog;
    // At a terminal the user may take time, and the terminal's echo must be restored.
    if (!options.ask_password) watchdog.emplace(options.timeout);
    const auto run = begin(options);
    if (!run) {
        if (watchdog) watchdog->disarm();
        return unknown(run.error().text);
    }
    const Sample& sample = (*run)->sample();
    const Report& report = (*run)->report();
    Measures measures = measure(sample, report);
    std::vector<std::string> notes;
    std::string state_failure;
    if (state) {
        StateFile::Update update =
            state->update(storable(count_groups(sample, report, std::time(nullptr))),
                          std::min<std::chrono::milliseconds>(lock_timeout, options.timeout / 4));
        state_failure = std::move(update.failure);
        notes = std::move(update.notes);
        take_growth(update.growth, measures, notes);
    }
    if (watchdog) watchdog->disarm();

    Health health = judge_health(sample, measures, options.rules);
    if (!state_failure.empty()) {
        Problem problem;
        problem.level = Level::unknown;
        problem.text = state_failure;
        add(health, std::move(problem));
        complain(state_failure);
    }
    if (options.quiet && health.level == Level::ok) return 0;
    const auto written =
        write_output("", render::to_check({sample, report, measures, options.rules, health,
                                           std::move(notes), options.verbosity}));
    if (!written) {
        complain(written.error());
        return unknown_status;
    }
    return status_of(health.level);
}

}  // namespace

int check(const Arguments& arguments) {
    try {
        const auto options = parse_check_options(arguments);
        if (!options) {
            if (options.error().status != 0) return unknown(options.error().text);
            // The help: by the conventions its status is not OK.
            if (const auto written = write_output("", options.error().text); !written)
                complain(written.error());
            return unknown_status;
        }
        if (options->version) {
            if (const auto written = write_output("", "connleak " CONNLEAK_VERSION "\n"); !written)
                complain(written.error());
            return unknown_status;
        }
        return check_with(*options);
    } catch (const std::bad_alloc&) {
        return unknown("out of memory");
    } catch (const std::exception& error) {
        return unknown(error.what());
    }
}

}  // namespace connleak::cli
