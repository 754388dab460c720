#include "probes/proc/thread_sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "probes/proc/decode.h"
#include "probes/proc/file.h"

namespace connleak::probes {

namespace {

constexpr std::size_t syscall_limit = 256;
constexpr std::size_t status_limit = 8192;

std::string_view next_argument(std::string_view& text) {
    const std::size_t end = text.find_first_of(" \n");
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return word;
}

bool is_poll(long number) {
#ifdef SYS_poll
    if (number == SYS_poll) return true;
#endif
    return number == SYS_ppoll;
}

bool is_read(long number) {
#ifdef SYS_recv
    if (number == SYS_recv) return true;
#endif
    return number == SYS_read || number == SYS_recvfrom || number == SYS_recvmsg;
}

class Threads {
  public:
    Threads(std::int32_t pid, const std::string& proc_root) {
        const auto proc = open_folder(proc_root);
        if (!proc) return;
        const auto process = open_folder(*proc, std::to_string(pid));
        if (!process) return;
        auto tasks = open_folder(*process, "task");
        if (!tasks) return;
        tasks_ = std::move(*tasks);
        memory_ = Descriptor(::openat(process->get(), "mem", O_RDONLY | O_CLOEXEC));
        if (!memory_) return;
        const auto status = read_text(*process, "status", status_limit);
        const std::int32_t inside = status ? parse_status(*status).namespace_pid : 0;
        if (inside != 0 && inside != pid) name_all();
    }

    [[nodiscard]] bool readable() const { return static_cast<bool>(memory_); }

    // The descriptor that the thread waits for.
    [[nodiscard]] std::optional<std::int32_t> waits_at(std::int32_t thread) const {
        if (translated_) {
            const auto found = by_own_name_.find(thread);
            if (found == by_own_name_.end()) return std::nullopt;
            thread = found->second;
        }
        const auto folder = open_folder(tasks_, std::to_string(thread));
        if (!folder) return std::nullopt;
        const auto before = read_text(*folder, "syscall", syscall_limit);
        const auto call = before ? parse_blocked_call(*before) : std::nullopt;
        if (!call) return std::nullopt;
        const auto descriptor = descriptor_of(*call);
        // If it still waits in the same call, the descriptor read is the one that it waits for.
        const auto after = read_text(*folder, "syscall", syscall_limit);
        return after && *after == *before ? descriptor : std::nullopt;
    }

  private:
    // Threads in a container have other ids there, and its server reports those.
    void name_all() {
        translated_ = true;
        const auto listing = open_listing(tasks_, ".");
        if (!listing) return;
        list_folder(*listing, [&](const char* name) {
            if (name[0] < '1' || name[0] > '9') return true;
            const auto folder = open_folder(tasks_, name);
            if (!folder) return true;
            const auto status = read_text(*folder, "status", status_limit);
            if (!status) return true;
            std::int32_t thread = 0;
            const std::string_view text(name);
            std::from_chars(text.data(), text.data() + text.size(), thread);
            by_own_name_[parse_status(*status).namespace_pid] = thread;
            return true;
        });
    }

    [[nodiscard]] std::optional<std::int32_t> descriptor_of(const BlockedCall& call) const {
        if (is_read(call.number)) return static_cast<std::int32_t>(call.first);
        if (!is_poll(call.number) || call.second != 1) return std::nullopt;
        pollfd polled{};
        const ssize_t got =
            ::pread(memory_.get(), &polled, sizeof polled, static_cast<off_t>(call.first));
        if (got != static_cast<ssize_t>(sizeof polled) || polled.fd < 0) return std::nullopt;
        return polled.fd;
    }

    Descriptor tasks_;
    Descriptor memory_;
    bool translated_ = false;
    std::map<std::int32_t, std::int32_t> by_own_name_;
};

}  // namespace

std::optional<BlockedCall> parse_blocked_call(std::string_view text) {
    BlockedCall call;
    const std::string_view number = next_argument(text);
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), call.number);
    if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size() || call.number < 0)
        return std::nullopt;
    for (std::uint64_t* argument : {&call.first, &call.second}) {
        std::string_view word = next_argument(text);
        if (!word.starts_with("0x")) return std::nullopt;
        word.remove_prefix(2);
        const auto value = std::from_chars(word.data(), word.data() + word.size(), *argument, 16);
        if (value.ec != std::errc() || value.ptr != word.data() + word.size()) return std::nullopt;
    }
    return call;
}

void find_thread_sockets(std::int32_t pid, std::vector<ServerClient>& clients,
                         const std::string& proc_root) {
    const auto wanted = [](const ServerClient& client) {
        return client.thread_id && !client.address;
    };
    if (std::ranges::none_of(clients, wanted)) return;
    const Threads threads(pid, proc_root);
    if (!threads.readable()) return;
    for (ServerClient& client : clients)
        if (wanted(client)) client.fd = threads.waits_at(*client.thread_id);
}

}  // namespace connleak::probes
