#include "diagnosis/holders/recognise_proxy.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <set>
#include <utility>

#include "diagnosis/connections/join.h"
#include "diagnosis/connections/verdict.h"
#include "diagnosis/holders/relay_pairs.h"

namespace connleak {

namespace {

// The sum of one connection is what is compared with each other's already.
constexpr std::ptrdiff_t least_summed = 2;
// Last used at the same moment: as a tick of the kernel's clock, and the time that reading took.
constexpr std::int64_t same_use_ms = 20;

class Recogniser {
  public:
    explicit Recogniser(const ProxyCandidate& candidate)
        : candidate_(candidate), program_(proxy_program(candidate.comm)) {
        for (const Socket& socket : candidate.accepted)
            accepted_.push_back(socket.state == State::established ? accepted_flow(socket)
                                                                   : Flow{});
        for (const Socket& socket : candidate.upstream)
            upstream_.push_back(socket.state == State::established ? upstream_flow(socket)
                                                                   : Flow{});
        for (const Socket& socket : candidate.accepted) listener_.push_back(listener_of(socket));
    }

    std::optional<Proxy> run() {
        proxy_.pid = candidate_.pid;
        if (program_ != ProxyProgram::pooled && relays()) return finish();
        if (program_ != ProxyProgram::one_to_one && sums_agree()) {
            proxy_.sign = ProxySign::traffic;
            for (const ProxyListener* each : listener_) places_.insert(*each);
            return finish();
        }
        if (program_ == ProxyProgram::no) return std::nullopt;
        proxy_.sign = ProxySign::program;
        proxy_.one_to_one = program_ == ProxyProgram::one_to_one;
        find_places();
        return finish();
    }

  private:
    [[nodiscard]] const ProxyListener* listener_of(const Socket& socket) const {
        const ProxyListener* best = &candidate_.listening.front();
        for (const ProxyListener& each : candidate_.listening) {
            if (each.netns != socket.netns || !listens_at(each.endpoint, socket.tuple.local))
                continue;
            best = &each;
            if (each.endpoint == socket.tuple.local) break;
        }
        return best;
    }

    // One connection for each client.
    bool relays() {
        pairs_ = pair_by_bytes(accepted_, upstream_, candidate_.slack_ms);
        const auto used = static_cast<std::size_t>(std::ranges::count_if(upstream_, &Flow::used));
        const bool known = program_ != ProxyProgram::no;
        if (pairs_.empty() || (!known && pairs_.size() * 2 < used)) {
            pairs_.clear();
            // The bytes differ where it encrypts them.
            if (program_ == ProxyProgram::one_to_one)
                pairs_ = pair_by_time(accepted_, upstream_, candidate_.slack_ms);
            if (pairs_.empty()) return false;
        } else {
            pair_busy(accepted_, upstream_, pairs_);
        }
        proxy_.sign = ProxySign::traffic;
        proxy_.one_to_one = true;
        for (const RelayPair& pair : pairs_) places_.insert(*listener_[pair.accepted]);
        return true;
    }

    // All bytes that the clients sent and received went through the connections to the servers, and
    // the last of them at the same time.
    [[nodiscard]] bool sums_agree() const {
        const Flow in = sum(accepted_);
        const Flow out = sum(upstream_);
        return std::ranges::count_if(accepted_, &Flow::used) >= least_summed && in.used() &&
               in.forward == out.forward && in.backward == out.backward && together(in, out);
    }

    static Flow sum(const std::vector<Flow>& flows) {
        Flow all{0, 0, std::numeric_limits<std::int64_t>::max(),
                 std::numeric_limits<std::int64_t>::max()};
        for (const Flow& flow : flows) {
            all.forward += flow.forward;
            all.backward += flow.backward;
            if (!flow.used()) continue;
            all.request_ago_ms = std::min(all.request_ago_ms, flow.request_ago_ms);
            all.reply_ago_ms = std::min(all.reply_ago_ms, flow.reply_ago_ms);
        }
        return all;
    }

