#include "collect/snapshot/peer_snapshots.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <utility>

#include "collect/snapshot/parse.h"
#include "collect/snapshot/peer_hosts.h"
#include "diagnosis/model/printable.h"
#include "system/errno_name.h"

namespace connleak::collect {

namespace {

// The document of a host with two hundred thousand sockets has 180 MB.
constexpr std::size_t largest_document = std::size_t{512} * 1024 * 1024;

std::string line(const std::string& name, std::string_view what) {
    return fmt::format("--peer-snapshot {}: {}", printable(name), what);
}

bool is_pipe(mode_t mode) {
    return S_ISFIFO(mode) || S_ISSOCK(mode);
}

// Blocks until input or the end of file is available.
void wait_for(int descriptor) {
    pollfd wanted{.fd = descriptor, .events = POLLIN, .revents = 0};
    while (::poll(&wanted, 1, -1) < 0 && errno == EINTR) {
    }
}

// Reads a file of bounded length to its end.
class Document {
  public:
    explicit Document(int descriptor) : descriptor_(descriptor) {}

    std::size_t read(std::span<char> buffer) {
        while (error_ == 0) {
            const ssize_t size = ::read(descriptor_, buffer.data(), buffer.size());
            if (size < 0 && errno == EINTR) continue;
            if (size < 0 && errno == EAGAIN) {
                wait_for(descriptor_);
                continue;
            }
            if (size < 0) error_ = errno;
            if (size <= 0) return 0;
            length_ += static_cast<std::size_t>(size);
            if (length_ > largest_document) error_ = EFBIG;
            return error_ == 0 ? static_cast<std::size_t>(size) : 0;
        }
        return 0;
    }
    [[nodiscard]] int error() const { return error_; }

  private:
    int descriptor_;
    std::size_t length_ = 0;
    int error_ = 0;
};

std::expected<ParsedSnapshot, std::string> read_document(int descriptor, const WantSocket& want) {
    Document document(descriptor);
    auto parsed =
        parse_snapshot([&](std::span<char> buffer) { return document.read(buffer); }, want);
    if (document.error() == EFBIG) return std::unexpected("is larger than 512 MiB");
    if (document.error() != 0) return std::unexpected(::strerrordesc_np(document.error()));
    return parsed;
}

std::expected<ParsedSnapshot, std::string> read_file(const std::string& path,
                                                     const WantSocket& want) {
    // O_NONBLOCK: if it has become a FIFO, do not wait for a writer.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0)
        return std::unexpected(::strerrordesc_np(errno));
    if (!S_ISREG(status.st_mode)) return std::unexpected("is no regular file");
    if (static_cast<std::uint64_t>(status.st_size) > largest_document)
        return std::unexpected("is larger than 512 MiB");
    return read_document(file.get(), want);
}

}  // namespace

std::expected<PeerSnapshots, std::string> PeerSnapshots::open(
    const std::vector<std::string>& words) {
    PeerSnapshots result;
    result.words_ = words;
    const auto add_folder = [&](const std::string& word) -> std::optional<std::string> {
        std::error_code error;
        std::vector<std::string> files;
        for (std::filesystem::directory_iterator each(word, error), end; !error && each != end;
             each.increment(error)) {
            std::string name = each->path().filename().string();
            // Names that begin with a dot are hidden or still being written.
            if (name.starts_with('.') || each->is_directory(error)) continue;
            files.push_back(std::move(name));
        }
        if (error) return line(word, ::strerrordesc_np(error.value()));
        std::ranges::sort(files);
        const std::string folder = word.ends_with('/') ? word : word + '/';
        for (const std::string& name : files)
            result.sources_.push_back({folder + name, folder + name, Descriptor(), false});
        if (files.empty())
            result.gaps_.push_back({"snapshot", word, "empty", "no host is in sight by it"});
        return std::nullopt;
    };
    for (const std::string& word : words) {
        struct stat status {};
        const bool standard_input = word == "-";
        const int failed =
            standard_input ? ::fstat(STDIN_FILENO, &status) : ::stat(word.c_str(), &status);
        if (failed != 0) return std::unexpected(line(word, ::strerrordesc_np(errno)));
        if (standard_input) {
            if (S_ISCHR(status.st_mode) && ::isatty(STDIN_FILENO) == 1)
                return std::unexpected(line(word, "stdin is a terminal; pipe a snapshot into it"));
            result.sources_.push_back({"-", "", Descriptor(), true});
        } else if (S_ISDIR(status.st_mode)) {
            if (auto wrong = add_folder(word)) return std::unexpected(std::move(*wrong));
        } else if (S_ISREG(status.st_mode)) {
            if (::access(word.c_str(), R_OK) != 0)
                return std::unexpected(line(word, ::strerrordesc_np(errno)));
            result.sources_.push_back({word, word, Descriptor(), true});
        } else if (is_pipe(status.st_mode)) {
            Descriptor pipe(::open(word.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
            if (!pipe) return std::unexpected(line(word, ::strerrordesc_np(errno)));
            result.sources_.push_back({word, "", std::move(pipe), true});
        } else {
            return std::unexpected(line(word, "is neither a file, a pipe nor a folder"));
        }
    }
    // A named pipe without a writer is at its end, but poll(2) would wait.
    for (const Source& each : result.sources_)
        if (each.path.empty() && !each.pipe) wait_for(STDIN_FILENO);
    return result;
}

std::optional<std::string> PeerSnapshots::read(Sample& sample) {
    if (words_.empty()) return std::nullopt;
    sample.snapshot_files = words_;
    std::ranges::move(gaps_, std::back_inserter(sample.gaps));
    PeerHostsBuilder hosts(sample);
    const WantSocket want = [&](const Tuple& tuple) { return hosts.wants(tuple); };
    for (const Source& each : sources_) {
        auto parsed = each.path.empty()
                          ? read_document(each.pipe ? each.pipe.get() : STDIN_FILENO, want)
                          : read_file(each.path, want);
        if (parsed) {
            hosts.add(std::move(*parsed), each.name);
            continue;
        }
        if (each.named) return line(each.name, parsed.error());
        sample.gaps.push_back(
            {"snapshot", each.name, parsed.error(), "the host that it is of stays out of sight"});
    }
    hosts.finish();
    return std::nullopt;
}

}  // namespace connleak::collect
