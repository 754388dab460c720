// connleak scan: the report. Collects, diagnoses, renders.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "cli/collect.h"
#include "cli/kernel_witness.h"
#include "cli/output.h"
#include "cli/render/json.h"
#include "cli/render/table.h"
#include "cli/secrets.h"
#include "cli/verbs.h"
#include "diagnosis/diagnose.h"

namespace connleak::cli {

namespace {

enum Status { made = 0, found_something = 1, bad_usage = 2, nothing_reported = 3 };

int fail(int status, const std::string& line) {
    fmt::print(stderr, "connleak: {}\n", line);
    return status;
}

std::string boot_id() {
    std::string id;
    if (std::FILE* file = std::fopen("/proc/sys/kernel/random/boot_id", "re"); file != nullptr) {
        char buffer[64] = {};
        if (std::fgets(buffer, sizeof buffer, file) != nullptr) id = buffer;
        std::fclose(file);
    }
    id.erase(id.find_last_not_of('\n') + 1);
    return id;
}

render::Head make_head() {
    render::Head head;
    head.generated_at = render::rfc3339(std::time(nullptr));
    utsname names{};
    if (::uname(&names) == 0) {
        head.host_name = names.nodename;
        head.kernel = names.release;
    }
    head.boot_id = boot_id();
    return head;
}

render::TableStyle table_style(const Options& options) {
    render::TableStyle style;
    style.connections = options.connections;
    const bool to_terminal = options.output.empty() && ::isatty(STDOUT_FILENO) == 1;
    style.color = wants_color(options.color, options.output);
    winsize size{};
    if (to_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        style.columns = size.ws_col;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment
    } else if (const char* columns = std::getenv("COLUMNS"); columns != nullptr) {
        style.columns = static_cast<std::size_t>(std::strtoul(columns, nullptr, 10));
    }
    return style;
}

}  // namespace

int scan(const Words& words) {
    const auto begin = std::chrono::steady_clock::now();
    const auto options = parse_scan_options(words);
    if (!options) {
        if (options.error().status != 0) return fail(options.error().status, options.error().text);
        const auto written = write_output("", options.error().text);
        return written ? made : fail(nothing_reported, written.error());
    }
    const auto password = find_password(*options);
    if (!password) return fail(bad_usage, password.error());

    render::Head head = make_head();
    Session session(*options);
    if (session.namespaces().empty()) {
        const auto& gaps = session.sample().gaps;
        return fail(nothing_reported, gaps.empty()
                                          ? "no network namespace can be read"
                                          : fmt::format("--netns {}: {}: {}", options->netns,
                                                        gaps.front().error, gaps.front().effect));
    }
    if (const auto wrong = collect(session, *password)) return fail(bad_usage, *wrong);

    const Policy policy{.recent_ms = options->recent_s * 1000,
                        .persistent_after_s = options->persistent_after_s};
    KernelWitness witness(session);
    const Sample& sample = session.sample();
    const Report report = diagnose(sample, policy, witness, ::getpid());
    head.wall_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    head.redis_ms = session.redis_ms;
    head.sockets_read = session.sockets_read;

    const std::string text = options->format == Format::json
                                 ? render::to_json(head, sample, report)
                                 : render::to_table(sample, report, table_style(*options));
    if (const auto written = write_output(options->output, text); !written)
        return fail(nothing_reported, written.error());
    if (options->exit_code) {
        for (const Finding& finding : report.findings)
            if (finding.severity != Severity::ok) return found_something;
    }
    return made;
}

}  // namespace connleak::cli
