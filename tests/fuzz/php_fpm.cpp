// FPM's configuration files and the process titles, which any process can write.
#include "probes/proc/php_fpm.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace connleak::probes;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const FpmStatement& statement : parse_fpm_file(text)) {
        if (statement.text.find('\n') != std::string::npos) __builtin_trap();
        if (statement.number && statement.kind != FpmStatement::Kind::max_children)
            __builtin_trap();
        if (statement.number && statement.text.empty()) __builtin_trap();
    }
    const auto pool = fpm_pool_of_title(text);
    const auto configuration = fpm_configuration_of_title(text);
    if (pool && configuration) __builtin_trap();
    if (pool && "php-fpm: pool " + *pool != text) __builtin_trap();
    if (configuration && "php-fpm: master process (" + *configuration + ")" != text)
        __builtin_trap();
    return 0;
}
