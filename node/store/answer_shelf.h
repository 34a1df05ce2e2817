// What partners have answered, in the tables `answers_had` and `blocks_left` of entente.db: one row
// for each question, site and revision, and the latest amount left of each block.
#pragma once

#include "federation/ask/answer_book.h"
#include "node/store/shared_reader.h"
#include "node/store/store.h"

namespace entente::node {

class AnswerShelf final : public federation::AnswerBook {
 public:
  // Throws StoreFault when the file cannot be read.
  explicit AnswerShelf(Store& store) : store_(store), reader_(store) {}
  static const char* migration();
  static const char* delta_migration();  // later than all others

  void keep(federation::HeldAnswer answer) override;
  bool holds(const OrgId& organisation, const std::string& site, const Hash256& question,
             std::uint32_t revision, Way way) const override;
  std::vector<Question> alike(const OrgId& organisation, const std::string& site,
                              const Hash256& cells, TimeWindow window) const override;
  std::optional<federation::KnownLeft> left(const OrgId& organisation, const std::string& domain,
                                            Instant block) const override;

 private:
  Store& store_;
  SharedReader reader_;
};

}  // namespace entente::node
