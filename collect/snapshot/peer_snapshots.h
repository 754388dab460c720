// --peer-snapshot: reads other hosts' snapshots from files, folders and pipes into the sample.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "diagnosis/model/records.h"
#include "system/descriptor.h"

namespace connleak::collect {

class PeerSnapshots {
  public:
    // `words`: files, pipes ("-" is stdin), folders. Waits for the first bytes from each pipe, as
    // long as it is open, so that what is read on this host afterwards is not older than the
    // snapshot. The error is one line.
    static std::expected<PeerSnapshots, std::string> open(const std::vector<std::string>& words);

    // Reads all of them and keeps what concerns the sample's sockets, rows and servers. Of several
    // snapshots of one namespace the newest counts; snapshots of the sample's own namespaces are
    // ignored. Returns one line if a named file cannot be used; an unusable file of a folder is a
    // gap of the sample.
    std::optional<std::string> read(Sample& sample);

  private:
    struct Source {
        std::string name;   // for messages
        std::string path;   // "" for a pipe
        Descriptor pipe;    // empty for "-"
        bool named = true;  // by the user, as opposed to found in a folder
    };
    std::vector<std::string> words_;
    std::vector<Source> sources_;
    std::vector<Gap> gaps_;
};

}  // namespace connleak::collect
