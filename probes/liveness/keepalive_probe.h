// One keepalive probe of one borrowed socket: begun, watched for some milliseconds, everything put
// back. The probe never closes what it tests; whatever way it ends, the settings are what they
// were.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "probes/liveness/borrowed_socket.h"

namespace connleak::probes {

// Why a socket in this condition must not be probed, or cannot be; "" when it can. `wait_s`: how
// long the answer is waited for.
//
// The kernel closes a connection with keepalive on when as many probes as TCP_KEEPCNT are
// unanswered, or, with TCP_USER_TIMEOUT, when one is (tcp_keepalive_timer()). Ours counts as one
// until the peer is heard. A peer that is cut off for as long as we wait, and then is back, must
// still meet one of the kernel's own probes before that.
std::string_view why_not_probed(const KeepaliveSettings& settings, const LiveInfo& info,
                                std::int64_t wait_s);

class KeepaliveProbe {
  public:
    // `refused`: why_not_probed(), or "" with the errno of what failed.
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
        sent,      // without an answer until now
        answered,  // the peer was heard
        ended,     // no longer established; while it is borrowed its owner cannot have closed it
    };
    [[nodiscard]] Step look();
    // Whether the probe was the only segment that the socket has sent since begin(): then what was
    // seen leaving is it.
    [[nodiscard]] bool alone() const;
    [[nodiscard]] std::uint32_t mark() const { return socket_.mark(); }
    // Puts the settings back, once; whether they are what they were.
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
