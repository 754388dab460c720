// decode_unix_socket() on arbitrary bytes: a record with a known type and state, or none, and the
// same each time.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "netlink/sockets/unix_diag_decode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace connleak::netlink;
    const auto socket = decode_unix_socket(std::span(data, size), 7);
    if (!socket) return 0;
    if (*socket != *decode_unix_socket(std::span(data, size), 7)) std::abort();
    const auto state = static_cast<unsigned>(socket->socket.state);
    if (state < 1 || state > 11 || socket->name.size() > size || socket->pending.size() > size / 4)
        std::abort();
    // A path never holds a NUL; an abstract name begins with one.
    if (!socket->name.empty() && socket->name.front() != '\0' &&
        socket->name.find('\0') != std::string::npos)
        std::abort();
    return 0;
}
