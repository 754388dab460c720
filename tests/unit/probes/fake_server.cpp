#include "tests/unit/probes/fake_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <stdexcept>

namespace connleak::test {

namespace {

constexpr int poll_ms = 10;

bool is_readable(int descriptor, int timeout_ms) {
    pollfd entry{descriptor, POLLIN, 0};
    return poll(&entry, 1, timeout_ms) > 0;
}

// Takes "<sign><number>\r\n" from `text` at `at`; -1 when it is not there whole.
long take_count(const std::string& text, std::size_t& at, char sign) {
    const std::size_t end = text.find("\r\n", at);
    if (end == std::string::npos || text[at] != sign) return -1;
    long count = -1;
    std::from_chars(text.data() + at + 1, text.data() + end, count);
    at = end + 2;
    return count;
}

}  // namespace

bool FakePeer::fill() {
    while (!stop_) {
        if (!is_readable(descriptor_, poll_ms)) continue;
        std::array<char, 4096> bytes{};
        const ssize_t count = recv(descriptor_, bytes.data(), bytes.size(), 0);
        if (count <= 0) return false;
        buffer_.append(bytes.data(), static_cast<std::size_t>(count));
        return true;
    }
    return false;
}

std::string FakePeer::read_command() {
    for (;;) {
        std::size_t at = 0;
        std::string words;
        long left = take_count(buffer_, at, '*');
        for (; left > 0; --left) {
            const long size = at < buffer_.size() ? take_count(buffer_, at, '$') : -1;
            if (size < 0 || at + static_cast<std::size_t>(size) + 2 > buffer_.size()) break;
            if (!words.empty()) words += ' ';
            words += buffer_.substr(at, static_cast<std::size_t>(size));
            at += static_cast<std::size_t>(size) + 2;
        }
        if (left == 0) {
            buffer_.erase(0, at);
            return words;
        }
        if (!fill()) return {};
    }
}

bool FakePeer::send(std::string_view bytes) const {
    while (!bytes.empty() && !stop_) {
        const ssize_t sent =
            ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
        if (sent < 0 && errno != EAGAIN) return false;
        if (sent < 0 && !wait(std::chrono::milliseconds(1))) return false;
    }
    return bytes.empty();
}

bool FakePeer::wait(std::chrono::milliseconds duration) const {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (!stop_ && std::chrono::steady_clock::now() < end) {
        pollfd entry{descriptor_, POLLRDHUP, 0};
        if (poll(&entry, 1, 1) > 0) return false;
    }
    return !stop_;
}

FakeServer::FakeServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    if (listener_ < 0 || bind(listener_, raw, size) != 0 || listen(listener_, 16) != 0 ||
        getsockname(listener_, raw, &size) != 0)
        throw std::runtime_error("cannot listen on loopback");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this] { accept_all(); });
}

FakeServer::FakeServer(std::map<std::string, std::string> answers)
    : FakeServer([this, answers = std::move(answers)](FakePeer& peer) {
          for (;;) {
              const std::string command = peer.read_command();
              if (command.empty()) return;
              {
                  const std::scoped_lock lock(mutex_);
                  commands_.push_back(command);
              }
              const auto answer = answers.find(command);
              const bool sent =
                  answer != answers.end()
                      ? peer.send(answer->second)
                      : peer.send("-ERR unknown command '" + command.substr(0, command.find(' ')) +
                                  "', with args beginning with: '" +
                                  command.substr(command.find(' ') + 1) + "' \r\n");
              if (!sent) return;
          }
      }) {}

FakeServer::~FakeServer() {
    stop_ = true;
    acceptor_.join();
    connections_.clear();
    close(listener_);
}

void FakeServer::accept_all() {
    while (!stop_) {
        if (!is_readable(listener_, poll_ms)) continue;
        const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) continue;
        connections_.emplace_back([this, accepted] {
            FakePeer peer(accepted, stop_);
            script_(peer);
            close(accepted);
        });
    }
}

Endpoint FakeServer::endpoint() const {
    return {*Address::parse("127.0.0.1"), port_};
}

std::vector<std::string> FakeServer::commands() const {
    const std::scoped_lock lock(mutex_);
    return commands_;
}

std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

}  // namespace connleak::test
