#include "collect/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "collect/collect.h"
#include "collect/host.h"
#include "collect/snapshot/peer_snapshots.h"
#include "diagnosis/diagnose.h"
#include "diagnosis/model/printable.h"

namespace connleak::collect {

namespace {

RunFacts facts_of_host() {
    RunFacts facts;
    facts.generated_at_s = std::time(nullptr);
    HostFacts host = read_host();
    facts.host_name = std::move(host.name);
    facts.kernel = std::move(host.kernel);
    facts.boot_id = std::move(host.boot_id);
    return facts;
}

// nullptr if TLS is not requested or not available: then the servers are not asked.
std::expected<std::shared_ptr<const probes::TlsContext>, std::string> tls_for(
    const Request& request) {
    const bool wanted = request.tls || std::ranges::any_of(request.targets, &Target::tls);
    if (!wanted || !probes::why_no_tls().empty()) return nullptr;
    return probes::TlsContext::make(request.tls_settings);
}

std::unexpected<RunError> bad_request(const std::string& message) {
    return std::unexpected(RunError{true, message});
}

}  // namespace

Run::Run(const Request& request, std::chrono::steady_clock::time_point begin, Namespaces namespaces)
    : begin_(begin),
      facts_(facts_of_host()),
      namespaces_(std::move(namespaces)),
      policy_{.recent_ms = request.recent_s * 1000,
              .persistent_after_s = request.persistent_after_s} {}

std::expected<std::unique_ptr<Run>, RunError> Run::make(const Request& request,
                                                        const std::string& password) {
    const auto begin = std::chrono::steady_clock::now();
    const auto tls = tls_for(request);
    if (!tls) return bad_request(tls.error());

    auto snapshots = PeerSnapshots::open(request.peer_snapshots);
    if (!snapshots) return bad_request(snapshots.error());

    netlink::NetnsSearch search = find_namespaces(request.netns);
    if (search.found.empty()) {
        const std::string why =
            search.gaps.empty()
                ? "no network namespace can be read"
                : fmt::format("--netns {}: {}: {}", printable(request.netns),
                              search.gaps.front().error, search.gaps.front().effect);
        return std::unexpected(RunError{false, why});
    }
    std::unique_ptr<Run> run(new Run(request, begin, Namespaces(std::move(search.found))));
    auto sample = collect(request, {password, *tls}, run->namespaces_);
    if (!sample) return bad_request(sample.error());
    run->sample_ = std::move(*sample);
    // Gaps from namespaces that could not be entered come first, because they occurred first.
    run->sample_.gaps.insert(run->sample_.gaps.begin(), search.gaps.begin(), search.gaps.end());
    if (const auto wrong = snapshots->read(run->sample_)) return bad_request(*wrong);

    KernelWitness witness = run->witness();
    run->report_ = diagnose(run->sample_, run->policy_, witness, ::getpid());
    run->namespaces_.release();
    return run;
}

RunFacts Run::facts() const {
    RunFacts facts = facts_;
    facts.wall_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin_)
            .count();
    facts.redis_ms = sample_.asking_ms;
    facts.sockets_read = namespaces_.sockets_read();
    return facts;
}

}  // namespace connleak::collect
