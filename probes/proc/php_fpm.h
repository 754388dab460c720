// PHP-FPM's pools: the process titles that name them and pm.max_children from the configuration,
// with its includes. The status page does not tell that limit.
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

// What matters here of FPM's ini dialect, in the order of the file: FPM goes on in the section that
// an included file left, and an included file begins in the section that includes it.
struct FpmStatement {
    enum class Kind : std::uint8_t { section, include, max_children };
    Kind kind = Kind::section;
    std::string text;  // the section's name, the include's pattern, the value as written
    std::optional<std::uint32_t>
        number;  // of max_children; absent: not a plain number ("${CHILDREN}")
    friend bool operator==(const FpmStatement&, const FpmStatement&) = default;
};
std::vector<FpmStatement> parse_fpm_file(std::string_view text);

// A file or a folder of the configuration that could not be read, and why (an errno's name).
struct FpmUnread {
    std::string path;
    std::string error;
    friend bool operator==(const FpmUnread&, const FpmUnread&) = default;
};

struct FpmConfiguration {
    std::map<std::string, std::uint32_t> max_children;  // by pool
    std::vector<FpmUnread> unread;
};

// The configuration file `path` and everything that it includes: glob(7) patterns, followed at most
// 8 deep, 1,000 files, 1 MiB each; only regular files are opened. All paths, those behind symbolic
// links too, are taken below `file_root` ("" is the same as "/"). A relative include belongs to
// PHP's prefix: `prefix` when it is known and has such a file, else the nearest folder above `path`
// that has one.
FpmConfiguration read_fpm_configuration(const std::string& path, const std::string& file_root,
                                        const std::string& prefix = "");

}  // namespace connleak::probes
