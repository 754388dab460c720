#include "cli/check/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "cli/check/history.h"
#include "diagnosis/model/printable.h"
#include "system/write_all.h"

namespace connleak::cli {

namespace {

// O_NONBLOCK: do not block on a FIFO without a writer before it is rejected.
std::expected<Descriptor, int> open_regular(const std::string& file) {
    constexpr int how = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    Descriptor descriptor(::open(file.c_str(), how));
    // Create it only if missing: in a sticky folder O_CREAT is refused for another user's file.
    if (!descriptor && errno == ENOENT)
        descriptor = Descriptor(::open(file.c_str(), how | O_CREAT, 0600));
    if (!descriptor) return std::unexpected(errno);
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return std::unexpected(errno);
    if (!S_ISREG(status.st_mode)) return std::unexpected(EINVAL);
    return descriptor;
}

// Reads at most one byte more than the maximum size of a state.
std::expected<std::string, int> read_whole(int descriptor) {
    std::string text(largest_state + 1, '\0');
    std::size_t filled = 0;
    while (filled < text.size()) {
        const ssize_t got = ::pread(descriptor, text.data() + filled, text.size() - filled,
                                    static_cast<off_t>(filled));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(errno);
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    text.resize(filled);
    return text;
}

// Returns 0 or errno.
int write_beside(const std::string& file, std::string_view text) {
    std::string beside = file + ".XXXXXX";
    const Descriptor descriptor(::mkostemp(beside.data(), O_CLOEXEC));  // mode 0600
    if (!descriptor) return errno;
    int error = write_all(descriptor.get(), text);
    if (error == 0 && ::fsync(descriptor.get()) != 0) error = errno;
    if (error == 0 && ::rename(beside.c_str(), file.c_str()) != 0) error = errno;
    if (error != 0) ::unlink(beside.c_str());
    return error;
}

// Renames the damaged file, so that its content is kept. Returns 0 or errno.
int keep_damaged(const std::string& file) {
    const std::string beside = file + ".damaged";
    if (::unlink(beside.c_str()) != 0 && errno != ENOENT) return errno;
    return ::link(file.c_str(), beside.c_str()) == 0 ? 0 : errno;
}

}  // namespace

StateFile::StateFile(std::string file, Descriptor descriptor)
    : file_(std::move(file)), descriptor_(std::move(descriptor)) {}

std::string StateFile::wrong(int error) const {
    return fmt::format("--state {}: {}", printable(file_),
                       error == EINVAL ? "it is no regular file" : ::strerrordesc_np(error));
}

std::expected<StateFile, std::string> StateFile::open(std::string file) {
    StateFile state(std::move(file), Descriptor());
    // Resolve a symbolic link once: the file is replaced, not the link.
    if (char* real = ::realpath(state.file_.c_str(), nullptr); real != nullptr) {
        state.file_ = real;
        std::free(real);
    }
    auto descriptor = open_regular(state.file_);
    if (!descriptor) return std::unexpected(state.wrong(descriptor.error()));
    state.descriptor_ = std::move(*descriptor);
    return state;
}

bool StateFile::lock(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (;;) {
        if (::flock(descriptor_.get(), LOCK_EX | LOCK_NB) == 0) {
            struct stat held {};
            struct stat named {};
            if (::fstat(descriptor_.get(), &held) == 0 && ::stat(file_.c_str(), &named) == 0 &&
                held.st_ino == named.st_ino && held.st_dev == named.st_dev)
                return true;
            // Another run has replaced it meanwhile.
            if (auto descriptor = open_regular(file_)) descriptor_ = std::move(*descriptor);
        } else if (errno == ENOLCK || errno == EOPNOTSUPP) {
            return false;
        }
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

StateFile::Update StateFile::update(const CountedRun& run, std::chrono::milliseconds timeout) {
    Update update;
    const bool locked = lock(timeout);
    const auto text = read_whole(descriptor_.get());
    if (!text) {
        update.failure = wrong(text.error());
        return update;
    }
    History history;
    auto decoded = decode_history(*text);
    if (decoded) {
        history = std::move(*decoded);
    } else {
        update.notes.push_back(
            fmt::format("--state {}: {}; begun anew, what was there is kept in {}.damaged",
                        printable(file_), decoded.error(), printable(file_)));
    }
    update.growth = fastest_growth(history, run);
    if (!locked) {
        update.notes.push_back(fmt::format(
            "--state {}: another run holds it; this run is not remembered", printable(file_)));
        return update;
    }
    int error = decoded ? 0 : keep_damaged(file_);
    if (error == 0) {
        remember(history, run);
        error = write_beside(file_, encode_history(history));
    }
    if (error != 0) update.failure = wrong(error);
    ::flock(descriptor_.get(), LOCK_UN);
    return update;
}

}  // namespace connleak::cli
