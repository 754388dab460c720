// The file in which `check` stores earlier runs. It is locked while it is read and written, and
// replaced by renaming a temporary file; a damaged file is kept as FILE.damaged.
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
    // Creates an empty file (mode 0600) if there is none. The error is one line: the file cannot be
    // opened, or is not a regular file.
    static std::expected<StateFile, std::string> open(std::string file);

    struct Update {
        std::optional<Growth> growth;  // absent in the first run
        std::vector<std::string> notes;
        std::string failure;  // why nothing was stored, one line; "" on success
    };
    // Compares with the earlier runs and adds this one. Waits at most `timeout` for another run to
    // release the file; after that it only reads.
    Update update(const CountedRun& run, std::chrono::milliseconds timeout);

  private:
    StateFile(std::string file, Descriptor descriptor);
    // Whether we hold the lock of the file that currently has this name.
    bool lock(std::chrono::milliseconds timeout);
    [[nodiscard]] std::string wrong(int error) const;

    std::string file_;
    Descriptor descriptor_;
};

}  // namespace connleak::cli
