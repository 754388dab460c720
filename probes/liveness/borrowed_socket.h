// A socket of another process, borrowed by pidfd_getfd(2): the same open socket under a descriptor
// of our own. Options set on it are therefore set for its owner too. While we hold it, the owner's
// close(2) sends no FIN, so it is held only briefly. SO_ERROR is never read: reading clears it, and
// the owner would miss its error.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::probes {

struct BorrowError {
    int code = 0;         // errno; ESTALE: the descriptor now refers to another socket
    std::string missing;  // the missing privilege, for a person; "" if privileges are not the cause

    // The process, its descriptor or the connection is gone; this is not an error.
    [[nodiscard]] bool gone() const;
};

// socket(7), tcp(7). A value that the owner never set reads as the host's default (sysctl
// net.ipv4.tcp_keepalive_*); writing it back makes it the socket's own.
struct KeepaliveSettings {
    bool on = false;                    // SO_KEEPALIVE
    int idle_s = 0;                     // TCP_KEEPIDLE
    int interval_s = 0;                 // TCP_KEEPINTVL
    int count = 0;                      // TCP_KEEPCNT
    std::uint32_t user_timeout_ms = 0;  // TCP_USER_TIMEOUT, 0 for none

    // Whether setsockopt(2) accepts these values: a host's tcp_keepalive_time may exceed the
    // maximum (MAX_TCP_KEEPIDLE in net/tcp.h), and such a socket must not be changed.
    [[nodiscard]] bool writable() const;
    friend bool operator==(const KeepaliveSettings&, const KeepaliveSettings&) = default;
};

// The largest values that setsockopt(2) accepts (net/tcp.h: MAX_TCP_KEEPIDLE, -INTVL, -CNT).
inline constexpr int longest_keepalive_s = 32767;
inline constexpr int most_keepalive_probes = 127;

// The socket's current state (tcp_info).
struct LiveInfo {
    State state = State::closed;
    std::uint8_t probes = 0;          // unanswered keepalive or window probes
    std::uint32_t unacked = 0;        // segments in flight
    std::uint32_t unsent_bytes = 0;   // written by the owner, not sent yet
    std::uint32_t unread_bytes = 0;   // received, not yet read by the owner (SIOCINQ)
    std::uint32_t heard_ms = 0;       // since the last data or ACK from the peer
    std::uint32_t segments_sent = 0;  // tcpi_segs_out, segments of all kinds; wraps
};

class BorrowedSocket {
  public:
    // Borrows the owner's descriptor and checks by SO_COOKIE that it is the socket that sock_diag
    // reported with this cookie. Requires PTRACE_MODE_ATTACH_REALCREDS on the process, see
    // ptrace(2).
    static std::expected<BorrowedSocket, BorrowError> borrow(const Owner& owner,
                                                             std::uint64_t cookie);

    // errno on failure.
    [[nodiscard]] std::expected<KeepaliveSettings, int> read() const;
    // Writes the values that differ. Keepalive is off between the writes, so that no timer sees a
    // partial change. If `settings` turn it on, the kernel first checks the connection a full
    // idle_s from now, never at once, so the change itself neither sends nor closes anything.
    // Returns 0, or the first errno; the remaining values are written even after an error.
    int write(const KeepaliveSettings& settings) const;

    // Makes the kernel send one keepalive probe if the socket is idle for a second and has nothing
    // in flight. It turns keepalive on with an interval and a count that could close the connection
    // after 48 days at the earliest, even if this program dies. The probe is sent within a tick or
    // two of the kernel's clock; call write() with the result of read() right after that. Returns 0
    // or errno.
    int trigger_probe() const;

    [[nodiscard]] std::expected<LiveInfo, int> info() const;
    // SO_MARK, which can affect routing. 0 if there is none or it cannot be read.
    [[nodiscard]] std::uint32_t mark() const;

  private:
    explicit BorrowedSocket(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
    Descriptor descriptor_;
};

}  // namespace connleak::probes
