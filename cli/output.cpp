#include "cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/render/text.h"

namespace connleak::cli {

namespace {

int write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(descriptor, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

int write_file(const std::string& file, std::string_view text) {
    // A device or a pipe (/dev/stdout) is written to as it is: it cannot be replaced.
    struct stat present {};
    if (::stat(file.c_str(), &present) == 0 && !S_ISREG(present.st_mode)) {
        if (S_ISDIR(present.st_mode)) return EISDIR;
        const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
        if (descriptor < 0) return errno;
        const int error = write_all(descriptor, text);
        ::close(descriptor);
        return error == EPIPE ? 0 : error;
    }
    std::string beside = file + ".XXXXXX";
    const int descriptor = ::mkostemp(beside.data(), O_CLOEXEC);
    if (descriptor < 0) return errno;
    int error = write_all(descriptor, text);
    // mkostemp() makes it 0600; a report is as readable as any file that the user's shell would
    // have made.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (error == 0 && ::fchmod(descriptor, 0666 & ~mask) != 0) error = errno;
    if (error == 0 && ::fsync(descriptor) != 0 && errno != EINVAL) error = errno;
    if (::close(descriptor) != 0 && error == 0) error = errno;
    if (error == 0 && ::rename(beside.c_str(), file.c_str()) != 0) error = errno;
    if (error != 0) ::unlink(beside.c_str());
    return error;
}

}  // namespace

std::expected<void, std::string> write_output(const std::string& file, std::string_view text) {
    if (file.empty()) {
        const int error = write_all(STDOUT_FILENO, text);
        if (error == 0 || error == EPIPE) return {};
        return std::unexpected(fmt::format("cannot write to stdout: {}", ::strerrordesc_np(error)));
    }
    const int error = write_file(file, text);
    if (error == 0) return {};
    return std::unexpected(
        fmt::format("--output {}: {}", render::printable(file), ::strerrordesc_np(error)));
}

}  // namespace connleak::cli
