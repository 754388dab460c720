// Thresholds and the state file of check. The first line is a range, the rest a state. What is
// taken can be told and is taken again with the same meaning.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cli/check/history.h"
#include "diagnosis/health/thresholds.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace connleak;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (const auto range = parse_range(text.substr(0, end))) {
        const auto again = parse_range(range->text());
        if (!again || !(*again == *range)) std::abort();
        if (range->alerts(range->low.value_or(range->high.value_or(0))) != range->inside)
            std::abort();
    }
    const auto history = cli::decode_history(text.substr(std::min(end + 1, text.size())));
    if (!history) {
        if (history.error().empty()) std::abort();
        return 0;
    }
    if (history->size() > recent_runs + hourly_runs) std::abort();
    const auto again = cli::decode_history(cli::encode_history(*history));
    if (!again || *again != *history) std::abort();
    History growing = *history;
    const CountedRun now = history->empty() ? CountedRun{} : history->front();
    if (const auto growth = fastest_growth(growing, now); growth && growth->lasted_s < 0)
        std::abort();
    remember(growing, now);
    if (growing.size() > recent_runs + hourly_runs) std::abort();
    return 0;
}
