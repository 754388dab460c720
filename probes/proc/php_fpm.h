// PHP-FPM's pools: their names from process titles, and pm.max_children from the configuration and
// its includes. The status page does not show that limit.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace connleak::probes {

// "php-fpm: pool www" -> "www"; std::nullopt for any other title.
std::optional<std::string> fpm_pool_of_title(std::string_view title);
// "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)" -> the path; std::nullopt for any other
// title.
std::optional<std::string> fpm_configuration_of_title(std::string_view title);

// The relevant statements of FPM's ini dialect, in file order. An included file starts in the
// section that includes it, and its last section continues after the include.
struct FpmStatement {
    enum class Kind : std::uint8_t { section, include, max_children };
    Kind kind = Kind::section;
    std::string text;  // section name, include pattern, or value as written
    std::optional<std::uint32_t>
        number;  // of max_children; absent if not a plain number ("${CHILDREN}")
    friend bool operator==(const FpmStatement&, const FpmStatement&) = default;
};
std::vector<FpmStatement> parse_fpm_file(std::string_view text);

// A configuration file or folder that could not be read, and why (the errno's name).
struct FpmUnread {
    std::string path;
    std::string error;
    friend bool operator==(const FpmUnread&, const FpmUnread&) = default;
};

struct FpmConfiguration {
    std::map<std::string, std::uint32_t> max_children;  // by pool
    std::vector<FpmUnread> unread;
};

// Reads the configuration file `path` and everything that it includes: glob(7) patterns, at most 8
// levels deep, 1,000 files, 1 MiB each; only regular files are opened. All paths, also behind
// symbolic links, are taken below `file_root` ("" means "/"). A relative include is relative to
// PHP's prefix: `prefix` if it is known and has such a file, else the nearest folder above `path`
// that has one.
FpmConfiguration read_fpm_configuration(const std::string& path, const std::string& file_root,
                                        const std::string& prefix = "");

}  // namespace connleak::probes
