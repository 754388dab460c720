#include "collect/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "cli/options/secrets.h"
#include "cli/render/text.h"
#include "cli/status.h"
#include "collect/collect.h"
#include "collect/host.h"
#include "collect/snapshot/peer_snapshots.h"
#include "diagnosis/diagnose.h"

namespace connleak::cli {

namespace {

render::Head make_head() {
    render::Head head;
    head.generated_at_s = std::time(nullptr);
    head.generated_at = render::rfc3339(head.generated_at_s);
    HostFacts host = read_host();
    head.host_name = std::move(host.name);
    head.kernel = std::move(host.kernel);
    head.boot_id = std::move(host.boot_id);
    return head;
}

// nullptr where TLS is not asked for, or not there to be had: then the servers are not asked.
std::expected<std::shared_ptr<const probes::TlsContext>, std::string> tls_for(
    const Options& options) {
    const bool wanted = options.tls || std::ranges::any_of(options.targets, &Target::tls);
    if (!wanted || !probes::why_no_tls().empty()) return nullptr;
    return probes::TlsContext::make(options.tls_settings);
}

}  // namespace

Run::Run(const Options& options)
    : begin_(std::chrono::steady_clock::now()),
      head_(make_head()),
      session_(options),
      policy_{.recent_ms = options.recent_s * 1000,
              .persistent_after_s = options.persistent_after_s} {}

std::expected<std::unique_ptr<Run>, Stop> Run::make(const Options& options) {
    const auto password = find_password(options);
    if (!password) return std::unexpected(Stop{bad_usage, password.error()});

    const auto tls = tls_for(options);
    if (!tls) return std::unexpected(Stop{bad_usage, tls.error()});

    auto snapshots = PeerSnapshots::open(options.peer_snapshots);
    if (!snapshots) return std::unexpected(Stop{bad_usage, snapshots.error()});

    std::unique_ptr<Run> run(new Run(options));
    Session& session = run->session_;
    session.tls = *tls;
    if (session.namespaces().empty()) {
        const auto& gaps = session.sample().gaps;
        const std::string why =
            gaps.empty() ? "no network namespace can be read"
                         : fmt::format("--netns {}: {}: {}", render::printable(options.netns),
                                       gaps.front().error, gaps.front().effect);
        return std::unexpected(Stop{nothing_reported, why});
    }
    if (const auto wrong = collect(session, *password))
        return std::unexpected(Stop{bad_usage, *wrong});
    if (const auto wrong = snapshots->read(session.sample()))
        return std::unexpected(Stop{bad_usage, *wrong});

    KernelWitness witness(session);
    run->report_ = diagnose(session.sample(), run->policy_, witness, ::getpid());
    return run;
}

render::Head Run::head() const {
    render::Head head = head_;
    head.wall_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin_)
            .count();
    head.redis_ms = session_.redis_ms;
    head.sockets_read = session_.sockets_read;
    return head;
}

}  // namespace connleak::cli
