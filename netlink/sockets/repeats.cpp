#include "netlink/sockets/repeats.h"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace connleak::netlink {

// An open-addressing hash table of positions: this must be cheap compared with the dump itself.
void remove_repeats(std::vector<Socket>& sockets) {
    const std::size_t size = std::bit_ceil(sockets.size() * 2 + 1);
    std::vector<std::uint32_t> slots(size);  // position + 1; 0 is free
    std::size_t kept = 0;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        const std::uint64_t cookie = sockets[i].cookie;
        std::size_t slot =
            static_cast<std::size_t>(cookie * 0x9e3779b97f4a7c15U >> 20U) & (size - 1);
        while (slots[slot] != 0 && sockets[slots[slot] - 1].cookie != cookie)
            slot = (slot + 1) & (size - 1);
        const bool seen = slots[slot] != 0 && cookie != 0;
        const std::size_t position = seen ? slots[slot] - 1 : kept++;
        if (!seen) slots[slot] = static_cast<std::uint32_t>(position + 1);
        if (position != i) sockets[position] = sockets[i];
    }
    sockets.resize(kept);
}

}  // namespace connleak::netlink
