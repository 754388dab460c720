#include "cli/options/secrets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "diagnosis/model/printable.h"

namespace connleak::cli {

namespace {

constexpr std::size_t password_limit = 4096;

std::string first_line(std::string_view text) {
    std::string line(text.substr(0, text.find('\n')));
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

// Reads a file or a pipe (--pass-file <(command)), with a size limit.
std::expected<std::string, std::string> read_file(const std::string& path) {
    const auto failed = [&](int error) {
        return std::unexpected(
            fmt::format("--pass-file {}: {}", printable(path), strerrordesc_np(error)));
    };
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return failed(errno);
    std::array<char, password_limit> buffer{};
    std::size_t size = 0;
    int error = 0;
    while (size < buffer.size()) {
        const ssize_t got = ::read(descriptor, buffer.data() + size, buffer.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) error = errno;
        if (got <= 0) break;
        size += static_cast<std::size_t>(got);
        if (std::memchr(buffer.data(), '\n', size) != nullptr) break;
    }
    ::close(descriptor);
    std::string line = first_line({buffer.data(), size});
    ::explicit_bzero(buffer.data(), buffer.size());
    if (error != 0) return failed(error);
    if (line.empty())
        return std::unexpected(
            fmt::format("--pass-file {}: its first line is empty", printable(path)));
    return line;
}

volatile std::sig_atomic_t interrupted_by = 0;

// Turns echo off while a line is read from the terminal, and always on again: a signal first ends
// the prompt, and takes its usual effect after the terminal is restored.
std::expected<std::string, std::string> ask() {
    const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (terminal < 0)
        return std::unexpected(
            std::string("--askpass: there is no terminal to ask on; use --pass-file"));
    constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    std::array<struct sigaction, signals.size()> before_signals{};
    struct sigaction note {};
    note.sa_handler = [](int signal) { interrupted_by = signal; };
    for (std::size_t at = 0; at < signals.size(); ++at)
        ::sigaction(signals[at], &note, &before_signals[at]);
    termios before{};
    ::tcgetattr(terminal, &before);
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(terminal, TCSAFLUSH, &silent);

    constexpr std::string_view prompt = "Password: ";
    [[maybe_unused]] ssize_t written = ::write(terminal, prompt.data(), prompt.size());
    std::array<char, password_limit> buffer{};
    const ssize_t got = ::read(terminal, buffer.data(), buffer.size());
    written = ::write(terminal, "\n", 1);

    ::tcsetattr(terminal, TCSAFLUSH, &before);
    for (std::size_t at = 0; at < signals.size(); ++at)
        ::sigaction(signals[at], &before_signals[at], nullptr);
    ::close(terminal);
    if (interrupted_by != 0) ::raise(interrupted_by);
    std::string line = first_line({buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0});
    ::explicit_bzero(buffer.data(), buffer.size());
    return line;
}

}  // namespace

std::expected<std::string, std::string> find_password(const Options& options) {
    // libmariadb silently skips a file that it cannot read.
    if (!options.defaults_file.empty() && ::access(options.defaults_file.c_str(), R_OK) != 0)
        return std::unexpected(fmt::format(
            "--defaults-file {}: {}", printable(options.defaults_file), strerrordesc_np(errno)));
    if (options.ask_password) return ask();
    if (!options.password_file.empty()) return read_file(options.password_file);
    // Read once, before any thread is started.
    const char* text = std::getenv("REDISCLI_AUTH");  // NOLINT(concurrency-mt-unsafe)
    return text != nullptr ? std::string(text) : std::string();
}

}  // namespace connleak::cli
