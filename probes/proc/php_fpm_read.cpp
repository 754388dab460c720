// Reads the files of an FPM configuration. Their names come from a process title, which any process
// can set, so this code must never open a device, block on a FIFO, leave the root or search without
// a limit.
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>

#include "probes/proc/file.h"
#include "probes/proc/php_fpm.h"

namespace connleak::probes {
namespace {

constexpr std::size_t deepest = 8;
constexpr std::size_t most_files = 1000;
constexpr std::size_t most_bytes = std::size_t{1} << 20;         // of one file
constexpr std::size_t most_total_bytes = std::size_t{32} << 20;  // of all
constexpr std::size_t most_entries = 100'000;                    // examined for all patterns
constexpr std::size_t most_unread = 100;

// Symbolic links, even absolute ones, stay below the root: in a container they refer to its own
// files.
Read<Descriptor> open_below(const Descriptor& root, const std::string& path, unsigned flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    for (int attempt = 0;; ++attempt) {
        const long fd = ::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how);
        if (fd >= 0) return Descriptor(static_cast<int>(fd));
        // EAGAIN: a path component was renamed during the lookup.
        if (errno == EAGAIN && attempt < 3) continue;
        break;
    }
    if (errno != ENOSYS) return std::unexpected(errno);
    // Linux before 5.6: stays below the root except for symbolic links.
    const std::string relative = "./" + path;
    const int fd = ::openat(root.get(), relative.c_str(), static_cast<int>(how.flags));
    if (fd < 0) return std::unexpected(errno);
    return Descriptor(fd);
}

bool has_magic(std::string_view text) {
    return text.find_first_of("*?[\\") != std::string_view::npos;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::string joined(const std::string& folder, std::string_view name) {
    std::string path = folder;
    if (!path.ends_with('/')) path += '/';
    return path += name;
}

class ConfigurationReader {
  public:
    ConfigurationReader(Descriptor root, std::string main_file, std::string prefix)
        : root_(std::move(root)), main_file_(std::move(main_file)), prefix_(std::move(prefix)) {}

    FpmConfiguration read() {
        read_file(main_file_, false);
        return std::move(result_);
    }

  private:
    using FileId = std::pair<dev_t, ino_t>;

    void unread(const std::string& path, std::string error) {
        const FpmUnread entry{path, std::move(error)};
        if (result_.unread.size() < most_unread &&
            std::ranges::find(result_.unread, entry) == result_.unread.end()) {
            result_.unread.push_back(entry);
        }
    }

    void read_file(const std::string& path, bool included) {
        const auto found = open_below(root_, path, O_PATH);
        if (!found) return unread(path, errno_name(found.error()));
        struct stat status {};
        if (::fstat(found->get(), &status) != 0) return unread(path, errno_name(errno));
        if (S_ISDIR(status.st_mode) && included) return;  // FPM skips these
        if (!S_ISREG(status.st_mode)) return unread(path, "not a regular file");

        const FileId id{status.st_dev, status.st_ino};
        if (std::ranges::find(open_files_, id) != open_files_.end()) return;  // includes itself
        if (open_files_.size() >= deepest) return unread(path, "included too deep");
        if (files_ >= most_files) return unread(folder_of(path), "too many files");
        ++files_;

        // So far it is only an O_PATH descriptor. Now that it is known to be a regular file, open
        // it for reading through that descriptor, so that it cannot be replaced in between.
        const std::string again = "/proc/self/fd/" + std::to_string(found->get());
        const int fd = ::open(again.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0) return unread(path, errno_name(errno));
        const auto text = read_text(Descriptor(fd), most_bytes + 1);
        if (!text) return unread(path, errno_name(text.error()));
        bytes_ += text->size();
        if (text->size() > most_bytes || bytes_ > most_total_bytes) return unread(path, "EFBIG");

        open_files_.push_back(id);
        for (const FpmStatement& statement : parse_fpm_file(*text)) obey(statement);
        open_files_.pop_back();
    }

    void obey(const FpmStatement& statement) {
        switch (statement.kind) {
            case FpmStatement::Kind::section:
                section_ = statement.text;
                break;
            case FpmStatement::Kind::include:
                for (const std::string& path : included_files(statement.text)) {
                    read_file(path, true);
                }
                break;
            case FpmStatement::Kind::max_children:
                if (section_.empty() || ::strcasecmp(section_.c_str(), "global") == 0) break;
                if (statement.number) {
                    result_.max_children[section_] = *statement.number;
                } else {
                    result_.max_children.erase(section_);
                }
                break;
        }
    }

    std::vector<std::string> included_files(const std::string& pattern) {
        if (pattern.empty()) return {};
        if (pattern.starts_with('/')) return matches(pattern);
        std::vector<std::string> folders;
        if (!prefix_.empty()) folders.push_back(prefix_);
        for (std::string folder = folder_of(main_file_);; folder = folder_of(folder)) {
            folders.push_back(folder);
            if (folder == "/") break;
        }
        for (const std::string& folder : folders) {
            auto files = matches(joined(folder, pattern));
            if (!files.empty()) return files;
        }
        return {};
    }

    // glob(3) below the root, with a limit on the number of entries examined.
    std::vector<std::string> matches(std::string_view pattern) {
        if (pattern.size() >= PATH_MAX || ++entries_ > most_entries) return {};
        std::vector<std::string> paths{"/"};
        while (!pattern.empty()) {
            const std::size_t slash = pattern.find('/');
            const std::string component(pattern.substr(0, slash));
            pattern.remove_prefix(slash == std::string_view::npos ? pattern.size() : slash + 1);
            if (component.empty()) continue;
            std::vector<std::string> longer;
            for (const std::string& path : paths) {
                if (has_magic(component)) {
                    match_in(path, component, longer);
                } else {
                    longer.push_back(joined(path, component));
                }
            }
            paths = std::move(longer);
        }
        // FPM only warns about a pattern without matches.
        std::erase_if(paths, [&](const std::string& path) {
            const auto file = open_below(root_, path, O_PATH);
            if (file) return false;
            if (file.error() != ENOENT && file.error() != ENOTDIR) {
                unread(path, errno_name(file.error()));
            }
            return true;
        });
        return paths;
    }

    void match_in(const std::string& folder, const std::string& pattern,
                  std::vector<std::string>& paths) {
        const auto listing = open_below(root_, folder, O_RDONLY | O_DIRECTORY);
        if (!listing) {
            if (listing.error() != ENOENT && listing.error() != ENOTDIR) {
                unread(folder, errno_name(listing.error()));
            }
            return;
        }
        std::vector<std::string> names;
        const int error = list_folder(*listing, [&](const char* name) {
            if (++entries_ > most_entries || paths.size() + names.size() >= most_files) {
                unread(folder, "too many files");
                return false;
            }
            if (::fnmatch(pattern.c_str(), name, FNM_PERIOD) == 0) names.emplace_back(name);
            return true;
        });
        if (error != 0) unread(folder, errno_name(error));
        std::ranges::sort(names);
        for (const std::string& name : names) paths.push_back(joined(folder, name));
    }

    Descriptor root_;
    std::string main_file_;
    std::string prefix_;
    FpmConfiguration result_;
    std::string section_;
    std::vector<FileId> open_files_;
    std::size_t files_ = 0;
    std::size_t bytes_ = 0;
    std::size_t entries_ = 0;
};

}  // namespace

FpmConfiguration read_fpm_configuration(const std::string& path, const std::string& file_root,
                                        const std::string& prefix) {
    auto root = open_folder(file_root.empty() ? "/" : file_root);
    if (!root) return {{}, {{path, errno_name(root.error())}}};
    return ConfigurationReader(std::move(*root), path, prefix).read();
}

}  // namespace connleak::probes
