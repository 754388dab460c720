// --peer-snapshot: other hosts' documents, from files, folders and pipes, into the sample.
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
    // What the words name: files, pipes ("-" is stdin), folders. Waits until something comes from
    // each pipe, as long as it is open, so that what is read here afterwards is not older than
    // that. What is wrong with a word: one line.
    static std::expected<PeerSnapshots, std::string> open(const std::vector<std::string>& words);

    // Reads them all, and keeps what has to do with the sample's sockets, rows and servers. Of
    // several snapshots of one namespace the newest counts, of a namespace of the sample none. A
    // file that was named and cannot be used: one line; one of a folder: a gap of the sample.
    std::optional<std::string> read(Sample& sample);

  private:
    struct Source {
        std::string name;   // as it is told to a person
        std::string path;   // "" for a pipe
        Descriptor pipe;    // "-" has none
        bool named = true;  // by the user, not found in a folder
    };
    std::vector<std::string> words_;
    std::vector<Source> sources_;
    std::vector<Gap> gaps_;
};

}  // namespace connleak::collect
