// One keepalive probe of one borrowed socket: started, watched for some milliseconds, settings
// restored. The probe never closes the connection that it tests. The settings are restored however
// it ends.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "probes/liveness/borrowed_socket.h"

namespace connleak::probes {

// Why a socket in this state must not or cannot be probed; "" if it can. `wait_s`: how long to wait
// for the answer.
//
// With keepalive on, the kernel closes a connection when TCP_KEEPCNT probes are unanswered, or,
// with TCP_USER_TIMEOUT, when one is (tcp_keepalive_timer()). Our probe counts as unanswered until
// the peer is heard. If the peer is cut off for the whole wait and then returns, at least one of
// the kernel's own probes must still reach it before that limit.
std::string_view why_not_probed(const KeepaliveSettings& settings, const LiveInfo& info,
                                std::int64_t wait_s);

class KeepaliveProbe {
  public:
    // `refused`: the text of why_not_probed(), or "" with the errno of the failed call.
    struct Refusal {
        int code = 0;
        std::string_view refused;
    };
    static std::expected<KeepaliveProbe, Refusal> begin(BorrowedSocket socket, std::int64_t wait_s);

    KeepaliveProbe(KeepaliveProbe&& other) noexcept;
    KeepaliveProbe(const KeepaliveProbe&) = delete;
    KeepaliveProbe& operator=(const KeepaliveProbe&) = delete;
    KeepaliveProbe& operator=(KeepaliveProbe&&) = delete;
    ~KeepaliveProbe() { restore(); }

    enum class Step : std::uint8_t {
        waiting,   // not sent yet
        sent,      // no answer so far
        answered,  // the peer was heard
        ended,     // not established any more; while it is borrowed its owner cannot have closed it
    };
    [[nodiscard]] Step look();
    // Whether the probe is the only segment that the socket has sent since begin(). If so, the
    // segment seen on the wire is the probe.
    [[nodiscard]] bool alone() const;
    [[nodiscard]] std::uint32_t mark() const { return socket_.mark(); }
    // Restores the settings, once; returns whether they are the original ones.
    bool restore();

  private:
    KeepaliveProbe(BorrowedSocket socket, const KeepaliveSettings& before, const LiveInfo& info);

    BorrowedSocket socket_;
    KeepaliveSettings before_;
    LiveInfo at_begin_;
    LiveInfo now_;
    bool changed_ = true;
    bool restored_ = false;
};

}  // namespace connleak::probes
