// PHP-FPM's pools: the process titles that name them and pm.max_children from the configuration, with its
// includes. The status page does not tell that limit.
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
// "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)" -> the path; std::nullopt for any other title.
std::optional<std::string> fpm_configuration_of_title(std::string_view title);

// One file of FPM's ini dialect, decoded.
struct FpmFile {
    std::map<std::string, std::uint32_t> max_children;  // by pool
    std::vector<std::string> includes;                  // patterns, as written
};
FpmFile parse_fpm_file(std::string_view text);

// pm.max_children by pool, of the configuration file `path` and everything that it includes (glob(7)
// patterns, followed at most 8 deep and 1,000 files). All paths are taken below `file_root`.
// std::nullopt when the file itself cannot be read.
std::optional<std::map<std::string, std::uint32_t>> read_fpm_configuration(const std::string& path,
                                                                           const std::string& file_root);

}  // namespace connleak::probes
