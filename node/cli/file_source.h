// Files of readings as the batches of JSON Lines that `ingest` sends.
#pragma once

#include <iosfwd>
#include <memory>

#include "node/cli/followed_file.h"
#include "node/cli/local_commands.h"

namespace entente::node {

// Tables by their mapping and line protocol become JSON Lines; JSON Lines go as they are and are
// checked by the node. A value that is not finite is a reject: JSON has no word for it.
// `standard_input` is read when the path is "-", and then outlives the source.
// Refuses: input_unreadable (a file cannot be opened); config_invalid (the mapping);
// invalid_argument (no format can be told, or one that the mapping is not for).
[[nodiscard]] Result<std::unique_ptr<ReadingSource>> open_source(const ReadingFiles& files,
                                                                 std::istream& standard_input,
                                                                 FollowedFile::Hooks hooks);

}  // namespace entente::node