    // The listeners that the clients of these servers use.
    void find_places() {
        std::set<ProxyListener> busy;
        for (const ProxyListener* each : listener_) busy.insert(*each);
        if (candidate_.listening.size() == 1 || busy.size() == 1) {
            places_ = busy.empty()
                          ? std::set(candidate_.listening.begin(), candidate_.listening.end())
                          : std::move(busy);
            return;
        }
        std::set<ProxyListener> places;
        bool all_explained = !busy.empty();
        for (const Flow& out : upstream_) {
            if (!out.used()) continue;
            bool explained = false;
            for (std::size_t at = 0; at < accepted_.size(); ++at) {
                if (!together(accepted_[at], out)) continue;
                explained = true;
                places.insert(*listener_[at]);
            }
            all_explained &= explained;
        }
        proxy_.clients_known = busy.empty() || (all_explained && !places.empty());
        places_ = proxy_.clients_known && !busy.empty()
                      ? std::move(places)
                      : std::set(candidate_.listening.begin(), candidate_.listening.end());
    }

    [[nodiscard]] bool together(const Flow& in, const Flow& out) const {
        const auto near = [&](std::int64_t a, std::int64_t b) {
            return std::max(a, b) - std::min(a, b) <= same_use_ms + candidate_.slack_ms;
        };
        return in.used() && near(in.request_ago_ms, out.request_ago_ms) &&
               near(in.reply_ago_ms, out.reply_ago_ms);
    }

    Proxy finish() {
        proxy_.listening.assign(places_.begin(), places_.end());
        if (!proxy_.clients_known) return std::move(proxy_);
        std::vector<const RelayPair*> pair_of(candidate_.accepted.size());
        for (const RelayPair& pair : pairs_) pair_of[pair.accepted] = &pair;
        for (std::size_t at = 0; at < candidate_.accepted.size(); ++at) {
            if (!places_.contains(*listener_[at])) continue;
            const Socket& socket = candidate_.accepted[at];
            ProxyClient client;
            client.address = socket.tuple.remote;
            client.accepted = socket.inode;
            client.heard_ms = peer_heard_ms(socket);
            client.age_ms = least_age_ms(socket);
            client.keepalive_on = keepalive_of(socket) == Keepalive::on;
            client.keepalive_unanswered =
                socket.timer.kind == TimerKind::keepalive && socket.timer.retransmits > 0;
            if (const RelayPair* pair = pair_of[at]) {
                client.upstream = candidate_.upstream[pair->upstream].inode;
                client.lookalikes = pair->lookalikes;
            }
            proxy_.clients.push_back(client);
        }
        return std::move(proxy_);
    }

    const ProxyCandidate& candidate_;
    ProxyProgram program_;
    std::vector<Flow> accepted_;
    std::vector<Flow> upstream_;
    std::vector<const ProxyListener*> listener_;  // of each accepted socket
    std::vector<RelayPair> pairs_;
    std::set<ProxyListener> places_;
    Proxy proxy_;
};

}  // namespace

std::optional<Proxy> recognise_proxy(const ProxyCandidate& candidate) {
    if (candidate.listening.empty() || candidate.upstream.empty()) return std::nullopt;
    return Recogniser(candidate).run();
}

ProxyProgram proxy_program(std::string_view comm) {
    using enum ProxyProgram;
    // Programs that also use a server themselves (nginx with Lua, traefik, caddy) are not listed:
    // only their bytes are evidence.
    static constexpr std::array programs{
        std::pair{std::string_view("haproxy"), one_to_one},
        std::pair{std::string_view("docker-proxy"), one_to_one},
        std::pair{std::string_view("rootlessport"), one_to_one},
        std::pair{std::string_view("rootlesskit"), one_to_one},
        std::pair{std::string_view("stunnel"), one_to_one},
        std::pair{std::string_view("stunnel4"), one_to_one},
        std::pair{std::string_view("ghostunnel"), one_to_one},
        std::pair{std::string_view("socat"), one_to_one},
        std::pair{std::string_view("systemd-socket-"), one_to_one},  // systemd-socket-proxyd
        std::pair{std::string_view("mysqlrouter"), one_to_one},
        std::pair{std::string_view("envoy"), either},
        std::pair{std::string_view("nutcracker"), pooled},
        std::pair{std::string_view("twemproxy"), pooled},
        std::pair{std::string_view("predixy"), pooled},
        std::pair{std::string_view("redis-cluster-p"), pooled},  // redis-cluster-proxy
        std::pair{std::string_view("codis-proxy"), pooled},
        std::pair{std::string_view("mcrouter"), pooled},
        std::pair{std::string_view("pgbouncer"), pooled},
        std::pair{std::string_view("odyssey"), pooled},
        std::pair{std::string_view("proxysql"), pooled},
        std::pair{std::string_view("maxscale"), pooled},
    };
    for (const auto& [name, program] : programs)
        if (comm == name) return program;
    return no;
}

}  // namespace connleak
