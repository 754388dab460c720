// A socket of another process, borrowed by pidfd_getfd(2): the same open socket under a descriptor
// of our own. Two things follow from that. What is set on it is set for its owner too. And while we
// hold it the owner's close(2) sends no FIN, so it is held for moments only. SO_ERROR is never
// read: reading clears it, and the owner would miss its error.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::probes {

struct BorrowError {
    int code = 0;  // errno; ESTALE: the descriptor is another socket by now
    std::string
        missing;  // the right that would be needed, for a person; "" when it is no matter of rights

    // The process, its descriptor or the connection behind it went away: nothing is wrong.
    [[nodiscard]] bool gone() const;
};

// socket(7), tcp(7). A value that the owner has never set reads as the host's (sysctl
// net.ipv4.tcp_keepalive_*), and is the socket's own once it has been written back.
struct KeepaliveSettings {
    bool on = false;                    // SO_KEEPALIVE
    int idle_s = 0;                     // TCP_KEEPIDLE
    int interval_s = 0;                 // TCP_KEEPINTVL
    int count = 0;                      // TCP_KEEPCNT
    std::uint32_t user_timeout_ms = 0;  // TCP_USER_TIMEOUT, 0 for none

    // Whether setsockopt(2) takes these values back: a host's tcp_keepalive_time may be above
    // what it takes (MAX_TCP_KEEPIDLE in net/tcp.h), and such a socket must not be changed.
    [[nodiscard]] bool writable() const;
    friend bool operator==(const KeepaliveSettings&, const KeepaliveSettings&) = default;
};

// The largest values that setsockopt(2) takes (net/tcp.h: MAX_TCP_KEEPIDLE, -INTVL, -CNT).
inline constexpr int longest_keepalive_s = 32767;
inline constexpr int most_keepalive_probes = 127;

// What the socket says of itself right now (tcp_info).
struct LiveInfo {
    State state = State::closed;
    std::uint8_t probes = 0;          // keepalive or window probes without an answer
    std::uint32_t unacked = 0;        // segments in flight
    std::uint32_t unsent_bytes = 0;   // written by the owner, not sent yet
    std::uint32_t unread_bytes = 0;   // received, not read by the owner yet (SIOCINQ)
    std::uint32_t heard_ms = 0;       // since the last data or ACK of the peer
    std::uint32_t segments_sent = 0;  // tcpi_segs_out, of every kind; wraps
};

class BorrowedSocket {
  public:
    // Borrows the owner's descriptor and makes sure by SO_COOKIE that it is the socket that
    // sock_diag showed with this cookie. Needs PTRACE_MODE_ATTACH_REALCREDS on the process, see
    // ptrace(2).
    static std::expected<BorrowedSocket, BorrowError> borrow(const Owner& owner,
                                                             std::uint64_t cookie);

    // errno on failure.
    [[nodiscard]] std::expected<KeepaliveSettings, int> read() const;
    // Writes what differs. Between the writes keepalive is off, so that no timer meets half of
    // them; when `settings` have it on, the kernel looks at the connection a whole idle_s from now,
    // never at once. So it can neither send nor close anything. 0, or the first errno; the rest is
    // written all the same.
    int write(const KeepaliveSettings& settings) const;

    // Has the kernel send one keepalive probe, if it is idle for a second and has nothing in
    // flight: keepalive on, with intervals and a count that could close it in 48 days at the
    // earliest, whatever becomes of us. It goes out within a tick or two of the kernel's clock;
    // write() what read() gave as soon as it has. 0 or errno.
    int trigger_probe() const;

    [[nodiscard]] std::expected<LiveInfo, int> info() const;
    // SO_MARK, which routes can depend on. 0 when there is none or it cannot be read.
    [[nodiscard]] std::uint32_t mark() const;

  private:
    explicit BorrowedSocket(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
    Descriptor descriptor_;
};

}  // namespace connleak::probes
