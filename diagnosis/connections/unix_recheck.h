// Rechecks Unix socket connections before anything bad is said about them: connections come and go
// between two readings, and descriptors are reused.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "diagnosis/connections/unix_draft.h"
#include "diagnosis/connections/witness.h"

namespace connleak {

class UnixRecheck {
  public:
    UnixRecheck(const Sample& sample, Witness& witness) : sample_(sample), witness_(witness) {}

    // Afterwards the drafts point into data owned by this object.
    void run(std::vector<UnixDraft>& drafts);

  private:
    [[nodiscard]] const UnixSocket* now(const UnixSocket& then) const;
    void look_at_accepted(UnixDraft& draft);
    void look_at_client(UnixDraft& draft);
    void look_at_row(UnixDraft& draft);
    void look_at_listing(UnixDraft& draft);
    const std::vector<ServerClient>* rows_again(std::size_t server);

    const Sample& sample_;
    Witness& witness_;
    std::optional<std::vector<UnixSocket>> again_;
    UnixByInode by_inode_;  // of again_
    std::map<std::size_t, std::optional<std::vector<ServerClient>>> rows_;
};

}  // namespace connleak
