// A CSV file and its mapping as the batches of JSON Lines that `ingest` sends.
#pragma once

#include <iosfwd>
#include <memory>

#include "node/cli/local_commands.h"

namespace entente::node {

// `standard_input` is read when the path is "-", and then outlives the source. A value that is not
// finite is a reject: JSON has no word for it.
// Refuses: input_unreadable (a file cannot be opened); config_invalid (the mapping).
[[nodiscard]] Result<std::unique_ptr<ReadingSource>> open_table(const ReadingFiles& files,
                                                                std::istream& standard_input);

}  // namespace entente::node
