// The file in which `check` remembers earlier runs. It is locked while it is read and written,
// written beside and renamed, and what is damaged is kept beside as FILE.damaged.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/health/growth.h"
#include "system/descriptor.h"

namespace connleak::cli {

class StateFile {
  public:
    // Makes an empty one (mode 0600) where there is none. One line on failure: it cannot be opened,
    // or is no regular file.
    static std::expected<StateFile, std::string> open(std::string file);

    struct Update {
        std::optional<Growth> growth;  // absent in a first run
        std::vector<std::string> notes;
        std::string failure;  // why nothing was remembered, one line; "" when it was
    };
    // Compares with the earlier runs and adds this one. Waits at most `timeout` for another run to
    // let go of the file, and then only reads.
    Update update(const CountedRun& run, std::chrono::milliseconds timeout);

  private:
    StateFile(std::string file, Descriptor descriptor);
    // Whether we hold the lock of the file that has the name now.
    bool lock(std::chrono::milliseconds timeout);
    [[nodiscard]] std::string wrong(int error) const;

    std::string file_;
    Descriptor descriptor_;
};

}  // namespace connleak::cli
