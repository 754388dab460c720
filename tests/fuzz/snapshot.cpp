// parse_snapshot() on arbitrary bytes, handed over in pieces of any size: the same records or the
// same refusal, and no socket that was not asked for.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "collect/snapshot/parse.h"

namespace {

using namespace connleak;

auto parse(std::span<const std::uint8_t> bytes, std::size_t piece) {
    return collect::parse_snapshot(
        [&](std::span<char> buffer) {
            const std::size_t size = std::min({piece, buffer.size(), bytes.size()});
            std::copy_n(bytes.begin(), size, buffer.begin());
            bytes = bytes.subspan(size);
            return size;
        },
        [](const Tuple& tuple) { return tuple.local.port % 2 == 0; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto whole = parse({data, size}, size + 1);
    const auto pieces = parse({data, size}, 3);
    if (whole.has_value() != pieces.has_value()) std::abort();
    if (!whole) return whole.error() == pieces.error() ? 0 : (std::abort(), 0);
    if (whole->sockets != pieces->sockets) std::abort();
    for (const Socket& socket : whole->sockets)
        if (socket.tuple.local.port % 2 != 0) std::abort();
    return 0;
}
