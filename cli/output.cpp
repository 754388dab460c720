#include "cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "diagnosis/model/printable.h"
#include "system/write_all.h"

namespace connleak::cli {

namespace {

// Replaces the real file by the temporary file.
int replace(const Descriptor& descriptor, const std::string& beside, const std::string& file) {
    // mkostemp() creates it with mode 0600; a report gets the permissions of any file that the
    // user's shell would create.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(descriptor.get(), 0666 & ~mask) != 0) return errno;
    if (::fsync(descriptor.get()) != 0 && errno != EINVAL) return errno;
    return ::rename(beside.c_str(), file.c_str()) == 0 ? 0 : errno;
}

}  // namespace

Output::Output(std::string file, std::string beside, Descriptor descriptor)
    : file_(std::move(file)), beside_(std::move(beside)), descriptor_(std::move(descriptor)) {}

Output::~Output() {
    if (descriptor_ && !beside_.empty()) ::unlink(beside_.c_str());
}

std::string Output::wrong(int error) const {
    if (file_.empty()) return fmt::format("cannot write to stdout: {}", ::strerrordesc_np(error));
    return fmt::format("--output {}: {}", printable(file_), ::strerrordesc_np(error));
}

std::expected<Output, std::string> Output::open(const std::string& file) {
    Output output(file, "", Descriptor());
    if (file.empty()) return output;
    // A device or a pipe (/dev/stdout) cannot be replaced, so it is written directly.
    struct stat present {};
    if (::stat(file.c_str(), &present) == 0 && !S_ISREG(present.st_mode)) {
        if (S_ISDIR(present.st_mode)) return std::unexpected(output.wrong(EISDIR));
        output.descriptor_ = Descriptor(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    } else {
        std::string beside = file + ".XXXXXX";
        output.descriptor_ = Descriptor(::mkostemp(beside.data(), O_CLOEXEC));
        if (output.descriptor_) output.beside_ = std::move(beside);
    }
    if (!output.descriptor_) return std::unexpected(output.wrong(errno));
    return output;
}

bool Output::write(std::string_view text) {
    if (error_ == 0) error_ = write_all(file_.empty() ? STDOUT_FILENO : descriptor_.get(), text);
    return error_ == 0;
}

std::expected<void, std::string> Output::finish() {
    if (error_ == EPIPE && beside_.empty()) return {};
    if (error_ == 0 && !beside_.empty()) {
        error_ = replace(descriptor_, beside_, file_);
        if (error_ == 0) beside_.clear();
    }
    if (error_ != 0) return std::unexpected(wrong(error_));
    return {};
}

std::expected<void, std::string> write_output(const std::string& file, std::string_view text) {
    auto output = Output::open(file);
    if (!output) return std::unexpected(output.error());
    output->write(text);
    return output->finish();
}

bool wants_color(When color, const std::string& file) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment
    const char* no_color = std::getenv("NO_COLOR");
    const bool refused = no_color != nullptr && *no_color != '\0';
    const bool to_terminal = file.empty() && ::isatty(STDOUT_FILENO) == 1;
    return color == When::always || (color == When::automatic && to_terminal && !refused);
}

}  // namespace connleak::cli
